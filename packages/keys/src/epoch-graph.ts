/**
 * What follows from the facts about epochs (docs/spec/5-keys.md §6): which are complete, their
 * generations, the maximal ones, and who holds each. Layer 4; pure. Nothing here recurses: chains
 * of parents are as long as peers make them.
 */
import type { AuthorId } from "@hawser/crypto";
import { suiteX25519 } from "./limits.ts";
import type { Announcement, EpochFacts, KeyState } from "./state.ts";
import type { Suite } from "./suite.ts";
import type { EpochId } from "./types.ts";
import { compareText, sortedIds } from "./values.ts";

export interface Holders {
  /** Who was given the secret. */
  readonly read: ReadonlySet<AuthorId>;
  /** Who was given the follow key alone. */
  readonly follow: ReadonlySet<AuthorId>;
  /** The weakest suite in which its author or a holder sent any of its keys. */
  readonly strength: Suite;
}

/** Facts derived from one state, computed once for it. */
export interface EpochGraph {
  /** Of epochs whose ancestors are all known; the others are pending and absent here. */
  readonly generations: ReadonlyMap<EpochId, number>;
  /** Complete epochs, the newest generation first, then by id. */
  readonly newestFirst: readonly EpochId[];
  /** Announced epochs by the first 4 bytes of their ids in hex; sorted. */
  readonly byReference: ReadonlyMap<string, readonly EpochId[]>;
  holdersOf(id: EpochId): Holders;
  announcementOf(id: EpochId): Announcement | undefined;
  /** Complete epochs that no other complete epoch descends from; sorted by id. */
  maximal(): readonly EpochId[];
  /**
   * The same among epochs whose author is in `readers`: what somebody who was removed announces,
   * however it is dated, neither seals nor supersedes anything. Ancestry still runs through it.
   */
  maximalAmong(readers: ReadonlySet<AuthorId>): readonly EpochId[];
  /** Complete epochs whose author is in `readers`, and all their ancestors. */
  supportedBy(readers: ReadonlySet<AuthorId>): ReadonlySet<EpochId>;
}

const nobody: Holders = { read: new Set(), follow: new Set(), strength: suiteX25519 };

/** Graphs of the states that are still in use, and holders of the facts that did not change. */
export function createGraphCache(): (state: KeyState) => EpochGraph {
  const graphs = new WeakMap<KeyState, EpochGraph>();
  const holders = new WeakMap<EpochFacts, Holders>();
  const holdersOfFacts = (facts: EpochFacts): Holders => {
    const known = holders.get(facts) ?? holdersFrom(facts);
    holders.set(facts, known);
    return known;
  };
  return (state) => {
    const known = graphs.get(state) ?? createGraph(state, holdersOfFacts);
    graphs.set(state, known);
    return known;
  };
}

function createGraph(state: KeyState, holdersOf: (facts: EpochFacts) => Holders): EpochGraph {
  const generations = generationsOf(state.epochs);
  const newestFirst = [...generations.keys()].sort(
    (a, b) => (generations.get(b) ?? 0) - (generations.get(a) ?? 0) || compareText(a, b),
  );
  const announcementOf = (id: EpochId): Announcement | undefined =>
    state.epochs.get(id)?.announcement;
  const parentsOf = (id: EpochId): readonly EpochId[] => announcementOf(id)?.terms.parents ?? [];
  const maximalOf = (ids: readonly EpochId[]): readonly EpochId[] => {
    const superseded = ancestorsOf(ids, parentsOf);
    return ids.filter((id) => !superseded.has(id)).sort(compareText);
  };
  const idsBy = (readers: ReadonlySet<AuthorId>): readonly EpochId[] =>
    newestFirst.filter((id) => {
      const author = announcementOf(id)?.terms.author;
      return author !== undefined && readers.has(author);
    });
  return {
    generations,
    newestFirst,
    byReference: referencesOf(state),
    holdersOf: (id) => {
      const facts = state.epochs.get(id);
      return facts === undefined ? nobody : holdersOf(facts);
    },
    announcementOf,
    maximal: () => maximalOf(newestFirst),
    maximalAmong: (readers) => maximalOf(idsBy(readers)),
    supportedBy: (readers) => {
      const ids = idsBy(readers);
      return new Set([...ids, ...ancestorsOf(ids, parentsOf)]);
    },
  };
}

/** The first 4 bytes of an epoch id in hex. */
export const referenceHexLength = 8;

/** Of epochs that nobody announced no key can be held: they may be as many as a reader makes up. */
function referencesOf(state: KeyState): ReadonlyMap<string, readonly EpochId[]> {
  const announced = [...state.epochs].flatMap(([id, { announcement }]) =>
    announcement === undefined ? [] : [id],
  );
  const ids = sortedIds([...announced, ...state.secrets.keys()]);
  return Map.groupBy(ids, (id) => id.slice(0, referenceHexLength));
}

/** Generations by Kahn's order; an epoch with an unknown ancestor never gets one. */
function generationsOf(epochs: ReadonlyMap<EpochId, EpochFacts>): ReadonlyMap<EpochId, number> {
  const generations = new Map<EpochId, number>();
  const children = new Map<EpochId, EpochId[]>();
  const waitingFor = new Map<EpochId, number>();
  const ready: EpochId[] = [];
  for (const [id, { announcement }] of epochs) {
    if (announcement === undefined) continue;
    const { parents } = announcement.terms;
    waitingFor.set(id, parents.length);
    if (parents.length === 0) ready.push(id);
    for (const parent of parents) {
      const siblings = children.get(parent);
      if (siblings === undefined) children.set(parent, [id]);
      else siblings.push(id);
    }
  }
  for (let id = ready.pop(); id !== undefined; id = ready.pop()) {
    const parents = epochs.get(id)?.announcement?.terms.parents ?? [];
    let generation = 1;
    for (const parent of parents) {
      generation = Math.max(generation, 1 + (generations.get(parent) ?? 0));
    }
    generations.set(id, generation);
    for (const child of children.get(id) ?? []) {
      const left = (waitingFor.get(child) ?? 0) - 1;
      waitingFor.set(child, left);
      if (left === 0) ready.push(child);
    }
  }
  return generations;
}

/** Every proper ancestor of any of `ids`. */
function ancestorsOf(
  ids: readonly EpochId[],
  parentsOf: (id: EpochId) => readonly EpochId[],
): ReadonlySet<EpochId> {
  const ancestors = new Set<EpochId>();
  const open = ids.flatMap((id) => [...parentsOf(id)]);
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (ancestors.has(id)) continue;
    ancestors.add(id);
    open.push(...parentsOf(id));
  }
  return ancestors;
}

/**
 * Recipients, and whoever a holder gave the keys to, and so on: a giver who holds nothing gives
 * nothing, and one who holds the follow key alone gives that. The least fixed point, so the order of
 * the gives does not matter. Likewise an epoch is as strong as the weakest message in which somebody
 * who held it sent it on.
 */
function holdersFrom(facts: EpochFacts): Holders {
  const recipients = facts.announcement?.terms.recipients ?? [];
  const read = new Set<AuthorId>(recipients);
  const follow = new Set<AuthorId>(facts.followRecipients);
  const givesBy = Map.groupBy(facts.gives, (give) => give.giver);
  // Whoever comes to hold more is looked at again.
  const open = [...recipients, ...facts.followRecipients];
  let strength: Suite = facts.announcement?.terms.suite ?? suiteX25519;
  for (let giver = open.pop(); giver !== undefined; giver = open.pop()) {
    for (const { recipient, level, suite } of givesBy.get(giver) ?? []) {
      if (level === "read" && !read.has(giver)) continue;
      if (suite < strength) strength = suite;
      const holders = level === "read" ? read : follow;
      if (holders.has(recipient)) continue;
      holders.add(recipient);
      open.push(recipient);
    }
  }
  return { read, follow, strength };
}
