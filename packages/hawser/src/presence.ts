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
  return space.ephemeral(pipe);
}
