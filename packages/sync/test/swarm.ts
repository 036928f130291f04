/**
 * Random histories of two or three peers on a faulty network, then calm.
 */
import {
  control,
  createWorld,
  data,
  followKey,
  headsText,
  type Link,
  synced,
  type TestNode,
  testTopic,
  topicOf,
  type World,
} from "./harness.ts";

export type Step =
  | {
      readonly type: "append";
      readonly node: number;
      readonly count: number;
      readonly control: boolean;
      readonly byteCount: number;
    }
  | { readonly type: "connect"; readonly a: number; readonly b: number }
  | { readonly type: "cut"; readonly link: number }
  | { readonly type: "wait"; readonly ms: number };

export interface Schedule {
  readonly seed: number;
  readonly nodeCount: number;
  readonly delayMsMax: number;
  readonly cutChance: number;
  readonly steps: readonly Step[];
}

export interface Outcome {
  /** Heads of every node, as text. */
  readonly heads: readonly string[];
  /** Entries each node should hold. */
  readonly appended: number;
  readonly held: readonly number[];
  readonly complete: boolean;
}

const topic = topicOf("swarm");

export async function playSchedule(plan: Schedule): Promise<Outcome> {
  const { delayMsMax, cutChance } = plan;
  const world = createWorld(plan.seed, { delayMsMax, cutChance });
  const nodes = Array.from({ length: plan.nodeCount }, (_, index) =>
    world.node(`node ${index}`, [testTopic(topic, [followKey])]),
  );
  let appended = 0;
  const links: Link[] = [];
  for (const step of plan.steps) {
    const node = (index: number): TestNode => nodes[index % nodes.length] ?? never();
    switch (step.type) {
      case "append":
        await node(step.node).append(
          topic,
          step.count,
          step.control ? control : data,
          step.byteCount,
        );
        appended += step.count;
        break;
      case "connect":
        if (node(step.a) !== node(step.b)) links.push(world.connect(node(step.a), node(step.b)));
        break;
      case "cut":
        links[step.link % Math.max(1, links.length)]?.pair.cut();
        break;
      case "wait":
        await world.timers.advance(step.ms);
    }
  }
  return calm(world, nodes, appended);
}

/** Faults stop; the nodes stand in a line, so what the ends wrote passes through the middle. */
async function calm(world: World, nodes: readonly TestNode[], appended: number): Promise<Outcome> {
  world.network.cutAll();
  world.network.heal();
  await world.timers.advance(100);
  const links: Link[] = [];
  for (const [index, node] of nodes.entries()) {
    const next = nodes[index + 1];
    if (next !== undefined) links.push(world.connect(node, next));
  }
  // What comes in by one link goes out by the other, so the first to be through may be so twice.
  for (let round = 0; round < 2; round++) {
    for (const link of links) await synced(world, link);
    await world.timers.advance(50);
  }
  const reports = await Promise.all(links.map((link) => world.run(link.a.synced())));
  const held = await Promise.all(nodes.map(async (node) => (await node.store.stats()).entries));
  return {
    heads: await Promise.all(nodes.map((node) => headsText(node, topic))),
    appended,
    held,
    complete: reports.every((report) => report.complete),
  };
}

export function isSettledTogether(outcome: Outcome): boolean {
  return (
    outcome.complete &&
    outcome.heads.every((text) => text === outcome.heads[0]) &&
    outcome.held.every((count) => count === outcome.appended)
  );
}

function never(): never {
  throw new Error("no such node");
}
