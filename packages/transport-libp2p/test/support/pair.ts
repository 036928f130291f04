/**
 * Pairs of sync connections over a libp2p stream between two nodes.
 */
import { createCrypto } from "@hawser/crypto";
import type { Connection } from "@hawser/sync";
import type { ConnectionPair } from "@hawser/sync/testing";
import { createSyncStreams, type SyncStreams } from "@hawser/transport-libp2p";
import { type Node, startNode } from "./nodes.ts";
import { timers } from "./timers.ts";

const crypto = await createCrypto();

export interface Ends extends AsyncDisposable {
  readonly from: Node;
  readonly to: Node;
  readonly streams: SyncStreams;
  open(): Promise<ConnectionPair>;
}

/** Two nodes, one of which takes streams. */
export async function openEnds(): Promise<Ends> {
  const [from, to] = await Promise.all([startNode(), startNode()]);
  const accepted: Connection[] = [];
  const waiting: ((connection: Connection) => void)[] = [];
  const listening = await createSyncStreams({
    node: to,
    crypto,
    timers,
    onConnection: (connection) => {
      const next = waiting.shift();
      if (next === undefined) accepted.push(connection);
      else next(connection);
    },
  });
  const streams = await createSyncStreams({ node: from, crypto, timers, onConnection: () => {} });
  const nextAccepted = (): Promise<Connection> => {
    const ready = accepted.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    return new Promise((resolve) => {
      waiting.push(resolve);
    });
  };
  return {
    from,
    to,
    streams,
    open: async () => {
      const [a, b] = await Promise.all([streams.dial(to.getMultiaddrs()), nextAccepted()]);
      const dispose = (): Promise<void> => {
        a.close();
        b.close();
        return Promise.resolve();
      };
      return { a, b, [Symbol.asyncDispose]: dispose };
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([streams, listening].map((end) => end[Symbol.asyncDispose]()));
      await Promise.all([from.stop(), to.stop()]);
    },
  };
}
