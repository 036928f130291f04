/** Conformance cases: adding, and the three orders of a store. */
import { compareBytes, toHex } from "@hawser/codec";
import {
  comparePackets,
  netFlags,
  privateGroup,
  testGroup,
  withNetHeader,
  type Packet,
} from "@hawser/packet";
import {
  treeRowOf,
  type PacketStore,
  type StoredPacket,
  type TreePlace,
  type TreeRow,
} from "@hawser/query";
import { check, checkEqual, checkFails } from "./check.ts";
import { createTestTime, testClock, testData, testPoint, testStart, texts } from "./fixtures.ts";
import type { PacketStoreCase } from "./harness.ts";

/** The place before all rows, and one after all. */
const bottom: TreePlace = { key: new Uint8Array(0), stamp: 0n, hash: new Uint8Array(32) };
const top: TreePlace = { ...bottom, key: new Uint8Array(400).fill(0xff) };

/** Packets whose order is decided by each field in turn. */
export function spreadPackets(): Packet<"verified">[] {
  const packets: Packet<"verified">[] = [];
  for (const group of [privateGroup(), testGroup()]) {
    for (const domain of ["", "a", "b"]) {
      for (const path of [[], ["a"], ["b"], ["aa"], ["a", "b"], ["\u007f"]]) {
        for (const stamp of [0, 255, 256]) packets.push(testPoint({ group, domain, path, stamp }));
      }
    }
  }
  for (const author of [0, 1]) {
    for (const stamp of [1n, (1n << 64n) - 1n]) packets.push(testPoint({ author, stamp }));
  }
  // Equal but for their data: only the hash orders them.
  for (const data of ["p", "q", "r", "s"]) packets.push(testPoint({ data, stamp: 7 }));
  return packets;
}

/** Everything of an order, read in pages of each size, both ways. */
async function checkPages<Item, Place>(
  read: (
    from: Place | undefined,
    options: { readonly max: number; readonly descending: boolean },
  ) => Promise<readonly Item[]>,
  expected: readonly Item[],
  after: (item: Item, descending: boolean) => Place,
): Promise<void> {
  for (const descending of [false, true]) {
    const all = descending ? expected.toReversed() : expected;
    for (const max of [1, 2, 3, expected.length, expected.length + 1]) {
      const found: Item[] = [];
      let from: Place | undefined;
      for (;;) {
        const page = await read(from, { max, descending });
        check(page.length <= max, `a page of ${page.length}, not ${max}`);
        found.push(...page);
        const last = page.at(-1);
        if (last === undefined || page.length < max) break;
        from = after(last, descending);
      }
      checkEqual(found, all, `pages of ${max}, ${descending ? "down" : "up"}`);
    }
  }
}

/** The next hash; there is one in tests. */
function nextHash(hash: Uint8Array): Uint8Array {
  const next = hash.slice();
  for (let index = 31; index >= 0; index--) {
    next[index] = ((next[index] ?? 0) + 1) & 0xff;
    if (next[index] !== 0) break;
  }
  return next;
}

const addCases: readonly PacketStoreCase[] = [
  {
    name: "[LK-mode-log] receive stamps are the clock's time, unique and increasing within a batch",
    run: async ({ open }) => {
      const time = createTestTime();
      await using store = await open(time.clock);
      checkEqual(await store.lastRecv(), 0, "an empty store");
      const first = await store.add([testData("a"), testData("b")]);
      checkEqual(
        first.packets,
        [
          { recv: testStart, isNew: true },
          { recv: testStart + 1, isNew: true },
        ],
        "the first batch",
      );
      const second = await store.add([testData("c")]);
      checkEqual(second.packets, [{ recv: testStart + 2, isNew: true }], "the clock stands still");
      time.advance(5);
      const third = await store.add([testData("d")]);
      checkEqual(third.packets, [{ recv: testStart + 5_000, isNew: true }], "the clock went on");
      checkEqual(await store.lastRecv(), testStart + 5_000, "last");
    },
  },
  {
    name: "[LK-mode-log] receive stamps never go back when the clock does",
    run: async ({ open }) => {
      await using store = await open(testClock(testStart, -1_000_000));
      const stamps: number[] = [];
      for (let index = 0; index < 5; index++) {
        const { packets } = await store.add([testData(`${index}`)]);
        stamps.push(...packets.map(({ recv }) => recv));
      }
      checkEqual(
        stamps,
        [0, 1, 2, 3, 4].map((step) => testStart + step),
        "stamps",
      );
    },
  },
  {
    name: "a clock that gives no time is an error, and nothing is stored",
    run: async ({ open }) => {
      const readings = [Number.NaN, 1.5, -1, Number.MAX_SAFE_INTEGER];
      for (const reading of readings) {
        await using store = await open({ nowMicros: () => reading });
        await checkFails(() => store.add([testData("a")]), "STORE_CLOCK", `${reading}`);
        checkEqual(await store.lastRecv(), 0, "last");
        checkEqual(await store.get(testData("a").hash), undefined, "the packet");
      }
    },
  },
  {
    name: "the first packet and its net header win, within a batch and later",
    run: async ({ open }) => {
      await using store = await open(testClock());
      const packet = testPoint({ data: "x" });
      const flags = (value: number): Packet<"verified"> =>
        withNetHeader(packet, { ...packet.netHeader, flags: value });
      const first = await store.add([flags(1), flags(2), testData("y"), flags(8)]);
      const [recv] = first.packets.map((each) => each.recv);
      checkEqual(
        first.packets.map(({ isNew }) => isNew),
        [true, false, true, false],
        "new in the batch",
      );
      check(
        first.packets.every((each, at) => at === 2 || each.recv === recv),
        "copies have another stamp",
      );
      const second = await store.add([flags(4)]);
      checkEqual(second.packets, [{ recv, isNew: false }], "later");
      const stored = await store.get(packet.hash);
      checkEqual(stored?.packet.netHeader.flags, 1, "flags");
      checkEqual(stored?.recv, recv, "stamp");
      checkEqual((await store.treeRows(bottom, { max: 10 })).length, 1, "rows");
      checkEqual(
        (await store.byRecv({ low: 0, high: Number.MAX_SAFE_INTEGER }, { max: 10 })).length,
        2,
        "packets",
      );
    },
  },
  {
    name: "packets come back byte for byte, net header included, of every kind and size",
    run: async ({ open }) => {
      await using store = await open(testClock());
      const odd = testPoint({ data: "odd" });
      const packets = [
        testData(""),
        testData("x".repeat(65_020)),
        ...spreadPackets(),
        withNetHeader(odd, {
          magic: 1,
          flags: netFlags.silent | netFlags.alwaysZero,
          hop: 0xffff_ffff,
          stamp: 5n,
          ubits: [1, 2, 3, 0xffff_ffff],
        }),
      ];
      await store.add(packets);
      for (const packet of packets) {
        const stored = await store.get(packet.hash);
        checkEqual(stored?.packet.bytes, packet.bytes, "bytes");
        checkEqual(stored?.packet.kind, packet.kind, "kind");
      }
      checkEqual(await store.get(new Uint8Array(32)), undefined, "an unknown hash");
    },
  },
  {
    name: "what was taken from a buffer outlives that buffer",
    run: async ({ open }) => {
      await using store = await open(testClock());
      const packet = testPoint({ data: "kept", path: ["a"] });
      const kept = packet.bytes.slice();
      const hash = packet.hash.slice();
      const added = store.add([packet]);
      packet.bytes.fill(0xee);
      await added;
      checkEqual((await store.get(hash))?.packet.bytes, kept, "bytes");
      const [row] = await store.treeRows(bottom, { max: 1 });
      checkEqual(row?.hash, hash, "hash of the row");
    },
  },
  {
    name: "an empty batch changes nothing and tells nobody",
    run: async ({ open }) => {
      await using store = await open(testClock());
      let told = 0;
      store.onAdd(() => void told++);
      checkEqual(await store.add([]), { packets: [] }, "outcome");
      await store.add([testData("a")]);
      await store.add([testData("a")]);
      checkEqual(told, 1, "calls");
    },
  },
  {
    name: "listeners are told of what is new, in order, until they leave",
    run: async ({ open }) => {
      await using store = await open(testClock());
      const told: string[] = [];
      const leave = store.onAdd((packets) => void told.push(texts(packets).join("")));
      await store.add([testData("a"), testData("b"), testData("a")]);
      await store.add([testData("b"), testData("c")]);
      leave();
      await store.add([testData("d")]);
      checkEqual(told, ["ab", "c"], "told");
    },
  },
  {
    name: "adds made at the same time keep their order and stay whole",
    run: async ({ open }) => {
      await using store = await open(testClock());
      const batches = Array.from({ length: 20 }, (_, index) => [
        testData(`${index}a`),
        testData("shared"),
        testData(`${index}b`),
      ]);
      const outcomes = await Promise.all(batches.map((batch) => store.add(batch)));
      const news = outcomes.map(({ packets }) => packets.map(({ isNew }) => isNew));
      checkEqual(
        news,
        batches.map((_, index) => [true, index === 0, true]),
        "new",
      );
      const all = await store.byRecv({ low: 0, high: Number.MAX_SAFE_INTEGER }, { max: 100 });
      const expected = ["0a", "shared", "0b"];
      for (let index = 1; index < 20; index++) expected.push(`${index}a`, `${index}b`);
      checkEqual(texts(all), expected, "order");
    },
  },
];

async function filled(store: PacketStore): Promise<readonly StoredPacket[]> {
  const packets = [...spreadPackets(), testData("one"), testData("two"), testData("three")];
  // Neither tree order nor hash order.
  packets.sort((a, b) => (a.hash[5] ?? 0) - (b.hash[5] ?? 0));
  const { packets: added } = await store.add(packets);
  return packets.map((packet, index) => ({ packet, recv: added[index]?.recv ?? 0 }));
}

const orderCases: readonly PacketStoreCase[] = [
  {
    name: "[LK-tree-index] rows lie in the order of packets, read in pages of any size, both ways",
    run: async ({ open }) => {
      await using store = await open(testClock());
      const all = await filled(store);
      const sorted = [...all].sort((a, b) => comparePackets(a.packet, b.packet));
      const rows = sorted.flatMap(({ packet, recv }) => treeRowOf(packet, recv) ?? []);
      checkEqual(rows.length, all.length - 3, "datapoints have no row");
      await checkPages<TreeRow, TreePlace>(
        (from, options) => store.treeRows(from ?? (options.descending ? top : bottom), options),
        rows,
        (row, descending) => (descending ? row : { ...row, hash: nextHash(row.hash) }),
      );
    },
  },
  {
    name: "[LK-tree-index] a place between rows starts at the next one",
    run: async ({ open }) => {
      await using store = await open(testClock());
      await filled(store);
      const rows = await store.treeRows(bottom, { max: 1_000 });
      for (const [index, row] of rows.entries()) {
        const at = await store.treeRows(row, { max: 1 });
        checkEqual(at[0]?.hash, row.hash, "inclusive upwards");
        const before = await store.treeRows(row, { max: 1, descending: true });
        checkEqual(before[0]?.hash, rows[index - 1]?.hash, "exclusive downwards");
        const cut = { key: row.key.subarray(0, -1), stamp: 0n, hash: new Uint8Array(32) };
        const [first] = await store.treeRows(cut, { max: 1 });
        const expected = rows.find(({ key }) => compareBytes(key, cut.key) >= 0);
        checkEqual(first?.key, expected?.key, "a key cut short");
      }
    },
  },
  {
    name: "[LK-mode-hash] packets of all kinds lie in hash order, both ways",
    run: async ({ open }) => {
      await using store = await open(testClock());
      const all = await filled(store);
      const sorted = all.map(({ packet }) => packet.hash).sort((a, b) => compareBytes(a, b));
      await checkPages<Uint8Array, Uint8Array>(
        async (from, options) => {
          const page = await store.byHash(from, options);
          return page.map(({ packet }) => packet.hash);
        },
        sorted,
        (hash, descending) => (descending ? hash : nextHash(hash)),
      );
      const [third] = sorted.slice(3);
      const longer = Uint8Array.of(...(third ?? []), 0);
      const [after] = await store.byHash(longer, { max: 1 });
      checkEqual(after?.packet.hash, sorted[4], "a place between hashes, up");
      const [until] = await store.byHash(longer, { max: 1, descending: true });
      checkEqual(until?.packet.hash, third, "a place between hashes, down");
    },
  },
  {
    name: "[LK-mode-log] packets of all kinds lie in receive order, within both bounds, both ways",
    run: async ({ open }) => {
      await using store = await open(testClock());
      const all = await filled(store);
      const stamps = all.map(({ recv }) => recv);
      const [first = 0, , , fourth = 0] = stamps;
      const last = stamps.at(-1) ?? 0;
      for (const [low, high] of [
        [0, Number.MAX_SAFE_INTEGER],
        [first, last],
        [fourth, last - 1],
        [fourth, fourth],
        [fourth + 1, fourth],
        [last + 1, Number.MAX_SAFE_INTEGER],
      ] as const) {
        const expected = stamps.filter((recv) => recv >= low && recv <= high);
        for (const max of [1, 4, 1_000]) {
          const up = await store.byRecv({ low, high }, { max });
          checkEqual(
            up.map(({ recv }) => recv),
            expected.slice(0, max),
            `[${low}, ${high}] up`,
          );
          const down = await store.byRecv({ low, high }, { max, descending: true });
          checkEqual(
            down.map(({ recv }) => recv),
            expected.toReversed().slice(0, max),
            `[${low}, ${high}] down`,
          );
        }
      }
    },
  },
];

const lifeCases: readonly PacketStoreCase[] = [
  {
    name: "everything is there after reopening, and stamps go on from the newest",
    needsReopen: true,
    run: async ({ open, reopen }) => {
      if (reopen === undefined) throw new Error("the harness cannot reopen stores");
      const first = await open(testClock());
      const all = await filled(first);
      const rows = await first.treeRows(bottom, { max: 1_000 });
      const newest = await first.lastRecv();
      await using store = await reopen(first, testClock(1_000));
      checkEqual(await store.lastRecv(), newest, "newest stamp");
      checkEqual(await store.treeRows(bottom, { max: 1_000 }), rows, "rows");
      for (const { packet, recv } of all) {
        const stored = await store.get(packet.hash);
        checkEqual(
          [stored?.recv, toHex(stored?.packet.bytes ?? new Uint8Array(0))],
          [recv, toHex(packet.bytes)],
          "packet",
        );
      }
      const outcome = await store.add([testData("one"), testData("later")]);
      checkEqual(
        outcome.packets.map(({ isNew }) => isNew),
        [false, true],
        "new",
      );
      checkEqual(outcome.packets[1]?.recv, newest + 1, "a clock that went back");
    },
  },
  {
    name: "every method rejects after close",
    run: async ({ open }) => {
      const store = await open(testClock());
      await store.add([testData("a")]);
      await store.close();
      await store.close();
      await store[Symbol.asyncDispose]();
      const uses: { readonly [name: string]: () => unknown } = {
        add: () => store.add([]),
        get: () => store.get(new Uint8Array(32)),
        lastRecv: () => store.lastRecv(),
        treeRows: () => store.treeRows(bottom, { max: 1 }),
        byHash: () => store.byHash(undefined, { max: 1 }),
        byRecv: () => store.byRecv({ low: 0, high: 1 }, { max: 1 }),
        onAdd: () => store.onAdd(() => undefined),
      };
      for (const [name, use] of Object.entries(uses)) await checkFails(use, "STORE_CLOSED", name);
    },
  },
];

/** What an adapter itself promises. */
export const orderAndAddCases: readonly PacketStoreCase[] = [
  ...addCases,
  ...orderCases,
  ...lifeCases,
];
