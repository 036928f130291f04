/** Who is there: ephemeral messages of a space, over every session of the device. Layer 8. */
import type { EphemeralChannel, EphemeralPipe, Space } from "@hawser/space";
import type { SyncPeer } from "@hawser/sync";

/** The channel of a space to whoever shares it in a session with this device, or behind its relays. */
export function createPresence(
  space: Space,
  peer: Pick<SyncPeer, "broadcast" | "onBroadcast">,
): EphemeralChannel {
  const pipe: EphemeralPipe = {
    send: (sealed) => peer.broadcast(space.topic, sealed),
    onMessage: (listener) =>
      peer.onBroadcast((topic, bytes) => {
        if (topic === space.topic) listener(bytes);
      }),
  };
  return shared(space.ephemeral(pipe));
}

/** A channel takes each message once, so its listeners here share one subscription. */
function shared(channel: EphemeralChannel): EphemeralChannel {
  type Listener = Parameters<EphemeralChannel["onMessage"]>[0];
  const listeners = new Set<{ readonly call: Listener }>();
  let stop = (): void => {};
  return {
    send: (bytes) => channel.send(bytes),
    onMessage: (call) => {
      const own = { call };
      listeners.add(own);
      if (listeners.size === 1) {
        stop = channel.onMessage((from, bytes) => {
          for (const listener of listeners) listener.call(from, bytes);
        });
      }
      return () => {
        if (listeners.delete(own) && listeners.size === 0) stop();
      };
    },
  };
}
