/**
 * Who is told of adds. Layer 3; pure.
 */

/** A set of callbacks. */
export interface Listeners<Event> {
  /** Returns the unsubscribe function. */
  add(listener: (event: Event) => void): () => void;
  /** Calls each. What one throws surfaces as an unhandled rejection: it must not undo an add. */
  tell(event: Event): void;
  clear(): void;
}

/** Nobody yet. The same function may be there twice. */
export function createListeners<Event>(): Listeners<Event> {
  const entries = new Set<{ readonly listener: (event: Event) => void }>();
  return {
    add: (listener) => {
      const entry = { listener };
      entries.add(entry);
      return () => void entries.delete(entry);
    },
    tell: (event) => {
      for (const { listener } of entries) {
        try {
          listener(event);
        } catch (error) {
          void Promise.resolve().then(() => {
            throw error;
          });
        }
      }
    },
    clear: () => entries.clear(),
  };
}
