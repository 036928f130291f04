/**
 * Real libp2p nodes on loopback: TCP, Noise, yamux, gossipsub.
 */
import { type GossipSub, gossipsub } from "@libp2p/gossipsub";
import { identify } from "@libp2p/identify";
import type { Identify } from "@libp2p/identify";
import type { Libp2p, PeerId } from "@libp2p/interface";
import { noise } from "@libp2p/noise";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { createLibp2p } from "libp2p";
import { gossipsubOptions } from "@hawser/transport-libp2p";

export type Node = Libp2p<{ readonly identify: Identify; readonly pubsub: GossipSub }>;

/**
 * A node that listens on a free port of loopback, and says it is at that or at other addresses. Stop
 * it in the end.
 */
export function startNode(
  options: Partial<Parameters<typeof gossipsub>[0]> = {},
  announce: string[] = [],
): Promise<Node> {
  return createLibp2p({
    addresses: { listen: ["/ip4/127.0.0.1/tcp/0"], announce },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      pubsub: gossipsub({ ...gossipsubOptions, heartbeatInterval: 100, ...options }),
    },
  });
}

/** Connects two nodes. */
export async function connect(from: Node, to: Node): Promise<void> {
  await from.dial(to.getMultiaddrs());
}

/** Ends what connects two nodes. */
export async function disconnect(from: Node, to: Node): Promise<void> {
  await Promise.all([from.hangUp(to.peerId), to.hangUp(from.peerId)]);
}

/** Whether a node can send gossip to another: a subscription is known before the stream is open. */
export function isOpenTo(from: Node, to: { readonly peerId: PeerId }): boolean {
  return from
    .getConnections(to.peerId)
    .flatMap(({ streams }) => streams)
    .some((stream) => stream.protocol.startsWith("/meshsub") && stream.direction === "outbound");
}

/** Resolves as soon as the condition holds; it is asked again after every turn of the event loop. */
export async function until(isDone: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isDone())) {
    await new Promise<void>((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}
