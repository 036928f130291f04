/**
 * Where two devices that know nothing of each other leave messages for one another: a mailbox under
 * a short name (docs/spec/account.md §2.2). Whoever runs it sees sizes and times. Layer 6.
 */
import { AccountError } from "./errors.ts";

/** Slots of a mailbox; each takes one message. */
export const mailboxSlots = 5;
/** Bytes of the longest message. */
export const mailboxBytesMax = 4_608;

/** One mailbox, from either side. */
export interface Mailbox {
  /** Four digits. */
  readonly name: string;
  /** Puts the one message of a slot. Rejects with `ACCOUNT_MAILBOX_CLOSED` when it is taken. */
  put(slot: number, message: Uint8Array, options: { readonly signal: AbortSignal }): Promise<void>;
  /** Waits for the message of a slot. Rejects when the mailbox is closed or the signal aborts. */
  take(slot: number, options: { readonly signal: AbortSignal }): Promise<Uint8Array>;
  /** Throws everything away. Idempotent; never rejects. */
  close(): Promise<void>;
}

/** Hands out mailboxes: a relay does it, or a server of one's own. */
export interface Rendezvous {
  /** A mailbox that nobody uses. */
  claim(options: { readonly signal: AbortSignal }): Promise<Mailbox>;
  /** The mailbox of that name. Rejects with `ACCOUNT_MAILBOX_CLOSED` when there is none. */
  open(name: string, options: { readonly signal: AbortSignal }): Promise<Mailbox>;
}

interface Box {
  readonly messages: Map<number, Uint8Array>;
  readonly waiting: Set<() => void>;
  isClosed: boolean;
}

/** Mailboxes in memory: for tests, and for two devices in one process. */
export function createMemoryRendezvous(): Rendezvous {
  const boxes = new Map<string, Box>();
  const closed = (): AccountError =>
    new AccountError("ACCOUNT_MAILBOX_CLOSED", "nobody waits behind this code");
  const wake = (box: Box): void => {
    for (const resolve of box.waiting) resolve();
    box.waiting.clear();
  };
  const mailboxOf = (name: string, box: Box): Mailbox => ({
    name,
    put: (slot, message) => {
      if (box.isClosed || box.messages.has(slot)) return Promise.reject(closed());
      box.messages.set(slot, message.slice());
      wake(box);
      return Promise.resolve();
    },
    take: async (slot, { signal }) => {
      for (;;) {
        signal.throwIfAborted();
        if (box.isClosed) throw closed();
        const message = box.messages.get(slot);
        if (message !== undefined) return message;
        const change = Promise.withResolvers<void>();
        const resolve = (): void => change.resolve();
        box.waiting.add(resolve);
        signal.addEventListener("abort", resolve, { once: true });
        await change.promise;
        box.waiting.delete(resolve);
        signal.removeEventListener("abort", resolve);
      }
    },
    close: () => {
      box.isClosed = true;
      boxes.delete(name);
      wake(box);
      return Promise.resolve();
    },
  });
  return {
    claim: () => {
      for (let number = 0; number < 10_000; number++) {
        const name = String(number).padStart(4, "0");
        if (boxes.has(name)) continue;
        const box: Box = { messages: new Map(), waiting: new Set(), isClosed: false };
        boxes.set(name, box);
        return Promise.resolve(mailboxOf(name, box));
      }
      return Promise.reject(closed());
    },
    open: (name) => {
      const box = boxes.get(name);
      return box === undefined ? Promise.reject(closed()) : Promise.resolve(mailboxOf(name, box));
    },
  };
}
