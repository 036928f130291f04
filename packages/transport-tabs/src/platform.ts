/**
 * BroadcastChannel, Web Locks, timers and randomness of the platform. Layer 5: platform globals are
 * allowed here.
 */
import { TransportTabsError } from "./errors.ts";
import type { TabChannel, TabsDeps } from "./types.ts";

/** The part of Web Locks that is used. */
interface LockManagerLike {
  request(
    name: string,
    options: { readonly signal: AbortSignal },
    held: () => Promise<void>,
  ): Promise<unknown>;
}

/**
 * What the platform has: browsers (in secure contexts), and Node from 24. Throws
 * TRANSPORT_TABS_UNSUPPORTED.
 */
export function platformTabs(): TabsDeps {
  const locks = findLocks();
  if (locks === undefined || typeof BroadcastChannel === "undefined") {
    const message = "there is no BroadcastChannel, or no navigator.locks (https only)";
    throw new TransportTabsError("TRANSPORT_TABS_UNSUPPORTED", message);
  }
  return {
    openChannel,
    locks: {
      hold: async (name, held, signal) => {
        await locks.request(name, { signal }, held);
      },
    },
    timers: {
      after: (delayMs, callback) => {
        const timer = setTimeout(callback, delayMs);
        return () => clearTimeout(timer);
      },
    },
    random: (byteCount) => crypto.getRandomValues(new Uint8Array(byteCount)),
  };
}

function findLocks(): LockManagerLike | undefined {
  // Node's types do not name what browsers and Node 24 have.
  const { navigator } = globalThis as { readonly navigator?: { readonly locks?: LockManagerLike } };
  return navigator?.locks;
}

function openChannel(name: string): TabChannel {
  const channel = new BroadcastChannel(name);
  return {
    post: (message) => channel.postMessage(message),
    listen: (onMessage) => {
      channel.onmessage = ({ data }: { readonly data: unknown }) => onMessage(data);
    },
    close: () => channel.close(),
  };
}
