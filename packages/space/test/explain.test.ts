/** Everything that has no effect says why (docs/spec/6-space.md §7 *explain*): a row per reason. */
import { createOp, type AuthAction, type OpId } from "@hawser/auth";
import { encodeCbor, utf8 } from "@hawser/codec";
import { encodeBundle } from "@hawser/keys";
import { logIdOf, type LogId } from "@hawser/log";
import { describe, expect, test } from "vitest";
import { plainEvent } from "../src/layers.ts";
import {
  auth,
  explained,
  filled,
  foundingOf,
  groupOf,
  headsOf,
  individual,
  invite,
  inviteOf,
  joinOutcome,
  nobody,
  op,
  opBytes,
  raw,
  fieldsWith,
  remove,
  scene,
  write1,
  type Make,
  type Scene,
} from "./explain-scene.ts";
import { attacker, forge, forgeControl } from "./forge.ts";
import { write } from "./world.ts";

/** Content of a manager, and the reason why it has no effect. */
const controlRows: readonly (readonly [string, string, Make])[] = [
  // Chapter 4 §2.4: bytes that are no operation.
  ["NOT_CANONICAL", "no CBOR", () => [auth(new Uint8Array([0xff]))]],
  ["BAD_VERSION", "an operation of version 2", raw(fieldsWith({ 0: 2 }))],
  ["BAD_SHAPE", "an operation of no known type", raw(fieldsWith({ 1: 99 }))],
  ["BAD_DEPS", "deps out of order", raw(fieldsWith({ 4: [filled(9), filled(3)] }))],
  [
    "OUT_OF_RANGE",
    "a ruling on no entry",
    raw(fieldsWith({ 1: 8, 5: [filled(1), 3, 3, filled(2), 1] })),
  ],
  [
    "DUPLICATE_MEMBER",
    "a create that lists somebody twice",
    raw(
      fieldsWith({
        1: 0,
        3: null,
        4: [],
        5: [filled(1, 16), 0, [0, 0].map(() => [0, filled(5), 3, false])],
      }),
    ),
  ],
  ["TOO_LARGE", "an operation over the limit", () => [auth(new Uint8Array(196_609))]],
  // §3: what is not handed to the graph.
  [
    "OTHER_AUTHOR",
    "an operation of somebody else",
    (at) => [auth(opBytes(at, remove(at.ben.author), { author: at.ada.author }))],
  ],
  [
    "OTHER_GROUP",
    "a second create",
    op(({ ben }) => ({
      type: "create",
      nonce: filled(1, 16),
      policy: "senior-wins",
      grants: [{ member: individual(ben.author), access: { level: "manage", mayDelete: true } }],
    })),
  ],
  [
    "UNKNOWN_GROUP",
    "a group that nobody has shown",
    op(() => ({
      type: "add",
      grant: { member: { kind: "group", id: nobody as never }, access: write1 },
    })),
  ],
  [
    "BUNDLE_MISSING",
    "somebody without a key bundle",
    op(() => ({ type: "add", grant: { member: individual(nobody), access: write1 } })),
  ],
  // Chapter 4 §3.1: what the graph refuses.
  [
    "DEP_REJECTED",
    "an operation on a refused one",
    (at) => {
      const bad = createOp(at.world.crypto, {
        author: at.ben.author,
        group: groupOf(at),
        deps: headsOf(at.space),
        action: remove(nobody),
      });
      return [auth(bad.bytes), auth(opBytes(at, invite(1)(at), { deps: [bad.op.id] }))];
    },
  ],
  [
    "DEPS_NOT_ANTICHAIN",
    "a dep before another",
    op(invite(1), (at) => [foundingOf(at), ...headsOf(at.space)]),
  ],
  ["GROUP_NOT_IN_PAST", "no deps at all", op(invite(1), () => [])],
  ["NOT_MONOTONIC", "an operation that forgets", op(invite(1), (at) => [foundingOf(at)])],
  ["UNKNOWN_MEMBER", "the removal of a stranger", op(() => remove(nobody))],
  [
    "MEMBER_GONE",
    "a second removal",
    async (at) => {
      const dan = await at.world.device("dan");
      await at.space.add(await dan.spaces.bundle(), "write");
      await at.space.remove(dan.author);
      await at.world.settle(at.ada, at.ben);
      return [auth(opBytes(at, remove(dan.author)))];
    },
  ],
  [
    "ALREADY_MEMBER",
    "an add of a member",
    async (at) => [
      { kind: "bundle", bundle: encodeBundle(await at.ada.spaces.bundle()) },
      auth(
        opBytes(at, {
          type: "add",
          grant: { member: individual(at.ada.author), access: write1 },
        }),
      ),
    ],
  ],
  ["USE_LEAVE", "a removal of oneself", op(({ ben }) => remove(ben.author))],
  [
    "LAST_MANAGER",
    "a successor who is the leaver",
    op(({ ben }) => ({ type: "leave", successor: individual(ben.author) })),
  ],
  [
    "INVITE_EXISTS",
    "an invite key used twice",
    (at) => {
      const first = opBytes(at, invite(1)(at));
      const { id } = createOp(at.world.crypto, {
        author: at.ben.author,
        group: groupOf(at),
        deps: headsOf(at.space),
        action: invite(1)(at),
      }).op;
      return [auth(first), auth(opBytes(at, invite(2)(at), { deps: [id] }))];
    },
  ],
  [
    "UNKNOWN_INVITE",
    "the end of no invite",
    op((at) => ({ type: "revoke", invite: inviteOf(at) })),
  ],
  // Waiting.
  [
    "MISSING_OPS",
    "an operation whose deps nobody has",
    op(invite(1), (at) => [...headsOf(at.space), "cd".repeat(32) as OpId]),
  ],
  // §3: entries.
  ["UNREADABLE", "content of no known kind", () => [{ kind: "auth", op: 7 as never }]],
  // Chapter 5: bundles and key operations.
  ["MALFORMED", "no key bundle", () => [{ kind: "bundle", bundle: new Uint8Array([1, 2]) }]],
  [
    "BAD_SIGNATURE",
    "a bundle with a changed bit",
    async (at) => {
      const bundle = encodeBundle(await at.ben.spaces.bundle());
      const changed = bundle.slice();
      changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
      return [{ kind: "bundle", bundle: changed }];
    },
  ],
  ["MALFORMED", "no key operation", () => [{ kind: "keys", op: new Uint8Array([1, 2]) }]],
  [
    "UNKNOWN_VERSION",
    "a key operation of version 99",
    () => [{ kind: "keys", op: encodeCbor([99, 0]) }],
  ],
];

describe("control entries", () => {
  for (const [reason, what, make] of controlRows) {
    test(`${what}: ${reason}`, async () => {
      const at = await scene();
      const answer = await explained(at, await make(at));
      const code = reason === "MISSING_OPS" ? "MISSING_DEP" : "PRESENT";
      expect(answer).toEqual({ code, judgement: undefined, reason });
    });
  }

  for (const [what, action] of [
    ["an add", (): AuthAction => remove(nobody)],
    ["an invite", invite(1)],
  ] as const) {
    test(`${what} by a writer: NOT_MANAGER`, async () => {
      const at = await scene(false);
      const answer = await explained(at, [auth(opBytes(at, action(at)))]);
      expect(answer).toMatchObject({ code: "PRESENT", reason: "NOT_MANAGER" });
    });
  }

  test("an operation after one's own removal: NO_LONGER_MEMBER", async () => {
    const at = await scene();
    await at.space.remove(at.ben.author);
    const answer = await explained(at, [auth(opBytes(at, invite(1)(at)))]);
    expect(answer).toMatchObject({ reason: "NO_LONGER_MEMBER" });
  });

  test("operations that count say nothing; void ones say why", async () => {
    const at = await scene();
    const { world, ada, ben, space, other } = at;
    const dan = await world.device("dan");
    await space.remove(ben.author);
    await other.add(await dan.spaces.bundle(), "manage");
    await other.remove(ada.author);
    await world.settle(ada, ben);
    const reasons: string[] = [];
    for (const { place, status } of space.timeline()) {
      const { reason } = await space.explain(place);
      expect(reason).toBe(status.state === "void" ? status.reason : undefined);
      if (reason !== undefined) reasons.push(reason);
    }
    expect(reasons).toContain("AUTHOR_REMOVED");
    // The senior stays, so what the other did against it is void as well.
    expect(reasons.length).toBeGreaterThanOrEqual(2);
  });
});

describe("what was refused", () => {
  for (const [reason, what, prepare, change] of [
    ["UNKNOWN_INVITE", "a join by no invite", undefined, {}],
    ["INVITE_EXPIRED", "a join after the end of its invite", invite(1, 1_000), {}],
    ["BAD_JOIN_PROOF", "a join with a changed proof", invite(1), { flip: true }],
  ] as const) {
    test(`${what}: ${reason}, and nothing is stored`, async () => {
      const at = await scene();
      if (prepare !== undefined) await explained(at, [auth(opBytes(at, prepare(at)))]);
      const { outcome, explanation, before, after } = await joinOutcome(at, change);
      expect(outcome).toEqual({ status: "refused", reason });
      expect(explanation).toEqual({ code: "REFUSED", judgement: undefined, reason });
      expect(after).toEqual(before);
    });
  }

  test("a join by a revoked invite: INVITE_CLOSED", async () => {
    const at = await scene();
    await explained(at, [auth(opBytes(at, invite(1)(at)))]);
    await explained(at, [auth(opBytes(at, { type: "revoke", invite: inviteOf(at) }))]);
    const { outcome, explanation } = await joinOutcome(at);
    expect(outcome).toEqual({ status: "refused", reason: "INVITE_CLOSED" });
    expect(explanation).toMatchObject({ code: "REFUSED", reason: "INVITE_CLOSED" });
  });

  test("data of somebody who may not write: NOT_ADMITTED, told as no access", async () => {
    const at = await scene();
    const eve = attacker(at.world.crypto, "eve");
    const { ref, range } = await dataBy(at, eve, "x");
    expect(await at.ada.spaces.ingest(range)).toMatchObject({ status: "refused" });
    expect(await at.space.explain(ref)).toEqual({
      code: "NO_ACCESS",
      judgement: undefined,
      reason: "NOT_ADMITTED",
    });
  });

  test("a changed bit: a bad signature or chain, told until the true entry comes", async () => {
    const at = await scene();
    const { ref, range } = await dataBy(at, at.ben, "true");
    const bytes = range.bytes.slice();
    bytes[bytes.length - 3]! ^= 1;
    expect((await at.ada.spaces.ingest({ ...range, bytes })).status).toBe("bad");
    const { code, reason } = await at.space.explain(ref);
    expect(["BAD_SIGNATURE", "REFUSED"]).toContain(code);
    expect(reason).toMatch(/^LOG_/);
    expect((await at.ada.spaces.ingest(range)).status).toBe("stored");
    expect((await at.space.explain(ref)).code).not.toBe(code);
  });

  test("a control entry from the future: HELD_FOR_CLOCK", async () => {
    const at = await scene();
    const { world, ben, ada, space } = at;
    const range = await forgeControl({
      crypto: world.crypto,
      id: space.id!,
      topic: space.topic,
      author: ben.author,
      secret: ben.secret,
      now: world.clock.nowMicros() + 3_600e6,
      base: ada.store,
      contents: [auth(opBytes(at, invite(1)(at)))],
    });
    expect(await ada.spaces.ingest(range)).toMatchObject({ status: "refused" });
    const context = { topic: space.topic, author: ben.author, domain: "hawser.control" };
    const ref = { logId: logIdOf(world.crypto, context), seq: range.from };
    expect(await space.explain(ref)).toMatchObject({ code: "HELD_FOR_CLOCK" });
  });

  test("what nobody offered, and other spaces' logs, are just not announced", async () => {
    const { space } = await scene();
    const ref = { logId: "12".repeat(32) as LogId, seq: 0 };
    expect(await space.explain(ref)).toMatchObject({ code: "NOT_ANNOUNCED", reason: undefined });
  });

  test("a flood of refusals is remembered up to a bound", async () => {
    const at = await scene();
    const first = await dataBy(at, attacker(at.world.crypto, "eve 0"), "x");
    await at.ada.spaces.ingest(first.range);
    for (let number = 1; number <= 256; number++) {
      const eve = attacker(at.world.crypto, `eve ${number}`);
      await at.ada.spaces.ingest((await dataBy(at, eve, "x")).range);
    }
    expect(await at.space.explain(first.ref)).toMatchObject({ code: "NOT_ANNOUNCED" });
  });
});

/** A plain note as the next entry of an author's data log, at no position. */
async function dataBy(
  { world, ada, space }: Scene,
  by: { readonly author: string; readonly secret: Uint8Array },
  text: string,
) {
  const context = { topic: space.topic, author: by.author, domain: "hawser.data" } as never;
  const range = await forge({
    crypto: world.crypto,
    context,
    secret: by.secret,
    now: world.clock.nowMicros(),
    base: ada.store,
    make: () => [{ data: plainEvent({ type: "note", sequence: undefined, body: utf8(text) }) }],
  });
  return { range, ref: { logId: logIdOf(world.crypto, context), seq: range.from } };
}

describe("data entries", () => {
  test("outside its author's position: NOT_WRITER", async () => {
    const at = await scene();
    const { range, ref } = await dataBy(at, at.ben, "x");
    await at.ada.spaces.ingest(range);
    expect(await at.space.explain(ref)).toEqual({
      code: "NO_ACCESS",
      judgement: "reject",
      reason: "NOT_WRITER",
    });
  });

  test("quarantined: CONCURRENTLY_ENDED; forked: FORKED", async () => {
    const at = await scene();
    const { world, ada, ben, space, other } = at;
    await space.remove(ben.author);
    const ref = await write(other, "late");
    await world.copy(ben, ada);
    expect(await space.explain(ref)).toEqual({
      code: "PRESENT",
      judgement: "quarantine",
      reason: "CONCURRENTLY_ENDED",
    });
    // What Ada does not have yet, and another branch of it.
    const left = await dataBy(at, ben, "left");
    const right = await dataBy(at, ben, "right");
    await ada.spaces.ingest(left.range);
    expect((await ada.spaces.ingest(right.range)).status).toBe("forked");
    expect(await space.explain(left.ref)).toMatchObject({
      code: "FORKED",
      judgement: "quarantine",
    });
  });

  test("an entry that opens and holds nothing: UNREADABLE", async () => {
    const at = await scene();
    const { world, ada, ben, space, other } = at;
    await write(other, "first");
    await world.settle(ada, ben);
    const context = { topic: space.topic, author: ben.author, domain: "hawser.data" } as never;
    const range = await forge({
      crypto: world.crypto,
      context,
      secret: ben.secret,
      now: world.clock.nowMicros(),
      base: ada.store,
      make: () => [{ data: utf8("?") }],
    });
    await ada.spaces.ingest(range);
    const ref = { logId: logIdOf(world.crypto, context), seq: range.from };
    expect(await space.explain(ref)).toMatchObject({ reason: "UNREADABLE" });
  });

  for (const [reason, what, seqOf, stampOf] of [
    ["BAD_DEP", "a dep with a wrong seq", (seq: number) => seq + 1, (now: number) => now],
    ["BAD_STAMP", "a dep that is not older", (seq: number) => seq, () => 1_794_000_000_000_001],
  ] as const) {
    test(`${what}: ${reason}`, async () => {
      const at = await scene();
      const { world, ada, ben, space } = at;
      const { logId, seq } = await write(space, "pointed at");
      let hash = new Uint8Array(32);
      for await (const entry of ada.store.entries(logId, { from: seq })) hash = entry.hash.slice();
      const context = { topic: space.topic, author: ben.author, domain: "hawser.data" } as never;
      const range = await forge({
        crypto: world.crypto,
        context,
        secret: ben.secret,
        now: stampOf(world.clock.nowMicros()),
        make: () => [
          {
            data: plainEvent({ type: "note", sequence: undefined, body: utf8("x") }),
            deps: [{ seq: seqOf(seq), hash }],
          },
        ],
      });
      expect((await ada.spaces.ingest(range)).status).toBe("stored");
      const ref = { logId: logIdOf(world.crypto, context), seq: 0 };
      expect(await space.explain(ref)).toEqual({ code: "PRESENT", judgement: "reject", reason });
    });
  }
});
