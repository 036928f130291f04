/**
 * Rooms in which devices find each other for direct connections (docs/spec/transport-webrtc.md §2):
 * what one says reaches the others who are there now. In memory; nothing is kept, and what is said
 * is sealed. Layer 9.
 */
import { toHex } from "@hawser/codec";
import type { Connection, Timers } from "@hawser/sync";
import { createRateLimit } from "./limits.ts";

/** The WebSocket's path. */
export const signalPath = "/v1/signal";
/** Bytes of a room's name, which is the first frame. */
export const roomNameBytes = 32;
/** Bytes of the longest frame after it. */
export const signalFrameBytesMax = 8_232;

export interface SignalRoomsOptions {
  /** Rooms at once. */
  readonly roomsMax: number;
  /** Connections in one room. */
  readonly membersMax: number;
  readonly timers: Timers;
  readonly nowMs: () => number;
  /** Hears of every signal that is said here, for other nodes. */
  readonly onSignal?: (room: string, frame: Uint8Array) => void;
}

/** The rooms of a relay. */
export interface SignalRooms {
  /** Serves one connection until it ends. Never rejects. */
  serve(connection: Connection): Promise<void>;
  /** Says at this node what was said at another one. */
  hear(room: string, frame: Uint8Array): void;
  /** Rooms with somebody in them. */
  roomCount(): number;
  /** Ends every connection. */
  stop(): void;
}

/** Frames of one connection: so many at once, and the same number each minute. */
const framesPerMinuteMax = 90;
const minuteMs = 60_000;
/** How long the name of the room may take. */
const nameMsMax = 10_000;
/** How long a connection may stay: whoever still needs it comes again. */
const stayMsMax: number = 6 * 60 * minuteMs;
/** Frames on their way to one connection; more are dropped for it. */
const sendingMax = 32;

interface Member {
  readonly connection: Connection;
  sending: number;
}

export function createSignalRooms(options: SignalRoomsOptions): SignalRooms {
  const { roomsMax, membersMax, timers, nowMs } = options;
  const rooms = new Map<string, Set<Member>>();
  const connections = new Set<Connection>();

  const enter = (name: string, member: Member): boolean => {
    const room = rooms.get(name) ?? new Set();
    if (room.size >= membersMax || (room.size === 0 && rooms.size >= roomsMax)) return false;
    room.add(member);
    rooms.set(name, room);
    return true;
  };
  const leave = (name: string, member: Member): void => {
    const room = rooms.get(name);
    room?.delete(member);
    if (room?.size === 0) rooms.delete(name);
  };
  /** The code to close with, or `undefined` when the other side closed. */
  const relayFrames = async (connection: Connection): Promise<string | undefined> => {
    const member = { connection, sending: 0 };
    const frames = createRateLimit({ max: framesPerMinuteMax, windowMs: minuteMs, nowMs });
    const cancelName = timers.after(nameMsMax, () => connection.close("SIGNAL_NO_ROOM"));
    let name: string | undefined;
    try {
      for await (const frame of connection.frames) {
        if (name === undefined) {
          cancelName();
          if (frame.length !== roomNameBytes) return "SIGNAL_NO_ROOM";
          const asked = toHex(frame);
          if (!enter(asked, member)) return "SIGNAL_FULL";
          name = asked;
        } else {
          if (frame.length === 0 || frame.length > signalFrameBytesMax) return "SIGNAL_BAD_FRAME";
          if (!frames.take("")) return "SIGNAL_RATE_LIMITED";
          tellOthers(rooms.get(name), member, frame);
          options.onSignal?.(name, frame);
        }
      }
      return undefined;
    } finally {
      cancelName();
      if (name !== undefined) leave(name, member);
    }
  };

  return {
    serve: async (connection) => {
      connections.add(connection);
      const cancel = timers.after(stayMsMax, () => connection.close("SIGNAL_OVER"));
      const code = await relayFrames(connection);
      cancel();
      connections.delete(connection);
      connection.close(code);
    },
    hear: (room, frame) => {
      const isSignal = frame.length > 0 && frame.length <= signalFrameBytesMax;
      if (isSignal) tellOthers(rooms.get(room), undefined, frame);
    },
    roomCount: () => rooms.size,
    stop: () => {
      for (const connection of connections) connection.close("SIGNAL_OVER");
    },
  };
}

function tellOthers(
  room: ReadonlySet<Member> | undefined,
  from: Member | undefined,
  frame: Uint8Array,
): void {
  for (const member of room ?? []) {
    // A signal that comes late is worth nothing: who does not read misses some.
    if (member === from || member.sending >= sendingMax) continue;
    member.sending += 1;
    const sent = (): void => {
      member.sending -= 1;
    };
    member.connection.send(frame).then(sent, sent);
  }
}
