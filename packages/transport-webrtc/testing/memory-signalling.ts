/** Rooms in memory, for tests: what one sends reaches all others in the room. */
import { toHex } from "@hawser/codec";
import type { Connection } from "@hawser/sync";
import { createMemoryPair } from "@hawser/sync/testing";
import type { Signalling } from "@hawser/transport-webrtc";

/** A carrier; `onFrame` sees every frame in it, and the name of its room in hex. */
export function createMemorySignalling(
  onFrame: (room: string, frame: Uint8Array) => void = () => {},
): Signalling {
  const rooms = new Map<string, Set<Connection>>();
  return {
    name: "memory",
    join: async (room, { signal }) => {
      signal.throwIfAborted();
      const name = toHex(room);
      const members = rooms.get(name) ?? new Set();
      rooms.set(name, members);
      const { a, b } = createMemoryPair();
      members.add(b);
      void (async () => {
        for await (const frame of b.frames) {
          onFrame(name, frame);
          for (const other of members) if (other !== b) other.send(frame).catch(() => undefined);
        }
        members.delete(b);
      })();
      return a;
    },
  };
}
