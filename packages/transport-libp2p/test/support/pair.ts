/**
 * Pairs of sync connections over a libp2p stream between two nodes.
 */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { createCrypto } from "@hawser/crypto";
import type { Connection } from "@hawser/sync";
import type { ConnectionPair, TransportHarness, TransportPair } from "@hawser/sync/testing";
import { realTimers as timers } from "@hawser/sync/testing";
import { createSyncStreams, type SyncStreams } from "@hawser/transport-libp2p";
import { type Node, startNode } from "./nodes.ts";

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

/** A pair between two nodes of its own: connections of the same two nodes share a channel binding. */
async function openTransportPair(): Promise<TransportPair> {
  const ends = await openEnds();
  const { a, b } = await ends.open();
  return {
    a,
    b,
    cut: () => {
      for (const connection of ends.to.getConnections()) connection.abort(new Error("cut"));
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => ends[Symbol.asyncDispose](),
  };
}

/** Dials a server that takes the socket and says nothing. */
async function dialSilence(signal: AbortSignal): Promise<Connection> {
  await using ends = await openEnds();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => void sockets.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    // Safe: a server that listens on a port has an AddressInfo.
    const { port } = server.address() as AddressInfo;
    const silent = await startNode({}, [`/ip4/127.0.0.1/tcp/${port}`]);
    const target = silent.getMultiaddrs();
    await silent.stop();
    return await ends.streams.dial(target, { signal });
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

export const harness: TransportHarness = {
  open: openTransportPair,
  dialSilence,
  waitsForReader: true,
};
