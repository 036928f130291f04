/**
 * A channel from one producer that puts parts to one byte store that takes them. Layer 4; pure. Holds
 * about a mebibyte: whoever is faster waits.
 */
const heldBytesMax = 1 << 20;

export interface PartChannel {
  /** Resolves when the next part may be put. Rejects when the consumer gave up. */
  put(part: Uint8Array): Promise<void>;
  /** No more parts; with an error, the consumer gets it. */
  end(error?: unknown): void;
  /** The consumer gave up: waiting and later puts reject. */
  cancel(error: unknown): void;
  readonly parts: AsyncIterable<Uint8Array>;
}

export function createPartChannel(): PartChannel {
  const held: Uint8Array[] = [];
  let heldBytes = 0;
  let isEnded = false;
  let failure: { readonly error: unknown } | undefined;
  let cancelled: { readonly error: unknown } | undefined;
  let wake: (() => void) | undefined;

  const changed = (): void => {
    const waiting = wake;
    wake = undefined;
    waiting?.();
  };
  // Producer and consumer never wait at the same time: one waits for room, the other for parts.
  const change = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
    });

  async function* parts(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const part = held.shift();
      if (part !== undefined) {
        heldBytes -= part.length;
        changed();
        yield part;
        continue;
      }
      if (failure !== undefined) throw failure.error;
      if (isEnded) return;
      await change();
    }
  }

  return {
    put: async (part) => {
      while (heldBytes > heldBytesMax && cancelled === undefined) await change();
      if (cancelled !== undefined) throw cancelled.error;
      held.push(part);
      heldBytes += part.length;
      changed();
    },
    end: (error) => {
      isEnded = true;
      if (error !== undefined) failure = { error };
      changed();
    },
    cancel: (error) => {
      cancelled = { error };
      changed();
    },
    parts: { [Symbol.asyncIterator]: parts },
  };
}
