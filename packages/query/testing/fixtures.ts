/**
 * Packets, queries and time to test stores with: repeatable, without a real clock.
 */
import { fromUtf8, utf8 } from "@hawser/codec";
import { createNobleCrypto, type Crypto } from "@hawser/crypto";
import {
  buildDatapoint,
  buildKeypoint,
  buildLinkpoint,
  publicGroup,
  type LinkDraft,
  type Packet,
} from "@hawser/packet";
import {
  compileQuery,
  parseQuery,
  type Clock,
  type CompiledQuery,
  type StoredPacket,
  type Timers,
} from "@hawser/query";

const crypto: Crypto = createNobleCrypto();

/** µs at which test clocks start. */
export const testStart = 1_700_000_000_000_000;

/** A datapoint of a text. */
export function testData(text: string): Packet<"verified"> {
  return buildDatapoint(crypto, utf8(text));
}

/** What a test point says; the rest has defaults. */
export interface TestPoint {
  readonly group?: Uint8Array;
  readonly domain?: string;
  readonly path?: readonly string[];
  readonly stamp?: number | bigint;
  readonly data?: string;
  readonly links?: readonly LinkDraft[];
  /** Number of the author; unsigned without one. */
  readonly author?: number;
}

/** A linkpoint, or a keypoint where there is an author. */
export function testPoint(point: TestPoint): Packet<"verified"> {
  const { group = publicGroup(), domain = "test", path = [], stamp = 0, links = [] } = point;
  const draft = { group, domain, path, stamp, links, data: utf8(point.data ?? "") };
  if (point.author === undefined) return buildLinkpoint(crypto, draft);
  return buildKeypoint(crypto, draft, testSecret(point.author));
}

function testSecret(author: number): Uint8Array {
  return new Uint8Array(32).fill(author + 1);
}

/** The public key of an author. */
export function testPublicKey(author: number): Uint8Array {
  return crypto.publicKey(testSecret(author));
}

/** A link with tag "link" to each packet. */
export function linksTo(...packets: readonly Packet[]): readonly LinkDraft[] {
  return packets.map(({ hash }) => ({ tag: "link", pointer: hash }));
}

/** A compiled query of statements; `[0]`… stand for `argv`. Throws where it is none. */
export function testQuery(
  statements: readonly string[],
  argv: readonly Uint8Array[] = [],
): CompiledQuery {
  const verdict = parseQuery(statements, { nowMicros: () => testStart, argv });
  if (!verdict.ok) throw new Error(verdict.message);
  return compileQuery(verdict.query);
}

/** The data of packets as texts: what cases compare. */
export function texts(packets: readonly StoredPacket[]): readonly string[] {
  return packets.map(({ packet }) => fromUtf8(packet.data) ?? "no text");
}

/** A clock that gains `step` µs at each look. */
export function testClock(start: number = testStart, step = 1_000): Clock {
  let now = start - step;
  return { nowMicros: () => (now += step) };
}

/** Time that passes when told to. */
export interface TestTime {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Lets time pass and calls what is due, in order. */
  advance(ms: number): void;
  /** Timers that wait. */
  pendingCount(): number;
}

/** Time that stands still at `testStart`. */
export function createTestTime(): TestTime {
  let nowMs = testStart / 1_000;
  const pending = new Set<{ readonly dueMs: number; readonly callback: () => void }>();
  return {
    clock: { nowMicros: () => nowMs * 1_000 },
    timers: {
      after(delayMs, callback) {
        const timer = { dueMs: nowMs + delayMs, callback };
        pending.add(timer);
        return () => void pending.delete(timer);
      },
    },
    advance(ms) {
      const end = nowMs + ms;
      for (;;) {
        const due = [...pending].filter(({ dueMs }) => dueMs <= end);
        const [next] = due.sort((a, b) => a.dueMs - b.dueMs);
        if (next === undefined) break;
        pending.delete(next);
        nowMs = Math.max(nowMs, next.dueMs);
        next.callback();
      }
      nowMs = end;
    },
    pendingCount: () => pending.size,
  };
}
