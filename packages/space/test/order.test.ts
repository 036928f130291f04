/**
 * Data entries come out after what they depend on, whatever order they come in
 * (docs/spec/6-space.md §7 *order*). Each node of a graph is one signed entry in a log of its own, so
 * that the network may bring the nodes in any order at all.
 */
import { compareBytes, toHex, utf8 } from "@hawser/codec";
import {
  createMemoryStore,
  ingestRange,
  logIdOf,
  type Dep,
  type EncodedRange,
  type LogId,
} from "@hawser/log";
import { dataDomain, type Space } from "@hawser/space";
import { describe, expect, test } from "vitest";
import { plainEvent } from "../src/layers.ts";
import { forge } from "./forge.ts";
import { seededRandom } from "./help.ts";
import { createWorld, spaceOn, textsOf, type TestDevice, type World } from "./world.ts";

/** Node → nodes it depends on; every node stands after its dependencies. */
type Graph = Readonly<Record<string, string>>;

interface Woven {
  readonly world: World;
  readonly ada: TestDevice;
  readonly space: Space;
  readonly ranges: ReadonlyMap<string, EncodedRange>;
  readonly places: ReadonlyMap<string, LogId>;
}

/** A space in which a device per node may write, and the entries of the graph. */
async function weave(graph: Graph): Promise<Woven> {
  const world = await createWorld();
  const ada = await world.device("ada");
  const space = await ada.spaces.create();
  const nodes = Object.keys(graph);
  const devices = new Map<string, TestDevice>();
  for (const node of nodes) {
    const device = await world.device(node);
    devices.set(node, device);
    await space.add(await device.spaces.bundle(), "write");
  }
  const [control] = await ada.store.heads(space.topic);
  const granted: Dep = { seq: control!.signedHeight - 1, hash: control!.signedHash! };
  const ranges = new Map<string, EncodedRange>();
  const places = new Map<string, LogId>();
  const hashes = new Map<string, Uint8Array>();
  for (const node of nodes) {
    const { author, secret } = devices.get(node)!;
    const parents = graph[node]!.split("").map((parent): Dep => ({
      seq: 0,
      hash: hashes.get(parent)!,
    }));
    const deps = [granted, ...parents].sort((a, b) => compareBytes(a.hash, b.hash));
    const range = await forge({
      crypto: world.crypto,
      context: { topic: space.topic, author, domain: dataDomain },
      secret,
      now: world.clock.nowMicros() + 1_000,
      make: (logId) => {
        places.set(node, logId);
        const data = plainEvent({ type: "note", sequence: undefined, body: utf8(node) });
        return [{ data, deps }];
      },
    });
    world.clock.advance(1);
    ranges.set(node, range);
    hashes.set(node, await hashOf(world, range));
  }
  return { world, ada, space, ranges, places };
}

async function hashOf(world: World, range: EncodedRange): Promise<Uint8Array> {
  const store = createMemoryStore({ crypto: world.crypto });
  await ingestRange({ store, crypto: world.crypto }, range);
  return (await store.head(logIdOf(world.crypto, range.context)))!.hash!;
}

/** Ada's device again, with her secrets and control log, and no data. */
async function receiver(woven: Woven): Promise<Space> {
  const { world, ada, space } = woven;
  const store = createMemoryStore({ crypto: world.crypto });
  const kept = await ada.store.list("space");
  await store.commit({ writes: kept.filter(({ key }) => !key.includes("/seen/")) });
  const open = { ...ada.spaces, close: () => Promise.resolve() };
  const fresh = await world.restart({ ...ada, store, spaces: open });
  for (const { logId } of await ada.store.heads(space.topic)) {
    for await (const range of ada.store.ranges(logId)) await fresh.spaces.ingest(range);
  }
  receivers.set(spaceOn(fresh, space), fresh);
  return spaceOn(fresh, space);
}

const receivers = new WeakMap<Space, TestDevice>();

/** Brings the nodes in this order; after each, exactly what can be out is out, in a true order. */
async function deliver(woven: Woven, graph: Graph, order: string): Promise<readonly string[]> {
  const here = await receiver(woven);
  const device = receivers.get(here)!;
  const arrived = new Set<string>();
  let out: readonly string[] = [];
  for (const node of order) {
    arrived.add(node);
    expect(await device.spaces.ingest(woven.ranges.get(node)!)).toMatchObject({ status: "stored" });
    const before = out;
    out = await textsOf(here);
    expect(out.slice(0, before.length), `${order}: nothing moves`).toEqual(before);
    expect([...out].sort(), `${order} at ${node}`).toEqual(freed(graph, arrived));
    for (const waiting of arrived) {
      const state = await here.explain({ logId: woven.places.get(waiting)!, seq: 0 });
      const code = out.includes(waiting) ? "PRESENT" : "MISSING_DEP";
      expect(state.code, `${order} at ${node}: ${waiting}`).toBe(code);
    }
  }
  for (const [index, node] of out.entries()) {
    for (const parent of graph[node]!) expect(out.indexOf(parent)).toBeLessThan(index);
  }
  return out;
}

/** The oracle: what arrived with everything it depends on. Nodes stand in a true order. */
function freed(graph: Graph, arrived: ReadonlySet<string>): readonly string[] {
  const free = new Set<string>();
  for (const [node, parents] of Object.entries(graph)) {
    if (arrived.has(node) && parents.split("").every((parent) => free.has(parent))) free.add(node);
  }
  return [...free].sort();
}

function permutations(nodes: string): readonly string[] {
  if (nodes.length < 2) return [nodes];
  return nodes
    .split("")
    .flatMap((node) => permutations(nodes.replace(node, "")).map((rest) => node + rest));
}

describe("entries are released after what they depend on", () => {
  test("[P2-O-partial_order] branches of a graph come out in any order, joins after both", async () => {
    const graph = { A: "", B: "A", C: "A", D: "BC" };
    const woven = await weave(graph);
    const results = new Set<string>();
    for (const order of permutations("ABCD")) {
      results.add((await deliver(woven, graph, order)).join(""));
    }
    expect([...results].sort()).toEqual(["ABCD", "ACBD"]);
  });

  test("[P2-O-partial_order_with_recursion] the one that was missing frees the whole chain", async () => {
    const graph = { A: "", B: "A", C: "B", D: "C", E: "D", F: "E" };
    const woven = await weave(graph);
    expect(await deliver(woven, graph, "BCDEFA")).toEqual("ABCDEF".split(""));
  });

  test("[P2-O-complex_graph] several roots, joins of joins, edges that skip a generation", async () => {
    const graph = { A: "", B: "", C: "A", D: "AB", E: "CD", F: "BD", G: "EFA", H: "" };
    const woven = await weave(graph);
    const random = seededRandom(8);
    for (let round = 0; round < 6; round++) {
      const order = shuffled("ABCDEFGH", random);
      expect(await deliver(woven, graph, order)).toHaveLength(8);
    }
  });

  test("[P2-O-very_out_of_order] the exact reverse of the true order", async () => {
    const graph = { A: "", B: "A", C: "AB", D: "B", E: "CD", F: "E", G: "EF" };
    const woven = await weave(graph);
    const out = await deliver(woven, graph, "GFEDCBA");
    expect(out).toHaveLength(7);
    expect(out[0]).toBe("A");
    expect(out.slice(4)).toEqual(["E", "F", "G"]);
  });

  test("[P2-O-out_of_order] two that changed places", async () => {
    const graph = { A: "", B: "A", C: "B", D: "C" };
    const woven = await weave(graph);
    for (const order of ["BACD", "ACBD", "ABDC"]) {
      expect(await deliver(woven, graph, order)).toEqual("ABCD".split(""));
    }
  });

  test("[P2-O-idempotency] an entry that comes again, early or late, comes out once", async () => {
    const graph = { A: "", B: "A", C: "B" };
    const woven = await weave(graph);
    const here = await receiver(woven);
    const { spaces, store } = receivers.get(here)!;
    const statuses: string[] = [];
    for (const node of "CCBCBABAC") {
      statuses.push((await spaces.ingest(woven.ranges.get(node)!)).status);
    }
    expect(statuses).toEqual(expected("CCBCBABAC"));
    expect(await textsOf(here)).toEqual(["A", "B", "C"]);
    const before = await store.stats();
    for (const node of "ABC") await spaces.ingest(woven.ranges.get(node)!);
    expect(await store.stats()).toEqual(before);
    expect(await textsOf(here)).toEqual(["A", "B", "C"]);
  });
});

/** Stored the first time, known every other. */
function expected(order: string): readonly string[] {
  return order.split("").map((node, index) => (order.indexOf(node) === index ? "stored" : "known"));
}

function shuffled(nodes: string, random: (byteCount: number) => Uint8Array): string {
  const keyed = nodes.split("").map((node) => [toHex(random(8)), node] as const);
  return keyed
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, node]) => node)
    .join("");
}
