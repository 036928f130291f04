/**
 * The encryption scenarios of p2panda under their own names. Where the behaviour differs on
 * purpose, the title says how and names the rule (docs/spec/5-keys.md).
 */
import { utf8 } from "@hawser/codec";
import { expect, test } from "vitest";
import {
  answersMax,
  defaultPrekeyPolicy,
  dropExpiredPrekeys,
  epochReferenceOf,
  type EpochId,
  holdsPrekeyOf,
  isValidAt,
  parseKeyOp,
  paymentFor,
  rotatePrekey,
} from "@hawser/keys";
import {
  createSpace,
  crypto,
  startTime,
  type TestMember,
  type TestSpace,
} from "./support/space.ts";

const day = 24 * 3600;

/** Alice and Bob read; one epoch. */
function pairSpace(): TestSpace & { readonly first: EpochId } {
  const space = createSpace();
  space.setReaders(space.alice, space.bob);
  const first = space.rekey(space.alice);
  space.deliver();
  return { ...space, first };
}

function canRead(id: EpochId, ...members: readonly TestMember[]): readonly string[] {
  return members.filter((member) => member.readKey(id) !== undefined).map(({ name }) => name);
}

function directMessageCount(space: TestSpace): number {
  const parsed = parseKeyOp(space.ops.at(-1)!.bytes);
  if (!parsed.ok) throw new Error("the last op does not parse");
  return parsed.op.kind === "rekey"
    ? parsed.op.toReaders.length + parsed.op.toFollowers.length
    : Number(parsed.op.kind !== "keyRequest");
}

test("[P2-K-group_operations] create, add, update and remove cost the messages they should and reach the right people", () => {
  const { alice, bob, carol, ...space } = createSpace();
  space.setReaders(alice, bob);
  const first = space.rekey(alice);
  expect(directMessageCount({ alice, bob, carol, ...space })).toBe(1);
  space.deliver();
  expect(bob.readKey(first)).toEqual(alice.readKey(first));
  space.setReaders(alice, bob, carol);
  space.pay(bob);
  expect(directMessageCount({ alice, bob, carol, ...space })).toBe(1);
  space.deliver();
  expect(carol.readKey(first)).toEqual(alice.readKey(first));
  const second = space.rekey(alice);
  expect(directMessageCount({ alice, bob, carol, ...space })).toBe(2);
  space.deliver();
  expect(canRead(second, alice, bob, carol)).toEqual(["alice", "bob", "carol"]);
  space.setReaders(bob, carol);
  const third = space.rekey(carol);
  expect(directMessageCount({ alice, bob, carol, ...space })).toBe(1);
  space.deliver();
  expect(canRead(third, alice, bob, carol)).toEqual(["bob", "carol"]);
  // A message for somebody else is no error: most ops hold none for us.
  expect(alice.verdicts.at(-1)).toMatchObject({ ok: true, ownMessage: "none" });
});

test("[P2-K-two_party_secret_messaging_protocol] stateless boxes instead of a ratchet (§4): either side sends any number of times, in any order, and a lost one harms no other", () => {
  const { alice, bob, ...space } = pairSpace();
  const ids = [space.rekey(alice), space.rekey(alice), space.rekey(bob), space.rekey(alice)];
  const lost = space.ops.at(-3)!;
  const arriving = space.ops.filter((op) => op !== lost).toReversed();
  const received = bob.ring.receive(bob.state, arriving, bob.prekeys);
  expect(received.verdicts.filter((verdict) => !verdict.ok)).toEqual([]);
  const opened = ids.filter((id) => bob.ring.readKey(received.state, id) !== undefined);
  expect(opened).toHaveLength(3);
});

test("[P2-K-long_term_prekeys] one bundle serves two spaces, with keys that differ", () => {
  const one = pairSpace();
  const two = pairSpace();
  two.rekey(two.alice);
  expect(one.alice.bundle).toEqual(two.alice.bundle);
  const later = two.rekey(two.alice);
  two.deliver();
  expect(two.bob.readKey(later)).not.toEqual(one.bob.readKey(one.first));
});

test("[P2-K-hpke] [P2-K-encrypt_decrypt] [TH-105] what is sealed in an epoch opens for its holders, and key sets open for their recipient alone", () => {
  const { alice, bob, carol, relay, ...space } = pairSpace();
  space.setFollowers(relay);
  space.pay(alice);
  space.deliver();
  const nonce = crypto.hash(utf8("nonce")).slice(0, 24);
  const sealed = crypto.seal(alice.readKey(space.first)!, nonce, utf8("hello"), utf8("place"));
  const openBy = (member: TestMember): Uint8Array | undefined => {
    const key = member.readKey(space.first);
    return key && crypto.open(key, nonce, sealed, utf8("place"));
  };
  expect(openBy(bob)).toEqual(utf8("hello"));
  expect(openBy(carol)).toBeUndefined();
  expect(openBy(relay)).toBeUndefined();
  expect(crypto.open(relay.followKey(space.first)!, nonce, sealed, utf8("place"))).toBeUndefined();
  // The two kinds of key set: read and follow for Bob, follow alone for the relay.
  expect(bob.followKey(space.first)).toEqual(relay.followKey(space.first));
  for (const { bytes, carrier } of space.ops) {
    const stolen = carol.ring.receive(
      carol.ring.empty,
      [{ bytes, carrier: { ...carrier, readersAt: [...carrier.readersAt, carol.id] } }],
      carol.prekeys,
    );
    expect(stolen.state.secrets.size + stolen.state.followKeys.size).toBe(0);
  }
});

test("[P2-K-post_compromise_security] [TH-210] a key leaked at one epoch opens nothing later", () => {
  const { alice, bob, ...space } = pairSpace();
  const ids = [space.first, ...Array.from({ length: 9 }, () => space.rekey(alice))];
  space.deliver();
  const leakedAt = 4;
  const leaked = new Set<string>();
  for (const id of ids.slice(0, leakedAt + 1)) {
    // A thief has the whole epoch: secret, read key, follow key.
    const secret = bob.state.secrets.get(id)!.reveal();
    for (const key of [secret, bob.readKey(id)!, bob.followKey(id)!]) {
      leaked.add(key.toString());
      for (const label of ["hawser read key v1", "hawser follow key v1", "hawser epoch id v1"]) {
        leaked.add(crypto.deriveKey(label, key).toString());
      }
    }
  }
  for (const id of ids.slice(leakedAt + 1)) {
    expect(leaked.has(alice.readKey(id)!.toString())).toBe(false);
    expect(leaked.has(alice.followKey(id)!.toString())).toBe(false);
  }
});

test("[P2-K-ratchet_forward_secrecy] forward secrecy of a message ends with its prekey's life (§2.2): once the prekey is dropped, a stolen device opens nothing old", () => {
  const { alice, bob, ...space } = createSpace();
  space.setReaders(alice, bob);
  const id = space.rekey(alice);
  const later = startTime + defaultPrekeyPolicy.lifeSeconds + defaultPrekeyPolicy.graceSeconds;
  const input = { identity: bob.identity, time: startTime + 8 * day };
  const { prekeys } = rotatePrekey(crypto, bob.prekeys, input, bob.random);
  const open = (held: typeof prekeys) => bob.ring.receive(bob.ring.empty, space.ops, held);
  expect(bob.ring.readKey(open(prekeys).state, id)).toBeDefined();
  const stolen = open(dropExpiredPrekeys(prekeys, later));
  expect(stolen.verdicts[0]).toMatchObject({ ok: true, ownMessage: "unopenable" });
  expect(bob.ring.readKey(stolen.state, id)).toBeUndefined();
});

test("[P2-K-ratchet_forward] [P2-K-ratchet_message_ratcheting] no ratchet (§4): reading uses nothing up, in any order, any number of times", () => {
  const { alice, bob, ...space } = pairSpace();
  const second = space.rekey(alice);
  space.deliver();
  const once = [bob.readKey(second), bob.readKey(space.first)];
  expect([bob.readKey(second), bob.readKey(space.first)]).toEqual(once);
  expect(once).toEqual([alice.readKey(second), alice.readKey(space.first)]);
});

test("[P2-K-expired_prekey_bundles] [P2-M11] an expired bundle makes no old op invalid: nothing judges lifetimes at replay", () => {
  const { alice, bob, ...space } = pairSpace();
  expect(isValidAt(bob.bundle, startTime + 1000 * day)).toBe(false);
  // Years later, on a fresh device that restored its prekeys.
  const replayed = bob.ring.receive(bob.ring.empty, space.ops, bob.prekeys);
  expect(bob.ring.readKey(replayed.state, space.first)).toEqual(alice.readKey(space.first));
});

test("[P2-K-not_required_key_bundle_on_process_create] [P2-K-not_required_key_bundle_on_process_add] taking in others' ops needs no bundle of anybody", () => {
  const { alice, bob, carol, dave, ...space } = createSpace();
  space.setReaders(alice, bob, carol);
  const first = space.rekey(alice);
  space.setReaders(alice, bob, carol, dave);
  space.pay(alice);
  space.deliver();
  expect([...bob.ring.holdersOf(bob.state, first)].sort()).toEqual(
    [alice, bob, carol, dave].map((member) => member.id).sort(),
  );
});

test("[P2-K-group_secret_bundle] epochs are found by id, by their first 4 bytes, and listed newest first", () => {
  const { alice, bob, ...space } = pairSpace();
  const second = space.rekey(alice);
  space.deliver();
  expect(bob.ring.epochs(bob.state).map((epoch) => epoch.id)).toEqual([second, space.first]);
  expect(bob.ring.epoch(bob.state, second)).toMatchObject({
    author: alice.id,
    parents: [space.first],
    recipients: [alice.id, bob.id].sort(),
    partial: false,
    generation: 2,
    suite: 1,
    reason: "membership",
    authHeads: space.authHeads(),
  });
  expect(bob.ring.resolveReference(bob.state, epochReferenceOf(second))).toEqual([second]);
  expect(bob.ring.resolveReference(bob.state, new Uint8Array(4))).toEqual([]);
  expect(bob.ring.resolveReference(bob.state, new Uint8Array(3))).toEqual([]);
  const unknown = "00".repeat(32) as EpochId;
  expect(bob.ring.epoch(bob.state, unknown)).toBeUndefined();
  expect(bob.ring.holdersOf(bob.state, unknown).size).toBe(0);
});

test("[P2-K-latest_secret] [P2-K-generated_always_latest] causality chooses, not a clock (§7.1): a new epoch descends from all there is; of equals the smallest id", () => {
  const { alice, bob, ...space } = pairSpace();
  const [one, two] = [space.rekey(alice), space.rekey(bob)];
  space.deliver();
  const smallest = [one, two].sort()[0];
  expect(alice.eligible()).toBe(smallest);
  expect(bob.eligible()).toBe(smallest);
  expect(alice.ring.maximalEpochs(alice.state)).toEqual([one, two].sort());
  const next = space.rekey(bob);
  space.deliver();
  expect(alice.ring.epoch(alice.state, next)?.parents).toEqual([one, two].sort());
  expect(alice.eligible()).toBe(next);
  expect(alice.ring.maximalEpochs(alice.state)).toEqual([next]);
});

test("[P2-K-message_simple_group] [P2-K-message_group_operations] no acknowledgements (§7.1): each change is usable as soon as its one op is there", () => {
  const { alice, bob, carol, dave, ...space } = createSpace();
  space.setReaders(alice, bob);
  space.rekey(alice);
  for (const readers of [
    [alice, bob, carol],
    [alice, bob, carol, dave],
  ]) {
    space.deliver();
    space.setReaders(...readers);
    space.pay(bob);
    space.deliver();
    const id = bob.eligible();
    expect(id).toBeDefined();
    for (const reader of readers) expect(reader.eligible()).toBe(id);
  }
});

test("[P2-K-message_welcome] [P2-M5] [ATK-lfa128] a newcomer, or a second device, opens the first, the middle and the last epoch", () => {
  const { alice, bob, carol, ...space } = pairSpace();
  const ids = [space.first, space.rekey(alice), space.rekey(bob), space.rekey(alice)];
  space.deliver();
  space.setReaders(alice, bob, carol);
  expect(carol.ring.missingEpochs(carol.state, space.members(), "all")).toEqual(ids.toSorted());
  space.pay(bob);
  space.deliver();
  for (const id of ids) expect(carol.readKey(id)).toEqual(alice.readKey(id));
  expect(carol.ring.missingEpochs(carol.state, space.members(), "all")).toEqual([]);
  expect(carol.verdicts.at(-1)).toMatchObject({ kind: "welcome", gained: ids.toSorted() });
});

test("[P2-M1] [P2-K-message_concurrency] A removes C beside B removes D: the next epoch is known to neither", () => {
  const { alice, bob, carol, dave, ...space } = createSpace();
  space.setReaders(alice, bob, carol, dave);
  space.rekey(alice);
  space.deliver();
  space.setReaders(alice, bob, dave);
  const byAlice = space.rekey(alice);
  space.setReaders(alice, bob, carol);
  const byBob = space.rekey(bob);
  space.setReaders(alice, bob);
  space.deliver();
  expect(canRead(byAlice, carol, dave)).toEqual(["dave"]);
  expect(canRead(byBob, carol, dave)).toEqual(["carol"]);
  for (const member of [alice, bob]) {
    expect(member.eligible()).toBeUndefined();
    expect(member.owed().rekey).toBe(true);
  }
  const next = space.rekey(bob);
  space.deliver();
  expect(alice.eligible()).toBe(next);
  expect(canRead(next, alice, bob, carol, dave)).toEqual(["alice", "bob"]);
});

test("[P2-M1] A rotates beside B removing C: the rotation is not used", () => {
  const { alice, bob, carol, ...space } = createSpace();
  space.setReaders(alice, bob, carol);
  space.rekey(alice);
  space.deliver();
  const rotated = space.rekey(alice);
  space.setReaders(alice, bob);
  const without = space.rekey(bob);
  space.deliver();
  expect(canRead(rotated, carol)).toEqual(["carol"]);
  expect(alice.eligible()).toBe(without);
  expect(alice.owed().rekey).toBe(false);
});

test("[P2-M2] [P2-K-message_concurrent_operation] C adds D beside A updating, removing, or adding: whoever is entitled reads on, by a forward where that is enough", () => {
  const rows = [
    {
      name: "updates",
      byAlice: ["alice", "bob", "carol"],
      merged: ["alice", "bob", "carol", "dave"],
    },
    { name: "removes C", byAlice: ["alice", "bob"], merged: ["alice", "bob", "dave"] },
    {
      name: "adds the relay",
      byAlice: ["alice", "bob", "carol", "relay"],
      merged: ["alice", "bob", "carol", "dave", "relay"],
    },
  ] as const;
  for (const { name, byAlice, merged } of rows) {
    const space = createSpace();
    const { alice, bob, carol, dave, everybody } = space;
    space.setReaders(alice, bob, carol);
    space.rekey(alice);
    space.deliver();
    space.setReaders(alice, bob, carol, dave);
    space.pay(carol);
    space.setReaders(...byAlice.map((reader) => space[reader]));
    space.rekey(alice);
    space.setReaders(...merged.map((reader) => space[reader]));
    space.deliver();
    // Only lacks: a forward pays, no new epoch is needed.
    expect(bob.owed().rekey, name).toBe(false);
    space.pay(bob);
    space.deliver();
    const next = bob.eligible()!;
    expect(next, name).toBeDefined();
    expect(canRead(next, ...everybody), name).toEqual([...merged]);
  }
});

test("[P2-K-message_concurrent_adds] A adds C beside B adds D: forwards make everybody whole", () => {
  const { alice, bob, carol, dave, ...space } = pairSpace();
  space.setReaders(alice, bob, carol);
  space.pay(alice);
  space.setReaders(alice, bob, dave);
  space.pay(bob);
  space.setReaders(alice, bob, carol, dave);
  space.deliver();
  expect(alice.owed()).toEqual({ rekey: false, gives: [], requests: [] });
  for (const member of [alice, bob, carol, dave]) expect(member.eligible()).toBe(space.first);
});

test("[P2-M3] [P2-K-message_removal] [ATK-calimero3457] a removal by the resolver alone leaves a debt that any reader sees and may pay", () => {
  const { alice, bob, carol, ...space } = createSpace();
  space.setReaders(alice, bob, carol);
  space.rekey(alice);
  space.deliver();
  // Carol fell out of the merged membership: nobody's op removed her with a rekey.
  space.setReaders(alice, bob);
  for (const member of [alice, bob]) {
    expect(member.owed().rekey).toBe(true);
    expect(member.eligible()).toBeUndefined();
  }
  const [byBob, byAlice] = [space.rekey(bob), space.rekey(alice)];
  space.deliver();
  // Paid twice does no harm.
  expect([byBob, byAlice]).toContain(alice.eligible());
  expect(alice.eligible()).toBe(bob.eligible());
  expect(alice.owed()).toEqual({ rekey: false, gives: [], requests: [] });
  expect(canRead(byAlice, carol)).toEqual([]);
});

test("[P2-M3] a reader made follower keeps what it has, reads nothing new, and follows on", () => {
  const { alice, bob, carol, ...space } = createSpace();
  space.setReaders(alice, bob, carol);
  const first = space.rekey(alice);
  space.deliver();
  space.setReaders(alice, bob);
  space.setFollowers(carol);
  expect(alice.owed().rekey).toBe(true);
  const second = space.rekey(alice);
  space.deliver();
  expect(canRead(first, carol)).toEqual(["carol"]);
  expect(carol.readKey(second)).toBeUndefined();
  expect(carol.followKey(second)).toEqual(alice.followKey(second));
});

test("[P2-M4] keys given by a void add open nothing new", () => {
  const { alice, bob, carol, ...space } = pairSpace();
  // Bob adds Carol while Alice removes Bob; the add is void.
  space.setReaders(alice, bob, carol);
  space.pay(bob);
  space.setReaders(alice);
  space.deliver();
  expect(canRead(space.first, carol)).toEqual(["carol"]);
  expect([...alice.ring.holdersOf(alice.state, space.first)]).toContain(carol.id);
  expect(alice.owed().rekey).toBe(true);
  const next = space.rekey(alice);
  space.deliver();
  expect(canRead(next, alice, bob, carol)).toEqual(["alice"]);
});

test("[P2-M6] a member added again gets the gap only where the policy says so", () => {
  for (const policy of ["all", "fromJoin", { lastEpochs: 1 }] as const) {
    const { alice, bob, carol, ...space } = createSpace();
    space.setReaders(alice, bob, carol);
    const before = space.rekey(alice);
    space.deliver();
    space.setReaders(alice, bob);
    const gap: EpochId[] = [];
    for (const member of [alice, bob, alice]) {
      gap.push(space.rekey(member));
      space.deliver();
    }
    space.setReaders(alice, bob, carol);
    space.pay(bob, policy);
    space.deliver();
    expect(carol.eligible()).toBeDefined();
    const known = canReadOf(carol, [before, ...gap]);
    if (policy === "all") expect(known).toEqual([before, ...gap]);
    else if (policy === "fromJoin") expect(known).toEqual([before]);
    else expect(known).toEqual([before, gap[2]]);
    expect(alice.owed(policy)).toEqual({ rekey: false, gives: [], requests: [] });
    expect(carol.ring.missingEpochs(carol.state, space.members(), policy)).toEqual([]);
  }
});

function canReadOf(member: TestMember, ids: readonly EpochId[]): readonly EpochId[] {
  return ids.filter((id) => member.readKey(id) !== undefined);
}

test("[P2-M6] from-join means a new epoch for a newcomer: nothing sealed before it came opens", () => {
  const { alice, bob, carol, ...space } = pairSpace();
  space.setReaders(alice, bob, carol);
  expect(alice.owed("fromJoin")).toEqual({ rekey: true, gives: [], requests: [] });
  space.pay(alice, "fromJoin");
  space.deliver();
  expect(canRead(space.first, carol)).toEqual([]);
  expect(carol.eligible()).toBe(alice.eligible());
  expect(carol.eligible()).not.toBe(space.first);
});

test("[P2-M9] several removals in one change make one epoch and one message each", () => {
  const { alice, bob, carol, dave, relay, ...space } = createSpace();
  space.setReaders(alice, bob, carol, dave, relay);
  space.rekey(alice);
  space.deliver();
  space.setReaders(alice, bob);
  space.pay(alice);
  expect(space.ops).toHaveLength(2);
  const parsed = parseKeyOp(space.ops[1]!.bytes);
  expect(parsed).toMatchObject({ ok: true, op: { toReaders: [{ recipient: bob.id }] } });
  space.deliver();
  expect(bob.owed()).toEqual({ rekey: false, gives: [], requests: [] });
  expect(bob.eligible()).toBe(alice.eligible());
});

test("[P2-M19] a member who missed three rotations while away opens them all, with a prekey long expired", () => {
  const { alice, bob, ...space } = pairSpace();
  const stale = bob.ring.currentFollowKeys(bob.state, space.members());
  const ids = [space.rekey(alice), space.rekey(alice), space.rekey(alice)];
  const current = alice.ring.currentFollowKeys(alice.state, space.members());
  expect(stale).not.toEqual(current);
  space.deliver(bob);
  expect(canReadOf(bob, ids)).toEqual(ids);
  expect(bob.ring.currentFollowKeys(bob.state, space.members())).toEqual(current);
});

test("[P2-K-dgm_members_view] [P2-K-dgm_concurrent_operations] [P2-K-dgm_strong_removal] holders follow from the ops each has seen; a removal wins over what was concurrent", () => {
  const { alice, bob, carol, dave, ...space } = pairSpace();
  space.setReaders(alice, bob, carol);
  space.pay(alice);
  space.setReaders(alice, bob, dave);
  space.pay(bob);
  const holders = (member: TestMember) =>
    [...member.ring.holdersOf(member.state, space.first)].sort();
  expect(holders(alice)).toEqual([alice, bob, carol].map(({ id }) => id).sort());
  expect(holders(bob)).toEqual([alice, bob, dave].map(({ id }) => id).sort());
  space.setReaders(alice, bob, dave);
  space.deliver();
  expect(holders(alice)).toEqual([alice, bob, carol, dave].map(({ id }) => id).sort());
  expect(holders(bob)).toEqual(holders(alice));
  expect(alice.owed().rekey).toBe(true);
});

test("[TH-058] [TH-059] who holds no key, the follow key, or both; an absent key is undefined, not an error", () => {
  const { alice, bob, carol, relay, ...space } = createSpace();
  space.setReaders(alice, bob);
  space.setFollowers(relay);
  const id = space.rekey(alice);
  space.deliver();
  const rows = [
    { member: bob, read: true, follow: true },
    { member: relay, read: false, follow: true },
    { member: carol, read: false, follow: false },
  ];
  for (const { member, read, follow } of rows) {
    expect(member.readKey(id) !== undefined, member.name).toBe(read);
    expect(member.followKey(id) !== undefined, member.name).toBe(follow);
    expect(member.ring.currentFollowKeys(member.state, space.members()).length).toBe(+follow);
  }
  const unknown = "ff".repeat(32) as EpochId;
  expect(bob.readKey(unknown)).toBeUndefined();
  expect(bob.followKey(unknown)).toBeUndefined();
});

test("[TH-058] a follower never takes a read key, not even one that a member sends it", () => {
  const { alice, bob, relay, ...space } = pairSpace();
  space.setFollowers(relay);
  const input = { recipient: relay.bundle, epochIds: [space.first], authHeads: [] } as const;
  const [bytes] = bob.ring.forward(bob.state, { ...input, level: "read" }, bob.random);
  space.publish(bob, bytes!);
  space.deliver();
  expect(relay.verdicts.at(-1)).toEqual({ ok: false, reason: "RECIPIENT_NOT_ENTITLED" });
  expect(relay.readKey(space.first)).toBeUndefined();
  // A rekey that lists the follower among the readers gives it nothing, and seals nothing.
  const made = alice.ring.rekey(
    alice.state,
    { readers: [bob.bundle, relay.bundle], followers: [], authHeads: [], reason: "membership" },
    alice.random,
  );
  space.publish(alice, made.opBytes);
  space.deliver();
  expect(relay.verdicts.at(-1)).toMatchObject({ ok: true, ownMessage: "none" });
  expect(bob.ring.epoch(bob.state, made.epochId)).toMatchObject({ partial: true });
  expect(bob.eligible()).toBeUndefined();
});

test("[TH-210] a follower who was removed loses the follow key; writing goes on meanwhile", () => {
  const { alice, bob, relay, ...space } = createSpace();
  space.setReaders(alice, bob);
  space.setFollowers(relay);
  const first = space.rekey(alice);
  space.deliver();
  space.setFollowers();
  expect(alice.eligible()).toBe(first);
  expect(alice.owed().rekey).toBe(true);
  // Until then the leaked follow key proves nothing.
  expect(bob.ring.currentFollowKeys(bob.state, space.members())).toEqual([]);
  const second = space.rekey(alice);
  space.deliver();
  expect(relay.followKey(second)).toBeUndefined();
  expect(bob.ring.currentFollowKeys(bob.state, space.members())).toEqual([
    { epochId: second, key: alice.followKey(second) },
  ]);
});

test("[TH-105] a follower who joins is given follow keys, one who reads later gets the rest", () => {
  const { alice, bob, relay, ...space } = pairSpace();
  space.setFollowers(relay);
  expect(bob.owed().gives).toEqual([
    {
      kind: "welcome",
      recipient: relay.id,
      level: "follow",
      epochIds: [space.first],
      answers: undefined,
    },
  ]);
  space.pay(bob);
  space.deliver();
  expect(relay.followKey(space.first)).toEqual(alice.followKey(space.first));
  space.setFollowers();
  space.setReaders(alice, bob, relay);
  space.pay(alice);
  space.deliver();
  expect(relay.readKey(space.first)).toEqual(alice.readKey(space.first));
  expect(relay.eligible()).toBe(space.first);
});

test("[P2-M2] a message that does not open is asked for and forwarded; an answer that fails may be asked for again", () => {
  const { alice, bob, carol, ...space } = createSpace();
  space.setReaders(alice, bob, carol);
  const id = space.rekey(alice);
  const keptPrekeys = carol.prekeys;
  carol.prekeys = [];
  space.deliver();
  carol.prekeys = keptPrekeys;
  expect(carol.eligible()).toBeUndefined();
  expect(carol.owed().requests).toEqual([id]);
  space.pay(carol);
  space.deliver(bob);
  expect(bob.verdicts.at(-1)).toMatchObject({ kind: "keyRequest", isNews: true });
  const request = space.ops.at(-1)!.carrier.opRef;
  expect(bob.owed().gives).toEqual([
    { kind: "forward", recipient: carol.id, level: "read", epochIds: [id], answers: request },
  ]);
  carol.prekeys = [];
  space.pay(bob);
  space.deliver();
  expect(bob.owed().gives).toEqual([]);
  carol.prekeys = keptPrekeys;
  expect(carol.owed().requests).toEqual([id]);
  space.pay(carol);
  expect(carol.owed().requests).toEqual([]);
  space.deliver(alice);
  space.pay(alice);
  space.deliver();
  expect(carol.eligible()).toBe(id);
  expect(carol.owed()).toEqual({ rekey: false, gives: [], requests: [] });
});

test("[P2-M17] asking ends: a member whose prekey is lost is answered a few times, and a new prekey helps it", () => {
  const { alice, bob, ...space } = createSpace();
  space.setReaders(alice, bob);
  const id = space.rekey(alice);
  bob.prekeys = [];
  space.deliver();
  expect(holdsPrekeyOf(bob.prekeys, bob.bundle)).toBe(false);
  for (let round = 0; round < 3 * answersMax; round++) {
    space.pay(bob);
    space.deliver();
    space.pay(alice);
    space.deliver();
  }
  const kinds = space.ops.map(({ bytes }) => bytes[2]);
  expect(kinds.filter((kind) => kind === 4)).toHaveLength(answersMax);
  expect(kinds.filter((kind) => kind === 3)).toHaveLength(answersMax);
  // Somebody who does not keep to it makes nobody work.
  const ask = { epochIds: [id], level: "read", authHeads: [] } as const;
  for (const bytes of bob.ring.requestKeys(ask)) space.publish(bob, bytes);
  space.deliver();
  expect(alice.owed().gives).toEqual([]);
  const input = { identity: bob.identity, time: startTime + day };
  const { prekeys, bundle } = rotatePrekey(crypto, bob.prekeys, input, bob.random);
  bob.prekeys = prekeys;
  expect(holdsPrekeyOf(bob.prekeys, bundle)).toBe(true);
  const give = { recipient: bundle, level: "read", epochIds: [id], authHeads: [] } as const;
  for (const bytes of alice.ring.forward(alice.state, give, alice.random)) {
    space.publish(alice, bytes);
  }
  space.deliver();
  expect(bob.eligible()).toBe(id);
});

test("[P2-M6] requests are answered within the policy, for members, at their level", () => {
  const { alice, bob, carol, dave, relay, ...space } = pairSpace();
  const second = space.rekey(alice);
  space.deliver();
  space.setReaders(alice, bob, carol);
  space.setFollowers(relay);
  const asks = (member: TestMember, level: "read" | "follow") => {
    const input = { epochIds: [space.first, second], level, authHeads: [] };
    for (const bytes of member.ring.requestKeys(input)) space.publish(member, bytes);
  };
  asks(carol, "read");
  asks(relay, "read");
  asks(dave, "read");
  space.deliver();
  expect(bob.verdicts.slice(-3).map((verdict) => verdict.ok)).toEqual([true, false, false]);
  const answers = bob.owed({ lastEpochs: 1 }).gives.filter((owed) => owed.answers !== undefined);
  expect(answers.map((owed) => [owed.recipient, owed.epochIds])).toEqual([[carol.id, [second]]]);
  space.setReaders(alice, bob);
  expect(bob.owed().gives.filter((owed) => owed.recipient === carol.id)).toEqual([]);
});

test("[P2-M5] an attachment reaches every reader, by the rekey or by the welcome", () => {
  const { alice, bob, carol, relay, ...space } = createSpace();
  const attachment = utf8("what only readers may know");
  space.setReaders(alice, bob);
  space.setFollowers(relay);
  const id = space.rekey(alice, { attachment });
  space.deliver();
  expect(bob.verdicts.at(-1)).toMatchObject({ attachment });
  expect(relay.verdicts.at(-1)).toMatchObject({ attachment: undefined });
  space.setReaders(alice, bob, carol);
  const input = {
    recipient: carol.bundle,
    level: "read",
    epochIds: [id],
    authHeads: [],
    attachment,
  } as const;
  const [bytes] = bob.ring.welcome(bob.state, input, bob.random);
  space.publish(bob, bytes!);
  space.deliver();
  expect(carol.verdicts.at(-1)).toMatchObject({ attachment, gained: [id] });
  expect(alice.verdicts.at(-1)).toMatchObject({ attachment: undefined, ownMessage: "none" });
});

test("[P2-M11] an epoch whose parent is unknown waits, opens content meanwhile, and counts once the parent is there", () => {
  const { alice, bob, ...space } = pairSpace();
  const second = space.rekey(alice);
  const [rootOp, secondOp] = space.ops;
  const early = bob.ring.receive(bob.ring.empty, [secondOp!], bob.prekeys);
  const { readers } = space.members();
  expect(bob.ring.epoch(early.state, second)).toMatchObject({ generation: undefined });
  expect(bob.ring.eligibleEpoch(early.state, readers)).toBeUndefined();
  expect(bob.ring.maximalEpochs(early.state)).toEqual([]);
  expect(bob.ring.readKey(early.state, second)).toEqual(alice.readKey(second));
  const late = bob.ring.receive(early.state, [rootOp!], bob.prekeys);
  expect(bob.ring.eligibleEpoch(late.state, readers)).toBe(second);
});

test("[P2-M8] a rekey that leaves a reader out is partial: it opens, and never seals", () => {
  const { alice, bob, carol, ...space } = createSpace();
  space.setReaders(alice, bob, carol);
  const made = alice.ring.rekey(
    alice.state,
    { readers: [bob.bundle], followers: [], authHeads: [], reason: "create" },
    alice.random,
  );
  alice.state = made.state;
  space.publish(alice, made.opBytes);
  space.deliver();
  expect(bob.readKey(made.epochId)).toBeDefined();
  expect(bob.ring.epoch(bob.state, made.epochId)).toMatchObject({ partial: true });
  expect(bob.owed()).toEqual({ rekey: true, gives: [], requests: [] });
  space.setReaders(alice, bob);
  expect(bob.eligible()).toBeUndefined();
});

test("[P2-M1] the rotation rule: lacks are given, anything else is rekeyed", () => {
  const { alice, bob, carol } = createSpace();
  const of = (...members: readonly TestMember[]) => new Set(members.map((member) => member.id));
  expect(paymentFor(of(alice, bob), of(alice, bob))).toBe("none");
  expect(paymentFor(of(alice), of(alice, bob))).toBe("give");
  expect(paymentFor(of(alice, bob), of(alice))).toBe("rekey");
  expect(paymentFor(of(alice, bob), of(alice, carol))).toBe("rekey");
  expect(paymentFor(of(), of())).toBe("none");
});
