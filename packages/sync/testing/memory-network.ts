/**
 * Connections in memory, with seeded faults: delay (hence reordering between connections) and cuts.
 * Within one connection frames neither overtake nor repeat each other, as on any real one.
 */
import { createFrameQueue, frameBytesMax, SyncError } from "@hawser/sync";
import type { Connection, FrameQueue, Timers } from "@hawser/sync";

/** Both ends of one pipe. */
export interface MemoryPair {
  readonly a: Connection;
  readonly b: Connection;
  /** Breaks the pipe without a word: what is on its way is lost. */
  cut(): void;
}

export interface NetworkFaults {
  /** A frame takes 0 to this many ms. */
  readonly delayMsMax: number;
  /** Chance that a connection breaks instead of carrying a frame. */
  readonly cutChance: number;
}

export interface MemoryNetworkOptions {
  readonly timers: Timers;
  /** Numbers in [0, 1), seeded. */
  readonly numbers: () => number;
  readonly faults?: NetworkFaults;
  /** Sees every frame as it is sent: to record or to inspect. */
  readonly onFrame?: (frame: Uint8Array) => void;
}

export interface MemoryNetwork {
  connect(): MemoryPair;
  /** From now on nothing goes wrong and frames take 1 ms. */
  heal(): void;
  /** Breaks every connection. */
  cutAll(): void;
  /** Frames and bytes handed to the network so far. */
  traffic(): { readonly frames: number; readonly bytes: number };
}

/** Bytes one direction holds before `send` waits. */
const bufferBytesMax = 1024 * 1024;

interface Schedule {
  /** Runs `arrive` later, or returns false: the connection breaks. */
  (arrive: () => void): boolean;
}

/** A pair without delay or faults, such as a benchmark needs. */
export function createMemoryPair(onFrame?: (frame: Uint8Array) => void): MemoryPair {
  return createPair({
    schedule: () => (arrive) => {
      queueMicrotask(arrive);
      return true;
    },
    onFrame: onFrame ?? (() => {}),
  });
}

/** A network under virtual time. */
export function createMemoryNetwork(options: MemoryNetworkOptions): MemoryNetwork {
  const { timers, numbers } = options;
  let faults: NetworkFaults = options.faults ?? { delayMsMax: 0, cutChance: 0 };
  const pairs = new Set<MemoryPair>();
  let frames = 0;
  let bytes = 0;
  return {
    connect: () => {
      const pair = createPair({
        schedule: () => createSchedule(timers, numbers, () => faults),
        onFrame: (frame) => {
          frames += 1;
          bytes += frame.length;
          options.onFrame?.(frame);
        },
      });
      pairs.add(pair);
      return pair;
    },
    heal: () => {
      faults = { delayMsMax: 1, cutChance: 0 };
    },
    cutAll: () => {
      for (const pair of pairs) pair.cut();
      pairs.clear();
    },
    traffic: () => ({ frames, bytes }),
  };
}

/** One direction: a frame never arrives before the one sent before it. */
function createSchedule(
  timers: Timers,
  numbers: () => number,
  faults: () => NetworkFaults,
): Schedule {
  const queue: (() => void)[] = [];
  return (arrive) => {
    const { delayMsMax, cutChance } = faults();
    if (numbers() < cutChance) return false;
    queue.push(arrive);
    // Whatever timer fires first brings the oldest frame.
    timers.after(Math.floor(numbers() * (delayMsMax + 1)), () => queue.shift()?.());
    return true;
  };
}

interface Direction extends FrameQueue {
  onRead(listener: () => void): void;
}

function createPair(options: {
  readonly schedule: () => Schedule;
  readonly onFrame: (frame: Uint8Array) => void;
}): MemoryPair {
  const aToB = createDirection();
  const bToA = createDirection();
  const ends: { break(): void; peerClosed(): void }[] = [];
  const broken = (): void => {
    for (const end of ends) end.break();
  };
  const { onFrame } = options;
  const a = createEnd({
    out: aToB,
    in: bToA,
    schedule: options.schedule(),
    onFrame,
    broken,
    closed: () => b.peerClosed(),
  });
  const b: MemoryEnd = createEnd({
    out: bToA,
    in: aToB,
    schedule: options.schedule(),
    onFrame,
    broken,
    closed: () => a.peerClosed(),
  });
  ends.push(a, b);
  return { a: a.connection, b: b.connection, cut: broken };
}

interface MemoryEnd {
  readonly connection: Connection;
  /** The pipe breaks. */
  break(): void;
  /** The other end closed, and its last frame is here. */
  peerClosed(): void;
}

function createEnd(parts: {
  readonly out: Direction;
  readonly in: Direction;
  readonly schedule: Schedule;
  readonly onFrame: (frame: Uint8Array) => void;
  /** The pipe breaks on the way. */
  readonly broken: () => void;
  /** Our close reaches the other end. */
  readonly closed: () => void;
}): MemoryEnd {
  let isOpen = true;
  let onWayBytes = 0;
  const waiting: (() => void)[] = [];
  const lost = (): SyncError =>
    new SyncError("SYNC_CONNECTION_LOST", "the memory connection is closed");
  const wake = (): void => {
    for (const resume of waiting.splice(0)) resume();
  };
  parts.out.onRead(wake);

  const send = async (frame: Uint8Array): Promise<void> => {
    if (frame.length > frameBytesMax) {
      throw new SyncError("SYNC_FRAME_TOO_LARGE", `a frame of ${frame.length} bytes`);
    }
    if (!isOpen) throw lost();
    parts.onFrame(frame);
    onWayBytes += frame.length;
    const isCarried = parts.schedule(() => {
      onWayBytes -= frame.length;
      parts.out.push(frame);
      wake();
    });
    if (!isCarried) {
      parts.broken();
      throw lost();
    }
    while (onWayBytes + parts.out.byteCount() > bufferBytesMax) {
      await new Promise<void>((resume) => {
        waiting.push(resume);
      });
      if (!isOpen) throw lost();
    }
  };
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    parts.in.end();
    // The other side still reads what was sent before.
    if (!parts.schedule(parts.closed)) parts.closed();
    wake();
  };
  return {
    connection: { send, frames: parts.in.frames, close: () => close() },
    break: () => {
      isOpen = false;
      parts.in.end();
      wake();
    },
    peerClosed: () => {
      isOpen = false;
      parts.in.end();
      wake();
    },
  };
}

function createDirection(): Direction {
  let onRead = (): void => {};
  const queue = createFrameQueue(() => onRead());
  return {
    ...queue,
    onRead: (listener) => {
      onRead = listener;
    },
  };
}
