/**
 * `pnpm bench keys`: what group keys cost as a space grows, over the chosen crypto back ends and
 * over noble alone, in suite 1 and 2; and direct messages a second of both, with and without the
 * ratchet. Goal: removing a member from a space of 256 in at most 130 ms and 80 kB (suite 1).
 */
import { formatTable, measure } from "@hawser-tooling/measure";
import { toHex } from "@hawser/codec";
import { type AuthorId, createCrypto, createNobleCrypto, type Crypto } from "@hawser/crypto";
import { withHybrid } from "@hawser/crypto/hybrid";
import { seededRandom } from "@hawser/crypto/testing";
import {
  type Carrier,
  createKeyRing,
  createRatchet,
  type IncomingOp,
  type KeyAgreement,
  type KeyState,
  type Prekeys,
  rotatePrekey,
  type Suite,
  type VerifiedBundle,
} from "@hawser/keys";

const topic = "70".repeat(32);
const random = seededRandom("keys bench");

interface Member {
  readonly id: AuthorId;
  readonly bundle: VerifiedBundle;
  readonly prekeys: Prekeys;
  readonly ring: KeyAgreement;
}

function createMember(crypto: Crypto, suite: Suite = 1): Member {
  const secret = random(32);
  // Safe: an author id is its public key in hex.
  const id = toHex(crypto.publicKey(secret)) as AuthorId;
  const identity = {
    id,
    sign: (label: string, bytes: Uint8Array) => crypto.signTagged(label, bytes, secret),
  };
  const { bundle, prekeys } = rotatePrekey(crypto, [], { identity, time: 0, suite }, random);
  return { id, bundle, prekeys, ring: createKeyRing({ crypto }, { topic, self: id }) };
}

async function measureSpace(
  name: string,
  crypto: Crypto,
  size: number,
  suite: Suite = 1,
): Promise<string[]> {
  const members = Array.from({ length: size }, () => createMember(crypto, suite));
  const [owner, receiver] = members as [Member, Member];
  const readers = members.map((member) => member.id);
  const bundles = members.map((member) => member.bundle);
  const input = { readers: bundles, followers: [], authHeads: [], reason: "membership" } as const;
  const carrier: Carrier = {
    author: owner.id,
    opRef: "00".repeat(32),
    readersAt: readers,
    followersAt: [],
  };
  const options = { runs: size > 100 && name !== "chosen" ? 2 : 5 };
  const { opBytes } = owner.ring.rekey(owner.ring.empty, input, random);
  const op: IncomingOp = { bytes: opBytes, carrier };
  const sending = await measure(
    "rekey",
    () => owner.ring.rekey(owner.ring.empty, input, random),
    options,
  );
  const take = () => receiver.ring.receive(receiver.ring.empty, [op], receiver.prekeys);
  const receiving = await measure("receive", take);
  const { state } = take();
  const asking = await measure("eligible", () => askFresh(receiver.ring, state, readers));
  return [
    `${name}, ${size} readers`,
    ms(sending.bestSeconds),
    `${(opBytes.length / 1000).toFixed(1)} kB`,
    ms(receiving.bestSeconds),
    ms(asking.bestSeconds),
  ];
}

/** A copy of the state, so that what was derived from it before is derived again. */
function askFresh(ring: KeyAgreement, state: KeyState, readers: readonly AuthorId[]): unknown {
  return ring.eligibleEpoch({ ...state }, readers);
}

/** A long history: how long the debts of a space take to see, and how large its state is. */
async function measureHistory(crypto: Crypto, epochCount: number): Promise<string[]> {
  const members = Array.from({ length: 16 }, () => createMember(crypto));
  const [owner] = members as [Member];
  const readers = members.map((member) => member.id);
  const input = {
    readers: members.map((member) => member.bundle),
    followers: [],
    authHeads: [],
    reason: "membership",
  } as const;
  const facts = { author: owner.id, readersAt: readers, followersAt: [] };
  const ops: IncomingOp[] = [];
  let { empty: state } = owner.ring;
  for (let index = 0; index < epochCount; index++) {
    const made = owner.ring.rekey(state, input, random);
    const opRef = index.toString(16).padStart(64, "0");
    ops.push({ bytes: made.opBytes, carrier: { ...facts, opRef } });
    state = owner.ring.receive(made.state, ops.slice(-1), owner.prekeys).state;
  }
  const membersNow = { readers, followers: [] };
  const owed = await measure("owed", () => owner.ring.whatIsOwed({ ...state }, membersNow, "all"));
  const encode = await measure("encode", () => owner.ring.encode(state));
  const bytes = owner.ring.encode(state);
  const decode = await measure("decode", () => owner.ring.decode(bytes));
  const replay = await measure("replay", () => owner.ring.receive(owner.ring.empty, ops, []), {
    runs: 3,
  });
  return [
    `${epochCount} epochs, 16 readers`,
    ms(owed.bestSeconds),
    ms(encode.bestSeconds),
    ms(decode.bestSeconds),
    `${(bytes.length / 1000).toFixed(0)} kB`,
    ms(replay.bestSeconds),
  ];
}

/** One key sealed to one member, as a forward and over the ratchet. */
async function measureMessages(crypto: Crypto, suite: Suite): Promise<string[]> {
  const [sender, receiver] = [createMember(crypto, suite), createMember(crypto, suite)];
  const { ring } = sender;
  const readers = [receiver.bundle];
  const input = {
    readers,
    followers: [],
    authHeads: [],
    reason: "create",
    suiteMin: suite,
  } as const;
  const made = ring.rekey(ring.empty, input, random);
  const readersAt = [sender.id, receiver.id];
  const carrier: Carrier = {
    author: sender.id,
    opRef: "00".repeat(32),
    readersAt,
    followersAt: [],
  };
  const recipient = receiver.bundle;
  const give = { recipient, level: "read", epochIds: [made.epochId], authHeads: [] } as const;
  const sealing = await measure("seal", () => ring.forward(made.state, give, random));
  const ops = ring.forward(made.state, give, random).map((bytes) => ({ bytes, carrier }));
  const take = () => receiver.ring.receive(receiver.ring.empty, ops, receiver.prekeys);
  const opening = await measure("open", take);
  const ends = { topic, self: sender.id, peer: receiver.id };
  const ratchet = createRatchet({ crypto }, ends);
  const first = { plaintext: new Uint8Array(1000), bundle: recipient };
  const { state } = ratchet.send(ratchet.empty, first, random);
  const beginning = await measure("begin", () => ratchet.send(ratchet.empty, first, random));
  const sending = await measure("send", () => ratchet.send(state, first, random));
  const perSecond = ({ bestSeconds }: { bestSeconds: number }): string =>
    `${Math.round(1 / bestSeconds)}/s`;
  return [
    `suite ${suite}`,
    perSecond(sealing),
    perSecond(opening),
    perSecond(beginning),
    perSecond(sending),
  ];
}

function ms(seconds: number): string {
  return `${(seconds * 1000).toFixed(seconds < 0.01 ? 2 : 0)} ms`;
}

const chosen = await createCrypto();
const noble = createNobleCrypto();
const rows: string[][] = [];
for (const size of [8, 32, 128, 256, 480]) rows.push(await measureSpace("chosen", chosen, size));
for (const size of [32, 256]) rows.push(await measureSpace("noble", noble, size));
const hybrid = withHybrid(chosen);
for (const size of [8, 64, 256]) rows.push(await measureSpace("suite 2", hybrid, size, 2));
console.log(formatTable(["space", "rekey", "op", "receive", "choose epoch"], rows));
const histories: string[][] = [];
for (const count of [100, 1000]) histories.push(await measureHistory(chosen, count));
console.log("");
console.log(formatTable(["history", "debts", "encode", "decode", "state", "replay"], histories));
const messages: string[][] = [];
for (const suite of [1, 2] as const) messages.push(await measureMessages(hybrid, suite));
console.log("");
console.log(formatTable(["messages", "seal", "open", "ratchet turn", "ratchet 1 kB"], messages));
