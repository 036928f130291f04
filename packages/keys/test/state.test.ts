import { inspect } from "node:util";
import { toHex, utf8 } from "@hawser/codec";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createKeyRing, encodePrekeys, KeysError } from "@hawser/keys";
import { createSpace, crypto, type TestMember, topic } from "./support/space.ts";

/** A state with every kind of fact in it: epochs, gives, requests, follow keys, keys set aside. */
function busySpace(): ReturnType<typeof createSpace> {
  const space = createSpace();
  const { alice, bob, carol, dave, relay } = space;
  space.setReaders(alice, bob);
  space.setFollowers(relay);
  space.rekey(alice, { attachment: utf8("attachment") });
  space.deliver();
  space.setReaders(alice, bob, carol);
  space.pay(bob);
  space.rekey(carol);
  space.setReaders(alice, bob, carol, dave);
  space.pay(alice);
  const ask = {
    epochIds: alice.ring.maximalEpochs(alice.state),
    level: "read",
    authHeads: [],
  } as const;
  for (const bytes of carol.ring.requestKeys(ask)) space.publish(carol, bytes);
  space.deliver();
  // Only the welcome, not the epochs it names: its keys are set aside.
  const welcomes = space.ops.filter((op) => op.bytes[2] === 2);
  dave.state = dave.ring.receive(dave.ring.empty, welcomes, dave.prekeys).state;
  expect(dave.state.aside.size).toBeGreaterThan(0);
  return space;
}

test("[P2-K-serde] [P2-M14] a state survives a round trip, and only canonical bytes of its owner are read", () => {
  const { everybody } = busySpace();
  for (const { ring, state, prekeys } of everybody) {
    const bytes = ring.encode(state);
    const restored = ring.decode(bytes);
    expect(restored).toBeDefined();
    expect(ring.encode(restored!)).toEqual(bytes);
    expect(ring.epochs(restored!)).toEqual(ring.epochs(state));
    expect(ring.receive(restored!, [], prekeys).state).toEqual(restored);
    const other = createKeyRing({ crypto }, { topic: "73".repeat(32), self: everybody[0]!.id });
    expect(other.decode(bytes)).toBeUndefined();
    const stranger = createKeyRing(
      { crypto },
      { topic, self: "00".repeat(32) as (typeof everybody)[0]["id"] },
    );
    expect(stranger.decode(bytes)).toBeUndefined();
  }
});

test("[P2-K-serde] truncated, lengthened, mutated and random bytes are no state, and never an exception", () => {
  const { dave, alice } = busySpace();
  for (const { ring, state } of [alice, dave]) {
    const bytes = ring.encode(state);
    for (let size = 0; size < bytes.length; size += 7) {
      expect(ring.decode(bytes.subarray(0, size))).toBeUndefined();
    }
    expect(ring.decode(new Uint8Array([...bytes, 0]))).toBeUndefined();
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        const mutated = bytes.slice();
        mutated[at] = value;
        const decoded = ring.decode(mutated);
        return decoded === undefined || toHex(ring.encode(decoded)) === toHex(mutated);
      }),
      { numRuns: 300 },
    );
  }
});

test("[P2-M16] state and op belong together: a crash before the commit leaves neither, one after it leaves both", () => {
  const space = createSpace();
  const { alice, bob } = space;
  space.setReaders(alice, bob);
  space.rekey(alice);
  space.deliver();
  const committed = alice.ring.encode(alice.state);
  const input = {
    readers: [bob.bundle],
    followers: [],
    authHeads: [],
    reason: "rotation",
  } as const;
  // Before the commit: nothing was published, and the old state goes on as if nothing had happened.
  alice.ring.rekey(alice.state, input, alice.random);
  expect(alice.ring.encode(alice.state)).toEqual(committed);
  // After it: the restored state reads the op that is waiting in the outbox.
  const made = alice.ring.rekey(alice.state, input, alice.random);
  const restored = alice.ring.decode(alice.ring.encode(made.state));
  alice.state = restored!;
  expect(alice.readKey(made.epochId)).toBeDefined();
  space.publish(alice, made.opBytes);
  space.deliver();
  expect(alice.eligible()).toBe(made.epochId);
  expect(bob.readKey(made.epochId)).toEqual(alice.readKey(made.epochId));
});

test("[P2-M3] no secret is shown by printing, inspecting or serialising a state, prekeys or an error", () => {
  const { alice, relay } = busySpace();
  const secrets = [
    ...[...alice.state.secrets.values()].map((secret) => secret.reveal()),
    ...[...relay.state.followKeys.values()].map((secret) => secret.reveal()),
    ...[alice, relay].flatMap((member) => member.prekeys.map(({ secret }) => secret.reveal())),
  ];
  expect(secrets.length).toBeGreaterThan(3);
  const shown = [alice, relay].flatMap(({ state, prekeys }: TestMember) =>
    [state, prekeys].flatMap((value) => [
      inspect(value, { depth: 20, showHidden: true, maxArrayLength: null }),
      JSON.stringify(value),
      JSON.stringify([...("secrets" in value ? value.secrets.values() : value)]),
    ]),
  );
  for (const secret of secrets) {
    const forms = [
      toHex(secret),
      [...secret].join(","),
      [...secret].join(", "),
      Buffer.from(secret).toString("base64"),
    ];
    for (const text of shown) for (const form of forms) expect(text.includes(form)).toBe(false);
  }
  expect(String([...alice.state.secrets.values()][0])).toBe("[secret]");
  expect(encodePrekeys(alice.prekeys).length).toBeGreaterThan(64);
});

test("[P2-M17] misuse is told by code", () => {
  const space = createSpace();
  const { alice, bob, carol } = space;
  const unknown = "ee".repeat(32) as ReturnType<TestMember["ring"]["maximalEpochs"]>[number];
  const base = { readers: [bob.bundle], followers: [], authHeads: [], reason: "create" } as const;
  const give = {
    recipient: bob.bundle,
    level: "read",
    epochIds: [unknown],
    authHeads: [],
  } as const;
  const tooLong = new Uint8Array(4097);
  const heads = Array.from({ length: 257 }, (_, index) => index.toString(16).padStart(64, "0"));
  const rekey = (input: Parameters<typeof alice.ring.rekey>[1], random = alice.random) =>
    alice.ring.rekey(alice.state, input, random);
  const rows: readonly [string, () => unknown][] = [
    ["KEYS_DUPLICATE_RECIPIENT", () => rekey({ ...base, readers: [bob.bundle, bob.bundle] })],
    ["KEYS_DUPLICATE_RECIPIENT", () => rekey({ ...base, followers: [bob.bundle] })],
    ["KEYS_BAD_ATTACHMENT", () => rekey({ ...base, attachment: tooLong })],
    ["KEYS_BAD_ID", () => rekey({ ...base, authHeads: ["AB".repeat(32)] })],
    ["KEYS_BAD_ID", () => rekey({ ...base, authHeads: ["ab"] })],
    ["KEYS_TOO_MANY", () => rekey({ ...base, authHeads: heads })],
    [
      "KEYS_TOO_MANY",
      () => rekey({ ...base, readers: Array.from({ length: 4097 }, () => bob.bundle) }),
    ],
    ["KEYS_BAD_RANDOM", () => rekey(base, () => new Uint8Array(31))],
    ["KEYS_EPOCH_NOT_HELD", () => alice.ring.welcome(alice.state, give, alice.random)],
    [
      "KEYS_EPOCH_NOT_HELD",
      () => alice.ring.forward(alice.state, { ...give, level: "follow" }, alice.random),
    ],
    [
      "KEYS_BAD_ATTACHMENT",
      () => alice.ring.welcome(alice.state, { ...give, attachment: tooLong }, alice.random),
    ],
  ];
  for (const [code, act] of rows) {
    expect(act, code).toThrow(expect.objectContaining({ code, name: "KeysError" }));
    expect(act).toThrow(KeysError);
  }
  expect(
    rekey({ ...base, readers: [alice.bundle, bob.bundle, carol.bundle] }).opBytes.length,
  ).toBeGreaterThan(300);
});

test("[P2-M17] a welcome of more than 256 epochs is several ops; a chain of thousands of parents is no recursion", () => {
  const space = createSpace();
  const { alice, bob } = space;
  space.setReaders(alice);
  const made = Array.from({ length: 300 }, () => space.rekey(alice));
  space.setReaders(alice, bob);
  const debts = alice.owed();
  expect(debts.gives[0]?.epochIds).toHaveLength(300);
  space.pay(alice);
  expect(space.ops).toHaveLength(302);
  space.deliver(bob);
  expect(made.every((id) => bob.readKey(id) !== undefined)).toBe(true);
  expect(bob.ring.epoch(bob.state, made.at(-1)!)?.generation).toBe(300);
});

test("[P2-K-serde] a state stays as it was when more is taken in, and a batch gives what its ops give one by one", () => {
  const space = createSpace();
  const { alice, bob, carol, dave } = space;
  space.setReaders(alice, bob, carol, dave);
  const id = space.rekey(alice);
  space.deliver();
  const { state } = bob;
  const before = bob.ring.encode(state);
  const from = space.ops.length;
  for (const recipient of [bob.bundle, carol.bundle, dave.bundle, carol.bundle]) {
    const give = { recipient, level: "read", epochIds: [id], authHeads: [] } as const;
    for (const bytes of alice.ring.forward(alice.state, give, alice.random)) {
      space.publish(alice, bytes);
    }
  }
  const ops = space.ops.slice(from);
  const together = bob.ring.receive(state, ops, bob.prekeys);
  expect(together.verdicts.map((verdict) => verdict.ok && verdict.isNews)).toEqual([
    true,
    true,
    true,
    false,
  ]);
  expect(bob.ring.encode(state)).toEqual(before);
  let single = state;
  const seen = [bob.ring.encode(single)];
  const states = [single];
  for (const op of ops) {
    single = bob.ring.receive(single, [op], bob.prekeys).state;
    states.push(single);
    seen.push(bob.ring.encode(single));
  }
  expect(bob.ring.encode(single)).toEqual(bob.ring.encode(together.state));
  expect(states.map((one) => bob.ring.encode(one))).toEqual(seen);
  expect(Object.keys(together.state).sort()).toEqual(Object.keys(alice.ring.empty).sort());
});
