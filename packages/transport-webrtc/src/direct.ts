/**
 * Looks for the other members of some topics and keeps one direct connection to each of them
 * (docs/spec/transport-webrtc.md §4). Layer 5.
 */
import { compareBytes, equalBytes, toHex } from "@hawser/codec";
import type { Crypto, Random } from "@hawser/crypto";
import type { Connection, Timers } from "@hawser/sync";
import { TransportWebrtcError } from "./errors.ts";
import { answerPipe, offerPipe, type EstablishOptions } from "./establish.ts";
import type { Pipe } from "./pipe.ts";
import { stayInRoom, type Room } from "./room.ts";
import {
  everybody,
  openSignal,
  peerIdOf,
  roomOf,
  sealSignal,
  sessionBytes,
  type RoomKeys,
  type Signal,
} from "./signal.ts";
import type { DirectTopic, RtcPlatform, Signalling } from "./types.ts";

export interface DirectDeps {
  readonly crypto: Crypto;
  readonly random: Random;
  readonly timers: Timers;
  readonly platform: RtcPlatform;
  /** Carriers of signals; peers meet at those they share. Read at start and at `changed`. */
  signallings(): readonly Signalling[];
  /** Topics whose members are looked for. Read at start and at `changed`. */
  topics(): readonly DirectTopic[];
  /** Takes a connection over and closes it when done. */
  onConnection(connection: Connection): void;
}

export interface DirectOptions {
  /** Connections at once, 1 to 64; default 16. */
  readonly peersMax?: number;
  /** How long making one may take, at most 5 min; default 20 s. */
  readonly connectMs?: number;
  /** How long to look for candidates, at most 30 s; default 2 s. */
  readonly gatherMs?: number;
}

/** Direct connections of one device. */
export interface Direct extends AsyncDisposable {
  /** Topics, keys or carriers changed. */
  changed(): void;
  /** Direct connections that are open now. */
  peerCount(): number;
}

/** Rooms at once; topics beyond them stay with the relay. */
export const roomsMax = 64;
const followKeysMax = 4;
/** Connections that are being made at once. */
const attemptsMax = 8;

/** Before a device is connected to again: one whose connections end at once, and one that left. */
const restMs = { afterFailure: 60_000, afterLoss: 2_000 } as const;
/** A connection that lasts this long was a good one. */
const stableMs = 30_000;
/** Devices that are being left in peace; while there are more, nobody new is connected to. */
const restingMax = 256;

interface Attempt {
  readonly session: Uint8Array;
  readonly answered: PromiseWithResolvers<string>;
}

/** Everything that is known while the device looks for others. */
interface State {
  readonly self: Uint8Array;
  readonly attempts: Map<string, Attempt>;
  readonly open: Map<string, Pipe>;
  /** By device, what ends its rest. */
  readonly resting: Map<string, () => void>;
  readonly stop: AbortSignal;
}

/**
 * Starts at once. Throws TRANSPORT_WEBRTC_BAD_OPTION. Dispose it to leave all rooms and close all
 * connections.
 */
export function createDirect(deps: DirectDeps, options: DirectOptions = {}): Direct {
  checkOptions(options);
  const stop = new AbortController();
  const rooms = new Map<string, Room>();
  const open = new Map<string, Pipe>();
  const attempts = new Map<string, Attempt>();
  const resting = new Map<string, () => void>();
  let state: State | undefined;

  const refresh = (): void => {
    if (state === undefined || stop.signal.aborted) return;
    const wanted = wantedRooms(deps);
    for (const [name, room] of rooms) {
      if (wanted.has(name)) continue;
      rooms.delete(name);
      void room.leave();
    }
    for (const [name, { signalling, keys }] of wanted) {
      if (!rooms.has(name)) rooms.set(name, enter({ deps, options, state }, signalling, keys));
    }
  };
  const start = async (): Promise<void> => {
    const self = peerIdOf(deps.crypto, await deps.platform.fingerprint());
    state = { self, attempts, open, resting, stop: stop.signal };
    refresh();
  };
  const starting = start();
  // A platform that fails now gives no direct connections; the relays are there.
  starting.catch(() => {});
  return {
    changed: refresh,
    peerCount: () => open.size,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await starting.catch(() => undefined);
      for (const cancel of resting.values()) cancel();
      for (const pipe of open.values()) pipe.connection.close("SYNC_DONE");
      await Promise.all([...rooms.values()].map((room) => room.leave()));
    },
  };
}

function checkOptions({ peersMax = 1, connectMs = 1, gatherMs = 1 }: DirectOptions): void {
  const isWithin = (value: number, max: number): boolean =>
    Number.isSafeInteger(value) && value >= 1 && value <= max;
  if (isWithin(peersMax, 64) && isWithin(connectMs, 300_000) && isWithin(gatherMs, 30_000)) return;
  const message = "expected peersMax of 1 to 64, connectMs to 5 min, gatherMs to 30 s";
  throw new TransportWebrtcError("TRANSPORT_WEBRTC_BAD_OPTION", message);
}

interface WantedRoom {
  readonly signalling: Signalling;
  readonly keys: RoomKeys;
}

/** By carrier and name of the room. */
function wantedRooms(deps: DirectDeps): ReadonlyMap<string, WantedRoom> {
  const wanted = new Map<string, WantedRoom>();
  for (const { topic, followKeys } of deps.topics()) {
    for (const followKey of followKeys().slice(0, followKeysMax)) {
      const keys = roomOf(deps.crypto, topic, followKey);
      for (const signalling of deps.signallings()) {
        if (wanted.size >= roomsMax) return wanted;
        wanted.set(`${signalling.name} ${toHex(keys.name)}`, { signalling, keys });
      }
    }
  }
  return wanted;
}

interface Context {
  readonly deps: DirectDeps;
  readonly options: DirectOptions;
  readonly state: State;
}

function enter(context: Context, signalling: Signalling, keys: RoomKeys): Room {
  const { deps, state } = context;
  const { timers, random } = deps;
  const say = (signal: Omit<Signal, "from">): void =>
    room.send(sealSignal(deps, keys, { ...signal, from: state.self }));
  const hello = (): void => {
    if (hasRoom(context))
      say({ kind: "hello", to: everybody, session: noSession, description: "" });
  };
  const room: Room = stayInRoom(
    {
      signalling,
      timers,
      random,
      onHello: hello,
      onFrame: (frame) => {
        const signal = openSignal(deps.crypto, keys, frame);
        if (signal !== undefined) onSignal(context, signal, { say, hello });
        return signal !== undefined;
      },
    },
    keys.name,
  );
  return room;
}

const noSession: Uint8Array = new Uint8Array(sessionBytes);

interface Voice {
  say(signal: Omit<Signal, "from">): void;
  hello(): void;
}

function hasRoom({ state, options }: Context): boolean {
  const { peersMax = 16 } = options;
  const count = state.open.size + state.attempts.size;
  return count < peersMax && state.resting.size < restingMax && !state.stop.aborted;
}

/** The side of the smaller id offers, so that two who find each other at once make one connection. */
function onSignal(context: Context, signal: Signal, voice: Voice): void {
  const { state } = context;
  const { kind, from, to } = signal;
  const order = compareBytes(state.self, from);
  const isForUs = kind === "hello" || equalBytes(to, state.self);
  if (order === 0 || !isForUs) return;
  const peer = toHex(from);
  if (kind === "answer") {
    const attempt = state.attempts.get(peer);
    if (attempt !== undefined && equalBytes(attempt.session, signal.session)) {
      attempt.answered.resolve(signal.description);
    }
    return;
  }
  const isKnown = state.open.has(peer) || state.attempts.has(peer) || state.resting.has(peer);
  if (isKnown || state.attempts.size >= attemptsMax || !hasRoom(context)) return;
  if (kind === "offer") {
    if (order > 0) void answer(context, signal, voice);
  } else if (order < 0) void offer(context, from, voice);
  else if (kind === "hello") {
    voice.say({ kind: "here", to: from, session: noSession, description: "" });
  }
}

async function offer(context: Context, to: Uint8Array, voice: Voice): Promise<void> {
  const { deps } = context;
  const session = deps.random(sessionBytes);
  const answered = Promise.withResolvers<string>();
  await attempt(context, { peer: to, session, answered, voice }, (options) =>
    offerPipe(
      deps,
      (description) => {
        voice.say({ kind: "offer", to, session, description });
        return answered.promise;
      },
      options,
    ),
  );
}

async function answer(context: Context, signal: Signal, voice: Voice): Promise<void> {
  const { from, session, description } = signal;
  const answered = Promise.withResolvers<string>();
  await attempt(context, { peer: from, session, answered, voice }, (options) =>
    answerPipe(
      context.deps,
      {
        offer: description,
        reply: async (text) => voice.say({ kind: "answer", to: from, session, description: text }),
      },
      options,
    ),
  );
}

/** Makes one connection, hands it over, and waits for its end. */
async function attempt(
  context: Context,
  parts: {
    readonly peer: Uint8Array;
    readonly session: Uint8Array;
    readonly answered: PromiseWithResolvers<string>;
    readonly voice: Voice;
  },
  make: (options: EstablishOptions) => Promise<Pipe>,
): Promise<void> {
  const { deps, state } = context;
  const peer = toHex(parts.peer);
  state.attempts.set(peer, parts);
  const pipe = await make(establishOptions(context, parts)).catch(() => undefined);
  state.attempts.delete(peer);
  if (state.stop.aborted) return pipe?.connection.close("SYNC_DONE");
  let isStable = false;
  if (pipe !== undefined) {
    state.open.set(peer, pipe);
    const cancel = deps.timers.after(stableMs, () => {
      isStable = true;
    });
    deps.onConnection(pipe.connection);
    await pipe.closed;
    cancel();
    state.open.delete(peer);
  }
  if (state.stop.aborted) return;
  // Without a rest, two devices that do not get on would connect without end.
  const cancelRest = deps.timers.after(isStable ? restMs.afterLoss : restMs.afterFailure, () => {
    state.resting.delete(peer);
    parts.voice.hello();
  });
  state.resting.set(peer, cancelRest);
}

function establishOptions(
  { deps, options, state }: Context,
  { peer, session }: { readonly peer: Uint8Array; readonly session: Uint8Array },
): EstablishOptions {
  const { connectMs, gatherMs } = options;
  return {
    session,
    signal: state.stop,
    ...(connectMs === undefined ? {} : { timeoutMs: connectMs }),
    ...(gatherMs === undefined ? {} : { gatherMs }),
    isExpected: (fingerprint) => equalBytes(peerIdOf(deps.crypto, fingerprint), peer),
  };
}
