/** Malicious carriers and group managers (docs/spec/6-space.md §16.6). */
import {
  createAuthGraph,
  createOp,
  groupIdOf,
  proveJoin,
  signOp,
  type AuthAction,
  type GroupId,
  type OpId,
} from "@hawser/auth";
import type { AuthorId } from "@hawser/crypto";
import { encodeBundle } from "@hawser/keys";
import { logIdOf, type LogId } from "@hawser/log";
import { parseInviteLink, type Space } from "@hawser/space";
import { describe, expect, test } from "vitest";
import { carriedPerLogMax, createCarriedPool } from "../src/carried.ts";
import { sealControl, encodeControl, type ControlContent, type SignedOp } from "../src/control.ts";
import { createControlLog } from "../src/control-log.ts";
import { metadataKeyOf, type SpaceId } from "../src/ids.ts";
import { joinBinding } from "../src/join.ts";
import { attacker, forge, forgeControl } from "./forge.ts";
import { createWorld, spaceOn, textsOf, write, type TestDevice } from "./world.ts";

/** Ada's space with Ben's group of Ben, Cyd (who manages it too) and Dan; and Eve, a reader. */
async function scene() {
  const world = await createWorld();
  const [ada, ben, cyd, dan, eve] = await Promise.all(
    ["ada", "ben", "cyd", "dan", "eve"].map((name) => world.device(name)),
  );
  if (ada === undefined || ben === undefined || cyd === undefined) throw new Error("no device");
  if (dan === undefined || eve === undefined) throw new Error("no device");
  const group = await ben.spaces.create();
  for (const [device, level] of [
    [cyd, "manage"],
    [dan, "write"],
  ] as const) {
    const bundle = await device.spaces.bundle();
    await group.add(bundle, level);
    await device.spaces.accept(group.offer(bundle));
  }
  const space = await ada.spaces.create();
  await space.add(await eve.spaces.bundle(), "read");
  const groupId = await space.addGroup(group, "write");
  for (const device of [eve, ben]) {
    await device.spaces.accept(space.offer(await device.spaces.bundle()));
  }
  const all = [ada, ben, cyd, dan, eve];
  await world.settle(...all);
  return { world, ada, ben, cyd, dan, eve, group, space, groupId, all };
}

type Scene = Awaited<ReturnType<typeof scene>>;

/** An op of anybody, signed by anybody. */
function signed(
  { world }: Pick<Scene, "world">,
  op: { author: AuthorId; group?: GroupId; deps: readonly OpId[]; action: AuthAction },
  secret: Uint8Array,
): SignedOp & { readonly id: OpId } {
  const made = createOp(world.crypto, op);
  const signature = signOp(world.crypto, made.op.id, secret);
  return { op: made.bytes, signature, id: made.op.id };
}

/** Ops of the group that nobody of it has seen the end of. */
function headsOf({ space, groupId }: Scene): readonly OpId[] {
  const ops = space.timeline().filter(({ group }) => group === groupId);
  const seen = new Set(ops.flatMap(({ deps }) => deps));
  return ops.map(({ op }) => op).filter((op) => !seen.has(op));
}

function addTo(at: Scene, who: AuthorId, by: { author: AuthorId; secret: Uint8Array }) {
  const member = { kind: "individual", id: who } as const;
  const grant = { member, access: { level: "write", mayDelete: false } } as const;
  const action: AuthAction = { type: "add", grant };
  const { author } = by;
  return { author, group: at.groupId, deps: headsOf(at), action };
}

/** Puts content into a member's control log behind its device's back; where it stands. */
async function slip(
  at: Scene,
  by: TestDevice,
  contents: readonly ControlContent[],
  space: Space = at.space,
): Promise<{ readonly logId: LogId; readonly seq: number }> {
  const { world, ada } = at;
  const { author, secret } = by;
  const logId = logIdOf(world.crypto, {
    topic: space.topic,
    author,
    domain: "hawser.control",
  });
  const range = await forgeControl({
    crypto: world.crypto,
    id: space.id as SpaceId,
    topic: space.topic,
    author,
    secret,
    now: world.clock.nowMicros(),
    base: by.store,
    contents,
  });
  for (const device of [ada, by]) {
    if (device.spaces.topics().some(({ topic }) => topic === space.topic)) {
      expect(await device.spaces.ingest(range)).toMatchObject({ status: "stored" });
    }
  }
  return { logId, seq: range.from + contents.length - 1 };
}

const names = (space: Space) => space.members().map(({ author }) => author);

describe("a malicious carrier", () => {
  test("who forges a signature is believed nothing from then on", async () => {
    const at = await scene();
    const { world, ada, ben, eve, space, all } = at;
    const mal = attacker(world.crypto, "mal");
    const forged = signed(at, addTo(at, mal.author, ben), eve.secret);
    const place = await slip(at, eve, [{ kind: "carry", ops: [forged] }]);
    expect(await space.explain(place)).toMatchObject({ reason: "BAD_OP_SIGNATURE" });
    const real = signed(at, addTo(at, mal.author, ben), ben.secret);
    const next = await slip(at, eve, [{ kind: "carry", ops: [real] }]);
    expect(await space.explain(next)).toMatchObject({ reason: "CARRIER_FORGED" });
    expect(names(space)).not.toContain(mal.author);
    await world.settle(...all);
    await write(space, "all is well");
    await world.settle(...all);
    expect(await textsOf(spaceOn(ben, space))).toEqual(["all is well"]);
    const again = await world.restart(ada);
    expect(await spaceOn(again, space).explain(place)).toMatchObject({
      reason: "BAD_OP_SIGNATURE",
    });
  });

  test("carries ops of strangers, of the space itself, and of nobody's groups, in vain", async () => {
    const at = await scene();
    const { ada, eve, space, world } = at;
    const mal = attacker(world.crypto, "mal");
    const before = space.members();
    const bundle = { kind: "bundle", bundle: encodeBundle(await eve.spaces.bundle()) } as const;
    const stranger = signed(at, addTo(at, eve.author, mal), mal.secret);
    const first = await slip(at, eve, [bundle, { kind: "carry", ops: [stranger] }]);
    expect(await space.explain(first)).toMatchObject({ reason: "NOT_MEMBER" });
    const own = space.timeline().find(({ place }) => place.logId !== first.logId)?.group;
    const root = space
      .timeline()
      .find(({ change, group }) => change === "create" && group !== at.groupId);
    const action: AuthAction = { type: "remove", member: { kind: "individual", id: ada.author } };
    const inside = {
      author: eve.author,
      group: root?.group ?? own ?? at.groupId,
      deps: [],
      action,
    };
    const second = await slip(at, eve, [{ kind: "carry", ops: [signed(at, inside, eve.secret)] }]);
    expect(await space.explain(second)).toMatchObject({ reason: "OWN_GROUP" });
    const other = signed(at, founding(eve.author, 1), eve.secret);
    const third = await slip(at, eve, [{ kind: "carry", ops: [other] }]);
    expect(await space.explain(third)).toMatchObject({
      code: "MISSING_DEP",
      reason: "GROUP_UNRELATED",
    });
    expect(space.members()).toEqual(before);
  });

  test("cannot make rekeys impossible by letting in whom nobody reaches", async () => {
    const at = await scene();
    const { world, ben, eve, space, group, all } = at;
    const fay = await world.device("fay");
    await group.add(await fay.spaces.bundle(), "write");
    const add = spaceOn(ben, group).timeline().at(-1);
    const card = spaceOn(ben, group).groupCard();
    expect(card.length).toBeGreaterThan(0);
    const { op } = createOp(world.crypto, {
      author: ben.author,
      group: at.groupId,
      deps: add?.deps ?? [],
      action: add?.action ?? { type: "leave", successor: undefined },
    });
    expect(op.id).toBe(add?.op);
    const real = signed(
      at,
      { author: ben.author, group: at.groupId, deps: op.deps, action: op.action },
      ben.secret,
    );
    const place = await slip(at, eve, [{ kind: "carry", ops: [real] }]);
    expect(await space.explain(place)).toMatchObject({ reason: "BUNDLE_MISSING" });
    expect(names(space)).not.toContain(fay.author);
    await space.remove(eve.author);
    await write(space, "keys go on");
    expect(space.status().rotationOwed).toBe(false);
    // Ben's device brings what was missing, and the same op counts.
    await world.settle(...all);
    expect(names(space)).toContain(fay.author);
    expect(await space.explain(place)).toMatchObject({ reason: undefined });
    for (const device of all) expect(spaceOn(device, space).failure).toBeUndefined();
  });

  test("who carries hundreds of ops of nobody's groups changes and slows nothing", async () => {
    const at = await scene();
    const { world, eve, space, all } = at;
    const before = space.timeline().length;
    const junk = Array.from({ length: 400 }, (_, index) =>
      signed(at, founding(eve.author, index), eve.secret),
    );
    const contents: ControlContent[] = [];
    for (let from = 0; from < junk.length; from += 100) {
      contents.push({ kind: "carry", ops: junk.slice(from, from + 100) });
    }
    await slip(at, eve, contents);
    expect(space.timeline().filter(({ status }) => status.state !== "pending")).toHaveLength(
      before,
    );
    await write(space, "on we go");
    await world.settle(...all);
    expect(await textsOf(spaceOn(at.cyd, space))).toEqual(["on we go"]);
  });

  test("has a bound: one log carries 65,536 ops and no more", async () => {
    const { crypto } = await createWorld();
    const me = attacker(crypto, "me");
    const root = groupIdOf(crypto, "00".repeat(32) as OpId);
    const graph = createAuthGraph({ crypto });
    const pool = createCarriedPool({
      crypto,
      graph,
      root,
      hasBundle: () => true,
      holds: (_log, _seq, check) => check(),
      onAccepted: () => undefined,
    });
    const log = createControlLog("11".repeat(32) as LogId, me.author);
    const made = createOp(crypto, founding(me.author, 1));
    const op = { op: made.bytes, signature: signOp(crypto, made.op.id, me.secret) };
    const placed = { seq: 0, stamp: 0, op: made.op, standing: "accepted" } as const;
    for (let count = 1; count < carriedPerLogMax; count++) log.carried.push({ ...placed });
    expect(pool.take(log, { seq: 1, stamp: 1 }, [op])).toBeUndefined();
    expect(pool.take(log, { seq: 2, stamp: 2 }, [op])).toBe("CARRY_LIMIT");
  });
});

function founding(author: AuthorId, number: number) {
  const nonce = new Uint8Array(16);
  new DataView(nonce.buffer).setUint32(0, number);
  const member = { kind: "individual", id: author } as const;
  const grants = [{ member, access: { level: "manage", mayDelete: false } }] as const;
  const action: AuthAction = { type: "create", nonce, policy: "senior-wins", grants };
  return { author, deps: [], action };
}

describe("a malicious manager of a group", () => {
  test("who shows one space another branch loses all of it with his removal", async () => {
    const at = await scene();
    const { world, ada, ben, cyd, space, all } = at;
    const mal = await world.device("mal");
    const bundle = { kind: "bundle", bundle: encodeBundle(await mal.spaces.bundle()) } as const;
    // The group never hears of it.
    const secretly = signed(at, addTo(at, mal.author, ben), ben.secret);
    await slip(at, ben, [bundle, { kind: "carry", ops: [secretly] }]);
    expect(names(space)).toContain(mal.author);
    expect(names(spaceOn(cyd, at.group))).not.toContain(mal.author);
    await spaceOn(cyd, at.group).remove(ben.author);
    await world.settle(...all);
    for (const device of [ada, cyd, at.dan, at.eve]) {
      const own = spaceOn(device, space);
      expect(names(own)).not.toContain(mal.author);
      expect(names(own)).not.toContain(ben.author);
    }
    const void_ = space.timeline().find(({ op }) => op === secretly.id);
    expect(void_?.status).toMatchObject({ state: "void", reason: "AUTHOR_REMOVED" });
    await write(space, "without both");
    await world.settle(...all);
    expect(await textsOf(spaceOn(ben, space))).toEqual([]);
  });

  test("cannot hide an op from the spaces around by a false signature under it", async () => {
    const at = await scene();
    const { world, ben, cyd, dan, group, all } = at;
    const remove = createOp(world.crypto, {
      author: ben.author,
      group: at.groupId,
      deps: headsOf(at),
      action: { type: "remove", member: { kind: "individual", id: dan.author } },
    });
    const false_ = { kind: "auth", op: remove.bytes, signature: new Uint8Array(64) } as const;
    const { author, secret } = ben;
    const range = await forgeControl({
      crypto: world.crypto,
      id: group.id as SpaceId,
      topic: group.topic,
      author,
      secret,
      now: world.clock.nowMicros(),
      base: ben.store,
      contents: [false_],
    });
    expect(await cyd.spaces.ingest(range)).toMatchObject({ status: "stored" });
    const logId = logIdOf(world.crypto, {
      topic: group.topic,
      author,
      domain: "hawser.control",
    });
    const place = { logId, seq: range.from };
    expect(await spaceOn(cyd, group).explain(place)).toMatchObject({ reason: "BAD_OP_SIGNATURE" });
    expect(names(spaceOn(cyd, group))).toContain(dan.author);
    await spaceOn(cyd, group).remove(dan.author);
    await world.settle(...all.filter((device) => device !== ben));
    expect(names(spaceOn(cyd, at.space))).not.toContain(dan.author);
  });

  test("cannot stop the group, or the spaces around, by a successor whom nobody reaches", async () => {
    const at = await scene();
    const { world, ben, cyd, dan, group, space, all } = at;
    const nobody = attacker(world.crypto, "nobody").author;
    const successor = { kind: "individual", id: nobody } as const;
    const action: AuthAction = { type: "leave", successor };
    const left = signed(
      at,
      { author: ben.author, group: at.groupId, deps: headsOf(at), action },
      ben.secret,
    );
    const { id, ...op } = left;
    const parts = {
      crypto: world.crypto,
      id: group.id as SpaceId,
      topic: group.topic,
      author: ben.author,
      secret: ben.secret,
      now: world.clock.nowMicros(),
      base: ben.store,
    };
    const range = await forgeControl({ ...parts, contents: [{ kind: "auth", ...op }] });
    expect(await cyd.spaces.ingest(range)).toMatchObject({ status: "stored" });
    const cyds = spaceOn(cyd, group);
    expect(names(cyds)).not.toContain(nobody);
    expect(cyds.timeline().find((item) => item.op === id)?.status.state).toBe("pending");
    await cyds.remove(dan.author);
    await write(cyds, "keys go on");
    await world.settle(...all.filter((device) => device !== ben));
    expect(names(spaceOn(cyd, space))).not.toContain(dan.author);
    await expect(group.leave({ successor: nobody })).rejects.toMatchObject({
      code: "SPACE_BUNDLE_INVALID",
    });
  });

  test("who joins as a group that does not prove itself leaves nothing behind", async () => {
    const at = await scene();
    const { world, ada, space } = at;
    const mal = attacker(world.crypto, "mal");
    const { secret } = parseInviteLink(world.crypto, await space.invite({ level: "write" }));
    const malDevice = await world.device("mallory");
    const bundle = await malDevice.spaces.bundle();
    const { author } = malDevice;
    const own = createOp(world.crypto, founding(author, 7));
    const root = space
      .timeline()
      .find(({ change, group }) => change === "create" && group !== at.groupId);
    const group = root?.group ?? at.groupId;
    const heads = space
      .timeline()
      .filter((item) => item.group === group)
      .at(-1);
    const time = Math.floor(world.clock.nowMicros() / 1e6);
    const claim = {
      group,
      author,
      binding: joinBinding(world.crypto, bundle),
      time,
      as: own.op.group,
    };
    const join = signed(
      at,
      {
        author,
        group,
        deps: [heads?.op ?? own.op.id, own.op.id],
        action: proveJoin(world.crypto, claim, secret),
      },
      malDevice.secret,
    );
    const attempt = async (signature: Uint8Array) => {
      const range = await forgeControl({
        crypto: world.crypto,
        id: space.id as SpaceId,
        topic: space.topic,
        author,
        secret: malDevice.secret,
        now: world.clock.nowMicros(),
        contents: [
          { kind: "bundle", bundle: encodeBundle(bundle) },
          { kind: "carry", ops: [{ op: own.bytes, signature }] },
          { kind: "auth", op: join.op, signature: join.signature },
        ],
      });
      return ada.spaces.ingest(range);
    };
    const before = (await ada.store.stats()).entries;
    const false_ = signOp(world.crypto, own.op.id, mal.secret);
    expect(await attempt(false_)).toEqual({ status: "refused", reason: "GROUP_INVALID" });
    expect((await ada.store.stats()).entries).toBe(before);
    const good = signOp(world.crypto, own.op.id, malDevice.secret);
    expect(await attempt(good)).toMatchObject({ status: "stored" });
    expect(names(space)).toContain(author);
  });

  test("no reader vouches, by carrying a removal again, for what was written after it", async () => {
    const at = await scene();
    const { world, ada, ben, dan, eve, group, space, all } = at;
    await write(spaceOn(dan, space), "before");
    await world.settle(...all);
    await group.remove(dan.author);
    await world.settle(...all.filter((device) => device !== dan));
    // Dan has heard nothing of it and writes on.
    const late = await write(spaceOn(dan, space), "after");
    await world.settle(...all);
    const judged = async () => (await space.read(late)).judgement;
    expect(await judged()).toBe("quarantine");
    const removal = spaceOn(ben, group).timeline().at(-1);
    const draft = { author: ben.author, group: at.groupId, deps: removal?.deps ?? [] };
    const { action } = removal ?? { action: { type: "leave", successor: undefined } as const };
    const carried = signed(at, { ...draft, action }, ben.secret);
    expect(carried.id).toBe(removal?.op);
    const [head] = [...(await entriesOf(ada, late.logId))].reverse();
    const key = metadataKeyOf(world.crypto, space.id as SpaceId);
    const range = await forge({
      crypto: world.crypto,
      context: { topic: space.topic, author: eve.author, domain: "hawser.control" },
      secret: eve.secret,
      now: world.clock.nowMicros(),
      base: eve.store,
      make: (logId, seq) =>
        encodeControl({ kind: "carry", ops: [carried] }).map((plaintext) => ({
          data: sealControl(
            world.crypto,
            key,
            { topic: space.topic, logId, author: eve.author, seq },
            plaintext,
          ),
          deps: head === undefined ? [] : [{ seq: head.seq, hash: head.hash }],
        })),
    });
    expect(await ada.spaces.ingest(range)).toMatchObject({ status: "stored" });
    await world.settle(...all);
    expect(await judged()).toBe("quarantine");
    expect(await textsOf(space)).toContain("before");
  });
});

async function entriesOf(device: TestDevice, logId: LogId) {
  const entries = [];
  for await (const entry of device.store.entries(logId)) entries.push(entry);
  return entries;
}
