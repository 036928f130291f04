/**
 * Real libp2p nodes on loopback: TCP, Noise, yamux, gossipsub.
 */
import { type GossipSub, gossipsub } from "@libp2p/gossipsub";
import { identify } from "@libp2p/identify";
import type { Identify } from "@libp2p/identify";
import type { Libp2p } from "@libp2p/interface";
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
    // It ends connections whose pings take long, as those of a busy computer do.
    connectionMonitor: { enabled: false },
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

/**
 * Resolves when each of two nodes passes on to the other what it hears under a name. To be subscribed
 * is not enough: gossipsub passes messages on within its mesh alone, and a subscription that arrives
 * before the stream back is open gets into the mesh at a later heartbeat.
 */
export async function linked(name: string, one: Node, two: Node): Promise<void> {
  await until(() => passesOn(name, one, two) && passesOn(name, two, one));
}

function passesOn(name: string, from: Node, to: Node): boolean {
  // Safe: the service has it; its published type leaves it out.
  const pubsub = from.services.pubsub as GossipSub & { getMeshPeers(name: string): string[] };
  return pubsub.getMeshPeers(name).includes(to.peerId.toString()) && reaches(name, from, to);
}

/** Whether what a node publishes under a name gets to another: it listens, and a stream is open. */
export function reaches(name: string, from: Node, to: Node): boolean {
  const isSubscribed = from.services.pubsub
    .getSubscribers(name)
    .some((peerId) => peerId.equals(to.peerId));
  const isOpen = from
    .getConnections(to.peerId)
    .flatMap(({ streams }) => streams)
    .some((stream) => stream.protocol.startsWith("/meshsub") && stream.direction === "outbound");
  return isSubscribed && isOpen;
}

/** Resolves as soon as the condition holds; it is asked again after every turn of the event loop. */
export async function until(isDone: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isDone())) {
    await new Promise<void>((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}
