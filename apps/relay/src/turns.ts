/**
 * Lets sockets and timers have their turn while many ranges wait. Layer 9.
 *
 * The database answers at once, so what follows from one frame runs without ever going back to the
 * event loop; a thousand frames at once would keep a health check waiting for seconds.
 */

/** Time after which the event loop gets its turn, in ms. */
const stretchMs = 10;

/** A function to be awaited before each piece of work. */
export function createTurns(nowMs: () => number): () => Promise<void> {
  let sinceMs = nowMs();
  let turn: Promise<void> | undefined;
  return async () => {
    if (nowMs() - sinceMs < stretchMs) return;
    // All that wait share one turn; what they store then shares a commit.
    turn ??= new Promise((resolve) => {
      setImmediate(() => {
        sinceMs = nowMs();
        turn = undefined;
        resolve();
      });
    });
    await turn;
  };
}
