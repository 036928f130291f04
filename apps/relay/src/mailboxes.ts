/**
 * Mailboxes in which two devices that are being paired leave messages for each other
 * (docs/spec/account.md §2.2). In memory, few, small and short-lived; what is in them is sealed or
 * worthless to anybody else. Layer 9.
 */
import type { Random } from "@hawser/crypto";

/** Slots of a mailbox; each takes one message. */
export const mailboxSlots = 5;
/** Bytes of the longest message. */
export const mailboxBytesMax = 4_608;

export interface MailboxesOptions {
  /** Mailboxes at once, at most 10,000. */
  readonly countMax: number;
  /** How long a mailbox lives, in ms. */
  readonly lifeMs: number;
  /** How long `take` waits, in ms. */
  readonly waitMs: number;
  /** Waits at once in all mailboxes together; over it nobody waits. */
  readonly waitingMax: number;
  readonly nowMs: () => number;
  readonly random: Random;
  /** Calls back after so many ms; returns the function that cancels it. */
  readonly after: (ms: number, callback: () => void) => () => void;
}

/** In memory at once; in a table that nodes share, later. */
type Awaitable<Value> = Value | Promise<Value>;

/** The mailboxes of a relay. */
export interface Mailboxes {
  /** The name of a new one, four digits, or `undefined` when there are too many. */
  claim(): Awaitable<string | undefined>;
  put(name: string, slot: number, message: Uint8Array): Awaitable<"stored" | "taken" | "absent">;
  /** The message once it is there; `empty` after waiting in vain. */
  take(name: string, slot: number): Promise<Uint8Array | "empty" | "absent">;
  /** Throws a mailbox away; its waiters hear that it is absent. */
  close(name: string): Awaitable<void>;
  /** Ends all waiting. */
  stop(): void;
}

interface Box {
  readonly sinceMs: number;
  readonly messages: Map<number, Uint8Array>;
  readonly waiting: Set<() => void>;
}

const nameCount = 10_000;
/** Waits at once on one mailbox: one a side, and a retry each. */
const boxWaitingMax = 4;
const namesTried = 64;

/** Mailboxes whose answers are there at once. */
export interface MemoryMailboxes extends Mailboxes {
  claim(): string | undefined;
  put(name: string, slot: number, message: Uint8Array): "stored" | "taken" | "absent";
  close(name: string): void;
}

export function createMailboxes(options: MailboxesOptions): MemoryMailboxes {
  const { countMax, lifeMs, waitMs, waitingMax, nowMs, random, after } = options;
  let waitingCount = 0;
  // The oldest first: a map is in order of insertion.
  const boxes = new Map<string, Box>();

  const wake = (box: Box): void => {
    for (const resolve of box.waiting) resolve();
    box.waiting.clear();
  };
  const close = (name: string): void => {
    const box = boxes.get(name);
    boxes.delete(name);
    if (box !== undefined) wake(box);
  };
  const dropOld = (): void => {
    const limitMs = nowMs() - lifeMs;
    for (const [name, { sinceMs }] of boxes) {
      if (sinceMs > limitMs) return;
      close(name);
    }
  };
  const drawName = (): string | undefined => {
    for (let attempt = 0; attempt < namesTried; attempt++) {
      const [high = 0, low = 0] = random(2);
      const number = high * 256 + low;
      const name = String(number % nameCount).padStart(4, "0");
      // The last incomplete run of names is drawn again, so that all are equally likely.
      if (number < 6 * nameCount && !boxes.has(name)) return name;
    }
    return undefined;
  };
  const waitFor = (box: Box): Promise<void> =>
    new Promise((resolve) => {
      const cancel = after(waitMs, () => {
        box.waiting.delete(done);
        resolve();
      });
      const done = (): void => {
        cancel();
        resolve();
      };
      box.waiting.add(done);
    });

  return {
    claim: () => {
      dropOld();
      const name = boxes.size < countMax ? drawName() : undefined;
      if (name === undefined) return undefined;
      boxes.set(name, { sinceMs: nowMs(), messages: new Map(), waiting: new Set() });
      return name;
    },
    put: (name, slot, message) => {
      dropOld();
      const box = boxes.get(name);
      if (box === undefined) return "absent";
      if (box.messages.has(slot)) return "taken";
      box.messages.set(slot, message);
      wake(box);
      return "stored";
    },
    take: async (name, slot) => {
      dropOld();
      const box = boxes.get(name);
      if (box === undefined) return "absent";
      const message = box.messages.get(slot);
      if (message !== undefined) return message;
      if (box.waiting.size >= boxWaitingMax || waitingCount >= waitingMax) return "empty";
      waitingCount += 1;
      await waitFor(box);
      waitingCount -= 1;
      const late = box.messages.get(slot);
      if (late !== undefined) return late;
      return boxes.get(name) === box ? "empty" : "absent";
    },
    close,
    stop: () => {
      for (const name of boxes.keys()) close(name);
    },
  };
}
