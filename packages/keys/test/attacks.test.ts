/** Attacks that broke other systems, tried on the key ring (docs/spec/5-keys.md §10). */
import { equalBytes } from "@hawser/codec";
import { expect, test } from "vitest";
import {
  answersMax,
  createBundle,
  createKeyRing,
  encodeKeyOp,
  epochReferenceOf,
  type EpochId,
  type GiveOp,
  type KeyOp,
  type KeyState,
  type KeyVerdict,
  parseKeyOp,
  type RekeyOp,
} from "@hawser/keys";
import {
  createMember,
  createSpace,
  createTestRandom,
  crypto,
  startTime,
  type TestMember,
  type TestSpace,
  topic,
} from "./support/space.ts";

function giveOf(bytes: Uint8Array): GiveOp {
  const parsed = parseKeyOp(bytes);
  if (!parsed.ok || parsed.op.kind === "rekey" || parsed.op.kind === "keyRequest") {
    throw new Error("a welcome or forward was expected");
  }
  return parsed.op;
}

/** A state that takes `bytes` for the secret of an epoch, as a lying member's would. */
function believing(state: KeyState, id: EpochId, bytes: Uint8Array): KeyState {
  const secret = { reveal: () => bytes, toString: () => "", toJSON: () => "" };
  return { ...state, secrets: new Map([[id, secret]]) };
}

function rekeyOf(bytes: Uint8Array): RekeyOp {
  const parsed = parseKeyOp(bytes);
  if (!parsed.ok || parsed.op.kind !== "rekey") throw new Error("a rekey was expected");
  return parsed.op;
}

function lastVerdict(member: TestMember): KeyVerdict | undefined {
  return member.verdicts.at(-1);
}

function pairSpace(): TestSpace {
  const space = createSpace();
  space.setReaders(space.alice, space.bob);
  space.rekey(space.alice);
  space.deliver();
  return space;
}

test("[P2-M8] [ATK-lfa3431] an outsider's or a follower's epoch is refused and never seals", () => {
  for (const name of ["dave", "relay"] as const) {
    const space = pairSpace();
    const { alice, bob, relay } = space;
    space.setFollowers(relay);
    const before = alice.eligible();
    const attacker = space[name];
    const { readers } = space.members();
    const made = attacker.ring.rekey(
      attacker.state,
      {
        readers: [alice.bundle, bob.bundle],
        followers: [],
        authHeads: space.authHeads(),
        reason: "rotation",
      },
      attacker.random,
    );
    space.publish(attacker, made.opBytes);
    space.deliver();
    expect(lastVerdict(bob)).toEqual({ ok: false, reason: "AUTHOR_NOT_ENTITLED" });
    expect(bob.ring.eligibleEpoch(bob.state, readers)).toBe(before);
    expect(bob.readKey(made.epochId)).toBeUndefined();
    expect(bob.ring.epoch(bob.state, made.epochId)).toBeUndefined();
  }
});

test("[ATK-lfa3431] [P2-M12] a removed member's back-dated epochs, however many in a chain, neither seal nor supersede", () => {
  const space = pairSpace();
  const { alice, bob } = space;
  const both = space.members();
  space.setReaders(alice);
  const current = space.rekey(alice);
  // He sees the op, if not what is in it, and names the epoch as a parent.
  space.deliver();
  for (let round = 0; round < 30; round++) {
    const made = bob.ring.rekey(
      bob.state,
      { readers: [alice.bundle], followers: [], authHeads: [], reason: "rotation" },
      bob.random,
    );
    bob.state = made.state;
    // The position he claims is one where he was a reader still.
    space.publish(bob, made.opBytes, { readersAt: both.readers, followersAt: [] });
  }
  space.deliver(alice);
  expect(lastVerdict(alice)).toMatchObject({ ok: true, ownMessage: "opened" });
  const descends = alice.ring.epochs(alice.state).some(({ parents }) => parents.includes(current));
  expect(descends).toBe(true);
  expect(alice.eligible()).toBe(current);
  expect(alice.owed().rekey).toBe(false);
  // What honest people sealed before they knew can still be read.
  expect(alice.ring.epochs(alice.state).every(({ id }) => alice.readKey(id) !== undefined)).toBe(
    true,
  );
  // And the next epoch supersedes the lot.
  const next = space.rekey(alice);
  expect(alice.ring.maximalEpochs(alice.state)).toEqual([next]);
});

test("[P2-M8] a secret whose epoch id does not commit to it is refused, in a rekey, a welcome, and a welcome that comes first", () => {
  const space = pairSpace();
  const { alice, bob, carol } = space;
  const other = createSpace();
  other.setReaders(other.alice, other.bob);
  other.rekey(other.alice);
  const foreignBytes = other.ops.at(-1)!.bytes;
  const victim = space.rekey(alice);
  const rekey = rekeyOf(space.ops.at(-1)!.bytes);
  // Alice's own messages, of another epoch, under this announcement.
  const swapped = { ...rekey, toReaders: rekeyOf(foreignBytes).toReaders };
  space.ops.pop();
  space.publish(alice, encodeKeyOp(swapped));
  space.deliver();
  expect(lastVerdict(bob)).toMatchObject({ ok: true, ownMessage: "unopenable", gained: [] });
  expect(bob.readKey(victim)).toBeUndefined();

  // A welcome whose message holds some other secret, before and after the announcement.
  space.setReaders(alice, bob, carol);
  const bogus = createKeyRing({ crypto }, { topic, self: bob.id });
  const lying = believing(bob.state, victim, new Uint8Array(32).fill(9));
  const input = {
    recipient: carol.bundle,
    level: "read",
    epochIds: [victim],
    authHeads: [],
  } as const;
  const [welcome] = bogus.welcome(lying, input, bob.random);
  space.publish(bob, welcome!);
  const fresh = carol.ring.receive(carol.ring.empty, [space.ops.at(-1)!], carol.prekeys);
  expect(fresh.verdicts[0]).toMatchObject({ ok: true, ownMessage: "opened", gained: [] });
  expect(carol.ring.readKey(fresh.state, victim)).toBeUndefined();
  const after = carol.ring.receive(fresh.state, space.ops.slice(0, -1), carol.prekeys);
  expect(carol.ring.readKey(after.state, victim)).toBeUndefined();
  space.deliver(carol);
  expect(lastVerdict(carol)).toMatchObject({ ok: true, ownMessage: "wrongKey", gained: [] });
  expect(carol.readKey(victim)).toBeUndefined();
  // The lie spoils nothing: the right key is taken when it comes, and the epoch is fit to seal.
  const [right] = alice.ring.forward(alice.state, input, alice.random);
  space.publish(alice, right!);
  space.deliver(carol);
  expect(carol.readKey(victim)).toEqual(alice.readKey(victim));
  expect(carol.state.broken.size).toBe(0);
});

test("[P2-M8] [P2-M12] nobody announces a known epoch again with other facts: the id commits to all of them", () => {
  const space = pairSpace();
  const { alice, bob, carol } = space;
  const id = alice.eligible()!;
  const rekey = rekeyOf(space.ops[0]!.bytes);
  // Bob holds the secret, so he could answer for it, and names the same readers; but the author is
  // part of the id, and so he announces some other epoch.
  const [message] = rekey.toReaders;
  space.publish(bob, encodeKeyOp({ ...rekey, toReaders: [{ ...message!, recipient: alice.id }] }));
  const variants: readonly RekeyOp[] = [
    { ...rekey, reason: "rotation" },
    { ...rekey, authHeads: [] },
    { ...rekey, parents: [id] },
    { ...rekey, followId: rekey.followId.toReversed() },
    { ...rekey, toReaders: [] },
  ];
  for (const variant of variants) space.publish(alice, encodeKeyOp(variant));
  space.deliver(carol);
  expect(carol.ring.epoch(carol.state, id)).toMatchObject({
    author: alice.id,
    recipients: [alice.id, bob.id].sort(),
    parents: [],
  });
  expect(carol.ring.epochs(carol.state)).toHaveLength(2 + variants.length);
});

test("[P2-M8] an epoch that tells followers another follow key than readers never seals and is owed a rekey", () => {
  const space = createSpace();
  const { alice, bob, relay } = space;
  space.setReaders(alice, bob);
  space.setFollowers(relay);
  // Alice's program derives a follow key of its own making and announces that.
  const lyingCrypto = {
    ...crypto,
    deriveKey: (context: string, material: Uint8Array, byteCount?: number) =>
      context === "hawser follow key v1"
        ? new Uint8Array(32)
        : crypto.deriveKey(context, material, byteCount),
  };
  const ring = createKeyRing({ crypto: lyingCrypto }, { topic, self: alice.id });
  const made = ring.rekey(
    alice.state,
    { readers: [bob.bundle], followers: [relay.bundle], authHeads: [], reason: "create" },
    alice.random,
  );
  space.publish(alice, made.opBytes);
  space.deliver();
  expect(lastVerdict(bob)).toMatchObject({ ok: true, ownMessage: "wrongKey", gained: [] });
  expect(bob.eligible()).toBeUndefined();
  expect(bob.owed()).toEqual({ rekey: true, gives: [], requests: [] });
  const next = space.rekey(bob);
  expect(bob.eligible()).toBe(next);
});

test("[P2-M7] [P2-K-x3dh] a direct message opens for its sender, recipient, space, op kind, level and epochs alone", () => {
  const space = pairSpace();
  const { alice, bob, carol } = space;
  const id = alice.eligible()!;
  space.setReaders(alice, bob, carol);
  const input = { recipient: carol.bundle, level: "read", epochIds: [id], authHeads: [] } as const;
  const [bytes] = alice.ring.welcome(alice.state, input, alice.random);
  const welcome = giveOf(bytes!);
  const other = "ab".repeat(32) as typeof id;
  const rows: readonly [string, TestMember, KeyOp][] = [
    ["another sender", bob, welcome],
    ["another kind", alice, { ...welcome, kind: "forward" }],
    ["another level", alice, { ...welcome, level: "follow" }],
    ["other epochs", alice, { ...welcome, epochIds: [other] }],
    ["more epochs", alice, { ...welcome, epochIds: [id, other].sort() }],
  ];
  const receive = (ring: TestMember["ring"], author: TestMember, op: KeyOp) =>
    ring.receive(
      ring.empty,
      [
        {
          bytes: encodeKeyOp(op),
          carrier: {
            ...space.ops[0]!.carrier,
            author: author.id,
            readersAt: [alice.id, bob.id, carol.id],
          },
        },
      ],
      carol.prekeys,
    ).verdicts[0];
  for (const [name, author, op] of rows) {
    expect(receive(carol.ring, author, op), name).toMatchObject({ ownMessage: "unopenable" });
  }
  const elsewhere = createKeyRing({ crypto }, { topic: "72".repeat(32), self: carol.id });
  expect(receive(elsewhere, alice, welcome)).toMatchObject({ ownMessage: "unopenable" });
  expect(receive(carol.ring, alice, welcome)).toMatchObject({ ownMessage: "opened" });
});

test("[P2-M22] a bundle under a false name is useless: what is sealed to it opens for nobody", () => {
  const space = pairSpace();
  const { alice, bob, carol } = space;
  const id = alice.eligible()!;
  // Carol signs Bob's prekey as hers and becomes a reader.
  const { bundle } = createBundle(
    { ...crypto, agreementKey: () => bob.bundle.prekey },
    { identity: carol.identity, lifetime: { notBefore: startTime, notAfter: startTime + 10 } },
    createTestRandom("false name"),
  );
  space.setReaders(alice, bob, carol);
  const input = {
    recipient: bundle,
    level: "read",
    epochIds: [id],
    authHeads: [],
  } as const;
  const [bytes] = alice.ring.welcome(alice.state, input, alice.random);
  const op = space.publish(alice, bytes!);
  // Bob, whose key it is, is shown the message as if it were his.
  const asBob = encodeKeyOp({ ...giveOf(bytes!), recipient: bob.id });
  const shown = bob.ring.receive(bob.ring.empty, [{ ...op, bytes: asBob }], bob.prekeys);
  expect(shown.verdicts[0]).toMatchObject({ ownMessage: "unopenable" });
  const hers = carol.ring.receive(carol.ring.empty, [op], [...carol.prekeys, ...bob.prekeys]);
  // Even holding Bob's secret she would only open what was meant for her.
  expect(hers.verdicts[0]).toMatchObject({ ownMessage: "opened" });
});

test("[P2-M3] [ATK-tsmls-rc10] a removed member derives nothing from the op that removed it, alone or with all it held", () => {
  const space = createSpace();
  const { alice, bob, carol } = space;
  space.setReaders(alice, bob, carol);
  const first = space.rekey(alice);
  space.deliver();
  space.setReaders(alice, bob);
  // One removal, one rekey: the case in which the other system left out the new secret.
  const second = space.rekey(alice);
  space.deliver();
  expect(carol.readKey(first)).toEqual(alice.readKey(first));
  expect(carol.readKey(second)).toBeUndefined();
  expect(carol.followKey(second)).toBeUndefined();
  expect(alice.readKey(second)).not.toEqual(alice.readKey(first));
  const { toReaders, toFollowers } = rekeyOf(space.ops.at(-1)!.bytes);
  expect([...toReaders, ...toFollowers].map((message) => message.recipient)).toEqual([bob.id]);
  // Nothing she holds opens Bob's message either.
  const carrier = space.ops.at(-1)!.carrier;
  const rekey = rekeyOf(space.ops.at(-1)!.bytes);
  const [message] = rekey.toReaders;
  const redirected = {
    ...rekey,
    toReaders: [{ ...message!, recipient: carol.id, prekeyRef: carol.bundle.prekey.slice(0, 8) }],
  };
  const tried = carol.ring.receive(
    carol.state,
    [{ bytes: encodeKeyOp(redirected), carrier: { ...carrier, readersAt: [alice.id, carol.id] } }],
    carol.prekeys,
  );
  expect(tried.verdicts[0]).toMatchObject({ ownMessage: "unopenable", gained: [] });
});

test("[P2-M7] [P2-K-invalid_replayed_messages] replays are no-ops instead of errors (§4: stateless); two messages for one recipient reject the op", () => {
  const space = pairSpace();
  const { alice, bob, carol } = space;
  space.setReaders(alice, bob, carol);
  space.pay(alice);
  space.deliver();
  const encoded = carol.ring.encode(carol.state);
  const again = carol.ring.receive(carol.state, [...space.ops, ...space.ops], carol.prekeys);
  expect(again.verdicts.every((verdict) => verdict.ok && !verdict.isNews)).toBe(true);
  expect(carol.ring.encode(again.state)).toEqual(encoded);

  space.rekey(alice);
  const rekey = rekeyOf(space.ops.at(-1)!.bytes);
  const [first] = rekey.toReaders;
  const twice: readonly RekeyOp[] = [
    { ...rekey, toReaders: [first!, ...rekey.toReaders] },
    { ...rekey, toFollowers: [first!] },
  ];
  for (const op of twice) {
    expect(parseKeyOp(encodeKeyOp(op))).toEqual({ ok: false, reason: "DUPLICATE_RECIPIENT" });
  }
  space.publish(bob, encodeKeyOp(rekey));
  expect(lastVerdict(bob)).toEqual({ ok: false, reason: "DUPLICATE_RECIPIENT" });
});

test("[P2-M8] a reader who says it gave a key to somebody without a right to it makes the epoch unfit", () => {
  const space = pairSpace();
  const { alice, bob, dave } = space;
  const id = alice.eligible()!;
  const input = { recipient: dave.bundle, level: "read", epochIds: [id], authHeads: [] } as const;
  const [bytes] = bob.ring.welcome(bob.state, input, bob.random);
  space.publish(bob, bytes!);
  space.deliver();
  expect(lastVerdict(alice)).toEqual({ ok: false, reason: "RECIPIENT_NOT_ENTITLED" });
  expect(dave.readKey(id)).toBeUndefined();
  expect(alice.eligible()).toBeUndefined();
  expect(alice.owed().rekey).toBe(true);
});

test("[P2-M8] who does not hold an epoch gives nobody anything: its welcomes change no holders", () => {
  const space = pairSpace();
  const { alice, bob, carol, dave } = space;
  const id = alice.eligible()!;
  space.setReaders(alice, bob, carol, dave);
  const lying = believing(carol.state, id, new Uint8Array(32));
  const input = { recipient: dave.bundle, level: "read", epochIds: [id], authHeads: [] } as const;
  const [bytes] = carol.ring.welcome(lying, input, carol.random);
  space.publish(carol, bytes!);
  space.deliver();
  expect([...alice.ring.holdersOf(alice.state, id)].sort()).toEqual([alice.id, bob.id].sort());
  expect(
    alice
      .owed()
      .gives.map((owed) => owed.recipient)
      .sort(),
  ).toEqual([carol.id, dave.id].sort());
});

test("[TH-056] neither secret nor read key nor follow key is in any op", () => {
  const space = pairSpace();
  const { alice, carol, relay } = space;
  space.setReaders(alice, space.bob, carol);
  space.setFollowers(relay);
  space.pay(alice);
  const id = space.rekey(alice);
  space.deliver();
  const keys = [alice.readKey(id)!, alice.followKey(id)!, alice.state.secrets.get(id)!.reveal()];
  for (const { bytes } of space.ops) {
    for (const key of keys) expect(holds(bytes, key)).toBe(false);
  }
  expect(holds(alice.ring.encode(alice.state), keys[2]!)).toBe(true);
});

function holds(bytes: Uint8Array, part: Uint8Array): boolean {
  for (let at = 0; at + part.length <= bytes.length; at++) {
    if (equalBytes(bytes.subarray(at, at + part.length), part)) return true;
  }
  return false;
}

test("[P2-M13] a member alone, and a space nobody reads any more", () => {
  const space = createSpace();
  const { alice, bob } = space;
  space.setReaders(alice);
  expect(alice.owed()).toEqual({ rekey: true, gives: [], requests: [] });
  const id = space.rekey(alice);
  expect(alice.eligible()).toBe(id);
  space.setReaders();
  expect(alice.eligible()).toBeUndefined();
  expect(alice.owed().rekey).toBe(true);
  const stranger = createMember("erin", () => space.members());
  expect(stranger.owed().rekey).toBe(true);
  expect(bob.owed().gives).toEqual([]);
});

test("[P2-M8] [P2-M17] epochs that somebody removed dates back are looked for by nobody and displace no others", () => {
  const { alice, bob, carol, dave, ...space } = createSpace();
  space.setReaders(alice, bob, carol);
  const early = space.members().readers;
  const honest = space.rekey(carol);
  space.deliver();
  space.setReaders(alice, bob);
  const ours = space.rekey(alice);
  space.deliver();
  // At the old position carol is a reader; what she seals to the others opens with no key of theirs.
  const swapped = [
    { ...alice.bundle, prekey: bob.bundle.prekey },
    { ...bob.bundle, prekey: alice.bundle.prekey },
  ] as unknown as readonly (typeof alice.bundle)[];
  for (let index = 0; index < 5; index++) {
    const input = { readers: swapped, followers: [], authHeads: [], reason: "rotation" } as const;
    const made = carol.ring.rekey(carol.state, input, carol.random);
    carol.state = made.state;
    space.publish(carol, made.opBytes, { readersAt: early });
  }
  space.deliver();
  for (const reader of [alice, bob]) {
    expect(reader.ring.epochs(reader.state)).toHaveLength(7);
    expect(reader.owed()).toEqual({ rekey: false, gives: [], requests: [] });
    expect(reader.ring.missingEpochs(reader.state, space.members(), "all")).toEqual([]);
    expect(reader.eligible()).toBe(ours);
  }
  // A later rekey does not take them up, so a newcomer gets the true ones alone.
  const next = space.rekey(bob);
  space.deliver();
  space.setReaders(alice, bob, dave);
  space.pay(alice, { lastEpochs: 3 });
  space.deliver();
  for (const id of [honest, ours, next]) expect(dave.readKey(id)).toEqual(bob.readKey(id));
  expect(dave.owed({ lastEpochs: 3 })).toMatchObject({ rekey: false, requests: [] });
  expect(dave.ring.missingEpochs(dave.state, space.members(), "all")).toEqual([]);
});

test("[P2-M5] an epoch of somebody removed that readers do hold is still passed on", () => {
  const { alice, bob, carol, dave, ...space } = createSpace();
  space.setReaders(alice, bob, carol);
  space.rekey(alice);
  space.deliver();
  const early = space.members().readers;
  // Concurrently: carol makes an epoch that bob may have sealed in, and alice removes her.
  const input = {
    readers: [alice.bundle, bob.bundle],
    followers: [],
    authHeads: [],
    reason: "rotation",
  } as const;
  const made = carol.ring.rekey(carol.state, input, carol.random);
  space.setReaders(alice, bob);
  space.rekey(alice);
  space.publish(carol, made.opBytes, { readersAt: early });
  space.deliver();
  space.setReaders(alice, bob, dave);
  space.pay(bob);
  space.deliver();
  expect(dave.readKey(made.epochId)).toBeDefined();
  expect(dave.readKey(made.epochId)).toEqual(alice.readKey(made.epochId));
});

test("[ATK-jazz2252] who never could open the epoch before removes a member all the same", () => {
  const space = createSpace();
  const { alice, bob, carol } = space;
  space.setReaders(alice, bob, carol);
  // Bob lost the prekey that the epoch was sealed to.
  bob.prekeys = [];
  const before = space.rekey(alice);
  space.deliver();
  expect(bob.readKey(before)).toBeUndefined();
  space.setReaders(alice, bob);
  expect(bob.owed().rekey).toBe(true);
  const after = space.rekey(bob);
  space.deliver();
  expect(bob.ring.epoch(bob.state, after)).toMatchObject({ parents: [before], partial: false });
  expect(bob.eligible()).toBe(after);
  expect(alice.eligible()).toBe(after);
  expect(alice.readKey(after)).toEqual(bob.readKey(after));
  expect(carol.readKey(after)).toBeUndefined();
});

test("[P2-M17] who asks a hundred times before anybody answers is answered as often as who asks slowly", () => {
  for (const name of ["bob", "relay"] as const) {
    const space = pairSpace();
    const { alice, relay } = space;
    space.setFollowers(relay);
    const id = space.rekey(alice);
    space.deliver();
    const level = name === "bob" ? "read" : "follow";
    for (let count = 0; count < 100; count++) {
      const [request] = space[name].ring.requestKeys({ epochIds: [id], level, authHeads: [] });
      space.publish(space[name], request!);
    }
    // Whoever answers has the requests in another order.
    const received = alice.ring.receive(alice.state, space.ops.toReversed(), alice.prekeys);
    space.deliver(alice);
    const members = space.members();
    expect(alice.ring.whatIsOwed(received.state, members, "all")).toEqual(alice.owed());
    const answers = alice.owed().gives.filter((give) => give.answers !== undefined);
    expect(answers.map(({ epochIds }) => epochIds)).toEqual(Array(answersMax).fill([id]));
    space.pay(alice);
    expect(alice.owed().gives).toEqual([]);
  }
});

test("[P2-M8] an epoch that a give alone names is no candidate for content, until it is announced", () => {
  const space = createSpace();
  const { alice, carol } = space;
  space.setReaders(alice, carol);
  const id = space.rekey(alice);
  const give = { recipient: carol.bundle, level: "read", epochIds: [id], authHeads: [] } as const;
  const [bytes] = alice.ring.forward(alice.state, give, alice.random);
  const forward = space.publish(alice, bytes!);
  const [announcement] = space.ops;
  const reference = epochReferenceOf(id);
  // Without the message of her own: what was set aside is what opens.
  const early = carol.ring.receive(carol.state, [forward], carol.prekeys).state;
  expect(carol.ring.resolveReference(early, reference)).toEqual([]);
  const { state } = carol.ring.receive(early, [announcement!], []);
  expect(carol.ring.resolveReference(state, reference)).toEqual([id]);
  expect(carol.ring.readKey(state, id)).toEqual(alice.readKey(id));
});
