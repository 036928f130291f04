/**
 * Reading every document anew when the state was replaced as a whole: at opening from a snapshot a
 * slice a task, so that a page stays alive; at once for whoever asks meanwhile. Layer 7.
 */
import type { OpenShelf } from "./shelf.ts";
import type { DocState } from "./state.ts";

/** Brings the records of all collections to the state of the view. */
export interface Reading {
  /** Was the state replaced, and nothing of the new one read? */
  readonly isReplaced: boolean;
  /** Is something left to be read? */
  readonly isBehind: boolean;
  /** Reads what is left, now; cheap when nothing is. */
  settle(): void;
  /** Reads some of what is left; true when nothing is. */
  settleSome(): boolean;
}

/** Documents checked and indexed at a time: some milliseconds on a slow machine. */
const sliceDocs = 250;

/** `done` is called when the records are those of another state than before. */
export function createReading(
  shelves: ReadonlyMap<string, OpenShelf>,
  stateNow: () => DocState,
  done: () => void,
): Reading {
  let read = stateNow();
  let rest: Generator<void, void, undefined> | undefined;
  const settleSome = (): boolean => {
    if (stateNow() !== read) {
      read = stateNow();
      rest = readAll(shelves, read);
    }
    if (rest === undefined) return true;
    if (rest.next().done !== true) return false;
    rest = undefined;
    done();
    return true;
  };
  return {
    get isReplaced() {
      return stateNow() !== read;
    },
    get isBehind() {
      return rest !== undefined || stateNow() !== read;
    },
    settleSome,
    settle: () => {
      while (!settleSome());
    },
  };
}

/** Yields after each slice. What events change meanwhile is read again by whoever takes them in. */
function* readAll(
  shelves: ReadonlyMap<string, OpenShelf>,
  state: DocState,
): Generator<void, void, undefined> {
  for (const { records } of shelves.values()) records.clear();
  let count = 0;
  for (const { records, definition } of shelves.values()) {
    for (const [id, stored] of state.get(definition.name) ?? []) {
      records.refresh(id, stored);
      count += 1;
      if (count % sliceDocs === 0) yield;
    }
  }
}
