/**
 * What must hold all the time, whatever goes wrong: looked at again and again during a run.
 */
import { toHex } from "@hawser/codec";
import type { Kv } from "@hawser/kv";
import type { LogId, Topic } from "@hawser/log";
import { hadDiskError, type Host, type Life } from "./host.ts";
import { activeSpace, describe, hasSecret, holdingsOf, type World } from "./world.ts";

/** Timers and other events that one program may have waiting. */
const waitingMax = 2_000;
/** Bytes on their way in one direction of a pipe: the sender's outbox is not counted. */
const pipeBytesMax: number = 2 * 1024 * 1024;

/** Looks at every running host once. */
export async function checkSafety(world: World): Promise<void> {
  for (const host of world.hosts) {
    const { life } = host;
    if (life === undefined) continue;
    checkHealth(world, host, life);
    if (host.isHonest) await checkAcknowledged(world, host, life);
    for (const topic of world.topics) await checkForks(world, host, life, topic);
    if (host.role === "relay") await checkBlind(world, host, life);
    if (world.ledger.flaw !== undefined) return;
  }
  for (const pipe of world.network.pipes()) {
    if (pipe.waitingBytes() > pipeBytesMax) {
      world.fail("SIM_BOUND", `${pipe.waitingBytes()} bytes in one pipe`);
    }
  }
  await checkEqualViews(world);
}

function checkHealth(world: World, host: Host, life: Life): void {
  if (life.owner.waiting > waitingMax) {
    world.fail("SIM_BOUND", `${host.name} has ${life.owner.waiting} timers`);
  }
  // Whose key wrote elsewhere as well may be told so at any time.
  if (hadDiskError(host) || !host.isHonest) return;
  for (const { topic, error } of life.spaces.damaged()) {
    world.fail("SIM_ERROR", `${host.name}: damaged space ${topic.slice(0, 8)}: ${describe(error)}`);
  }
  for (const { failure } of life.spaces.list()) {
    if (failure !== undefined) world.fail("SIM_ERROR", `${host.name}: ${describe(failure)}`);
  }
}

/** What somebody was told is durable is there, with the very bytes. */
async function checkAcknowledged(world: World, host: Host, life: Life): Promise<void> {
  for (const [logId, { height, hash }] of world.ledger.acked.get(host.name) ?? []) {
    const state = await life.store.stateAt(logId, height);
    if (state?.hash !== undefined && toHex(state.hash) === toHex(hash)) continue;
    const now = (await life.store.head(logId))?.height ?? 0;
    world.fail(
      "SIM_LOST_WRITE",
      `${host.name} lost entry ${height - 1} of its log, which has ${now}`,
    );
  }
}

/** No honest device ever signs two entries for one place. */
async function checkForks(world: World, host: Host, life: Life, topic: Topic): Promise<void> {
  for (const { forkedAt, context } of await life.store.heads(topic)) {
    const author = world.hosts.find((one) => one.author === context.author);
    if (forkedAt === undefined || author?.isHonest !== true) continue;
    world.fail("SIM_FORK", `${author.name} forked its ${context.domain} log at ${forkedAt}`);
  }
}

const checkedEntries = new WeakMap<Life, Map<LogId, number>>();

/** A relay holds no content in clear, neither in logs nor beside them. */
async function checkBlind(world: World, host: Host, life: Life): Promise<void> {
  const checked = checkedEntries.get(life) ?? new Map<LogId, number>();
  checkedEntries.set(life, checked);
  for (const topic of world.topics) {
    for (const { logId, height } of await life.store.heads(topic)) {
      const from = checked.get(logId) ?? 0;
      if (from >= height) continue;
      for await (const { bytes } of life.store.ranges(logId, { from })) {
        if (hasSecret(bytes)) world.fail("SIM_PLAINTEXT", `${host.name} stores content in clear`);
      }
      checked.set(logId, height);
    }
  }
}

/** Devices with the same entries show the same: members, keys, values, conflicts. */
async function checkEqualViews(world: World): Promise<void> {
  // A clock that ran ahead released what another still holds: with wrong clocks the end decides.
  if (world.swarm.has.has("clock")) return;
  for (const topic of world.topics) {
    const seen = new Map<string, { readonly name: string; readonly shown: string }>();
    for (const host of world.devices) {
      const { life } = host;
      const space = activeSpace(host, topic);
      const view = life?.views.get(topic);
      // Entries that one holds back for its clock another has released.
      const isOnTime = Math.abs(host.clock.offsetMicros) <= 5e6 && host.clock.rate === 1;
      if (life === undefined || space === undefined || view === undefined || !isOnTime) continue;
      if (host.disk.busyCount() > 0 || hadDiskError(host) || !host.isHonest) continue;
      const { missingEpochs } = space.status();
      if (missingEpochs > 0) continue;
      const holdings = await holdingsOf(world, life, topic);
      const heads = holdings.map(({ name, extent }) => `${name} ${extent}`).join("\n");
      // Which branch of a fork was seen, and who built on it, shows in the end only.
      if (heads.includes("forked")) continue;
      const shown = `${JSON.stringify(space.members())} ${dumpView(view)}`;
      const same = seen.get(heads);
      if (same === undefined) seen.set(heads, { name: host.name, shown });
      else if (same.shown !== shown && life.owner.isAlive) {
        const what = difference(same.shown, shown);
        world.fail("SIM_VIEWS_DIFFER", `${same.name} and ${host.name} with the same logs: ${what}`);
      }
    }
  }
}

/** Everything a view says, as one text. */
export function dumpView(view: Kv): string {
  const lines: string[] = [];
  for (const { key } of view.range()) {
    const versions = view.conflicts(key).map(({ value, author, stamp }) => [value, author, stamp]);
    lines.push(JSON.stringify([key, versions]));
  }
  return lines.join("\n");
}

/** Where two texts begin to differ. */
export function difference(a: string, b: string): string {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at += 1;
  const from = Math.max(0, at - 60);
  return `…${a.slice(from, at + 60)}… against …${b.slice(from, at + 60)}…`;
}
