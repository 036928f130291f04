/**
 * Two machines over sets of logs that have no entries: heads are all that reconciliation looks at.
 */
import { toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import { type LogHead, type LogId, logIdOf, type Topic } from "@hawser/log";
import {
  createMachine,
  decodeMessage,
  type Machine,
  type MachineOptions,
  type MachineState,
  type Message,
  type SyncEffect,
  type SyncEvent,
} from "@hawser/sync";
import { control, crypto, data, followKey, identityOf, keyOf, topicOf } from "./harness.ts";

export const topic: Topic = topicOf("sets");

/** A log as one side has it: `author` names it, `branch` makes another head of one height. */
export interface Item {
  readonly author: number;
  readonly height: number;
  readonly branch?: number;
  readonly control?: boolean;
}

const authors = new Map<number, AuthorId>();

function authorOf(number: number): AuthorId {
  const known = authors.get(number) ?? (toHex(keyOf(`author ${number}`)) as AuthorId);
  authors.set(number, known);
  return known;
}

export function headOf(item: Item): LogHead {
  const domain = item.control === true ? control : data;
  const context = { topic, domain, author: authorOf(item.author) };
  const hash = keyOf(`${item.author} ${item.height} ${item.branch ?? 0}`);
  return {
    context,
    logId: logIdOf(crypto, context),
    height: item.height,
    hash,
    stamp: 0,
    skips: [],
    signedHeight: item.height,
    signedHash: hash,
    forkedAt: undefined,
    prunedTo: 0,
  };
}

const options: MachineOptions = {
  windowBytes: 2 ** 22,
  rangeBytes: 2 ** 22,
  outboxBytes: 2 ** 26,
  handshakeMs: 1_000,
  heartbeatMs: 1_000,
  topicEntries: 1_000_000,
  topicBytes: 2 ** 30,
  bodyBytes: 64 * 1024 * 1024,
  features: 1,
  reconcileLogs: 1,
};

export interface SetSide {
  readonly machine: Machine;
  state: MachineState;
  readonly effects: SyncEffect[];
  /** Messages sent so far, with the flight in which they left. */
  readonly sent: {
    readonly message: Message;
    readonly frame: Uint8Array;
    readonly flight: number;
  }[];
  heads: readonly LogHead[];
}

export function createSetSide(
  name: string,
  items: readonly Item[],
  changed: Partial<MachineOptions> = {},
): SetSide {
  const machine = createMachine({ crypto, options: { ...options, ...changed } });
  const seed = {
    nonce: keyOf(`nonce ${name}`),
    paddingSeed: keyOf(`padding ${name}`),
    identities: [identityOf(keyOf(`secret ${name}`))],
    channelBinding: new Uint8Array(0),
  };
  return { machine, state: machine.initial(seed), effects: [], sent: [], heads: items.map(headOf) };
}

/**
 * A session of two sides, flight by flight: all frames of one are delivered before the next, each
 * as what `carry` makes of it.
 */
export interface SetSession {
  /** Feeds an event to a side and what its effects ask for; frames wait for the next flight. */
  feed(side: SetSide, event: SyncEvent): void;
  /** Delivers the frames that wait: one flight. */
  step(): void;
  /** Flights until nothing moves. */
  run(): void;
}

export function connectSets(
  a: SetSide,
  b: SetSide,
  carry: (frame: Uint8Array, flight: number, index: number) => readonly Uint8Array[] = (frame) => [
    frame,
  ],
): SetSession {
  const waiting = new Map<SetSide, Uint8Array[]>([
    [a, []],
    [b, []],
  ]);
  let flight = 0;
  const feed = (side: SetSide, event: SyncEvent): void => {
    const events = [event];
    for (let next = events.shift(); next !== undefined; next = events.shift()) {
      const stepped = side.machine.step(side.state, next);
      side.state = stepped.state;
      side.effects.push(...stepped.effects);
      for (const effect of stepped.effects) {
        if (effect.type === "send") {
          const message = decodeMessage(effect.frame);
          if (message === undefined) throw new Error("a machine sent what none can read");
          side.sent.push({ message, frame: effect.frame, flight });
          waiting.get(side === a ? b : a)?.push(effect.frame);
          events.push({ type: "sent", byteCount: effect.frame.length });
        }
        events.push(...answersTo(side, effect));
      }
    }
  };
  const isMoving = (): boolean => [...waiting.values()].some((frames) => frames.length > 0);
  const step = (): void => {
    flight += 1;
    const deliveries = [...waiting].map(([side, frames]) => [side, frames.splice(0)] as const);
    for (const [side, frames] of deliveries) {
      for (const [index, sent] of frames.entries()) {
        for (const frame of carry(sent, flight, index)) feed(side, { type: "frame", frame });
      }
    }
  };
  const session: SetSession = {
    feed,
    step,
    run: () => {
      for (let count = 0; isMoving(); count++) {
        if (count === 64) throw new Error("the two do not come to an end");
        step();
      }
    },
  };
  feed(a, { type: "start" });
  feed(b, { type: "start" });
  return session;
}

/** What a store and an owner would answer at once. Ranges are never read. */
function answersTo(side: SetSide, effect: SyncEffect): readonly SyncEvent[] {
  switch (effect.type) {
    case "readTopics":
      return [{ type: "topics", topics: [snapshotOf("none")] }];
    case "readHeads":
      return [{ type: "heads", topic, heads: side.heads, forks: [] }];
    case "claim":
      return [{ type: "claimed", topic, logIds: effect.logIds }];
    default:
      return [];
  }
}

/** Our topic, with a follow key or with what an identity is worth. */
export function snapshotOf(
  identityAccess: "none" | "control" | "full",
  keys: readonly Uint8Array[] = [followKey],
): {
  readonly topic: typeof topic;
  readonly followKeys: readonly Uint8Array[];
  readonly identityAccess: "none" | "control" | "full";
  readonly controlDomains: readonly string[];
} {
  return { topic, followKeys: keys, identityAccess, controlDomains: [control] };
}

/** Connects two sides and lets them compare everything. */
export function compareSets(a: SetSide, b: SetSide): SetSession {
  const session = connectSets(a, b);
  session.run();
  return session;
}

/** What `side` believes its peer holds: height by log, and whether that was named. */
export function beliefs(side: SetSide): ReadonlyMap<LogId, number> {
  const found = new Map<LogId, number>();
  const own = side.state.topics.get(topic);
  for (const [logId, height] of own?.in.level ?? []) found.set(logId, height);
  for (const log of own?.in.logs ?? []) found.set(log.logId, log.height);
  return found;
}

/** What a side holds: the slow and obvious truth that beliefs are held against. */
export function holdings(side: SetSide): ReadonlyMap<LogId, number> {
  return new Map(side.heads.map((head) => [head.logId, head.signedHeight]));
}

/** Logs of `side` that the other side lacks or holds otherwise. */
export function differing(side: SetSide, other: SetSide): ReadonlySet<LogId> {
  const theirs = new Map(other.heads.map((head) => [head.logId, head]));
  const found = side.heads.filter((head) => {
    const match = theirs.get(head.logId);
    return (
      match === undefined ||
      match.signedHeight !== head.signedHeight ||
      toHex(match.signedHash ?? new Uint8Array(0)) !== toHex(head.signedHash ?? new Uint8Array(0))
    );
  });
  return new Set(found.map((head) => head.logId));
}

/** Logs that a side named to its peer. */
export function named(side: SetSide): ReadonlySet<LogId> {
  return new Set(side.state.topics.get(topic)?.out.logs.map((log) => log.logId) ?? []);
}

export function closeCodesOf(...sides: readonly SetSide[]): readonly string[] {
  return sides.flatMap((side) =>
    side.effects.flatMap((effect) => (effect.type === "close" ? [effect.code] : [])),
  );
}

/** Bytes that a side sent in messages about the topic. */
export function topicBytesOf(side: SetSide): number {
  return side.sent
    .filter(({ message }) => "topicNumber" in message && message.type !== "proof")
    .reduce((sum, { frame }) => sum + frame.length, 0);
}
