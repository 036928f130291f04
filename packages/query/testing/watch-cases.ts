/** Conformance cases: watches. */
import { toHex, utf8 } from "@hawser/codec";
import {
  createWatcher,
  type PacketHandler,
  type PacketStore,
  type StoredPacket,
  type Watch,
  type Watcher,
  type WatcherOptions,
} from "@hawser/query";
import { check, checkEqual, checkFails } from "./check.ts";
import {
  createTestTime,
  linksTo,
  testData,
  testPoint,
  testQuery,
  testStart,
  texts,
  type TestTime,
} from "./fixtures.ts";
import type { PacketStoreCase, PacketStoreHarness } from "./harness.ts";

/** A store, its time, and a watcher over it. */
interface Scene extends AsyncDisposable {
  readonly store: PacketStore;
  readonly time: TestTime;
  readonly watcher: Watcher;
}

async function openScene({ open }: PacketStoreHarness, options?: WatcherOptions): Promise<Scene> {
  const time = createTestTime();
  const store = await open(time.clock);
  const watcher = createWatcher({ store, clock: time.clock, timers: time.timers }, options);
  return {
    store,
    time,
    watcher,
    [Symbol.asyncDispose]: async () => {
      await watcher.close();
      await store.close();
    },
  };
}

/** Lets others run until `isDone`: at the store's own pace, without a clock. */
async function until(store: PacketStore, isDone: () => boolean, what: string): Promise<void> {
  for (let turn = 0; turn < 20_000; turn++) {
    if (isDone()) return;
    await store.lastRecv();
  }
  check(false, `never: ${what}`);
}

/** Lets everything run that can. */
async function settle(store: PacketStore): Promise<void> {
  for (let turn = 0; turn < 200; turn++) await store.lastRecv();
}

/** A watch, and the texts it gave. */
interface Seen {
  readonly watch: Watch;
  readonly got: string[];
}

function see(watcher: Watcher, statements: readonly string[], also?: PacketHandler): Seen {
  const got: string[] = [];
  const watch = watcher.watch(testQuery(statements), (stored) => {
    got.push(...texts([stored]));
    return also?.(stored);
  });
  return { watch, got };
}

const letters = (text: string) => text.split("").map(testData);

const passCases: readonly PacketStoreCase[] = [
  {
    name: "[LK-watch] first what is stored, in the order of the mode, then what is new",
    run: async (harness) => {
      await using scene = await openScene(harness);
      const { store, watcher } = scene;
      await store.add(letters("abc"));
      const down = see(watcher, [":qid:down", ":mode:log-desc"]);
      const fresh = see(watcher, [":qid:new", "i_db:<:[u32:0]"]);
      const stored = see(watcher, [":qid:old", "i_new:<:[u32:0]", ":mode:log-asc"]);
      await settle(store);
      await store.add(letters("de"));
      await store.add(letters("f"));
      await until(store, () => down.got.length === 6 && fresh.got.length === 3, "six and three");
      checkEqual(down.got.join(""), "cbadef", "both");
      checkEqual(fresh.got.join(""), "def", "new only");
      checkEqual(stored.got.join(""), "abc", "stored only");
      const { reason, matchCount, freshCount } = await stored.watch.ended;
      checkEqual([reason, matchCount, freshCount], ["finished", 3, 0], "end");
      checkEqual(down.watch.counts(), { matchCount: 6, freshCount: 3 }, "counts");
    },
  },
  {
    name: "[LK-watch] no packet is lost or given twice, whatever is written during the pass",
    run: async (harness) => {
      for (const mode of [
        "tree-asc",
        "tree-desc",
        "hash-asc",
        "hash-desc",
        "log-asc",
        "log-desc",
      ]) {
        await using scene = await openScene(harness);
        const { store, watcher } = scene;
        const point = (index: number) =>
          testPoint({ path: [`${index % 3}`], stamp: (index * 7) % 11, data: `${index}` });
        await store.add(Array.from({ length: 20 }, (_, index) => point(index)));
        let next = 20;
        const { got } = see(watcher, [":qid:x", `:mode:${mode}`], async () => {
          if (next < 60) await store.add([point(next++), point(next++)]);
        });
        await until(store, () => got.length >= 60, `60 in ${mode}`);
        await settle(store);
        const numbers = got.map(Number).toSorted((a, b) => a - b);
        checkEqual(
          numbers,
          Array.from({ length: 60 }, (_, index) => index),
          mode,
        );
        const live = got.slice(20).map(Number);
        checkEqual(
          live,
          Array.from({ length: 40 }, (_, index) => index + 20),
          `new in ${mode}`,
        );
      }
    },
  },
  {
    name: "[LK-watch] a slow callback loses nothing and holds back nobody else",
    run: async (harness) => {
      await using scene = await openScene(harness);
      const { store, watcher } = scene;
      let release: () => void = () => undefined;
      const gate = new Promise<void>((resolve) => (release = resolve));
      const slow = see(watcher, [":qid:slow"], () => gate);
      const quick = see(watcher, [":qid:quick"]);
      await settle(store);
      for (let index = 0; index < 500; index++) await store.add([testData(`${index}`)]);
      await until(store, () => quick.got.length === 500, "500 for the quick one");
      checkEqual(slow.got, ["0"], "the slow one waits");
      release();
      await until(store, () => slow.got.length === 500, "500 for the slow one");
      const expected = Array.from({ length: 500 }, (_, index) => `${index}`);
      checkEqual(slow.got, expected, "the slow one's order");
      await store.add([testData("more")]);
      await until(store, () => slow.got.length === 501 && quick.got.length === 501, "one more");
      checkEqual([slow.got.at(-1), quick.got.at(-1)], ["more", "more"], "live again");
    },
  },
  {
    name: "[LK-watch] packets added by a callback come after it; a callback may begin watches",
    run: async (harness) => {
      await using scene = await openScene(harness);
      const { store, watcher } = scene;
      const log: string[] = [];
      let inner: Seen | undefined;
      see(watcher, [":qid:outer"], async (stored) => {
        const [text] = texts([stored]);
        if (text === "a") {
          inner = see(watcher, [":qid:inner", ":mode:log-asc"]);
          await store.add([testData("b")]);
        }
        log.push(`${text} done`);
      });
      await settle(store);
      await store.add([testData("a")]);
      await until(store, () => log.length === 2 && inner?.got.length === 2, "two each");
      checkEqual(log, ["a done", "b done"], "one at a time");
      checkEqual(inner?.got, ["a", "b"], "the inner watch");
      checkEqual(watcher.list().length, 2, "watches");
    },
  },
  {
    name: "[LK-watch] packets that were stored by another handle come after a wake",
    run: async (harness) => {
      await using scene = await openScene(harness);
      const { store, time } = scene;
      // A store that tells nobody, as one does when another process writes.
      const silent: PacketStore = { ...store, onAdd: () => () => undefined };
      await using watcher = createWatcher({
        store: silent,
        clock: time.clock,
        timers: time.timers,
      });
      const { got } = see(watcher, [":qid:x"]);
      await settle(store);
      await store.add(letters("ab"));
      await settle(store);
      checkEqual(got, [], "before");
      watcher.wake();
      await until(store, () => got.length === 2, "two");
    },
  },
];

const endCases: readonly PacketStoreCase[] = [
  {
    name: "[LK-watch] [LK-limits] i, i_db and i_new end a watch as finished",
    run: async (harness) => {
      await using scene = await openScene(harness);
      const { store, watcher } = scene;
      await store.add(letters("ab"));
      const both = see(watcher, [":qid:1", "i:<:[u32:4]", ":mode:log-asc"]);
      const fresh = see(watcher, [":qid:2", "i_new:=:[u32:1]", ":mode:log-asc"]);
      const early = see(watcher, [":qid:3", "i:<:[u32:1]", ":mode:log-asc"]);
      const db = see(watcher, [":qid:4", "i_db:<:[u32:1]", ":mode:log-asc"]);
      checkEqual((await early.watch.ended).reason, "finished", "in the pass");
      await settle(store);
      await store.add(letters("cdef"));
      const end = await both.watch.ended;
      checkEqual([end.reason, end.matchCount, end.freshCount], ["finished", 4, 2], "both");
      checkEqual((await fresh.watch.ended).reason, "finished", "new");
      checkEqual(both.got.join(""), "abcd", "i");
      checkEqual(fresh.got.join(""), "abd", "i_new leaves out its first");
      checkEqual(early.got.join(""), "a", "in the pass");
      await until(store, () => db.got.length === 5, "one stored, four new");
      checkEqual(db.got.join(""), "acdef", "i_db bounds the pass alone");
      checkEqual(watcher.list().length, 1, "left");
    },
  },
  {
    name: "[LK-watch] the same qid replaces the old watch, also while it is busy",
    run: async (harness) => {
      await using scene = await openScene(harness);
      const { store, watcher } = scene;
      await store.add(letters("abc"));
      let release: () => void = () => undefined;
      const gate = new Promise<void>((resolve) => (release = resolve));
      const old = see(watcher, [":qid:x", ":mode:log-asc"], () => gate);
      await until(store, () => old.got.length === 1, "the first");
      const next = see(watcher, [":qid:x", ":mode:log-asc"]);
      const other = see(watcher, [":qid:xy", ":mode:log-asc"]);
      checkEqual(
        watcher.list().map(({ qid }) => toHex(qid)),
        ["78", "7879"],
        "list",
      );
      release();
      checkEqual((await old.watch.ended).reason, "replaced", "reason");
      await until(store, () => next.got.length === 3 && other.got.length === 3, "three each");
      await store.add(letters("d"));
      await until(store, () => next.got.length === 4, "four");
      checkEqual(old.got, ["a"], "the old one");
      checkEqual(watcher.list()[0], next.watch, "registered");
    },
  },
  {
    name: "[LK-watch] a callback that says break, and one that throws, end their own watch",
    run: async (harness) => {
      await using scene = await openScene(harness);
      const { store, watcher } = scene;
      await store.add(letters("a"));
      const calm = see(watcher, [":qid:calm"]);
      const pass = see(watcher, [":qid:pass", ":mode:log-asc"], () => "break");
      const live = see(watcher, [":qid:live", "i_db:<:[u32:0]"], async () => "break");
      const trouble = new Error("trouble");
      const thrower = see(watcher, [":qid:thrower", "i_db:<:[u32:0]"], () => {
        throw trouble;
      });
      await settle(store);
      await store.add(letters("bc"));
      checkEqual((await pass.watch.ended).reason, "break", "in the pass");
      checkEqual((await live.watch.ended).reason, "break", "live");
      const end = await thrower.watch.ended;
      check(end.reason === "failed" && end.error === trouble, "the error is lost");
      await until(store, () => calm.got.length === 2, "the others go on");
      checkEqual([live.got.join(""), thrower.got.join("")], ["b", "b"], "one each");
      checkEqual(watcher.list().length, 1, "left");
    },
  },
  {
    name: "[LK-watch] stopping by qid, by prefix, by signal and by closing",
    run: async (harness) => {
      await using scene = await openScene(harness);
      const { store, watcher } = scene;
      const qids = ["a", "b1", "b2", "c", "d", "e"];
      const watches = new Map(qids.map((qid) => [qid, see(watcher, [`:qid:${qid}`]).watch]));
      const controller = new AbortController();
      const { signal } = controller;
      const aborted = watcher.watch(testQuery([":qid:f"]), () => undefined, { signal });
      await settle(store);
      const end = async (qid: string) => (await watches.get(qid)?.ended)?.reason;
      checkEqual(watcher.stop(utf8("a")), true, "stop");
      checkEqual(watcher.stop(utf8("a")), false, "stop again");
      checkEqual(watcher.stop(utf8("b")), false, "no prefix");
      checkEqual(watcher.stopPrefix(utf8("b")), 2, "prefix");
      watches.get("c")?.stop();
      controller.abort();
      checkEqual(
        [await end("a"), await end("b1"), await end("b2"), await end("c")],
        ["closed", "closed", "closed", "closed"],
        "ends",
      );
      checkEqual((await aborted.ended).reason, "closed", "aborted");
      const late = watcher.watch(testQuery([":qid:g"]), () => undefined, { signal });
      checkEqual((await late.ended).reason, "closed", "aborted before");
      checkEqual(
        watcher.list().map(({ qid }) => toHex(qid)),
        ["64", "65"],
        "left",
      );
      await watcher.close();
      await watcher.close();
      checkEqual([await end("d"), await end("e")], ["closed", "closed"], "closing");
    },
  },
  {
    name: "[LK-watch] misuse is an error with a code",
    run: async (harness) => {
      await using scene = await openScene(harness, { watchesMax: 2 });
      const { watcher } = scene;
      const watch = (statements: readonly string[]) =>
        watcher.watch(testQuery(statements), () => 0);
      await checkFails(() => watch([]), "WATCH_QID_MISSING", "no qid");
      watch([":qid:1"]);
      watch([":qid:2"]);
      await checkFails(() => watch([":qid:3"]), "WATCH_TOO_MANY", "too many");
      watch([":qid:2"]);
      await watcher.close();
      await checkFails(() => watch([":qid:1"]), "WATCH_CLOSED", "closed");
    },
  },
];

const micros = (value: number): string => `[u64:${value}]`;

const expiryCases: readonly PacketStoreCase[] = [
  {
    name: "[LK-watch] an upper bound of receive stamps in the future ends the watch at that time",
    run: async (harness) => {
      await using scene = await openScene(harness);
      const { store, time, watcher } = scene;
      const until60s = `recv:<:${micros(testStart + 60_000_000)}`;
      const { watch, got } = see(watcher, [":qid:x", until60s, ":mode:log-asc"]);
      await store.add(letters("a"));
      time.advance(59_999);
      await store.add(letters("b"));
      await settle(store);
      checkEqual(watcher.list().length, 1, "still there");
      time.advance(1);
      const end = await watch.ended;
      checkEqual([end.reason, got.join("")], ["expired", "ab"], "the end");
      checkEqual([watcher.list().length, time.pendingCount()], [0, 0], "nothing is left");
    },
  },
  {
    name: "[LK-watch] what was stored in time is given even when time is up before it is",
    run: async (harness) => {
      await using scene = await openScene(harness);
      const { store, time, watcher } = scene;
      let release: () => void = () => undefined;
      const gate = new Promise<void>((resolve) => (release = resolve));
      const bound = `recv:<:${micros(testStart + 1_000_000)}`;
      const { watch, got } = see(watcher, [":qid:x", bound], () => gate);
      await settle(store);
      for (let index = 0; index < 150; index++) await store.add([testData(`${index}`)]);
      time.advance(5_000);
      await store.add(letters("x"));
      release();
      checkEqual((await watch.ended).reason, "expired", "reason");
      checkEqual(
        got,
        Array.from({ length: 150 }, (_, index) => `${index}`),
        "in time",
      );
    },
  },
  {
    name: "[LK-watch] the next packet past the bound ends the watch, before any timer",
    run: async (harness) => {
      const { store, clock } = await jumpingStore(harness);
      await using _store = store;
      const timers = { after: () => () => undefined };
      await using watcher = createWatcher({ store, clock: clock.late, timers });
      const bound = `recv:<:${micros(testStart + 1_000)}`;
      const { watch, got } = see(watcher, [":qid:x", bound]);
      await settle(store);
      await store.add(letters("a"));
      await until(store, () => got.length === 1, "in time");
      clock.jump();
      await store.add(letters("b"));
      checkEqual((await watch.ended).reason, "expired", "reason");
      checkEqual(got, ["a"], "given");
    },
  },
  {
    name: "[LK-watch] a bound in the past leaves the pass alone; a lower bound in the future waits",
    run: async (harness) => {
      await using scene = await openScene(harness);
      const { store, time, watcher } = scene;
      await store.add(letters("ab"));
      time.advance(1_000);
      const past = see(watcher, [":qid:p", `recv:<:${micros(testStart + 1)}`, ":mode:log-asc"]);
      checkEqual((await past.watch.ended).reason, "expired", "reason");
      checkEqual(past.got, ["a"], "the pass");
      const later = see(watcher, [":qid:l", `recv:>:${micros(testStart + 2_000_000)}`]);
      await settle(store);
      await store.add(letters("c"));
      time.advance(2_000);
      await store.add(letters("d"));
      await until(store, () => later.got.length === 1, "one");
      checkEqual(later.got, ["d"], "after the bound");
    },
  },
];

/** A store whose clock jumps an hour ahead when told, while another clock stands still. */
async function jumpingStore({ open }: PacketStoreHarness) {
  let now = testStart;
  const store = await open({ nowMicros: () => now });
  return {
    store,
    clock: { late: { nowMicros: () => testStart }, jump: () => void (now += 3_600_000_000) },
  };
}

const followCases: readonly PacketStoreCase[] = [
  {
    name: "[LK-watch] [LK-follow] new matches are followed by what they link to",
    run: async (harness) => {
      await using scene = await openScene(harness);
      const { store, watcher } = scene;
      const [one, two] = [testData("one"), testData("two")];
      const got: StoredPacket[] = [];
      const query = testQuery([":qid:x", ":follow", "group:=:[#:pub]", "i:<:[u32:2]"]);
      const watch = watcher.watch(query, (stored) => void got.push(stored));
      await settle(store);
      await store.add([one, testPoint({ data: "first", links: linksTo(one, two) })]);
      await store.add([two, testPoint({ data: "second", links: linksTo(two) })]);
      checkEqual((await watch.ended).reason, "finished", "reason");
      // Whether `two` was stored when `first` was given depends on nothing but the store's pace.
      const flat = texts(got).filter((text, index) => !(text === "two" && index === 2));
      checkEqual(flat, ["first", "one", "second", "two"], "order");
      checkEqual(got.at(-1)?.packet.netHeader.flags, 2, "flag");
    },
  },
];

/** A store whose next read by receive stamp can be held back after it was made. */
function holdable(store: PacketStore): {
  readonly store: PacketStore;
  /** Holds the next read; call the result to let it go. */
  hold(): { release(): void; isHeld(): boolean };
} {
  let waiting: { readonly gate: Promise<void>; isHeld: boolean } | undefined;
  return {
    store: {
      ...store,
      byRecv: async (bounds, options) => {
        const held = waiting;
        waiting = undefined;
        const page = await store.byRecv(bounds, options);
        if (held === undefined) return page;
        held.isHeld = true;
        await held.gate;
        return page;
      },
    },
    hold() {
      let release: () => void = () => undefined;
      const held = { gate: new Promise<void>((resolve) => (release = resolve)), isHeld: false };
      waiting = held;
      return { release: () => release(), isHeld: () => held.isHeld };
    },
  };
}

const raceCases: readonly PacketStoreCase[] = [
  {
    name: "[LK-watch] a packet stored in time comes even when time is up during the last read",
    run: async (harness) => {
      await using scene = await openScene(harness);
      const { time } = scene;
      const { store, hold } = holdable(scene.store);
      await using watcher = createWatcher({ store, clock: time.clock, timers: time.timers });
      const read = hold();
      const bound = `recv:<:${micros(testStart + 1_000_000)}`;
      const { watch, got } = see(watcher, [":qid:x", bound]);
      await until(store, () => read.isHeld(), "the read");
      await store.add(letters("a"));
      time.advance(5_000);
      read.release();
      checkEqual([(await watch.ended).reason, got.join("")], ["expired", "a"], "the end");
    },
  },
  {
    name: "[LK-watch] what a pass gave is not given again by a read that began before it",
    run: async (harness) => {
      await using scene = await openScene(harness);
      const { time } = scene;
      const { store, hold } = holdable(scene.store);
      await using watcher = createWatcher({ store, clock: time.clock, timers: time.timers });
      const first = see(watcher, [":qid:1"]);
      await settle(store);
      const read = hold();
      await store.add(letters("ab"));
      await until(store, () => read.isHeld(), "the read");
      const second = see(watcher, [":qid:2", ":mode:log-asc"]);
      await until(store, () => second.got.length === 2, "the pass");
      await settle(store);
      read.release();
      await store.add(letters("c"));
      await until(store, () => first.got.length === 3 && second.got.length === 3, "three each");
      await settle(store);
      checkEqual([first.got.join(""), second.got.join("")], ["abc", "abc"], "given");
    },
  },
];

/** What watches promise over any store. */
export const watchCases: readonly PacketStoreCase[] = [
  ...passCases,
  ...endCases,
  ...expiryCases,
  ...raceCases,
  ...followCases,
];
