/**
 * Pipes between hosts under virtual time. A pipe is reliable while it stands, as real ones are: loss
 * is a cut, which takes every frame on its way along, and each end notices it in its own time. A
 * one-way or whole partition holds frames back until it ends or somebody gives up. A *broken* pipe
 * also repeats, swaps, flips and swallows frames within one connection: its ends may only close.
 */
import { createFrameQueue, frameBytesMax, SyncError } from "@hawser/sync";
import type { Connection, FrameQueue } from "@hawser/sync";
import type { Draws } from "./draws.ts";
import type { Owner, Schedule } from "./schedule.ts";

/** What goes wrong on the network now. */
export interface NetworkFaults {
  /** A frame takes 1 to this many ms. */
  readonly delayMsMax: number;
  /** Chance that a frame cuts its pipe. */
  readonly cutChance: number;
}

/** Nothing goes wrong. */
export const calmNetwork: NetworkFaults = { delayMsMax: 2, cutChance: 0 };

/** Both ends of a pipe. */
export interface Pipe {
  /** At the host that dialled. */
  readonly a: Connection;
  readonly b: Connection;
  /** Breaks it; frames on their way are lost. */
  cut(): void;
  /** Bytes on their way or not yet read, the larger direction. */
  waitingBytes(): number;
}

/** One end's owner: dead hosts neither send nor receive. */
export interface PipeEnd {
  readonly host: string;
  readonly owner: Owner;
}

/** All pipes. */
export interface Network {
  /** A pipe between two hosts; `undefined` while they cannot reach each other. */
  connect(a: PipeEnd, b: PipeEnd, isBroken: boolean): Pipe | undefined;
  /** From now on nothing passes from one host to the other. */
  block(from: string, to: string): void;
  /** Ends every partition: what was held back arrives. */
  unblock(): void;
  set(faults: NetworkFaults): void;
  pipes(): readonly Pipe[];
}

/** What a network is made of. */
export interface NetworkDeps {
  readonly schedule: Schedule;
  readonly draws: Draws;
  /** The network's own events: frames travel although their sender has died. */
  readonly owner: Owner;
  /** Sees each frame as it is sent. */
  readonly onFrame: (from: string, to: string, frame: Uint8Array) => void;
}

/** Bytes one direction holds before `send` waits. */
const bufferBytesMax: number = 1024 * 1024;
const noticeMsMax = 3_000;

/** A network without faults. */
export function createNetwork(deps: NetworkDeps): Network {
  let faults = calmNetwork;
  const blocked = new Set<string>();
  const pipes = new Set<Pipe>();
  const held: (() => void)[] = [];
  const isBlocked = (from: string, to: string): boolean => blocked.has(`${from}>${to}`);
  const way: Way = {
    ...deps,
    faults: () => faults,
    isBlocked,
    hold: (resume) => void held.push(resume),
  };
  return {
    connect: (a, b, isBroken) => {
      if (isBlocked(a.host, b.host) || isBlocked(b.host, a.host)) return undefined;
      const pipe = createPipe(way, a, b, isBroken);
      const known = { ...pipe, cut: () => pipe.cut() };
      pipes.add(known);
      pipe.onEnd(() => pipes.delete(known));
      return known;
    },
    block: (from, to) => void blocked.add(`${from}>${to}`),
    unblock: () => {
      blocked.clear();
      for (const resume of held.splice(0)) resume();
    },
    set: (next) => {
      faults = next;
    },
    pipes: () => [...pipes],
  };
}

interface Way extends NetworkDeps {
  faults(): NetworkFaults;
  isBlocked(from: string, to: string): boolean;
  hold(resume: () => void): void;
}

interface Half {
  readonly connection: Connection;
  /** The end learns that the pipe is gone. */
  end(): void;
  isOpen(): boolean;
  /** Everything on its way from here is lost. */
  lose(): void;
  waitingBytes(): number;
}

function createPipe(
  way: Way,
  a: PipeEnd,
  b: PipeEnd,
  isBroken: boolean,
): Pipe & { onEnd(listener: () => void): void } {
  const endListeners: (() => void)[] = [];
  const inboxes = {
    a: createFrameQueue(() => halfB.wake()),
    b: createFrameQueue(() => halfA.wake()),
  };
  const cut = (): void => {
    halfA.lose();
    halfB.lose();
    for (const half of [halfA, halfB]) {
      way.schedule.after(way.owner, way.draws.below(noticeMsMax), half.end);
    }
    for (const listener of endListeners.splice(0)) listener();
  };
  const closed = (other: () => Half) => () => {
    other().end();
    for (const listener of endListeners.splice(0)) listener();
  };
  const common = { way, isBroken, cut };
  const halfA: Half & { wake(): void } = createHalf({
    ...common,
    self: a,
    peer: b,
    inbox: inboxes.a,
    outbox: inboxes.b,
    closed: closed(() => halfB),
  });
  const halfB: Half & { wake(): void } = createHalf({
    ...common,
    self: b,
    peer: a,
    inbox: inboxes.b,
    outbox: inboxes.a,
    closed: closed(() => halfA),
  });
  return {
    a: halfA.connection,
    b: halfB.connection,
    cut,
    waitingBytes: () => Math.max(halfA.waitingBytes(), halfB.waitingBytes()),
    onEnd: (listener) => void endListeners.push(listener),
  };
}

interface HalfParts {
  readonly way: Way;
  readonly self: PipeEnd;
  readonly peer: PipeEnd;
  readonly inbox: FrameQueue;
  readonly outbox: FrameQueue;
  readonly isBroken: boolean;
  readonly cut: () => void;
  /** Our close has reached the other end. */
  readonly closed: () => void;
}

function createHalf(parts: HalfParts): Half & { wake(): void } {
  const { way, self, peer, inbox, outbox } = parts;
  let isOpen = true;
  let onWayBytes = 0;
  const line = createLine(parts);
  const senders: (() => void)[] = [];
  const wake = (): void => {
    for (const resume of senders.splice(0)) resume();
  };
  const lost = (): SyncError => new SyncError("SYNC_CONNECTION_LOST", "the pipe is gone");
  const send = async (frame: Uint8Array): Promise<void> => {
    if (frame.length > frameBytesMax) {
      throw new SyncError("SYNC_FRAME_TOO_LARGE", `a frame of ${frame.length} bytes`);
    }
    if (!isOpen) throw lost();
    way.onFrame(self.host, peer.host, frame);
    if (way.draws.chance(way.faults().cutChance)) {
      parts.cut();
      return;
    }
    onWayBytes += frame.length;
    line.put(() => {
      onWayBytes -= frame.length;
      if (peer.owner.isAlive) outbox.push(frame);
      wake();
    });
    while (onWayBytes + outbox.byteCount() > bufferBytesMax) {
      await new Promise<void>((resolve) => {
        senders.push(resolve);
      });
      if (!isOpen) throw lost();
    }
  };
  const end = (): void => {
    isOpen = false;
    inbox.end();
    wake();
  };
  const close = (): void => {
    if (!isOpen) return;
    end();
    line.put(parts.closed);
  };
  return {
    connection: { send, frames: inbox.frames, close },
    end,
    isOpen: () => isOpen,
    lose: () => line.lose(),
    wake,
    waitingBytes: () => onWayBytes + outbox.byteCount(),
  };
}

/** One direction: arrivals in the order of sending, unless the pipe is broken. */
function createLine({ way, self, peer, isBroken }: HalfParts): {
  put(arrive: () => void): void;
  lose(): void;
} {
  const { schedule, draws, owner } = way;
  const queue: (() => void)[] = [];
  let lastMs = 0;
  let isLost = false;
  const arrive = (): void => {
    if (isLost) return;
    if (way.isBlocked(self.host, peer.host)) {
      way.hold(() => schedule.after(owner, draws.below(50), arrive));
      return;
    }
    queue.shift()?.();
  };
  const put = (arrival: () => void): void => {
    if (isLost) return;
    if (isBroken && mangle(draws, queue, arrival)) return;
    queue.push(arrival);
    const { delayMsMax } = way.faults();
    lastMs = Math.max(lastMs, schedule.nowMs() + draws.between(1, delayMsMax));
    schedule.after(owner, lastMs - schedule.nowMs(), arrive);
  };
  return {
    put,
    lose: () => {
      isLost = true;
      queue.length = 0;
    },
  };
}

/** What a broken pipe does to the order of its frames; true: the frame never arrives. */
function mangle(draws: Draws, queue: (() => void)[], arrival: () => void): boolean {
  const what = draws.below(60);
  if (what === 0) return true;
  if (what === 1) queue.unshift(arrival);
  if (what === 2 && queue.length > 0) queue.reverse();
  return false;
}
