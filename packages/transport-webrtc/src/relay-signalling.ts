/**
 * Signalling through a relay (docs/spec/transport-webrtc.md §2): a frame pipe whose first frame names
 * the room. Layer 5; how the pipe is opened is injected.
 */
import type { Connection } from "@hawser/sync";
import type { Signalling } from "./types.ts";

/** The path of the WebSocket at a relay. */
export const signalPath = "/v1/signal";

/** `connect` opens a frame pipe to `signalPath` of the relay at `address`. */
export function createRelaySignalling(
  address: string,
  connect: (options: { readonly signal: AbortSignal }) => Promise<Connection>,
): Signalling {
  return {
    name: address,
    join: async (room, options) => {
      const connection = await connect(options);
      await connection.send(room);
      return connection;
    },
  };
}
