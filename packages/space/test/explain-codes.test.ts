/**
 * Every code there is for what has no effect is found in `explain` (docs/spec/6-space.md §7), or cannot
 * come up here: a row for each that explain.test.ts has not, and tables that the type checker keeps
 * whole.
 */
import { readFileSync } from "node:fs";
import {
  createOp,
  groupIdOf,
  parseOp,
  proveJoin,
  signOp,
  type AuthAction,
  type OpId,
  type OpParseReason,
  type RejectReason,
  type VoidReason,
} from "@hawser/auth";
import { encodeCbor, fromHex, type CborValue } from "@hawser/codec";
import {
  createBundle,
  createKeyRing,
  encodeBundle,
  verifyBundle,
  parseBundle,
  type BundleFlaw,
  type KeyRejection,
} from "@hawser/keys";
import { logIdOf } from "@hawser/log";
import { parseInviteLink } from "@hawser/space";
import { describe, expect, test } from "vitest";
import { joinBinding } from "../src/join.ts";
import { sealOffer } from "../src/offer.ts";
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
  opBytes,
  scene,
  write1,
  type Make,
  type Scene,
} from "./explain-scene.ts";
import { attacker, forgeControl } from "./forge.ts";
import type { TestDevice } from "./world.ts";

/** Reasons that came out of `explain` in this file. */
const seen = new Set<string>();

/** An operation of Ben with its id, to build on. */
function opOf(at: Scene, action: AuthAction, deps: readonly OpId[]) {
  return createOp(at.world.crypto, { author: at.ben.author, group: groupOf(at), deps, action });
}

const bytesOf = (hex: string): Uint8Array => fromHex(hex) ?? filled(0);

/** A bundle of Ben's, with some fields as they should not be, signed all the same. */
const bundleWith =
  (change: Readonly<Record<number, CborValue>>): Make =>
  ({ world, ben }) => {
    const now = Math.floor(world.clock.nowMicros() / 1e6);
    const fields: CborValue[] = [1, 1, bytesOf(ben.author), filled(9), now, now + 1_000];
    for (const [index, field] of Object.entries(change)) fields[Number(index)] = field;
    const signature = world.crypto.signTagged("key bundle", encodeCbor(fields), ben.secret);
    return [{ kind: "bundle", bundle: encodeCbor([...fields, signature]) }];
  };

const keys = (op: Uint8Array) => [{ kind: "keys", op }] as const;
const message = (recipient: string): CborValue => [bytesOf(recipient), filled(1, 8), filled(2, 80)];

/** Ben's epoch for himself and Ada, at a position, and what he does with it. */
async function rekeyed(at: Scene, authHeads: readonly OpId[]) {
  const { world, ada, ben, space } = at;
  const ring = createKeyRing({ crypto: world.crypto }, { topic: space.topic, self: ben.author });
  const readers = [await ada.spaces.bundle(), await ben.spaces.bundle()];
  const draw = (byteCount: number): Uint8Array => filled(5, byteCount);
  const input = { readers, followers: [], authHeads, reason: "rotation" } as const;
  return { ring, draw, ...ring.rekey(ring.empty, input, draw) };
}

const rows: readonly (readonly [string, string, Make])[] = [
  [
    "GROUP_MANAGER",
    "a group that would manage",
    (at) => [
      auth(
        opBytes(at, {
          type: "add",
          grant: {
            member: { kind: "group", id: groupOf(at) },
            access: { level: "manage", mayDelete: false },
          },
        }),
      ),
    ],
  ],
  [
    "INVITE_REVOKED",
    "the end of an invite that was ended",
    (at) => {
      const made = opOf(at, invite(1)(at), headsOf(at.space));
      const revoke: AuthAction = { type: "revoke", invite: inviteOf(at) };
      const ended = opOf(at, revoke, [made.op.id]);
      const again = opOf(at, revoke, [ended.op.id]);
      return [made, ended, again].map(({ bytes }) => auth(bytes));
    },
  ],
  ["TOO_LARGE", "a bundle over the limit", () => [{ kind: "bundle", bundle: filled(1, 1_537) }]],
  ["UNKNOWN_VERSION", "a bundle of version 2", bundleWith({ 0: 2 })],
  ["UNKNOWN_SUITE", "a bundle of no known suite", bundleWith({ 1: 9 })],
  ["BAD_LIFETIME", "a bundle that ends before it begins", bundleWith({ 4: 10, 5: 9 })],
  ["WEAK_PREKEY", "a prekey that nothing can be sealed to", bundleWith({ 3: filled(0) })],
  ["TOO_LARGE", "a key operation over the limit", () => keys(filled(1, 576 * 1_024 + 1))],
  ["UNKNOWN_KIND", "a key operation of no known kind", () => keys(encodeCbor([1, 9, 0]))],
  [
    "UNKNOWN_SUITE",
    "a welcome in no known suite",
    () =>
      keys(
        encodeCbor([
          1,
          2,
          filled(1),
          0,
          [filled(2)],
          [filled(3)],
          null,
          filled(4, 4),
          filled(5, 96),
          9,
        ]),
      ),
  ],
  [
    "TOO_MANY",
    "a request for 257 epochs",
    () => {
      const ids = Array.from({ length: 257 }, (_, index) => {
        const id = filled(0);
        id[30] = index >> 8;
        id[31] = index & 0xff;
        return id;
      });
      return keys(encodeCbor([1, 4, 0, ids, [filled(3)]]));
    },
  ],
  [
    "DUPLICATE_RECIPIENT",
    "a rekey that seals to somebody twice",
    ({ ada }) =>
      keys(
        encodeCbor([
          1,
          1,
          1,
          filled(1),
          filled(2, 8),
          [],
          [filled(3)],
          2,
          null,
          [message(ada.author), message(ada.author)],
          [],
        ]),
      ),
  ],
  [
    "AUTHOR_NOT_ENTITLED",
    "an epoch at a position where its author read nothing",
    async (at) => keys((await rekeyed(at, [foundingOf(at)])).opBytes),
  ],
  [
    "RECIPIENT_NOT_ENTITLED",
    "keys for a stranger",
    async (at) => {
      const authHeads = headsOf(at.space);
      const { ring, draw, state, opBytes: first, epochId } = await rekeyed(at, authHeads);
      const eve = attacker(at.world.crypto, "eve");
      const now = Math.floor(at.world.clock.nowMicros() / 1e6);
      const { bundle } = createBundle(
        at.world.crypto,
        {
          identity: {
            id: eve.author,
            sign: (label, bytes) => at.world.crypto.signTagged(label, bytes, eve.secret),
          },
          lifetime: { notBefore: now - 10, notAfter: now + 1_000 },
        },
        draw,
      );
      const input = { recipient: bundle, level: "read", epochIds: [epochId], authHeads } as const;
      const [welcome] = ring.welcome(state, input, draw);
      return [...keys(first), ...keys(welcome!)];
    },
  ],
];

describe("control entries", () => {
  for (const [reason, what, make] of rows) {
    test(`${what}: ${reason}`, async () => {
      const at = await scene();
      const answer = await explained(at, await make(at));
      expect(answer).toEqual({ code: "PRESENT", judgement: undefined, reason });
      seen.add(reason);
    });
  }

  test("an operation at a position at which its author was no member yet: NOT_MEMBER", async () => {
    const at = await scene();
    const { world, space } = at;
    const dan = await world.device("dan");
    await space.add(await dan.spaces.bundle(), "manage");
    const { bytes } = createOp(world.crypto, {
      author: dan.author,
      group: groupOf(at),
      deps: [foundingOf(at)],
      action: invite(1)(at),
    });
    const reason = await reasonFrom(at, dan, [auth(bytes)]);
    expect(reason).toBe("NOT_MEMBER");
    seen.add("NOT_MEMBER");
  });

  test("an operation on one of a group that has nothing to do with the space: DEP_UNRELATED", async () => {
    const at = await scene();
    const { world, ben, space } = at;
    const other = createOp(world.crypto, {
      author: ben.author,
      deps: [],
      action: {
        type: "create",
        nonce: filled(1, 16),
        policy: "senior-wins",
        grants: [{ member: individual(ben.author), access: { level: "manage", mayDelete: true } }],
      },
    });
    const carried = { op: other.bytes, signature: signOp(world.crypto, other.op.id, ben.secret) };
    const deps = [...headsOf(space), other.op.id];
    const answer = await explained(at, [
      { kind: "carry", ops: [carried] },
      auth(opBytes(at, invite(1)(at), { deps })),
    ]);
    expect(answer.reason).toBe("DEP_UNRELATED");
    seen.add("DEP_UNRELATED");
  });

  test("a join in the name of a group that its author does not manage: NOT_GROUP_MANAGER", async () => {
    const at = await scene(false);
    const { world, ada, ben, space } = at;
    const link = await space.invite({ level: "write" });
    await world.settle(ada, ben);
    const bundle = await ben.spaces.bundle();
    const claim = {
      group: groupOf(at),
      author: ben.author,
      // The one group that everybody here knows of.
      as: groupOf(at),
      binding: joinBinding(world.crypto, bundle),
      time: Math.floor(world.clock.nowMicros() / 1e6),
    };
    const join = proveJoin(world.crypto, claim, parseInviteLink(world.crypto, link).secret);
    const contents = [
      { kind: "bundle", bundle: encodeBundle(bundle) } as const,
      auth(opBytes(at, join)),
    ];
    expect(await reasonFrom(at, ben, contents)).toBe("NOT_GROUP_MANAGER");
    seen.add("NOT_GROUP_MANAGER");
  });

  test("joins that a removed member makes by hand: three ways to be late", async () => {
    const found: (string | undefined)[] = [];
    for (const way of ["older", "used", "revoked"] as const) {
      const at = await scene();
      const { world, ada, ben, space } = at;
      const early = await space.invite({ level: "write" });
      if (way !== "older") await space.remove(ben.author);
      const link = way === "older" ? early : await space.invite({ level: "write" });
      if (way === "older") await space.remove(ben.author);
      const dan = await world.device("dan");
      let deps = headsOf(space);
      if (way !== "older") {
        await dan.spaces.join(link);
        await world.settle(ada, dan);
        const join = space.timeline().find(({ author }) => author === dan.author);
        deps = way === "used" ? [join!.op] : headsOf(space);
      }
      const bundle = await ben.spaces.bundle();
      const claim = {
        group: groupOf(at),
        author: ben.author,
        binding: joinBinding(world.crypto, bundle),
        time: Math.floor(world.clock.nowMicros() / 1e6),
      };
      const { secret } = parseInviteLink(world.crypto, link);
      const join = opBytes(at, proveJoin(world.crypto, claim, secret), { deps });
      const contents = [{ kind: "bundle", bundle: encodeBundle(bundle) } as const, auth(join)];
      const reason = await reasonFrom(at, ben, contents);
      found.push(reason);
      seen.add(reason ?? "");
    }
    expect(found).toEqual(["INVITE_OLDER_THAN_EXIT", "INVITE_EXHAUSTED", "INVITE_REVOKED"]);
  });
});

/** What Ada says of the last of the entries somebody publishes by hand. */
async function reasonFrom(
  at: Scene,
  by: TestDevice,
  contents: Parameters<typeof forgeControl>[0]["contents"],
): Promise<string | undefined> {
  const { world, ada, space } = at;
  const range = await forgeControl({
    crypto: world.crypto,
    id: space.id!,
    topic: space.topic,
    author: by.author,
    secret: by.secret,
    now: world.clock.nowMicros(),
    base: ada.store,
    contents,
  });
  expect((await ada.spaces.ingest(range)).status).toBe("stored");
  const context = { topic: space.topic, author: by.author, domain: "hawser.control" };
  const ref = { logId: logIdOf(world.crypto, context), seq: range.from + range.count - 1 };
  return (await space.explain(ref)).reason;
}

describe("logs of strangers", () => {
  test("a join by the invite of somebody who manages no more: INVITER_GONE", async () => {
    const at = await scene();
    await explained(at, [auth(opBytes(at, invite(1)(at)))]);
    await at.space.remove(at.ben.author);
    const { outcome, explanation } = await joinOutcome(at);
    expect(outcome).toEqual({ status: "refused", reason: "INVITER_GONE" });
    expect(explanation).toMatchObject({ code: "REFUSED", reason: "INVITER_GONE" });
    seen.add("INVITER_GONE");
  });

  test("a join that counts for nothing, and one whose past is not here", async () => {
    const at = await scene();
    await explained(at, [auth(opBytes(at, invite(1)(at)))]);
    const before = headsOf(at.space);
    await at.space.remove(at.ben.author);
    const late = await joinOutcome(at, { deps: before });
    expect(late.explanation).toMatchObject({ code: "REFUSED", reason: "JOIN_VOID" });
    const early = await joinOutcome(at, { deps: [...before, nobody as OpId] });
    expect(early.explanation).toMatchObject({ code: "REFUSED", reason: "MISSING_OPS" });
  });

  test("nobody builds on a join that was refused: it is in no log that others get", async () => {
    const at = await scene();
    await explained(at, [auth(opBytes(at, invite(1)(at)))]);
    const before = headsOf(at.space);
    await at.space.remove(at.ben.author);
    for (let time = 0; time < 2; time++) {
      const late = await joinOutcome(at, { deps: before });
      expect(late.explanation).toMatchObject({ code: "REFUSED", reason: "JOIN_VOID" });
    }
    await at.space.invite({ level: "write" });
    const timeline = at.space.timeline();
    const known = new Set(timeline.map(({ op }) => op));
    expect(timeline.at(-1)?.change).toBe("invite");
    expect(timeline.flatMap(({ deps }) => deps).filter((dep) => !known.has(dep))).toEqual([]);
  });

  test("joins that are refused make no reader begin anew", async () => {
    const at = await scene();
    await explained(at, [auth(opBytes(at, invite(1)(at)))]);
    const before = headsOf(at.space);
    await at.space.remove(at.ben.author);
    await at.space.append([{ type: "note", body: filled(1) }]);
    const closing = new AbortController();
    const { signal } = closing;
    let resets = 0;
    const caughtUp = Promise.withResolvers<void>();
    const types: string[] = [];
    const reading = (async () => {
      for await (const batch of at.space.batches({ signal })) {
        if (batch.reset === true) resets += 1;
        types.push(...batch.events.map(({ type }) => type));
        if (batch.caughtUp) caughtUp.resolve();
      }
    })();
    await caughtUp.promise;
    for (const name of ["eve", "mallory", "trudy"]) {
      const late = await joinOutcome(at, { deps: before, name });
      expect(late.outcome).toEqual({ status: "refused", reason: "JOIN_VOID" });
      // Twice by invites that nobody made: nothing of it is learned.
      const twice = await joinOutcome(at, { name: `${name} 2`, firstBy: filled(9) });
      expect(twice.outcome.status).toBe("refused");
    }
    await at.space.append([{ type: "last", body: filled(1) }]);
    await expect.poll(() => types.at(-1)).toBe("last");
    closing.abort();
    await reading;
    expect(resets).toBe(0);
    expect(types).toEqual(["note", "last"]);
    const timeline = at.space.timeline();
    const known = new Set(timeline.map(({ op }) => op));
    expect(timeline.flatMap(({ deps }) => deps).filter((dep) => !known.has(dep))).toEqual([]);
  });

  test("a log that begins with anything else: UNKNOWN_AUTHOR", async () => {
    const { world, ada, space } = await scene();
    const eve = attacker(world.crypto, "eve");
    const range = await forgeControl({
      crypto: world.crypto,
      id: space.id!,
      topic: space.topic,
      author: eve.author,
      secret: eve.secret,
      now: world.clock.nowMicros(),
      contents: [{ kind: "address", address: "wss://eve.example", ttlSeconds: 60 }],
    });
    expect((await ada.spaces.ingest(range)).status).toBe("refused");
    const logId = logIdOf(world.crypto, range.context);
    expect((await space.explain({ logId, seq: 0 })).reason).toBe("UNKNOWN_AUTHOR");
  });

  test("a founding by somebody who does not manage: CREATOR_NOT_MANAGER", async () => {
    const { world, space } = await scene();
    const eve = attacker(world.crypto, "eve");
    const now = world.clock.nowMicros();
    const access = { level: "write", mayDelete: false } as const;
    const { op, bytes } = createOp(world.crypto, {
      author: eve.author,
      deps: [],
      action: {
        type: "create",
        nonce: filled(1, 16),
        policy: "senior-wins",
        grants: [{ member: individual(eve.author), access }],
      },
    });
    // A relay is told of a space whose founding nobody can accept.
    const relay = await world.device("relay");
    const bundle = await relay.spaces.bundle();
    const metadataKey = filled(6);
    const topic = "5a".repeat(32) as typeof space.topic;
    const common = { createOp: op.id, followKey: filled(7), addresses: [] };
    const random = (byteCount: number): Uint8Array => filled(8, byteCount);
    const offer = { kind: "follow", topic, metadataKey, ...common } as const;
    const hosted = await relay.spaces.follow(
      sealOffer({ crypto: world.crypto, random }, bundle, offer),
    );
    const seconds = Math.floor(now / 1e6);
    const own = createBundle(
      world.crypto,
      {
        identity: {
          id: eve.author,
          sign: (label, message) => world.crypto.signTagged(label, message, eve.secret),
        },
        lifetime: { notBefore: seconds - 10, notAfter: seconds + 1_000 },
      },
      random,
    ).bundle;
    const range = await forgeControl({
      crypto: world.crypto,
      id: space.id!,
      topic,
      author: eve.author,
      secret: eve.secret,
      now,
      metadataKey,
      contents: [{ kind: "bundle", bundle: encodeBundle(own) }, auth(bytes)],
    });
    expect((await relay.spaces.ingest(range)).status).toBe("refused");
    const logId = logIdOf(world.crypto, range.context);
    expect((await hosted.explain({ logId, seq: 0 })).reason).toBe("CREATOR_NOT_MANAGER");
    seen.add("CREATOR_NOT_MANAGER");
  });
});

describe("operations that count no more", () => {
  /** Reasons that explain tells of void operations, which are those the timeline tells. */
  async function voids({ space }: Pick<Scene, "space">): Promise<readonly string[]> {
    const reasons: string[] = [];
    for (const { place, status } of space.timeline()) {
      if (status.state !== "void") continue;
      expect((await space.explain(place)).reason).toBe(status.reason);
      reasons.push(status.reason);
      seen.add(status.reason);
    }
    return reasons;
  }

  test("a right given to somebody who is removed meanwhile: TARGET_REMOVED", async () => {
    const at = await scene();
    const { world, ada, ben, space, other } = at;
    const dan = await world.device("dan");
    await space.add(await dan.spaces.bundle(), "read");
    await world.settle(ada, ben);
    await space.set(dan.author, "manage");
    await other.remove(dan.author);
    await world.settle(ada, ben);
    expect(await voids(at)).toEqual(["TARGET_REMOVED"]);
  });

  test("what somebody does by a right that counts no more: DEPENDS_ON_VOID", async () => {
    const at = await scene();
    const { world, ada, ben, space, other } = at;
    const [dan, eve] = [await world.device("dan"), await world.device("eve")];
    await space.remove(ben.author);
    await other.add(await dan.spaces.bundle(), "manage");
    const dans = await dan.spaces.accept(other.offer(await dan.spaces.bundle()));
    await world.settle(ben, dan);
    await dans.add(await eve.spaces.bundle(), "write");
    await world.settle(ada, ben, dan);
    expect(await voids(at)).toEqual(expect.arrayContaining(["AUTHOR_REMOVED", "DEPENDS_ON_VOID"]));
  });

  test("managers who remove each other: the junior's does not count, OUTRANKED", async () => {
    const at = await scene();
    const { world, ada, ben, space, other } = at;
    await space.remove(ben.author);
    await other.remove(ada.author);
    await world.settle(ada, ben);
    expect(await voids(at)).toEqual(["OUTRANKED"]);
  });

  test("a join by an invite that is ended meanwhile: INVITE_REVOKED", async () => {
    const at = await scene();
    const { world, ada, ben, space } = at;
    const eve = await world.device("eve");
    const link = await space.invite({ level: "write", uses: 3 });
    await world.settle(ada, ben);
    await eve.spaces.join(link);
    await world.settle(ben, eve);
    await space.revokeInvite(link);
    await world.settle(ada, ben, eve);
    expect(await voids(at)).toContain("INVITE_REVOKED");
  });

  test("two joins by one use, of which nobody knew: INVITE_EXHAUSTED", async () => {
    const at = await scene();
    const { world, ada, ben, space, other } = at;
    const link = await space.invite({ level: "write" });
    await world.settle(ada, ben);
    const [eve, fay, dan] = [
      await world.device("eve"),
      await world.device("fay"),
      await world.device("dan"),
    ];
    for (const joiner of [eve, fay]) {
      await joiner.spaces.join(link);
      // Logs come in any order, and some only after others.
      for (let round = 0; round < 3; round++) await world.copy(ada, joiner);
      await world.pass(1_000);
    }
    await world.copy(eve, ada);
    await world.copy(eve, ada);
    await world.copy(fay, ben);
    // Ben builds on the one that Ada would not take for itself any more.
    await other.add(await dan.spaces.bundle(), "read");
    for (let round = 0; round < 3; round++) {
      await world.copy(ben, ada);
      await world.copy(fay, ada);
    }
    expect(await voids(at)).toEqual(["INVITE_EXHAUSTED"]);
  });
});

describe("every code", () => {
  /** Where it is shown, or why it cannot come up in a space. */
  type Where = "here" | "explain.test.ts" | { readonly cannot: string };

  const rejections: Readonly<Record<RejectReason, Where>> = {
    DEP_REJECTED: "explain.test.ts",
    DEPS_NOT_ANTICHAIN: "explain.test.ts",
    DEP_UNRELATED: "here",
    NOT_MONOTONIC: "explain.test.ts",
    GROUP_NOT_IN_PAST: "explain.test.ts",
    GROUP_UNBOUND: { cannot: "a create that is read from bytes has the group its hash gives" },
    CREATOR_NOT_MANAGER: "here",
    GROUP_MANAGER: "here",
    UNKNOWN_GROUP: "explain.test.ts",
    NOT_MEMBER: "here",
    NO_LONGER_MEMBER: "explain.test.ts",
    NOT_MANAGER: "explain.test.ts",
    NOT_GROUP_MANAGER: "here",
    UNKNOWN_MEMBER: "explain.test.ts",
    MEMBER_GONE: "explain.test.ts",
    ALREADY_MEMBER: "explain.test.ts",
    USE_LEAVE: "explain.test.ts",
    LAST_MANAGER: "explain.test.ts",
    INVITE_EXISTS: "explain.test.ts",
    UNKNOWN_INVITE: "explain.test.ts",
    INVITE_REVOKED: "here",
    INVITER_GONE: "here",
    INVITE_EXPIRED: "explain.test.ts",
    INVITE_EXHAUSTED: "here",
    INVITE_OLDER_THAN_EXIT: "here",
    BAD_JOIN_PROOF: "explain.test.ts",
  };
  const parses: Readonly<Record<OpParseReason, Where>> = {
    TOO_LARGE: "explain.test.ts",
    NOT_CANONICAL: "explain.test.ts",
    BAD_VERSION: "explain.test.ts",
    BAD_SHAPE: "explain.test.ts",
    BAD_DEPS: "explain.test.ts",
    OUT_OF_RANGE: "explain.test.ts",
    DUPLICATE_MEMBER: "explain.test.ts",
  };
  const voids: Readonly<Record<VoidReason, Where>> = {
    AUTHOR_REMOVED: "explain.test.ts",
    TARGET_REMOVED: "here",
    INVITE_REVOKED: "here",
    INVITE_EXHAUSTED: "here",
    OUTRANKED: "here",
    DEPENDS_ON_VOID: "here",
  };
  const bundles: Readonly<Record<BundleFlaw, Where>> = {
    TOO_LARGE: "here",
    MALFORMED: "explain.test.ts",
    UNKNOWN_VERSION: "here",
    UNKNOWN_SUITE: "here",
    BAD_LIFETIME: "here",
    WEAK_PREKEY: "here",
    BAD_SIGNATURE: "explain.test.ts",
    WRONG_AUTHOR: { cannot: "a control entry may bring anybody's bundle: whoever signed it" },
  };
  const keyOps: Readonly<Record<KeyRejection, Where>> = {
    TOO_LARGE: "here",
    MALFORMED: "explain.test.ts",
    UNKNOWN_VERSION: "explain.test.ts",
    UNKNOWN_KIND: "here",
    UNKNOWN_SUITE: "here",
    TOO_MANY: "here",
    DUPLICATE_RECIPIENT: "here",
    AUTHOR_NOT_ENTITLED: "here",
    RECIPIENT_NOT_ENTITLED: "here",
  };

  test("has a row, or a reason why there is none", () => {
    const elsewhere = readFileSync(new URL("explain.test.ts", import.meta.url), "utf8");
    for (const table of [rejections, parses, voids, bundles, keyOps]) {
      for (const [code, where] of Object.entries<Where>(table)) {
        if (where === "here") expect([...seen]).toContain(code);
        if (where === "explain.test.ts") expect(elsewhere).toMatch(new RegExp(`\\b${code}\\b`));
      }
    }
  });

  test("GROUP_UNBOUND cannot come from bytes, nor WRONG_AUTHOR from a bundle in an entry", async () => {
    const { world, ben } = await scene();
    const { crypto } = world;
    const { bytes } = createOp(crypto, {
      author: ben.author,
      deps: [],
      action: {
        type: "create",
        nonce: filled(3, 16),
        policy: "remove-all",
        grants: [{ member: individual(ben.author), access: write1 }],
      },
    });
    const parsed = parseOp(crypto, bytes);
    expect(parsed.ok && parsed.op.group === groupIdOf(crypto, parsed.op.id)).toBe(true);
    const bundle = parseBundle(encodeBundle(await ben.spaces.bundle()));
    expect(bundle.ok && verifyBundle(crypto, bundle.bundle, bundle.bundle.author).ok).toBe(true);
  });
});
