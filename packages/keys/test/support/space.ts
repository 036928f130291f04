/**
 * A space in miniature for tests: members with real keys, one list of published ops, membership set
 * by hand. What `space` does with entries and auth ops, without either.
 */
import { toHex, utf8 } from "@hawser/codec";
import { type AuthorId, type Crypto, createNobleCrypto, type Random } from "@hawser/crypto";
import {
  addBundles,
  type BundleRegistry,
  type Carrier,
  type Debts,
  emptyRegistry,
  type EpochId,
  type HistoryPolicy,
  type IncomingOp,
  type KeyAgreement,
  type KeysIdentity,
  type KeyState,
  type KeyVerdict,
  createKeyRing,
  latestBundle,
  type Members,
  type Prekeys,
  rotatePrekey,
  type VerifiedBundle,
} from "@hawser/keys";

export const crypto: Crypto = createNobleCrypto();
export const topic: string = "70".repeat(32);
export const startTime = 1_800_000_000;

/** Bytes that depend on the seed and on what was drawn before. */
export function createTestRandom(seed: string): Random {
  let count = 0;
  return (byteCount) =>
    crypto.deriveKey("hawser test random", utf8(`${seed} ${count++}`), byteCount);
}

export interface TestMember {
  readonly name: string;
  readonly id: AuthorId;
  readonly identity: KeysIdentity;
  readonly ring: KeyAgreement;
  readonly random: Random;
  state: KeyState;
  prekeys: Prekeys;
  bundle: VerifiedBundle;
  /** Ops of the space taken in so far. */
  seen: number;
  readonly verdicts: KeyVerdict[];
  eligible(): EpochId | undefined;
  owed(policy?: HistoryPolicy): Debts;
  readKey(id: EpochId): Uint8Array | undefined;
  followKey(id: EpochId): Uint8Array | undefined;
}

export interface TestSpace {
  readonly alice: TestMember;
  readonly bob: TestMember;
  readonly carol: TestMember;
  readonly dave: TestMember;
  readonly relay: TestMember;
  readonly everybody: readonly TestMember[];
  readonly ops: IncomingOp[];
  members(): Members;
  authHeads(): readonly string[];
  setReaders(...readers: readonly TestMember[]): void;
  setFollowers(...followers: readonly TestMember[]): void;
  /** Rekeys for the present members and takes the op in at its author. */
  rekey(by: TestMember, input?: { readonly attachment?: Uint8Array }): EpochId;
  /** Pays every debt the member sees. */
  pay(by: TestMember, policy?: HistoryPolicy): void;
  publish(by: TestMember, bytes: Uint8Array, carrier?: Partial<Carrier>): IncomingOp;
  /** Gives everybody, or those named, what they have not seen. */
  deliver(...to: readonly TestMember[]): void;
}

export function identityOf(name: string): KeysIdentity {
  const secret = crypto.deriveKey("hawser test identity", utf8(name));
  return {
    id: toHex(crypto.publicKey(secret)) as AuthorId,
    sign: (label, bytes) => crypto.signTagged(label, bytes, secret),
  };
}

const identities = new Map<string, KeysIdentity>();

export function createMember(name: string, membersNow: () => Members): TestMember {
  const identity = identities.get(name) ?? identityOf(name);
  identities.set(name, identity);
  const random = createTestRandom(name);
  const ring = createKeyRing({ crypto }, { topic, self: identity.id });
  const { prekeys, bundle } = rotatePrekey(crypto, [], { identity, time: startTime }, random);
  const member: TestMember = {
    name,
    id: identity.id,
    identity,
    ring,
    random,
    state: ring.empty,
    prekeys,
    bundle,
    seen: 0,
    verdicts: [],
    eligible: () => ring.eligibleEpoch(member.state, membersNow().readers),
    owed: (policy = "all") => ring.whatIsOwed(member.state, membersNow(), policy),
    readKey: (id) => ring.readKey(member.state, id),
    followKey: (id) => ring.followKey(member.state, id),
  };
  return member;
}

export function createSpace(): TestSpace {
  let readers: readonly AuthorId[] = [];
  let followers: readonly AuthorId[] = [];
  let changes = 0;
  const members = (): Members => ({ readers, followers });
  const authHeads = (): readonly string[] => [toHex(crypto.hash(utf8(`auth ${changes}`)))];
  const named = ["alice", "bob", "carol", "dave", "relay"].map((name) =>
    createMember(name, members),
  );
  const [alice, bob, carol, dave, relay] = named as [
    TestMember,
    TestMember,
    TestMember,
    TestMember,
    TestMember,
  ];
  const registry: BundleRegistry = addBundles(
    emptyRegistry,
    named.map((member) => member.bundle),
  );
  const bundlesOf = (ids: readonly AuthorId[]): readonly VerifiedBundle[] =>
    ids.map((id) => latestBundle(registry, id)!);
  const ops: IncomingOp[] = [];
  const receive = (member: TestMember, incoming: readonly IncomingOp[]): void => {
    const received = member.ring.receive(member.state, incoming, member.prekeys);
    member.state = received.state;
    member.verdicts.push(...received.verdicts);
  };
  const publish: TestSpace["publish"] = (by, bytes, carrier = {}) => {
    const opRef = toHex(crypto.hash(utf8(`op ${ops.length}`)));
    const facts = { author: by.id, opRef, readersAt: readers, followersAt: followers };
    const op = { bytes, carrier: { ...facts, ...carrier } };
    ops.push(op);
    receive(by, [op]);
    return op;
  };
  const rekey: TestSpace["rekey"] = (by, input = {}) => {
    const made = by.ring.rekey(
      by.state,
      {
        readers: bundlesOf(readers),
        followers: bundlesOf(followers),
        authHeads: authHeads(),
        reason: "membership",
        ...input,
      },
      by.random,
    );
    by.state = made.state;
    publish(by, made.opBytes);
    return made.epochId;
  };
  return {
    alice,
    bob,
    carol,
    dave,
    relay,
    everybody: named,
    ops,
    members,
    authHeads,
    setReaders: (...next) => {
      readers = next.map((member) => member.id);
      changes += 1;
    },
    setFollowers: (...next) => {
      followers = next.map((member) => member.id);
      changes += 1;
    },
    rekey,
    pay: (by, policy = "all") => {
      if (by.ring.whatIsOwed(by.state, members(), policy).rekey) rekey(by);
      const debts = by.ring.whatIsOwed(by.state, members(), policy);
      for (const { kind, recipient, ...rest } of debts.gives) {
        const [bundle] = bundlesOf([recipient]);
        const input = { recipient: bundle!, authHeads: authHeads(), ...rest };
        for (const bytes of by.ring[kind](by.state, input, by.random)) publish(by, bytes);
      }
      if (debts.requests.length === 0) return;
      const level = readers.includes(by.id) ? "read" : "follow";
      const request = { epochIds: debts.requests, level, authHeads: authHeads() } as const;
      for (const bytes of by.ring.requestKeys(request)) publish(by, bytes);
    },
    publish,
    deliver: (...to) => {
      for (const member of to.length > 0 ? to : named) {
        receive(member, ops.slice(member.seen));
        member.seen = ops.length;
      }
    },
  };
}
