/** How a relay ends: everybody is told, not all at once, and nobody is waited for for ever. Layer 9. */
import { once } from "node:events";
import type { Server } from "node:http";
import type { Random } from "@hawser/crypto";
import type { SyncSession, Timers } from "@hawser/sync";

/** Time between two farewells, until the window is full: who comes back elsewhere comes spread out. */
const farewellMs = 5;
/** Seconds after which a client that is turned away may try again: from 1 to 10. */
const retrySecondsMax = 10;

/**
 * Ends sessions one after another in random order, over at most `windowMs`. Resolves when each was
 * told and has answered.
 */
export async function sayGoodbye(
  sessions: readonly SyncSession[],
  deps: { readonly timers: Timers; readonly random: Random; readonly windowMs: number },
): Promise<void> {
  const stepMs = Math.min(farewellMs, deps.windowMs / Math.max(1, sessions.length));
  const endings = shuffle(sessions, deps.random).map(async (session, index) => {
    if (index > 0) {
      await new Promise<void>((resolve) => {
        const cancel = deps.timers.after(index * stepMs, resolve);
        void session.closed.then(() => {
          cancel();
          resolve();
        });
      });
    }
    await session.close();
  });
  await Promise.all(endings);
}

/** When a client that comes while the relay ends may try again, as `Retry-After`. */
export function drawRetryAfter(random: Random): string {
  const [byte = 0] = random(1);
  return String(1 + (byte % retrySecondsMax));
}

/** Stops listening; resolves when every socket is gone, after `drainMs` by force. */
export async function stopServer(
  server: Server,
  deps: {
    readonly timers: Timers;
    readonly drainMs: number;
    readonly terminateWebSockets: () => void;
  },
): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeIdleConnections();
  const stopTimer = deps.timers.after(deps.drainMs, () => {
    deps.terminateWebSockets();
    server.closeAllConnections();
  });
  await closed;
  stopTimer();
}

/** By random keys; ties keep their order. */
function shuffle<Item>(items: readonly Item[], random: Random): readonly Item[] {
  const keyed = items.map((item) => {
    const [high = 0, low = 0] = random(2);
    return { item, key: high * 256 + low };
  });
  return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
}
