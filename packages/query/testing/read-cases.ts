/** Conformance cases: reading in all six modes, limits, following links. */
import { netFlags, privateGroup, publicGroup, testGroup } from "@hawser/packet";
import { getLinks, linkedPackets, readQuery, type PacketStore } from "@hawser/query";
import { check, checkEqual, checkFails, collect } from "./check.ts";
import { countReads } from "./counting-store.ts";
import {
  linksTo,
  testClock,
  testData,
  testPoint,
  testPublicKey,
  testQuery,
  testStart,
  texts,
} from "./fixtures.ts";
import type { PacketStoreCase, PacketStoreHarness } from "./harness.ts";

/** What a query gives, as texts. */
async function read(store: PacketStore, ...statements: string[]): Promise<string> {
  return texts(await collect(readQuery(store, testQuery(statements)))).join(" ");
}

const micros = (value: number): string => `[u64:${value}]`;

/** Two branches of three packets each, in the wrong order, and a datapoint. */
async function withBranches({ open }: PacketStoreHarness): Promise<PacketStore> {
  const store = await open(testClock());
  const point = (path: string, stamp: number) =>
    testPoint({ path: [path], stamp, data: `${path}${stamp}` });
  await store.add([point("b", 2), point("a", 3), testData("data")]);
  await store.add([point("a", 1), point("b", 3), point("b", 1), point("a", 2)]);
  return store;
}

const treeCases: readonly PacketStoreCase[] = [
  {
    name: "[LK-mode-tree] keys ascend in both modes; desc turns round the stamps within a key",
    run: async (harness) => {
      await using store = await withBranches(harness);
      checkEqual(await read(store, ":mode:tree-asc"), "a1 a2 a3 b1 b2 b3", "asc");
      checkEqual(await read(store, ":mode:tree-desc"), "a3 a2 a1 b3 b2 b1", "desc");
      checkEqual(await read(store), "a3 a2 a1 b3 b2 b1", "without a mode");
    },
  },
  {
    name: "[LK-mode-tree] long branches come whole and in order",
    run: async ({ open }) => {
      await using store = await open(testClock());
      const stamps = Array.from({ length: 600 }, (_, index) => (index * 7) % 600);
      await store.add(stamps.map((stamp) => testPoint({ stamp, data: `${stamp}` })));
      await store.add([testPoint({ path: ["next"], data: "next" })]);
      const sorted = stamps.toSorted((a, b) => a - b).map(String);
      checkEqual(await read(store, ":mode:tree-asc"), [...sorted, "next"].join(" "), "asc");
      const down = [...sorted.toReversed(), "next"].join(" ");
      checkEqual(await read(store), down, "desc");
      const some = ["create:>:[u64:590]", "create:<:[u64:593]"];
      checkEqual(await read(store, ...some), "592 591", "bounds of stamps, desc");
      checkEqual(await read(store, ":mode:tree-asc", ...some), "591 592", "and asc");
      const last = (1n << 64n) - 1n;
      await store.add([testPoint({ stamp: last, data: "last" })]);
      checkEqual(await read(store, "i:<:[u32:2]"), "last 599", "the greatest stamp");
    },
  },
  {
    name: "[LK-mode-tree] rules on group, domain, path, depth and key find their packets",
    run: async ({ open }) => {
      await using store = await open(testClock());
      const packets = [];
      for (const [mark, group] of [
        ["0", privateGroup()],
        ["t", testGroup()],
        ["p", publicGroup()],
      ] as const) {
        for (const domain of ["x", "y"]) {
          for (const path of [[], ["a"], ["a", "b"], ["a", "b", "c"], ["ab"], ["b"]]) {
            const data = `${mark}${domain}/${path.join("/")}`;
            packets.push(testPoint({ group, domain, path, data }));
            packets.push(testPoint({ group, domain, path, data: `${data}!`, author: 1 }));
          }
        }
      }
      await store.add(packets);
      const asc = ":mode:tree-asc";
      checkEqual(
        await read(store, asc, "group:=:[#:pub]", "domain:=:[a:y]", "prefix:=:/a/b"),
        "py/a/b py/a/b! py/a/b/c py/a/b/c!",
        "prefix",
      );
      checkEqual(
        await read(store, asc, "spacename:=:/a"),
        "0x/a 0x/a! 0y/a 0y/a! tx/a tx/a! ty/a ty/a! px/a px/a! py/a py/a!",
        "one path",
      );
      checkEqual(
        await read(store, asc, "domain:=:[a:x]", "depth:=:[u8:0]", "type:1:[b2:00000100]"),
        "0x/! tx/! px/!",
        "depth and signature",
      );
      checkEqual(await read(store, asc, "prefix:=:/zz"), "", "a prefix of nothing");
      checkEqual(await read(store, "depth:>:[u8:3]"), "", "a depth of nothing");
    },
  },
  {
    name: "[LK-mode-tree] public keys are found among many, and beside unsigned packets",
    run: async ({ open }) => {
      await using store = await open(testClock());
      const packets = [];
      for (const path of ["a", "b", "c"]) {
        packets.push(testPoint({ path: [path], data: `${path}-` }));
        for (const author of [0, 1, 2]) {
          packets.push(testPoint({ path: [path], author, data: `${path}${author}` }));
        }
      }
      await store.add(packets);
      for (const author of [0, 1, 2]) {
        const statements = [":mode:tree-asc", "pubkey:=:[0]"];
        const query = testQuery(statements, [testPublicKey(author)]);
        checkEqual(
          texts(await collect(readQuery(store, query))),
          ["a", "b", "c"].map((path) => `${path}${author}`),
          `author ${author}`,
        );
      }
    },
  },
  {
    name: "[LK-mode-tree] a selective query reads by the matches and skips, not by the packets",
    run: async ({ open }) => {
      await using inner = await open(testClock());
      const packets = [];
      for (let path = 0; path < 40; path++) {
        for (let stamp = 0; stamp < 50; stamp++) {
          packets.push(testPoint({ path: [`${path + 10}`], stamp, data: `${path},${stamp}` }));
        }
      }
      await inner.add(packets);
      const { store, counts } = countReads(inner);
      checkEqual(await read(store, "spacename:=:/27", "i:<:[u32:3]"), "17,49 17,48 17,47", "three");
      check(counts.treeRows <= 16, `${counts.treeRows} rows for three matches`);
      counts.treeRows = 0;
      const newest = (await read(store, "i_branch:<:[u32:1]")).split(" ");
      checkEqual(newest.length, 40, "one of each branch");
      check(
        newest.every((text) => text.endsWith(",49")),
        "not the newest",
      );
      check(counts.treeRows <= 12 * 40, `${counts.treeRows} rows for 40 of 2,000`);
      counts.treeRows = 0;
      checkEqual(await read(store, "domain:=:[a:nobody]"), "", "an empty domain");
      check(counts.treeRows <= 8, `${counts.treeRows} rows for nothing`);
    },
  },
];

const hashCases: readonly PacketStoreCase[] = [
  {
    name: "[LK-mode-hash] hash-desc gives all, downwards (the reference panics)",
    run: async (harness) => {
      await using store = await withBranches(harness);
      const up = await collect(readQuery(store, testQuery([":mode:hash-asc"])));
      const down = await collect(readQuery(store, testQuery([":mode:hash-desc"])));
      checkEqual(up.length, 7, "count, the datapoint included");
      checkEqual(texts(down), texts(up).toReversed(), "order");
    },
  },
  {
    name: "[LK-mode-hash] both directions keep to both bounds of hashes",
    run: async (harness) => {
      await using store = await withBranches(harness);
      const all = await collect(readQuery(store, testQuery([":mode:hash-asc"])));
      const low = all[1]?.packet.hash ?? new Uint8Array(32);
      const high = all[5]?.packet.hash ?? new Uint8Array(32);
      const rules = ["hash:>:[0]", "hash:<:[1]"];
      const up = testQuery([":mode:hash-asc", ...rules], [low, high]);
      checkEqual(texts(await collect(readQuery(store, up))), texts(all.slice(2, 5)), "up");
      const down = testQuery([":mode:hash-desc", ...rules], [low, high]);
      const expected = texts(all.slice(2, 5)).toReversed();
      checkEqual(texts(await collect(readQuery(store, down))), expected, "down");
      for (const mode of ["hash-asc", "hash-desc"]) {
        const closed = ["hash:>=:[0]", "hash:<=:[1]", `:mode:${mode}`];
        const found = await collect(readQuery(store, testQuery(closed, [low, high])));
        checkEqual(found.length, 5, `${mode}, bounds included`);
      }
    },
  },
  {
    name: "[LK-query-behaviour] the documented head mask on hashes matches the second of three",
    run: async ({ open }) => {
      await using store = await open(testClock());
      await store.add(["1", "2", "3"].map(testData));
      for (const mode of ["hash-asc", "hash-desc", "log-asc", "log-desc"]) {
        checkEqual(await read(store, `:mode:${mode}`, "hash:=*:[b:ef6I]"), "2", mode);
      }
    },
  },
  {
    name: "[LK-mode-hash] one hash is one look",
    run: async (harness) => {
      await using inner = await withBranches(harness);
      const { store, counts } = countReads(inner);
      const query = testQuery(["hash:=:[0]", ":mode:hash-asc"], [testData("data").hash]);
      checkEqual(texts(await collect(readQuery(store, query))), ["data"], "found");
      checkEqual([counts.packets, counts.treeRows], [1, 0], "reads");
    },
  },
];

const logCases: readonly PacketStoreCase[] = [
  {
    name: "[LK-mode-log] both directions keep to both bounds of receive stamps (the reference keeps to one at most)",
    run: async ({ open }) => {
      await using store = await open(testClock(testStart, 0));
      await store.add(["0", "1", "2", "3", "4", "5"].map(testData));
      const rules = [`recv:>:${micros(testStart)}`, `recv:<:${micros(testStart + 4)}`];
      checkEqual(await read(store, ":mode:log-asc", ...rules), "1 2 3", "asc");
      checkEqual(await read(store, ":mode:log-desc", ...rules), "3 2 1", "desc");
      checkEqual(await read(store, ":mode:log-desc"), "5 4 3 2 1 0", "desc without bounds");
      const none = [`recv:>:${micros(testStart + 5)}`];
      checkEqual(await read(store, ":mode:log-asc", ...none), "", "asc, after the last");
      checkEqual(await read(store, ":mode:log-desc", ...none), "", "desc, after the last");
    },
  },
  {
    name: "[LK-query-behaviour] the documented log-asc query gives the second packet first",
    run: async ({ open }) => {
      await using store = await open(testClock());
      const { packets } = await store.add(["1", "2", "3"].map(testData));
      const first = packets[0]?.recv ?? 0;
      checkEqual(await read(store, `recv:>:${micros(first)}`, ":mode:log-asc"), "2 3", "read");
    },
  },
  {
    name: "[LK-mode-tree] [LK-mode-hash] receive bounds hold in every mode",
    run: async (harness) => {
      await using store = await withBranches(harness);
      const [second] = await store.byRecv({ low: testStart + 1_000, high: 2 ** 52 }, { max: 1 });
      const rule = `recv:>=:${micros(second?.recv ?? 0)}`;
      checkEqual(await read(store, rule), "a2 a1 b3 b1", "tree-desc");
      checkEqual(await read(store, rule, ":mode:tree-asc"), "a1 a2 b1 b3", "tree-asc");
      const hashed = await read(store, rule, ":mode:hash-asc");
      checkEqual(hashed.split(" ").toSorted().join(" "), "a1 a2 b1 b3", "hash-asc");
    },
  },
  {
    name: "a read gives what was stored when it began, whatever is added meanwhile",
    run: async (harness) => {
      for (const mode of [
        "tree-asc",
        "tree-desc",
        "hash-asc",
        "hash-desc",
        "log-asc",
        "log-desc",
      ]) {
        await using store = await withBranches(harness);
        const isTree = mode.startsWith("tree");
        let count = 0;
        for await (const { packet } of readQuery(store, testQuery([`:mode:${mode}`]))) {
          count++;
          check(packet.stamp !== 9n, `${mode} gave a packet that was added meanwhile`);
          await store.add([
            testPoint({ path: ["a"], stamp: 9, data: `late ${count}` }),
            testPoint({ path: ["c"], stamp: 9, data: `late ${count}` }),
          ]);
        }
        checkEqual(count, isTree ? 6 : 7, mode);
      }
    },
  },
  {
    name: "leaving a read early and aborting it end it",
    run: async (harness) => {
      await using store = await withBranches(harness);
      for await (const stored of readQuery(store, testQuery([]))) {
        checkEqual(texts([stored]), ["a3"], "first");
        break;
      }
      const controller = new AbortController();
      const reading = readQuery(store, testQuery([]), { signal: controller.signal });
      await reading.next();
      controller.abort(Object.assign(new Error("enough"), { code: "TEST_ABORT" }));
      await checkFails(() => collect(reading), "TEST_ABORT", "aborted");
      await checkFails(
        () => collect(readQuery(store, testQuery([]), { signal: controller.signal })),
        "TEST_ABORT",
        "aborted before",
      );
    },
  },
];

const limitCases: readonly PacketStoreCase[] = [
  {
    name: "[LK-limits] i and i_db end a read after so many, and leave out what comes before",
    run: async (harness) => {
      await using store = await withBranches(harness);
      for (const field of ["i", "i_db"]) {
        checkEqual(await read(store, `${field}:<:[u32:2]`), "a3 a2", `first two by ${field}`);
        checkEqual(await read(store, `${field}:=:[u32:0]`), "a3", `one by ${field}`);
        checkEqual(await read(store, `${field}:>:[u32:3]`), "b2 b1", `after four by ${field}`);
        const middle = [`${field}:>:[u32:0]`, `${field}:<:[u32:4]`];
        checkEqual(await read(store, ...middle), "a2 a1 b3", `the middle by ${field}`);
        checkEqual(await read(store, `${field}:>:[u32:9]`), "", `beyond the end by ${field}`);
      }
      checkEqual(await read(store, "i:<:[u32:5]", "i_db:>:[u32:2]"), "b3 b2", "both count alike");
      checkEqual(await read(store, "i_db:<:[u32:0]"), "", "no stored packets");
    },
  },
  {
    name: "[LK-limits] what follows the last accepted match is not read",
    run: async (harness) => {
      for (const mode of ["tree-desc", "hash-asc", "log-asc", "log-desc"]) {
        await using inner = await withBranches(harness);
        const { store, counts } = countReads(inner);
        await read(store, `:mode:${mode}`, "i:<:[u32:1]");
        check(counts.packets <= 2, `${counts.packets} packets in ${mode}`);
      }
    },
  },
  {
    name: "[LK-limits] i_branch counts per group, domain, path and key",
    run: async ({ open }) => {
      await using store = await open(testClock());
      const packets = [];
      for (const domain of ["x", "y"]) {
        for (const author of [undefined, 0]) {
          for (const stamp of [1, 2, 3]) {
            const data = `${domain}${author ?? "-"}${stamp}`;
            const point = { domain, stamp, data };
            packets.push(testPoint(author === undefined ? point : { ...point, author }));
          }
        }
      }
      await store.add(packets);
      checkEqual(await read(store, "i_branch:=:[u32:0]"), "x-3 x03 y-3 y03", "newest of each");
      checkEqual(await read(store, "i_branch:>:[u32:1]"), "x-1 x01 y-1 y01", "all but two");
      checkEqual(
        await read(store, "i_branch:=:[u32:1]", ":mode:tree-asc"),
        "x-2 x02 y-2 y02",
        "the second",
      );
      checkEqual(
        await read(store, "i_branch:=:[u32:1]", "i:<:[u32:3]"),
        "x-2 x02 y-2",
        "i counts what the branches let through",
      );
      checkEqual(
        await read(store, "i_branch:=:[u32:0]", "create:<:[u64:3]"),
        "x-2 x02 y-2 y02",
        "of the matches alone",
      );
      checkEqual(await read(store, "i_branch:<:[u32:0]"), "", "none");
    },
  },
  {
    name: "[LK-limits] i_branch counts within the receive bounds alone",
    run: async ({ open }) => {
      await using store = await open(testClock(testStart, 0));
      const point = (stamp: number) => testPoint({ stamp, data: `${stamp}` });
      await store.add([point(1), point(2), point(3), point(4)]);
      const rules = [`recv:>:${micros(testStart)}`, `recv:<:${micros(testStart + 3)}`];
      const one = [...rules, "i_branch:=:[u32:0]"];
      checkEqual(await read(store, ":mode:tree-asc", ...one), "2", "asc");
      checkEqual(await read(store, ":mode:tree-desc", ...one), "3", "desc");
    },
  },
];

const followCases: readonly PacketStoreCase[] = [
  {
    name: "[LK-follow] linked packets of the store come right after each match, flagged, in link order",
    run: async ({ open }) => {
      await using store = await open(testClock());
      const [one, two, gone] = [testData("one"), testData("two"), testData("gone")];
      const first = testPoint({ path: ["1"], data: "first", links: linksTo(two, gone, one) });
      const second = testPoint({ path: ["2"], data: "second", links: linksTo(first, one) });
      await store.add([one, two, first, second]);
      const query = testQuery([":follow", ":mode:tree-asc"]);
      const found = await collect(readQuery(store, query));
      checkEqual(texts(found), ["first", "two", "one", "second", "first", "one"], "order");
      checkEqual(
        found.map(({ packet }) => packet.netHeader.flags),
        [0, netFlags.linkedInFuture, 2, 0, 2, 2],
        "flags",
      );
      checkEqual((await store.get(one.hash))?.packet.netHeader.flags, 0, "the stored one");
      const limited = testQuery([":follow", ":mode:tree-asc", "i:<:[u32:1]"]);
      const few = await collect(readQuery(store, limited));
      checkEqual(texts(few), ["first", "two", "one"], "linked packets do not count");
    },
  },
  {
    name: "[LK-follow] a packet linked twice by one match is given once",
    run: async ({ open }) => {
      await using store = await open(testClock());
      const one = testData("one");
      const point = testPoint({ data: "point", links: linksTo(one, one, one) });
      await store.add([one, point]);
      const query = testQuery([":follow"]);
      checkEqual(texts(await collect(readQuery(store, query))), ["point", "one"], "read");
      checkEqual(texts(await collect(linkedPackets(store, point))), ["one"], "links");
    },
  },
  {
    name: "[LK-follow] links are walked to a depth, each packet once, after those it links to",
    run: async ({ open }) => {
      await using store = await open(testClock());
      const leaf = testData("leaf");
      const gone = testData("gone");
      const far = testData("far");
      const low = testPoint({ data: "low", links: linksTo(leaf, gone, far) });
      const left = testPoint({ data: "left", links: linksTo(low, leaf) });
      const right = testPoint({ data: "right", links: linksTo(left, low) });
      const root = testPoint({ data: "root", links: linksTo(right, left, gone) });
      await store.add([leaf, far, low, left, right]);
      const walk = async (depth: number): Promise<string> => {
        const found = await collect(getLinks(store, root, { depth }));
        return found.map(({ stored }) => (stored ? texts([stored]).join("") : "?")).join(" ");
      };
      checkEqual(await walk(0), "", "no step");
      checkEqual(await walk(1), "left right ?", "one step");
      checkEqual(await walk(2), "leaf ? low left right", "two steps");
      checkEqual(await walk(9), "leaf ? far low left right", "all");
      const [first] = await collect(getLinks(store, root));
      checkEqual(first?.stored?.packet.netHeader.flags, netFlags.linkedInFuture, "flag");
      checkEqual(first?.pointer, left.hash, "pointer");
    },
  },
  {
    name: "[LK-follow] a walk over more pointers than allowed is an error before anything is given",
    run: async ({ open }) => {
      await using store = await open(testClock());
      let packet = testData("0");
      await store.add([packet]);
      for (let index = 1; index <= 300; index++) {
        packet = testPoint({ data: `${index}`, links: linksTo(packet) });
        await store.add([packet]);
      }
      const chain = await collect(getLinks(store, packet, { depth: 1_000 }));
      checkEqual(chain.length, 300, "a long chain");
      checkEqual(chain[0]?.pointer, testData("0").hash, "the oldest first");
      const walk = getLinks(store, packet, { depth: 1_000, pointersMax: 299 });
      await checkFails(() => walk.next(), "LINKS_TOO_MANY", "one too many");
    },
  },
];

/** What reading promises over any store. */
export const readCases: readonly PacketStoreCase[] = [
  ...treeCases,
  ...hashCases,
  ...logCases,
  ...limitCases,
  ...followCases,
];
