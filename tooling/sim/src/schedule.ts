/**
 * Virtual time: one queue of events, one event at a time. After each event everything that is ready
 * to run (promises) runs to its end before the next one, so a run is a function of its seed.
 */

/** Whoever an event belongs to; what belongs to a dead owner never happens. */
export interface Owner {
  readonly name: string;
  isAlive: boolean;
  /** Events of it that wait. */
  waiting: number;
}

/** The queue of events. */
export interface Schedule {
  /** Milliseconds since the start. */
  nowMs(): number;
  /** Has `callback` happen once, `delayMs` from now; returns what calls it off. */
  after(owner: Owner, delayMs: number, callback: () => void): () => void;
  /** Lets the next event happen and all that follows from it at once. False: none until then. */
  step(untilMs: number): Promise<boolean>;
  /** Every event until then; time stands there afterwards, unless `isOver` says so before. */
  runUntil(untilMs: number, isOver: () => boolean): Promise<void>;
}

interface Item {
  readonly atMs: number;
  readonly order: number;
  readonly owner: Owner;
  readonly callback: () => void;
  isOff: boolean;
}

/** A new owner. */
export function createOwner(name: string): Owner {
  return { name, isAlive: true, waiting: 0 };
}

/** An empty queue at time 0. */
export function createSchedule(): Schedule {
  const heap: Item[] = [];
  let nowMs = 0;
  let order = 0;
  const take = (untilMs: number): Item | undefined => {
    for (let first = heap[0]; first !== undefined; first = heap[0]) {
      const isVoid = first.isOff || !first.owner.isAlive;
      if (!isVoid && first.atMs > untilMs) return undefined;
      removeFirst(heap);
      if (isVoid) continue;
      first.owner.waiting -= 1;
      return first;
    }
    return undefined;
  };
  const step = async (untilMs: number): Promise<boolean> => {
    const item = take(untilMs);
    if (item === undefined) return false;
    nowMs = Math.max(nowMs, item.atMs);
    item.isOff = true;
    item.callback();
    await quiesce();
    return true;
  };
  return {
    nowMs: () => nowMs,
    after: (owner, delayMs, callback) => {
      const atMs = nowMs + Math.max(0, delayMs);
      const item: Item = { atMs, order: order++, owner, callback, isOff: false };
      owner.waiting += 1;
      insert(heap, item);
      return () => {
        if (!item.isOff) owner.waiting -= 1;
        item.isOff = true;
      };
    },
    step,
    runUntil: async (untilMs, isOver) => {
      await quiesce();
      while (!isOver() && (await step(untilMs)));
      if (!isOver()) nowMs = Math.max(nowMs, untilMs);
    },
  };
}

/** Lets every promise that is ready, and what follows from it, run: all of it comes before this. */
export function quiesce(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function isBefore(a: Item, b: Item): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

function insert(heap: Item[], item: Item): void {
  let index = heap.push(item) - 1;
  while (index > 0) {
    const parentIndex = (index - 1) >> 1;
    const parent = heap[parentIndex];
    if (parent === undefined || !isBefore(item, parent)) break;
    heap[index] = parent;
    index = parentIndex;
  }
  heap[index] = item;
}

function removeFirst(heap: Item[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    let smaller = heap[child];
    const other = heap[child + 1];
    if (smaller !== undefined && other !== undefined && isBefore(other, smaller)) {
      smaller = other;
      child += 1;
    }
    if (smaller === undefined || !isBefore(smaller, last)) break;
    heap[index] = smaller;
    index = child;
  }
  heap[index] = last;
}
