/**
 * What must hold in every history of the model (docs/spec/4-auth.md §5, docs/spec/5-keys.md §7). Who
 * knows a secret is computed from what was sealed to whom, never asked of the rings under test.
 */
import type { OpId } from "@hawser/auth";
import { resolveByOracle } from "@hawser/auth/testing";
import { toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { EpochId } from "@hawser/keys";
import { expect } from "vitest";
import type { TracedCrypto } from "./model-crypto.ts";
import {
  createGroupModel,
  membersIn,
  soundRules,
  type GroupModel,
  type ModelActor,
  type ModelEntry,
  type ModelRules,
} from "./model-group.ts";
import { modelRuns, modelSeed, report } from "./model-settings.ts";

/** What was counted on the way, so that an empty check is noticed. */
export interface CheckCounts {
  histories: number;
  entries: number;
  merges: number;
  writes: number;
  orders: number;
  epochs: number;
  removals: number;
  transplants: number;
  reads: number;
}

export function noCounts(): CheckCounts {
  return {
    histories: 0,
    entries: 0,
    merges: 0,
    writes: 0,
    orders: 0,
    epochs: 0,
    removals: 0,
    transplants: 0,
    reads: 0,
  };
}

/** Histories of a usual run, both halves together. */
const historiesByDefault = 20_000;

/** One half (0 or 1) of the histories of this run, with the sound rules; fails at the first flaw. */
export function checkHistories(traced: TracedCrypto, half: number): void {
  const runs = Math.ceil(modelRuns(historiesByDefault) / 2);
  const first = modelSeed(1) + half * runs;
  const counts = noCounts();
  const started = performance.now();
  for (let seed = first; seed < first + runs; seed++) {
    const flaw = flawOfHistory(traced, soundRules, seed, counts);
    if (flaw !== undefined) expect.fail(`HAWSER_SEED=${seed} HAWSER_RUNS=1: ${flaw}`);
  }
  const seconds = ((performance.now() - started) / 1_000).toFixed(1);
  report(`HAWSER_SEED=${first}, ${seconds} s: ${JSON.stringify(counts)}`);
  expect(counts.histories).toBe(runs);
  // Too few for an average.
  if (runs < 100) return;
  expect(counts.writes).toBeGreaterThan(runs / 2);
  expect(counts.removals).toBeGreaterThan(runs / 4);
}

/** How long a history is and how many act in it. */
export interface HistorySize {
  readonly stepCount: number;
  readonly actorsMax: number;
}

/** Most histories are short, which finds most; every eighth is long and has more people. */
function sizeOf(seed: number): HistorySize {
  if (seed % 8 === 0) return { stepCount: 18 + (seed % 13), actorsMax: 6 };
  return { stepCount: 6 + (seed % 9), actorsMax: 4 };
}

/** Plays the history of a seed; the first thing that is wrong, or `undefined`. */
export function flawOfHistory(
  traced: TracedCrypto,
  rules: ModelRules,
  seed: number,
  counts: CheckCounts,
  { stepCount, actorsMax }: HistorySize = sizeOf(seed),
): string | undefined {
  traced.clear();
  const model = createGroupModel({ traced, seed, rules, actorsMax });
  for (let step = 0; step < stepCount; step++) {
    const heightsBefore = model.logs.map((log) => log.length);
    model.step();
    const flaw = sealingFlaw(model, heightsBefore, counts);
    if (flaw !== undefined) return flaw;
  }
  counts.histories += 1;
  return endFlaw(traced, model, seed, counts);
}

/** (b) holders of the next epoch = readers, for everybody whose view changed. */
function sealingFlaw(
  model: GroupModel,
  heightsBefore: readonly number[],
  counts: CheckCounts,
): string | undefined {
  for (const actor of model.actors) {
    const { readers } = membersIn(actor.graph, model.group);
    if (!readers.includes(actor.id) || viewIsChecked(actor)) continue;
    counts.merges += 1;
    const epochId = model.next(actor);
    // A rekey in trial is dear; those that are made for good are checked each.
    if (epochId === undefined && actor.taken.size % 4 > 0) continue;
    const holders =
      epochId === undefined ? model.nextRecipients(actor) : knowersIn(model, actor.taken, epochId);
    if (holders.join() !== readers.join()) {
      return `next epoch of ${actor.index} is held by ${holders.length}, readers ${readers.length}`;
    }
  }
  for (const [author, log] of model.logs.entries()) {
    for (const entry of log.slice(heightsBefore[author])) {
      if (entry.kind !== "data") continue;
      counts.writes += 1;
      const view = model.actors[author]?.taken ?? new Set();
      const holders = knowersIn(model, view, entry.epochId);
      if (holders.join() !== entry.readers.join()) {
        return `${author} sealed for ${holders.length}, readers ${entry.readers.length}`;
      }
    }
  }
  return undefined;
}

const checkedSizes = new WeakMap<ModelActor, number>();

/** Views only grow, so a size names one. */
function viewIsChecked(actor: ModelActor): boolean {
  const isSame = checkedSizes.get(actor) === actor.taken.size;
  checkedSizes.set(actor, actor.taken.size);
  return isSame;
}

/** Who was sealed the secret of an epoch by the entries of a view, and its author; sorted. */
function knowersIn(
  model: GroupModel,
  view: ReadonlySet<ModelEntry>,
  epochId: EpochId,
): readonly AuthorId[] {
  const secret = model.secrets.get(epochId);
  const knowers = new Set<AuthorId>();
  for (const actor of model.actors) {
    if (secret !== undefined && model.drawn[actor.index]?.has(secret)) knowers.add(actor.id);
  }
  for (const entry of view) {
    if (entry.kind !== "key" || secret === undefined) continue;
    for (const { to, terms } of entry.boxes) {
      const actor = model.actors[to];
      if (actor !== undefined && terms.includes(secret)) knowers.add(actor.id);
    }
  }
  return [...knowers].sort();
}

function endFlaw(
  traced: TracedCrypto,
  model: GroupModel,
  seed: number,
  counts: CheckCounts,
): string | undefined {
  if (model.settle() > 10) return "debts are never paid";
  for (const log of model.logs) counts.entries += log.length;
  return (
    divergenceFlaw(model, seed, counts) ??
    lifeFlaw(model, counts) ??
    transplantFlaw(model, counts) ??
    leakFlaw(traced, model, counts)
  );
}

/** (a) everybody who has everything answers alike, and like the oracle. */
function divergenceFlaw(model: GroupModel, seed: number, counts: CheckCounts): string | undefined {
  const { group, actors } = model;
  const replicas = [...actors, model.replay(seed)];
  counts.orders += replicas.length;
  let expected: string | undefined;
  for (const replica of replicas) {
    if (replica.waiting.length > 0) return `${replica.waiting.length} entries wait for ever`;
    const answer = answerOf(replica, group);
    expected ??= answer;
    if (answer !== expected) return `replica ${replica.index} answers otherwise`;
  }
  const [first] = actors;
  if (first === undefined || seed % 4 !== 0) return undefined;
  const oracle = resolveByOracle(first.graph.ops() ?? [], group).members;
  const members = first.graph.directMembers(group);
  const agrees = members.every(({ member, access }) => {
    return oracle.get(`i:${member.id}`)?.level === access.level;
  });
  return agrees && members.length === oracle.size ? undefined : "the oracle says otherwise";
}

function answerOf({ graph, ring, state }: ModelActor, group: GroupModel["group"]): string {
  const ops = graph.ops() ?? [];
  const epochs = ring
    .epochs(state)
    .map((epoch) => [
      epoch.id,
      epoch.generation,
      epoch.partial,
      [...epoch.holders].sort(),
      [...epoch.followHolders].sort(),
    ]);
  const ids = ops.map(({ id }) => id).sort();
  const statuses = ids.map((id) => graph.status(id));
  return JSON.stringify([toHex(graph.encode()), graph.directMembers(group), statuses, epochs]);
}

/** (d) every reader reads what its history policy grants. */
function lifeFlaw(model: GroupModel, counts: CheckCounts): string | undefined {
  const { group, actors, history } = model;
  const [some] = actors;
  const readers = some === undefined ? [] : membersIn(some.graph, group).readers;
  const present = actors.filter(({ id }) => readers.includes(id));
  for (const entry of model.logs.flat()) {
    if (entry.kind !== "data" || some === undefined) continue;
    const author = actors[entry.author]?.id;
    if (author === undefined) continue;
    if (some.graph.judge(group, author, entry.heads, "write") === "reject") continue;
    const place = model.placeOf(entry.author, entry.seq);
    // What only people hold who are gone is lost to everybody else.
    const isKept = present.some((actor) => actor.ring.readKey(actor.state, entry.epochId));
    for (const actor of present) {
      const isGranted = history === "all" ? isKept : entry.readers.includes(actor.id);
      if (!isGranted) continue;
      counts.reads += 1;
      if (actor.ring.readKey(actor.state, entry.epochId) === undefined) {
        return `reader ${actor.index} lacks the key of ${entry.author}/${entry.seq}`;
      }
    }
    // One opening for each entry: keys alone open nothing that was bound to something else.
    const [reader] = present.filter((actor) => actor.ring.readKey(actor.state, entry.epochId));
    if (reader !== undefined && !model.opens(reader, entry, place)) return "an entry does not open";
  }
  return undefined;
}

/** What somebody sealed opens for nobody under another's name, in another log or at another seq. */
function transplantFlaw(model: GroupModel, counts: CheckCounts): string | undefined {
  const entry = model.logs.flat().find((other) => other.kind === "data");
  if (entry?.kind !== "data") return undefined;
  const place = model.placeOf(entry.author, entry.seq);
  const thief = (entry.author + 1) % model.actors.length;
  const reader = model.actors.find((actor) => actor.ring.readKey(actor.state, entry.epochId));
  if (reader === undefined) return undefined;
  counts.transplants += 1;
  const stolen = model.placeOf(thief, entry.seq);
  if (model.opens(reader, entry, stolen)) return "a ciphertext opens in another author's log";
  if (model.opens(reader, entry, { ...place, author: stolen.author })) {
    return "a ciphertext opens under another author's name";
  }
  const later = { ...place, seq: place.seq + 1 };
  return model.opens(reader, entry, later) ? "a ciphertext opens at another seq" : undefined;
}

/** (c) whoever can compute a secret was given it while the membership said so. */
function leakFlaw(
  traced: TracedCrypto,
  model: GroupModel,
  counts: CheckCounts,
): string | undefined {
  const { group, actors } = model;
  const [some] = actors;
  if (some === undefined) return undefined;
  const readersAt = createReadersAt(some, group);
  const entitled = entitledOf(model, readersAt);
  counts.epochs += model.secrets.size;
  counts.removals += some.graph.removals(group).length;
  for (const actor of actors) {
    const closure = traced.closureOf(model.drawn[actor.index] ?? []);
    for (const [epochId, secret] of model.secrets) {
      if (closure.has(secret) && !entitled.get(epochId)?.has(actor.id)) {
        return `${actor.index} can compute an epoch that nobody owed it`;
      }
    }
  }
  // All who may not read put together what they have, and wait for the next entry.
  const writer = actors.find((actor) => some.graph.can(group, actor.id, "write"));
  const entry = writer && model.write(writer);
  if (entry?.kind !== "data") return undefined;
  const outside = actors.filter(({ id }) => !entry.readers.includes(id));
  const pooled = traced.closureOf(outside.flatMap(({ index }) => [...(model.drawn[index] ?? [])]));
  const next = model.secrets.get(entry.epochId);
  return next !== undefined && pooled.has(next) ? "the outsiders know the next epoch" : undefined;
}

type ReadersAt = (heads: readonly OpId[]) => ReadonlySet<AuthorId>;

function createReadersAt({ graph }: ModelActor, group: GroupModel["group"]): ReadersAt {
  const known = new Map<string, ReadonlySet<AuthorId>>();
  return (heads) => {
    const key = heads.join();
    const readers = known.get(key) ?? new Set(membersIn(graph, group, heads).readers);
    known.set(key, readers);
    return readers;
  };
}

/**
 * For each epoch: its author, and whoever was sealed its secret by somebody entitled at a position
 * at which both were readers.
 */
function entitledOf(
  model: GroupModel,
  readersAt: ReadersAt,
): ReadonlyMap<EpochId, ReadonlySet<AuthorId>> {
  const entitled = new Map<EpochId, ReadonlySet<AuthorId>>();
  const gifts = model.logs.flat().filter((entry) => entry.kind === "key");
  for (const [epochId, secret] of model.secrets) {
    const holders = new Set<AuthorId>();
    for (const actor of model.actors)
      if (model.drawn[actor.index]?.has(secret)) holders.add(actor.id);
    for (let before = -1; before !== holders.size;) {
      before = holders.size;
      for (const { author, heads, boxes } of gifts) {
        const readers = readersAt(heads);
        const giver = model.actors[author]?.id;
        if (giver === undefined || !holders.has(giver) || !readers.has(giver)) continue;
        for (const { to, terms } of boxes) {
          const recipient = model.actors[to]?.id;
          if (recipient === undefined || !terms.includes(secret)) continue;
          if (readers.has(recipient)) holders.add(recipient);
        }
      }
    }
    entitled.set(epochId, holders);
  }
  return entitled;
}
