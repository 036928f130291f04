/**
 * Derives the vectors of docs/spec/5-keys.md §11 from fixed inputs. To write the file anew (never
 * once its version is released; a change of bytes is a new version):
 *
 *     node --conditions=hawser-source packages/keys/test/support/vectors.ts
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { encodeCbor, fromHex, toHex, utf8 } from "@hawser/codec";
import { type AuthorId, type Crypto, createNobleCrypto, type Random } from "@hawser/crypto";
import { withHybrid } from "@hawser/crypto/hybrid";
import {
  type Carrier,
  createBundle,
  createKeyRing,
  createRatchet,
  encodeBundle,
  encodeKeyOp,
  type EpochId,
  type KeyOp,
  parseKeyOp,
  type VerifiedBundle,
} from "@hawser/keys";

export const vectorsFile: URL = new URL(
  "../../../../docs/spec/vectors/keys/v1/keys.json",
  import.meta.url,
);

const topic = "70".repeat(32);
const authHeads = ["cc".repeat(32)];

/** The nth draw is the byte `first + n`, as often as asked for. */
export function createCountingRandom(first: number): Random {
  let draw = first;
  return (byteCount) => new Uint8Array(byteCount).fill(draw++);
}

interface VectorMember {
  readonly name: string;
  readonly signingSecret: Uint8Array;
  readonly prekeySecret: Uint8Array;
  readonly id: AuthorId;
  readonly bundle: VerifiedBundle;
}

function createMember(crypto: Crypto, name: string, fill: number): VectorMember {
  const signingSecret = new Uint8Array(32).fill(fill);
  const prekeySecret = new Uint8Array(32).fill(fill + 16);
  const id = toHex(crypto.publicKey(signingSecret)) as AuthorId;
  const identity = {
    id,
    sign: (label: string, bytes: Uint8Array) => crypto.signTagged(label, bytes, signingSecret),
  };
  const lifetime = { notBefore: 1_800_000_000, notAfter: 1_805_184_000 };
  const { bundle } = createBundle(crypto, { identity, lifetime }, () => prekeySecret);
  return { name, signingSecret, prekeySecret, id, bundle };
}

/** Everything in the file. */
export function deriveVectors(crypto: Crypto): Record<string, unknown> {
  const alice = createMember(crypto, "alice", 1);
  const bob = createMember(crypto, "bob", 2);
  const carol = createMember(crypto, "carol", 3);
  const relay = createMember(crypto, "relay", 4);
  const members = [alice, bob, carol, relay];
  const ring = createKeyRing({ crypto }, { topic, self: alice.id });
  const attachment = new Uint8Array(32).fill(0x22);
  const input = { readers: [bob.bundle], followers: [relay.bundle], authHeads } as const;
  const created = ring.rekey(
    ring.empty,
    { ...input, reason: "create", attachment },
    createCountingRandom(0xa0),
  );
  const carrier: Carrier = {
    author: alice.id,
    opRef: "d0".repeat(32),
    readersAt: [alice.id, bob.id],
    followersAt: [relay.id],
  };
  const { state } = ring.receive(created.state, [{ bytes: created.opBytes, carrier }], []);
  const rotated = ring.rekey(state, { ...input, reason: "rotation" }, createCountingRandom(0xb0));
  const both = [created.epochId, rotated.epochId].sort();
  const give = { recipient: carol.bundle, epochIds: both, authHeads };
  const requestRef = "e0".repeat(32);
  const [welcome] = ring.welcome(
    rotated.state,
    { ...give, level: "read", attachment },
    createCountingRandom(0xc0),
  );
  const [forward] = ring.forward(
    rotated.state,
    { ...give, level: "follow", answers: requestRef },
    createCountingRandom(0xd0),
  );
  const [request] = ring.requestKeys({ epochIds: both, level: "read", authHeads });
  return {
    meta: {
      title: "Group keys",
      spec: "docs/spec/5-keys.md",
      generator: "packages/keys/test/support/vectors.ts",
      conventions: "Byte strings are lower-case hex. The nth random draw is one byte repeated.",
    },
    members: members.map(describeMember),
    bundles: {
      vectors: members.map(({ name, id, bundle }) => ({
        name,
        spec: "§2.1",
        author: id,
        prekey: toHex(bundle.prekey),
        not_before: bundle.notBefore,
        not_after: bundle.notAfter,
        suite: bundle.suite,
        signature: toHex(bundle.signature),
        bytes: toHex(encodeBundle(bundle)),
      })),
      invalid: invalidBundles(alice, bob),
    },
    epochs: {
      topic,
      vectors: [
        describeEpoch(crypto, "first epoch", alice.id, created.opBytes, 0xa0, created.epochId),
        describeEpoch(crypto, "its child", alice.id, rotated.opBytes, 0xb0, rotated.epochId),
      ],
    },
    ops: {
      vectors: [
        { name: "create", spec: "§5.1", author: alice.id, ...describeOp(created.opBytes) },
        { name: "rotation", spec: "§5.1", author: alice.id, ...describeOp(rotated.opBytes) },
        { name: "welcome", spec: "§5.2", author: alice.id, ...describeOp(welcome!) },
        { name: "forward", spec: "§5.2", author: alice.id, ...describeOp(forward!) },
        { name: "request", spec: "§5.3", author: carol.id, ...describeOp(request!) },
      ],
      invalid: invalidOps(created.opBytes, welcome!),
    },
    hybrid: deriveHybrid(withHybrid(crypto), alice, bob),
    ratchet: deriveRatchet(crypto, alice, bob),
  };
}

/** Two messages of the first member to the second, an answer, and one that follows it. */
function deriveRatchet(
  crypto: Crypto,
  alice: VectorMember,
  bob: VectorMember,
): Record<string, unknown> {
  const hers = createRatchet({ crypto }, { topic, self: alice.id, peer: bob.id });
  const his = createRatchet({ crypto }, { topic, self: bob.id, peer: alice.id });
  const random = createCountingRandom(0x30);
  const { bundle, prekeySecret } = bob;
  const secret = { reveal: () => prekeySecret, toString: () => "", toJSON: () => "" };
  const { notBefore, notAfter, prekey, suite } = bundle;
  const prekeys = [{ notBefore, notAfter, prekey, suite, secret }];
  const associatedData = utf8("entry");
  let alices = hers.empty;
  let bobs = his.empty;
  const messages = ["alice", "alice", "bob", "alice"].map((sender, index) => {
    const plaintext = utf8(`message ${index}`);
    const input = { plaintext, associatedData, bundle };
    const isHers = sender === "alice";
    const sent = isHers ? hers.send(alices, input, random) : his.send(bobs, input, random);
    const { bytes } = sent;
    const received = isHers
      ? his.receive(bobs, { bytes, associatedData, prekeys })
      : hers.receive(alices, { bytes, associatedData });
    if (!received.verdict.ok) throw new Error(received.verdict.reason);
    [alices, bobs] = isHers ? [sent.state, received.state] : [received.state, sent.state];
    return { sender, plaintext: toHex(plaintext), bytes: toHex(bytes) };
  });
  return {
    spec: "§12",
    associated_data: toHex(associatedData),
    first_draw: 0x30,
    messages,
    recipient_state: toHex(his.encode(bobs)),
  };
}

/** Suite 2: a bundle of the second member, a rekey and a welcome to it. */
function deriveHybrid(
  crypto: Crypto,
  alice: VectorMember,
  bob: VectorMember,
): Record<string, unknown> {
  const { notBefore, notAfter } = bob.bundle;
  const identity = {
    id: bob.id,
    sign: (label: string, bytes: Uint8Array) => crypto.signTagged(label, bytes, bob.signingSecret),
  };
  const lifetime = { notBefore, notAfter };
  const input = { identity, lifetime, suite: 2 } as const;
  const { bundle } = createBundle(crypto, input, () => bob.prekeySecret);
  const ring = createKeyRing({ crypto }, { topic, self: alice.id });
  const made = ring.rekey(
    ring.empty,
    { readers: [bundle], followers: [], authHeads, reason: "create", suiteMin: 2 },
    createCountingRandom(0xa0),
  );
  const carrier: Carrier = {
    author: alice.id,
    opRef: "d1".repeat(32),
    readersAt: [alice.id, bob.id],
    followersAt: [],
  };
  const { state } = ring.receive(made.state, [{ bytes: made.opBytes, carrier }], []);
  const give = { recipient: bundle, level: "read", epochIds: [made.epochId], authHeads } as const;
  const [welcome] = ring.welcome(state, give, createCountingRandom(0xc0));
  const parsed = parseKeyOp(welcome!);
  if (!parsed.ok || parsed.op.kind !== "welcome") throw new Error("a welcome was expected");
  const { op } = parsed;
  const short = { ...op.message, sealed: op.message.sealed.subarray(0, 1135) };
  // A give of suite 1 has no suite field; with one it would have two encodings.
  const spelledOut = welcome!.slice();
  spelledOut[spelledOut.length - 1] = 1;
  const unknown = welcome!.slice();
  unknown[unknown.length - 1] = 3;
  const rows: readonly (readonly [string, string, Uint8Array])[] = [
    ["suite 1 spelled out in a welcome", "MALFORMED", spelledOut],
    ["a welcome of an unknown suite", "UNKNOWN_SUITE", unknown],
    ["too short for suite 2", "MALFORMED", encodeKeyOp({ ...op, message: short })],
  ];
  return {
    spec: "§4.1",
    bundle: toHex(encodeBundle(bundle)),
    epoch_id: made.epochId,
    read_key: toHex(ring.readKey(state, made.epochId)!),
    rekey: toHex(made.opBytes),
    welcome: toHex(welcome!),
    invalid: rows.map(([name, reason, bytes]) => ({ name, bytes: toHex(bytes), reason })),
  };
}

function describeMember(member: VectorMember): Record<string, unknown> {
  return {
    name: member.name,
    id: member.id,
    signing_secret: toHex(member.signingSecret),
    prekey_secret: toHex(member.prekeySecret),
  };
}

function describeEpoch(
  crypto: Crypto,
  name: string,
  author: AuthorId,
  opBytes: Uint8Array,
  fill: number,
  id: EpochId,
): Record<string, unknown> {
  const parsed = parseKeyOp(opBytes);
  if (!parsed.ok || parsed.op.kind !== "rekey") throw new Error("a rekey was expected");
  const { op } = parsed;
  const secret = new Uint8Array(32).fill(fill);
  const followKey = crypto.deriveKey("hawser follow key v1", secret);
  return {
    name,
    spec: "§3",
    secret: toHex(secret),
    commitment: toHex(op.commitment),
    read_key: toHex(crypto.deriveKey("hawser read key v1", secret)),
    follow_key: toHex(followKey),
    follow_id: toHex(op.followId),
    author,
    parents: op.parents,
    auth_heads: op.authHeads,
    reason: op.reason,
    recipients: [author, ...op.toReaders.map((message) => message.recipient)].sort(),
    id,
  };
}

function describeOp(bytes: Uint8Array): Record<string, unknown> {
  const parsed = parseKeyOp(bytes);
  if (!parsed.ok) throw new Error(parsed.reason);
  return { bytes: toHex(bytes), op: readable(parsed.op) };
}

/** An op with its byte strings in hex. */
export function readable(op: KeyOp): unknown {
  return JSON.parse(
    JSON.stringify(op, (_, value: unknown) => (value instanceof Uint8Array ? toHex(value) : value)),
  ) as unknown;
}

function invalidBundles(alice: VectorMember, bob: VectorMember): readonly unknown[] {
  const { bundle } = alice;
  const author = fromHex(alice.id)!;
  const { prekey, notBefore, notAfter, signature } = bundle;
  const rows = [
    ["another version", "UNKNOWN_VERSION", [2, 1, author, prekey, notBefore, notAfter, signature]],
    ["another suite", "UNKNOWN_SUITE", [1, 3, author, prekey, notBefore, notAfter, signature]],
    [
      "suite 2, a prekey of suite 1",
      "MALFORMED",
      [1, 2, author, prekey, notBefore, notAfter, signature],
    ],
    ["no lifetime", "BAD_LIFETIME", [1, 1, author, prekey, notAfter, notBefore, signature]],
    ["short prekey", "MALFORMED", [1, 1, author, prekey.slice(1), notBefore, notAfter, signature]],
    ["a field more", "MALFORMED", [1, 1, author, prekey, notBefore, notAfter, signature, 0]],
    ["longer life", "BAD_SIGNATURE", [1, 1, author, prekey, notBefore, notAfter + 1, signature]],
    [
      "another prekey",
      "BAD_SIGNATURE",
      [1, 1, author, bob.bundle.prekey, notBefore, notAfter, signature],
    ],
  ] as const;
  return rows.map(([name, reason, fields]) => ({
    name,
    spec: "§2.1",
    bytes: toHex(encodeCbor(fields)),
    reason,
  }));
}

function invalidOps(rekeyBytes: Uint8Array, welcomeBytes: Uint8Array): readonly unknown[] {
  const rekey = parseKeyOp(rekeyBytes);
  const welcome = parseKeyOp(welcomeBytes);
  if (!rekey.ok || rekey.op.kind !== "rekey") throw new Error("a rekey was expected");
  if (!welcome.ok || welcome.op.kind !== "welcome") throw new Error("a welcome was expected");
  const { op } = rekey;
  const [message] = op.toReaders;
  const edit = (bytes: Uint8Array, at: number, value: number): Uint8Array =>
    bytes.map((byte, index) => (index === at ? value : byte));
  const unsorted = [...welcome.op.epochIds].reverse();
  const rows: readonly (readonly [string, string, Uint8Array])[] = [
    ["another version", "UNKNOWN_VERSION", edit(rekeyBytes, 1, 2)],
    ["another kind", "UNKNOWN_KIND", edit(rekeyBytes, 2, 5)],
    ["another suite", "UNKNOWN_SUITE", edit(rekeyBytes, 3, 3)],
    ["suite 2, messages of suite 1", "MALFORMED", edit(rekeyBytes, 3, 2)],
    ["cut short", "MALFORMED", rekeyBytes.subarray(0, -1)],
    ["a byte more", "MALFORMED", new Uint8Array([...rekeyBytes, 0])],
    [
      "two messages for one reader",
      "DUPLICATE_RECIPIENT",
      encodeKeyOp({ ...op, toReaders: [message!, message!] }),
    ],
    [
      "reader and follower at once",
      "DUPLICATE_RECIPIENT",
      encodeKeyOp({ ...op, toFollowers: [message!] }),
    ],
    ["unsorted epochs", "MALFORMED", encodeKeyOp({ ...welcome.op, epochIds: unsorted })],
    ["no epochs", "MALFORMED", encodeKeyOp({ ...welcome.op, epochIds: [] })],
  ];
  return rows.map(([name, reason, bytes]) => ({ name, spec: "§5", bytes: toHex(bytes), reason }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = JSON.stringify(deriveVectors(createNobleCrypto()), undefined, 1);
  writeFileSync(vectorsFile, `${text}\n`);
}
