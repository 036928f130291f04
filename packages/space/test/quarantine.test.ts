/** Quarantine, and what managers rule about it (docs/spec/6-space.md §7 *rulings*). */
import { createOp, type AuthAction, type OpId } from "@hawser/auth";
import { utf8 } from "@hawser/codec";
import { logIdOf, type LogId } from "@hawser/log";
import type { EntryRef, Space } from "@hawser/space";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { plainEvent } from "../src/layers.ts";
import { forge, forgeControl } from "./forge.ts";
import {
  createWorld,
  eventsOf,
  spaceOn,
  twoMembers,
  write,
  type TestDevice,
  type World,
} from "./world.ts";

/** Ada and Ben manage; Cyd and Dan write. */
async function fourMembers(world: World) {
  const { ada, ben, space, other } = await twoMembers(world);
  await space.set(ben.author, "manage");
  const cyd = await world.device("cyd");
  const dan = await world.device("dan");
  const third = await cyd.spaces.join(await space.invite({ level: "write" }));
  const fourth = await dan.spaces.join(await space.invite({ level: "write" }));
  await world.settle(ada, ben, cyd, dan);
  return { ada, ben, cyd, dan, space, other, third, fourth };
}

/** Ada removes Cyd, who writes three notes without knowing; all others have everything. */
async function removedWhileWriting(world: World) {
  const members = await fourMembers(world);
  const { ada, ben, cyd, dan, space, third } = members;
  await space.remove(cyd.author);
  const refs: EntryRef[] = [];
  for (const text of ["one", "two", "three"]) refs.push(await write(third, text));
  await world.copy(cyd, ada);
  await world.settle(ada, ben, dan);
  const [first, second, last] = refs;
  if (first === undefined || second === undefined || last === undefined) throw new Error("three");
  const { logId } = first;
  return { ...members, logId, first, second, last };
}

/** Texts with how they are judged; what is rejected is not handed out. */
async function judged(space: Space): Promise<readonly string[]> {
  const events = await eventsOf(space);
  return events.map(({ body, judgement }) => `${new TextDecoder().decode(body)} ${judgement}`);
}

/** A membership operation of a device as it would never make it itself, handed to another. */
async function forgedOp(
  world: World,
  by: TestDevice,
  to: TestDevice,
  space: Space,
  action: AuthAction,
  deps: readonly OpId[] = depsOf(space),
) {
  const group = space.why(by.author, "pull")?.chain[0]?.group;
  const { op, bytes } = createOp(world.crypto, { author: by.author, group, deps, action });
  const range = await forgeControl({
    crypto: world.crypto,
    id: space.id!,
    topic: space.topic,
    author: by.author,
    secret: by.secret,
    now: world.clock.nowMicros(),
    base: by.store,
    contents: [{ kind: "auth", op: bytes }],
  });
  return { op: op.id, outcome: await to.spaces.ingest(range), place: { ...range } };
}

/** Heads of a space's operations. */
function depsOf(space: Space): readonly OpId[] {
  const items = space.timeline().filter(({ status }) => status.state !== "rejected");
  const seen = new Set(items.flatMap(({ op }) => depsByOp(space).get(op) ?? []));
  return items.map(({ op }) => op).filter((op) => !seen.has(op));
}

function depsByOp(space: Space): ReadonlyMap<OpId, readonly OpId[]> {
  return new Map(space.timeline().map(({ op, deps }) => [op, deps]));
}

const controlLog = (world: World, space: Space, device: TestDevice): LogId =>
  logIdOf(world.crypto, {
    topic: space.topic,
    author: device.author,
    domain: "hawser.control",
  });

describe("the list", () => {
  test("[NB-6] says who, which entries, why, by which operation and since when", async () => {
    const world = await createWorld();
    const { cyd, dan, ada, space, logId } = await removedWhileWriting(world);
    const removal = space.timeline().find(({ change }) => change === "remove");
    const onDan = spaceOn(dan, space);
    expect(await onDan.quarantine()).toEqual([
      {
        logId,
        author: cyd.author,
        from: 0,
        to: 3,
        cause: "ENDED",
        by: [removal?.op],
        since: removal?.stamp,
        ruling: undefined,
      },
    ]);
    expect(removal).toMatchObject({ author: ada.author, members: [cyd.author] });
  });

  test("[NB-6] is empty where all counts, and leaves out what the remover had seen", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, dan, space, third } = await fourMembers(world);
    await write(third, "seen");
    await world.settle(ada, ben, cyd, dan);
    expect(await space.quarantine()).toEqual([]);
    await space.remove(cyd.author);
    const late = await write(third, "late");
    await world.copy(cyd, ada);
    expect(await space.quarantine()).toMatchObject([{ from: late.seq, to: late.seq + 1 }]);
  });
});

test("causes: lowered to reading, void grants and entries after leaving", async () => {
  const world = await createWorld();
  const { ada, ben, cyd, dan, space, other, third, fourth } = await fourMembers(world);
  const eli = await world.device("eli");
  // Ben is removed while he adds Eli; Cyd is lowered, Dan leaves and goes on with old software.
  await space.remove(ben.author);
  await space.set(cyd.author, "read");
  const bundle = await eli.spaces.bundle();
  await other.add(bundle, "write");
  const fifth = await eli.spaces.accept(other.offer(bundle));
  await world.settle(ben, eli);
  await write(fifth, "by a void grant");
  await write(third, "lowered");
  await write(fourth, "before leaving");
  await fourth.leave();
  const late = await forge({
    crypto: world.crypto,
    context: { topic: space.topic, author: dan.author, domain: "hawser.data" },
    secret: dan.secret,
    now: world.clock.nowMicros(),
    base: dan.store,
    make: () => [
      {
        data: plainEvent({ type: "note", sequence: undefined, body: utf8("after leaving") }),
        deps: [],
      },
    ],
  });
  for (const device of [eli, ben, cyd, dan]) await world.copy(device, ada);
  await ada.spaces.ingest(late);
  await world.pass(60_000);
  const found = new Map((await space.quarantine()).map((range) => [range.author, range]));
  const changes = (author: string) =>
    found
      .get(author as never)
      ?.by.map((op) => space.timeline().find((one) => one.op === op)?.change);
  expect(found.get(cyd.author)?.cause).toBe("ENDED");
  expect(changes(cyd.author)).toEqual(["set"]);
  expect(found.get(eli.author)?.cause).toBe("GRANT_VOID");
  expect(changes(eli.author)).toEqual(["remove"]);
  expect(found.get(dan.author)).toMatchObject({ cause: "LEFT", from: 1, to: 2 });
  expect(changes(dan.author)).toEqual(["leave"]);
  await space.accept(found.get(eli.author)!);
  expect(await judged(space)).toContain("by a void grant accept");
});

describe("accept and reject", () => {
  test("[NB-6] accepted entries count in views on every device, the rest stays out", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, dan, space, other, logId, second } = await removedWhileWriting(world);
    await other.accept({ logId, from: 0, to: second.seq + 1 });
    await world.settle(ada, ben, dan);
    for (const device of [ada, ben, dan]) {
      const here = spaceOn(device, space);
      expect(await judged(here)).toEqual(["one accept", "two accept", "three quarantine"]);
      expect(await here.quarantine()).toMatchObject([
        { from: 0, to: 2, ruling: { verdict: "accept", author: ben.author } },
        { from: 2, to: 3, ruling: undefined, author: cyd.author },
      ]);
      expect(await here.explain(second)).toMatchObject({ code: "PRESENT", judgement: "accept" });
    }
  });

  test("[NB-6] events that were handed out follow again", async () => {
    const world = await createWorld();
    const { ada, ben, dan, space, other, last } = await removedWhileWriting(world);
    const seen: string[] = [];
    let resets = 0;
    const abort = new AbortController();
    const watching = (async () => {
      for await (const batch of spaceOn(dan, space).batches({ signal: abort.signal })) {
        if (batch.reset === true) {
          resets += 1;
          seen.length = 0;
        }
        for (const event of batch.events) seen.push(event.judgement);
      }
    })();
    await world.pass(10);
    expect(seen).toEqual(["quarantine", "quarantine", "quarantine"]);
    await other.accept(last);
    await world.settle(ada, ben, dan);
    expect(seen).toEqual(["quarantine", "quarantine", "accept"]);
    await other.reject(last);
    await world.settle(ada, ben, dan);
    abort.abort();
    await watching;
    // What is rejected is not handed out at all.
    expect(seen).toEqual(["quarantine", "quarantine"]);
    expect(resets).toBe(2);
  });

  test("[NB-6] rejected entries stay listed, readable and explained", async () => {
    const world = await createWorld();
    const { space, first } = await removedWhileWriting(world);
    await space.reject(first);
    expect((await space.quarantine())[0]).toMatchObject({ ruling: { verdict: "reject" } });
    expect(await space.explain(first)).toMatchObject({ judgement: "reject", reason: "RULED_OUT" });
    expect(new TextDecoder().decode((await space.read(first)).body)).toBe("one");
    await space.accept(first);
    expect(await space.explain(first)).toMatchObject({ judgement: "accept", reason: undefined });
  });

  test("of concurrent rulings the refusal wins, on every device", async () => {
    const world = await createWorld();
    const { ada, ben, dan, space, other, logId } = await removedWhileWriting(world);
    await space.accept({ logId, from: 0, to: 3 });
    await other.reject({ logId, from: 1, to: 2 });
    await world.settle(ada, ben, dan);
    for (const device of [ada, ben, dan]) {
      expect(await judged(spaceOn(device, space))).toEqual(["one accept", "three accept"]);
    }
    // Whoever has seen both has the last word.
    await spaceOn(ben, space).accept({ logId, from: 1, to: 2 });
    await world.settle(ada, ben, dan);
    expect(await judged(spaceOn(dan, space))).toHaveLength(3);
  });

  test("a ruling that comes before the entries waits for them", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, dan, space, third } = await fourMembers(world);
    await space.remove(cyd.author);
    const ref = await write(third, "late");
    await world.copy(cyd, ada);
    await space.accept(ref);
    // Dan has all control entries, and not yet what Cyd wrote.
    for (const { context, logId } of await ada.store.heads(space.topic)) {
      if (context.domain !== "hawser.control") continue;
      for await (const range of ada.store.ranges(logId)) await dan.spaces.ingest(range);
    }
    expect(await judged(spaceOn(dan, space))).toEqual([]);
    await world.settle(ada, ben, dan);
    expect(await judged(spaceOn(dan, space))).toEqual(["late accept"]);
  });

  test("nothing that counts can be ruled out, and nothing absent ruled on", async () => {
    const world = await createWorld();
    const { space, fourth, ada, ben, dan, logId } = await removedWhileWriting(world);
    const good = await write(fourth, "good");
    await world.settle(ada, ben, dan);
    await expect(space.reject(good)).rejects.toMatchObject({ code: "SPACE_NOT_QUARANTINED" });
    await expect(space.accept(good)).rejects.toMatchObject({ code: "SPACE_NOT_QUARANTINED" });
    const beyond = { logId, from: 0, to: 99 };
    await expect(space.accept(beyond)).rejects.toMatchObject({ code: "SPACE_ENTRY_UNKNOWN" });
    for (const range of [
      { logId, from: 2, to: 2 },
      { logId, from: -1, to: 2 },
      { logId, from: 0.5, to: 2 },
      { logId: "ff".repeat(32) as LogId, from: 0, to: 1 },
      { logId: controlLog(world, space, ada), from: 0, to: 1 },
    ]) {
      await expect(space.accept(range)).rejects.toMatchObject({ code: "SPACE_ENTRY_UNKNOWN" });
    }
  });
});

describe("attacks", () => {
  test("[NB-6] a writer, a follower or the author cannot accept: refused there and everywhere", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, dan, space, third, fourth, last } = await removedWhileWriting(world);
    await expect(fourth.accept(last)).rejects.toMatchObject({ code: "SPACE_NO_ACCESS" });
    await world.copy(ada, cyd);
    await expect(third.accept(last)).rejects.toMatchObject({ code: "SPACE_NO_ACCESS" });
    const action = await acceptAction(dan, last);
    const forged = await forgedOp(world, dan, ada, space, action);
    expect(forged.outcome.status).toBe("stored");
    const { from } = forged.place;
    const ref = { logId: controlLog(world, space, dan), seq: from };
    expect(await space.explain(ref)).toMatchObject({ reason: "NOT_MANAGER" });
    expect(await judged(space)).not.toContain("three accept");
    await world.settle(ada, ben);
    expect(await judged(spaceOn(ben, space))).not.toContain("three accept");
  });

  test("[NB-6] a manager who is removed concurrently: what it accepts is void", async () => {
    const world = await createWorld();
    const { ada, ben, dan, space, other, last } = await removedWhileWriting(world);
    await other.accept(last);
    expect(await judged(other)).toContain("three accept");
    await space.remove(ben.author);
    await world.settle(ada, ben, dan);
    for (const device of [ada, ben, dan]) {
      expect(await judged(spaceOn(device, space))).not.toContain("three accept");
    }
    const ruling = space.timeline().find(({ change }) => change === "rule");
    expect(ruling?.status).toMatchObject({ state: "void", reason: "AUTHOR_REMOVED" });
    const ref = ruling!.place;
    expect(await space.explain(ref)).toMatchObject({ code: "PRESENT", reason: "AUTHOR_REMOVED" });
  });

  test("[NB-6] what a removed manager dates back is void", async () => {
    const world = await createWorld();
    const { ada, ben, dan, space, other, last } = await removedWhileWriting(world);
    await space.set(dan.author, "manage");
    await world.settle(ada, ben, dan);
    const before = depsOf(space);
    await space.remove(ben.author);
    await world.settle(ada, ben, dan);
    await expect(other.accept(last)).rejects.toMatchObject({ code: "SPACE_NO_ACCESS" });
    const action = await acceptAction(ben, last);
    const forged = await forgedOp(world, ben, ada, space, action, before);
    const item = space.timeline().find(({ op }) => op === forged.op);
    // Ben never wrote that he knew, so his ruling is a concurrent one: void.
    expect(item?.status).toMatchObject({ state: "void", reason: "AUTHOR_REMOVED" });
    expect(await judged(space)).not.toContain("three accept");
  });

  test("[NB-6] a false hash, another log's hash and a longer range let nothing in", async () => {
    const world = await createWorld();
    const { ada, ben, dan, space, other, logId, first, last } = await removedWhileWriting(world);
    const good = await acceptAction(ada, last);
    const early = await acceptAction(ada, first);
    // Higher up in its log than what is ruled on.
    for (const text of ["a", "b", "c"]) await write(other, text);
    const own = await write(other, "ben's");
    await world.settle(ada, ben, dan);
    const foreign = await acceptAction(ada, own);
    const tries: readonly AuthAction[] = [
      { ...good, hash: new Uint8Array(32).fill(7) },
      { ...good, hash: foreign.hash },
      // The hash of the first entry does not stand for those behind it.
      { ...good, from: 0, to: 3, hash: early.hash },
      // A hash in another log, for entries of this one and the other way round.
      { ...foreign, log: logId, from: 0, to: 3 },
      { ...good, log: own.logId },
      { ...good, to: 1_000_000 },
    ];
    for (const action of tries) {
      const forged = await forgedOp(world, ben, ada, space, action);
      expect(forged.outcome.status).toBe("stored");
      await world.copy(ada, ben);
      expect(space.timeline().find(({ op }) => op === forged.op)?.status.state).toBe("effective");
    }
    const accepted = (await judged(space)).filter((text) => text.endsWith(" accept"));
    expect(accepted).toEqual(["a accept", "b accept", "c accept", "ben's accept"]);
    // The true one, by the same manager, does.
    await other.accept(last);
    await world.settle(ada, ben, dan);
    expect(await judged(space)).toContain("three accept");
  });

  test("[NB-6] what the removed member writes after the ruling stays out", async () => {
    const world = await createWorld();
    const { ada, ben, cyd, dan, space, third, logId } = await removedWhileWriting(world);
    await space.accept({ logId, from: 0, to: 3 });
    await write(third, "four");
    await world.copy(cyd, ada);
    await world.settle(ada, ben, dan);
    for (const device of [ada, ben, dan]) {
      expect(await judged(spaceOn(device, space))).toEqual([
        "one accept",
        "two accept",
        "three accept",
        "four quarantine",
      ]);
    }
  });

  test("[NB-6] the same ruling shown twice, or by another author, changes nothing", async () => {
    const world = await createWorld();
    const { ada, ben, dan, space, other, last } = await removedWhileWriting(world);
    await space.accept(last);
    await world.settle(ada, ben, dan);
    await other.reject(last);
    await world.settle(ada, ben, dan);
    const state = await judged(space);
    // Dan re-publishes Ada's accept, as hers and as his own.
    const item = space.timeline().find(({ change }) => change === "rule");
    const { bytes } = createOp(world.crypto, {
      author: ada.author,
      group: space.why(ada.author, "pull")!.chain[0]!.group,
      deps: item!.deps,
      action: item!.action,
    });
    const range = await forgeControl({
      crypto: world.crypto,
      id: space.id!,
      topic: space.topic,
      author: dan.author,
      secret: dan.secret,
      now: world.clock.nowMicros(),
      base: dan.store,
      contents: [{ kind: "auth", op: bytes }],
    });
    expect((await ada.spaces.ingest(range)).status).toBe("stored");
    const ref = { logId: controlLog(world, space, dan), seq: range.from };
    expect(await space.explain(ref)).toMatchObject({ reason: "OTHER_AUTHOR" });
    expect(await judged(space)).toEqual(state);
  });

  test("[NB-6] no ruling makes a writer of somebody who was none", async () => {
    const world = await createWorld();
    const { ada, ben, space, other } = await twoMembers(world);
    await world.settle(ada, ben);
    // Written at no position: rejected for ever.
    const context = { topic: space.topic, author: ben.author, domain: "hawser.data" } as never;
    const range = await forge({
      crypto: world.crypto,
      context,
      secret: ben.secret,
      now: world.clock.nowMicros(),
      make: () => [{ data: plainEvent({ type: "note", sequence: undefined, body: utf8("x") }) }],
    });
    await ada.spaces.ingest(range);
    const ref = { logId: logIdOf(world.crypto, context), seq: 0 };
    await expect(space.accept(ref)).rejects.toMatchObject({ code: "SPACE_NOT_QUARANTINED" });
    const action = await acceptAction(ada, ref);
    await forgedOp(world, ada, ben, space, action);
    await ben.spaces.ingest(range);
    expect(await judged(other)).toEqual([]);
    expect(await other.explain(ref)).toMatchObject({ judgement: "reject", reason: "NOT_WRITER" });
  });
});

/** The ruling that would accept one entry of a log the device holds. */
async function acceptAction(device: TestDevice, { logId, seq }: EntryRef) {
  for await (const { signature, hash } of device.store.entries(logId, { from: seq })) {
    if (signature === undefined) continue;
    return { type: "rule", log: logId, from: seq, to: seq + 1, hash, verdict: "accept" } as const;
  }
  throw new Error("no such entry");
}

describe("a forked data log", () => {
  /** Ben's log has two branches: Ada holds one, Cyd the other; both know of the fork. */
  async function forkedLog(world: World) {
    const members = await fourMembers(world);
    const { ada, ben, cyd, dan, space, other } = members;
    const good = await write(other, "common");
    await world.settle(ada, ben, cyd, dan);
    const context = { topic: space.topic, author: ben.author, domain: "hawser.data" } as never;
    const branch = (text: string) =>
      forge({
        crypto: world.crypto,
        context,
        secret: ben.secret,
        now: world.clock.nowMicros(),
        base: ben.store,
        make: () => [{ data: plainEvent({ type: "note", sequence: undefined, body: utf8(text) }) }],
      });
    const left = await branch("left");
    const right = await branch("right");
    for (const [device, mine, theirs] of [
      [ada, left, right],
      [cyd, right, left],
      [dan, left, right],
    ] as const) {
      expect((await device.spaces.ingest(mine)).status).toBe("stored");
      expect((await device.spaces.ingest(theirs)).status).toBe("forked");
    }
    return { ...members, logId: good.logId, fork: good.seq + 1 };
  }

  test("[NB-6] is listed from the fork on, with no operation to blame", async () => {
    const world = await createWorld();
    const { space, logId, fork, ben } = await forkedLog(world);
    expect(await space.quarantine()).toEqual([
      {
        logId,
        author: ben.author,
        from: fork,
        to: fork + 1,
        cause: "FORKED",
        by: [],
        since: undefined,
        ruling: undefined,
      },
    ]);
  });

  test("[NB-6] one branch can be accepted; who holds another has nothing of it", async () => {
    const world = await createWorld();
    const { ada, cyd, dan, space, logId, fork } = await forkedLog(world);
    await space.accept({ logId, seq: fork });
    await world.settle(ada, cyd, dan);
    expect(await judged(space)).toEqual(["common accept", "left accept"]);
    expect(await judged(spaceOn(dan, space))).toEqual(["common accept", "left accept"]);
    expect(await judged(spaceOn(cyd, space))).toEqual(["common accept", "right quarantine"]);
  });

  test("[NB-6] of two branches accepted concurrently exactly one counts", async () => {
    const world = await createWorld();
    const { ada, cyd, dan, space, logId, fork } = await forkedLog(world);
    await space.set(cyd.author, "manage");
    await world.settle(ada, cyd, dan);
    await space.accept({ logId, seq: fork });
    await spaceOn(cyd, space).accept({ logId, seq: fork });
    await world.settle(ada, cyd, dan);
    const counts = async (device: TestDevice) =>
      (await judged(spaceOn(device, space))).some((text) => /(left|right) accept/.test(text));
    expect(await counts(ada)).toBe(!(await counts(cyd)));
    expect(await counts(dan)).toBe(await counts(ada));
    // A later word decides, whichever it was.
    await spaceOn(cyd, space).accept({ logId, seq: fork });
    await world.settle(ada, cyd, dan);
    expect([await counts(ada), await counts(cyd), await counts(dan)]).toEqual([false, true, false]);
  });
});

describe("any order", () => {
  test("[NB-6] of delivery gives equal lists, decisions and timelines", async () => {
    const world = await createWorld();
    const { ada, ben, dan, space, other, logId } = await removedWhileWriting(world);
    await space.accept({ logId, from: 0, to: 3 });
    await other.reject({ logId, from: 1, to: 2 });
    await world.settle(ada, ben, dan);
    await other.accept({ logId, from: 2, to: 3 });
    await world.settle(ada, ben, dan);
    const expected = {
      list: await space.quarantine(),
      timeline: space.timeline(),
    };
    const ranges = [];
    for (const head of await ada.store.heads(space.topic)) {
      for await (const range of ada.store.ranges(head.logId)) ranges.push(range);
    }
    let number = 0;
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(ranges, { minLength: ranges.length }), async (order) => {
        number += 1;
        // A device that knows the founding operation, and gets everything else in this order.
        const late = await lateDevice(world, space, number);
        const waiting = [...order];
        for (let round = 0; round < 40 && waiting.length > 0; round++) {
          for (const range of waiting.splice(0)) {
            const { status } = await late.spaces.ingest(range);
            if (status !== "stored" && status !== "known") waiting.push(range);
          }
        }
        expect(waiting).toEqual([]);
        await world.pass(60_000);
        const here = spaceOn(late, space);
        expect(await here.quarantine()).toEqual(expected.list);
        expect(here.timeline()).toEqual(expected.timeline);
        for (const { logId: log, from, to } of expected.list) {
          for (let seq = from; seq < to; seq++) {
            const ref = { logId: log, seq };
            const { judgement } = await here.explain(ref);
            expect(judgement).toBe((await space.explain(ref)).judgement);
          }
        }
      }),
      { seed: 6, numRuns: 6 },
    );
  });
});

describe("many rulings", () => {
  test("[NB-6] however managers rule and hear of each other, all end with the same", async () => {
    const step = fc.record({
      manager: fc.nat(1),
      verdict: fc.constantFrom("accept", "reject"),
      from: fc.nat(2),
      count: fc.integer({ min: 1, max: 3 }),
      talk: fc.integer({ min: 0, max: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 6 }), async (steps) => {
        const world = await createWorld();
        const { ada, ben, dan, space, other, logId } = await removedWhileWriting(world);
        for (const { manager, verdict, from, count, talk } of steps) {
          const range = { logId, from, to: Math.min(3, from + count) };
          const by = manager === 0 ? space : other;
          await (verdict === "accept" ? by.accept(range) : by.reject(range));
          if (talk === 0) await world.copy(manager === 0 ? ada : ben, manager === 0 ? ben : ada);
        }
        await world.settle(ada, ben, dan);
        const expected = [0, 1, 2].map((seq) => expectedAt(space, seq));
        for (const device of [ada, ben, dan]) {
          const here = spaceOn(device, space);
          const judgements = [0, 1, 2].map(
            async (seq) => (await here.explain({ logId, seq })).judgement,
          );
          expect(await Promise.all(judgements)).toEqual(expected);
          expect(await here.quarantine()).toEqual(await space.quarantine());
          expect(await judged(here)).toEqual(await judged(space));
        }
      }),
      { seed: 64, numRuns: 8 },
    );
  });
});

/** The rule of chapter 4 §6.6, word by word: the last word counts, of concurrent ones the refusal. */
function expectedAt(space: Space, seq: number): string {
  const items = space.timeline();
  const deps = new Map(items.map((item) => [item.op, item.deps]));
  const pastOf = (op: OpId): ReadonlySet<OpId> => {
    const past = new Set(deps.get(op));
    for (const seen of past) for (const dep of deps.get(seen) ?? []) past.add(dep);
    return past;
  };
  const covering = items.filter(
    ({ action, status }) =>
      action.type === "rule" &&
      action.from <= seq &&
      seq < action.to &&
      status.state === "effective",
  );
  const last = covering.filter(({ op }) => !covering.some((later) => pastOf(later.op).has(op)));
  const verdicts = last.map(({ action }) => (action.type === "rule" ? action.verdict : ""));
  if (verdicts.length === 0) return "quarantine";
  return verdicts.includes("reject") ? "reject" : "accept";
}

/** A device that holds a link to the space, and so reads its control logs, but never joined. */
async function lateDevice(world: World, space: Space, number: number): Promise<TestDevice> {
  const device = await world.device(`late ${number}`, { answerDelayMs: 1e9 });
  await device.spaces.join(await linkOf(space));
  return device;
}

const links = new WeakMap<Space, Promise<string>>();

function linkOf(space: Space): Promise<string> {
  const link = links.get(space) ?? space.invite({ level: "read", uses: 100 });
  links.set(space, link);
  return link;
}
