/**
 * Random histories of two or three peers on a faulty network, then calm.
 */
import { type EncodedRange, ingestRange } from "@hawser/log";
import {
  control,
  createWorld,
  crypto,
  data,
  followKey,
  headsText,
  laterFollowKey,
  type Link,
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
  /** The node goes over to the other follow key. */
  | { readonly type: "rotate"; readonly node: number }
  /** The node leaves the topic, or comes back to it. */
  | { readonly type: "leave"; readonly node: number }
  | { readonly type: "wait"; readonly ms: number };

export interface Schedule {
  readonly seed: number;
  readonly nodeCount: number;
  readonly delayMsMax: number;
  readonly cutChance: number;
  /** The connections of the restless time go on in the calm. */
  readonly keepLinks: boolean;
  readonly steps: readonly Step[];
  /** What each node reconciles from: see `SyncPeerOptions`. */
  readonly reconcileLogs: readonly number[];
  /** Logs of others that are spread over the nodes from the start, at most `oldLogsMax`. */
  readonly oldLogs: number;
}

/** Logs of others that a swarm may begin with. */
export const oldLogsMax = 24;

export interface Outcome {
  /** Heads of every node, as text. */
  readonly heads: readonly string[];
  /** Entries each node should hold. */
  readonly appended: number;
  readonly held: readonly number[];
  readonly complete: boolean;
}

const topic = topicOf("swarm");

/** Two entries of each of some authors who are not there. */
const oldRanges = makeOldRanges();

async function makeOldRanges(): Promise<readonly EncodedRange[]> {
  const world = createWorld(1);
  const found: EncodedRange[] = [];
  for (let log = 0; log < oldLogsMax; log++) {
    const author = world.node(`old ${log}`, [testTopic(topic, [followKey])]);
    await author.append(topic, 2, log % 4 === 0 ? control : data);
    const [head] = await author.heads(topic);
    if (head === undefined) return never();
    for await (const range of author.store.ranges(head.logId)) found.push(range);
  }
  return found;
}

export async function playSchedule(plan: Schedule): Promise<Outcome> {
  const { delayMsMax, cutChance } = plan;
  const world = createWorld(plan.seed, { delayMsMax, cutChance });
  const nodes = Array.from({ length: plan.nodeCount }, (_, index) =>
    world.node(`node ${index}`, [testTopic(topic, [followKey])], {
      reconcileLogs: plan.reconcileLogs[index] ?? 1,
    }),
  );
  for (const [index, range] of (await oldRanges).slice(0, plan.oldLogs).entries()) {
    const holders = nodes.filter((_, number) => (plan.seed + index + number) % 3 > 0);
    for (const { store } of holders.length > 0 ? holders : nodes) {
      await ingestRange({ store, crypto }, range);
    }
  }
  const links: Link[] = [];
  for (const step of plan.steps) await playStep(world, nodes, links, step);
  const appended = plan.steps.reduce(
    (sum, step) => sum + (step.type === "append" ? step.count : 0),
    plan.oldLogs * 2,
  );
  return calm(world, nodes, plan.keepLinks ? links : [], appended);
}

async function playStep(
  world: World,
  nodes: readonly TestNode[],
  links: Link[],
  step: Step,
): Promise<void> {
  const node = (index: number): TestNode => nodes[index % nodes.length] ?? never();
  switch (step.type) {
    case "append":
      return node(step.node).append(
        topic,
        step.count,
        step.control ? control : data,
        step.byteCount,
      );
    case "connect":
      if (node(step.a) !== node(step.b)) links.push(world.connect(node(step.a), node(step.b)));
      return;
    case "cut":
      return links[step.link % Math.max(1, links.length)]?.pair.cut();
    case "rotate": {
      const [own] = node(step.node).topics;
      if (own === undefined) return;
      own.keys = own.keys.includes(followKey) ? [laterFollowKey] : [followKey];
      return node(step.node).peer.topicsChanged();
    }
    case "leave": {
      const { topics, peer } = node(step.node);
      if (topics.length > 0) topics.pop();
      else topics.push(testTopic(topic, [followKey]));
      return peer.topicsChanged();
    }
    case "wait":
      await world.timers.advance(step.ms);
  }
}

/** Faults stop; the nodes stand in a line, so what the ends wrote passes through the middle. */
async function calm(
  world: World,
  nodes: readonly TestNode[],
  kept: readonly Link[],
  appended: number,
): Promise<Outcome> {
  if (kept.length === 0) world.network.cutAll();
  world.network.heal();
  for (const node of nodes) {
    node.topics.splice(0, 1, testTopic(topic, [followKey]));
    node.peer.topicsChanged();
  }
  await world.timers.advance(100);
  const sessions = nodes.flatMap((node, index) => {
    const next = nodes[index + 1];
    if (next === undefined) return [];
    const link = world.connect(node, next);
    return [link.a, link.b];
  });
  for (const link of kept) sessions.push(link.a, link.b);
  await world.timers.advance(50);
  const alive = sessions.filter((session) =>
    nodes.some((node) => node.peer.peers().some((peer) => peer.sessions.includes(session))),
  );
  // What comes in by one link goes out by the other, so the first to be through may be so twice.
  for (let round = 0; round < 2; round++) {
    await world.run(Promise.all(alive.map((session) => session.synced())));
    await world.timers.advance(50);
  }
  const reports = await Promise.all(alive.map((session) => world.run(session.synced())));
  return {
    heads: await Promise.all(nodes.map((node) => headsText(node, topic))),
    appended,
    held: await Promise.all(nodes.map(async (node) => (await node.store.stats()).entries)),
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
