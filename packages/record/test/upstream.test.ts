/** The scenarios of go-smart-record's own tests, on ours. */
import { describe, expect, test } from "vitest";
import {
  bytes,
  connectivityTag,
  createRegistry,
  createVerifier,
  dialableTag,
  predicate,
  printNode,
  reachabilityVerdictTags,
  smartTags,
  text,
  toNode,
  verdictKey,
  type Prober,
} from "@hawser/record";
import { author, openWorld, opEvent, printed, second, settled, update } from "./support.ts";

const set = createRegistry([
  ...smartTags,
  {
    tag: "test",
    setLike: true,
    parse: (node) => ({ ok: true, value: node }),
    express: () => predicate("test"),
  },
]);

describe("upstream: nodes", () => {
  test("[SR-u01] UpdateBasics: scalars take the new value", async () => {
    const { records } = await openWorld();
    await records.update("k", { s: "test1", b: true, y: bytes(Uint8Array.of(1)) });
    await records.update("k", { s: "test2", b: false, y: bytes(Uint8Array.of(2)) });
    expect(printed(records)).toBe('{"b"=false, "s"="test2", "y"=0x02}');
  });

  test("[SR-u02] DictDisjointPairs: {x:1} ← {y:1} = {x:1, y:1}", async () => {
    const { records } = await openWorld();
    await records.update("k", { x: 1 });
    await records.update("k", { y: 1 });
    expect(printed(records)).toBe('{"x"=1, "y"=1}');
  });

  test("[SR-u03] DictOverlappingPairs: {x:1, z:1} ← {x:1, w:1}", async () => {
    const { records } = await openWorld();
    await records.update("k", { x: 1, z: 1 });
    await records.update("k", { x: 1, w: 1 });
    expect(printed(records)).toBe('{"w"=1, "x"=1, "z"=1}');
  });

  test("[SR-u04] Update: {1:1} ← {1:1} = {1:1} with int keys", async () => {
    const { records } = await openWorld();
    await records.update("k", new Map([[1, 1]]));
    await records.update("k", new Map([[1, 1]]));
    expect(printed(records)).toBe("{1=1}");
  });

  test("[SR-u05] ListSameTag: [x, z] ← [x, w] = [x, z, w]", async () => {
    const { records } = await openWorld();
    await records.update("k", { l: ["x", "z"] });
    await records.update("k", { l: ["x", "w"] });
    expect(printed(records)).toBe('{"l"=["x", "z", "w"]}');
  });

  test("[SR-u06] PredicateDiffTag: two empty predicates of one tag merge, of two do not", async () => {
    const { records } = await openWorld();
    await records.update("k", { p: predicate("a") });
    await records.update("k", { p: predicate("a") });
    expect(printed(records)).toBe('{"p"=a()}');
    await expect(records.update("k", { p: predicate("b") })).rejects.toMatchObject({
      code: "RECORD_TAG_MISMATCH",
    });
  });

  test("[SR-u07] PredicateDisjoint: arguments of a set-like tag unite", async () => {
    const { records } = await openWorld({ registry: set });
    await records.update("k", { p: predicate("test", ["x", "z"], { x: 1 }) });
    await records.update("k", { p: predicate("test", ["w"], { y: 1 }) });
    expect(printed(records)).toBe('{"p"=test("x", "z", "w"; "x"=1, "y"=1)}');
  });

  test("[SR-u08] PredicateOverlapping: what is there twice stays once", async () => {
    const { records } = await openWorld({ registry: set });
    await records.update("k", { p: predicate("test", ["x", "z"], { x: 1, z: 1 }) });
    await records.update("k", { p: predicate("test", ["x", "w"], { x: 1, w: 1 }) });
    expect(printed(records)).toBe('{"p"=test("x", "z", "w"; "w"=1, "x"=1, "z"=1)}');
  });

  test("[SR-u09] DictMetadata: container and pairs live as long as was written", async () => {
    const { records, clock } = await openWorld();
    await records.update("k", { d: { inner: 1 } }, { ttlMs: 123_000 });
    const document = records.get("k").get(author(0));
    const end = 1_001 + 123 * second;
    expect(document?.expiresAt).toBe(end);
    expect(document?.at(["d"])?.expiresAt).toBe(end);
    expect(document?.at(["d", "inner"])?.expiresAt).toBe(end);
    clock.now = end - 1;
    expect(printed(records)).toBe('{"d"={"inner"=1}}');
  });

  test("[SR-u10] ListMetadata: list and elements live as long as was written", async () => {
    const { records } = await openWorld();
    await records.update("k", { l: ["a"] }, { ttlMs: 123_000 });
    const document = records.get("k").get(author(0));
    expect(document?.at(["l"])?.expiresAt).toBe(1_001 + 123 * second);
    expect(document?.at(["l", 0])?.expiresAt).toBe(1_001 + 123 * second);
  });

  test("[SR-u11] DictMetadataUpdate: a longer lifetime counts, a shorter or none shortens nothing", async () => {
    const { records } = await openWorld({ ttlMsDefault: 1 });
    await records.update("k", { a: 1 }, { ttlMs: 100_000 });
    await records.update("k", { a: 1 }, { ttlMs: 103_000 });
    const end = 1_002 + 103 * second;
    expect(records.get("k").get(author(0))?.expiresAt).toBe(end);
    await records.update("k", { a: 1 });
    expect(records.get("k").get(author(0))?.expiresAt).toBe(end);
  });

  test("[SR-u12] ListMetadataUpdate: the list lives as long as its longest element", async () => {
    const { records } = await openWorld({ ttlMsDefault: 1 });
    await records.update("k", { l: ["a"] }, { ttlMs: 100_000 });
    await records.update("k", { l: ["b"] }, { ttlMs: 103_000 });
    const end = 1_002 + 103 * second;
    expect(records.get("k").get(author(0))?.at(["l"])?.expiresAt).toBe(end);
    await records.update("k", { l: ["a", "b"] });
    expect(records.get("k").get(author(0))?.at(["l"])?.expiresAt).toBe(end);
  });

  test("[SR-u13] BasicMetadataUpdate: an equal scalar keeps the later end", async () => {
    const { records } = await openWorld({ ttlMsDefault: 1 });
    await records.update("k", { s: "v" }, { ttlMs: 100_000 });
    await records.update("k", { s: "v" }, { ttlMs: 103_000 });
    await records.update("k", { s: "v" });
    expect(records.get("k").get(author(0))?.at(["s"])?.expiresAt).toBe(1_002 + 103 * second);
  });
});

const live = `/ip4/93.184.216.34/tcp/4001/p2p/${"1".repeat(64)}`;
const dead = `/ip4/93.184.216.35/tcp/4001/p2p/${"2".repeat(64)}`;
const idle = `/ip4/93.184.216.36/tcp/4001/p2p/${"3".repeat(64)}`;

/** `live` answers and is connected, `idle` answers, `dead` does neither. */
const prober: Prober = {
  dial: async (address) => address !== dead,
  isConnected: (peer) => peer === "1".repeat(64),
};

describe("upstream: reachability", () => {
  test("[SR-u14] Assembly: connectivity and dialable are recognised", () => {
    const connectivity = predicate("connectivity", [], { address: predicate("multiaddr", [live]) });
    expect(connectivityTag.parse(connectivity)).toEqual({ ok: true, value: { address: live } });
    const dialable = predicate("dialable", [], { address: predicate("multiaddr", [live]) });
    expect(dialableTag.parse(dialable)).toEqual({ ok: true, value: { address: live } });
    expect(dialableTag.parse(connectivity).ok).toBe(false);
  });

  test("[SR-u15] TriggerReachableDial: live is dialed, dead is not, also in a list", async () => {
    const { records, source, clock } = await openWorld();
    const alive = dialableTag.express({ address: live });
    const gone = dialableTag.express({ address: dead });
    const node = toNode({ reachable: alive, list: { unreachable: [gone] } });
    if (node.kind !== "dict") throw new Error("a dictionary");
    source.deliver([opEvent(1, 0, update(node.pairs))]);
    await settled();
    const reports = await createVerifier({ records, prober, clock }).check("k");
    expect(reports.map(({ outcome }) => outcome)).toEqual(["notDialable", "dialed"]);
    const seen = records.get("k", { annotateBy: [author(0)] }).get(author(1));
    expect(printNode(seen?.node ?? text(""))).toBe(
      `{"list"={"unreachable"=[notDialable(; "address"="${dead}")]}, ` +
        `"reachable"=dialed(; "address"="${live}")}`,
    );
  });

  test("[SR-u16] TriggerReachableConnect: only a connected peer is connected", async () => {
    const { records, source, clock } = await openWorld();
    const ask = (address: string) => connectivityTag.express({ address });
    source.deliver([
      opEvent(
        1,
        0,
        update([
          ["c", ask(live)],
          ["d", ask(dead)],
          ["i", ask(idle)],
        ]),
      ),
    ]);
    await settled();
    const reports = await createVerifier({ records, prober, clock }).check("k");
    expect(reports.map(({ outcome }) => outcome)).toEqual([
      "connected",
      "notConnected",
      "notConnected",
    ]);
  });

  test("[SR-u17] TriggerDisassemble: requests keep their tags, verdicts have theirs", async () => {
    const { records, source, clock } = await openWorld();
    const connectivity = connectivityTag.express({ address: dead });
    const dialable = dialableTag.express({ address: live });
    source.deliver([
      opEvent(
        1,
        0,
        update([
          ["c", connectivity],
          ["d", dialable],
        ]),
      ),
    ]);
    await settled();
    await createVerifier({ records, prober, clock }).check("k");
    const asked = records.get("k").get(author(1));
    expect([asked?.at(["c"])?.node, asked?.at(["d"])?.node]).toEqual([connectivity, dialable]);
    const said = records.get(verdictKey("k")).get(author(0));
    expect(said?.at([connectivity])?.node).toMatchObject({ tag: "notConnected" });
    expect(said?.at([dialable])?.node).toMatchObject({ tag: "dialed" });
    const parsed = reachabilityVerdictTags.map((tag) => tag.parse(tag.express({ address: live })));
    expect(parsed.every((result) => result.ok)).toBe(true);
  });
});

const first = { key: "234", fff: "ff" };
const other = { asdf: "1", key: "234" };

describe("upstream: machine and protocol", () => {
  test("[SR-u18] EmptyUpdate: what was written under a new key is read; elsewhere is nobody", async () => {
    const { records } = await openWorld();
    await records.update("k", first);
    expect(printed(records)).toBe('{"fff"="ff", "key"="234"}');
    expect(records.get("random").size).toBe(0);
  });

  test("[SR-u19] ExistingUpdate: two updates of one author are one document", async () => {
    const { records } = await openWorld();
    await records.update("k", { fff: "ff" });
    await records.update("k", { asdf: "1" });
    expect(printed(records)).toBe('{"fff"="ff", "asdf"="1"}');
  });

  test("[SR-u20] SeveralPeers: each has its own document under one key", async () => {
    const { records, source } = await openWorld();
    await records.update("k", { a: 1 });
    source.deliver([opEvent(1, 0, update([["b", 2]]))]);
    await records.update("elsewhere", {});
    expect([printed(records), printed(records, 1)]).toEqual(['{"a"=1}', '{"b"=2}']);
    source.deliver([opEvent(1, 1, update([["a", 1]]))]);
    await records.update("elsewhere", {});
    expect([printed(records), printed(records, 1)]).toEqual(['{"a"=1}', '{"a"=1, "b"=2}']);
  });

  test("[SR-u21] GcProcess: what expired is gone, an author with nothing left too", async () => {
    const { records, source, clock } = await openWorld();
    source.deliver([opEvent(1, 0, update([["a", 1]], 1_000), 1_000)]);
    await records.update("k", { a: 1 }, { ttlMs: 1_000 });
    await records.update("k", { b: 2 }, { ttlMs: 3_000_000 });
    clock.now += 3 * second;
    expect(printed(records)).toBe('{"b"=2}');
    expect([...records.get("k").keys()]).toEqual([author(0)]);
  });

  test("[SR-u22] GcFullDict: with everything expired the document goes and is freed", async () => {
    const { records, clock, source } = await openWorld();
    await records.update("k", { a: 1, d: { e: [1] } }, { ttlMs: 1_000 });
    clock.now += 2 * second;
    expect(records.get("k").size).toBe(0);
    expect(records.keys()).toEqual([]);
    source.deliver([opEvent(0, 1, { ...update([]), key: "later" }, clock.now)]);
    await settled();
    expect(records.collect()).toBe(1);
  });

  test("[SR-u23] GcPartialDict: the long-lived half stays and is the whole", async () => {
    const { records, clock } = await openWorld();
    await records.update("k", { a: 1 }, { ttlMs: 1_000 });
    await records.update("k", { b: 2 }, { ttlMs: 3_000_000 });
    clock.now += 2 * second;
    records.collect();
    expect(printed(records)).toBe('{"b"=2}');
  });

  test("[SR-u24] EmptyUpdate: a reader elsewhere sees it, and nobody once it has expired", async () => {
    const { records, source, clock } = await openWorld();
    source.deliver([opEvent(1, 0, update([["key", "234"]], 2_000), 1_000)]);
    await settled();
    expect(printed(records, 1)).toBe('{"key"="234"}');
    clock.now += 6 * second;
    expect(records.get("k").size).toBe(0);
  });

  test("[SR-u25] LocalEmptyUpdate: one's own write is read at once", async () => {
    const { records } = await openWorld();
    await records.update("k", first);
    expect(records.get("k").get(author(0))?.at(["key"])?.node).toEqual(text("234"));
  });

  test("[SR-u26] UpdateSameKeyDifferentPeers: two documents, each as it was written", async () => {
    const { records, source } = await openWorld();
    source.deliver([
      opEvent(
        1,
        0,
        update([
          ["key", "234"],
          ["fff", "ff"],
        ]),
      ),
      opEvent(
        2,
        0,
        update([
          ["asdf", "1"],
          ["key", "234"],
        ]),
      ),
    ]);
    await settled();
    expect(printed(records, 1)).toBe('{"fff"="ff", "key"="234"}');
    expect(printed(records, 2)).toBe('{"key"="234", "asdf"="1"}');
  });

  test("[SR-u27] UpdateSameKeySamePeer: the union of the pairs", async () => {
    const { records } = await openWorld();
    await records.update("k", { ...first, x: 1 });
    await records.update("k", { ...other, y: bytes(Uint8Array.of(7)) });
    expect(printed(records)).toBe('{"x"=1, "y"=0x07, "fff"="ff", "key"="234", "asdf"="1"}');
  });

  test("[SR-u28] ParallelRequests: a hundred updates at once all count, each answered by itself", async () => {
    const { records } = await openWorld();
    const writes = Array.from({ length: 100 }, (_, index) =>
      records.update("k", { [`n${index}`]: index }),
    );
    const bad = records.set("k", ["no", "such"], 1);
    await expect(bad).rejects.toMatchObject({ code: "RECORD_NOT_FOUND" });
    await Promise.all(writes);
    const document = records.get("k").get(author(0));
    for (let index = 0; index < 100; index++) {
      expect(document?.at([`n${index}`])?.node).toEqual(toNode(index));
    }
  });
});
