/** What a relay drops when it is old, what stays, and what a wrong clock does not do. */
import { join } from "node:path";
import { toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import {
  createLogWriter,
  createMemoryStore,
  logIdOf,
  type LogContext,
  type LogStore,
  type Topic,
} from "@hawser/log";
import { controlDomain, dataDomain } from "@hawser/space";
import { createSqliteStore } from "@hawser/store-sqlite";
import { createVirtualTimers } from "@hawser/sync/testing";
import type { SyncClosed } from "@hawser/sync";
import { describe, expect, test } from "vitest";
import { defaultRelayLimits } from "../src/limits.ts";
import { createRetention, type RetentionOptions } from "../src/retention.ts";
import { openUsageBook, type UsageBook } from "../src/usage.ts";
import {
  crypto,
  createDevice,
  hostAt,
  readTexts,
  startRelay,
  temporaryFolder,
  write,
} from "./help.ts";

const secret = new Uint8Array(32).fill(9);
// Safe: a public key in hex is what the brand stands for.
const author = toHex(crypto.publicKey(secret)) as AuthorId;
const hourSeconds = 3_600;
const daySeconds = 24 * hourSeconds;

function contextOf(letter: string, domain = dataDomain): LogContext {
  // Safe: 32 bytes in hex are what the brand stands for.
  return { topic: letter.repeat(64) as Topic, author, domain };
}

function openUsage(store: LogStore): Promise<UsageBook> {
  const onFailure = (cause: unknown): void => {
    throw cause;
  };
  const timers = createVirtualTimers();
  return openUsageBook({ store, timers, limits: defaultRelayLimits, onFailure });
}

async function setUp(options: RetentionOptions, given: { readonly isWriter?: boolean } = {}) {
  const store = createMemoryStore({ crypto });
  const usage = await openUsage(store);
  let seconds = 1_794_000_000;
  const clock = { nowMicros: () => seconds * 1_000_000 };
  // What pauses between two steps goes on at once; the hourly sweep is called by hand.
  const timers = {
    after: (ms: number, callback: () => void) => {
      if (ms === 0) queueMicrotask(callback);
      return () => {};
    },
  };
  const [a, b] = [contextOf("a"), contextOf("b")];
  const retention = createRetention(
    {
      store,
      clock,
      timers,
      usage,
      dropBodies: () => Promise.resolve(),
      topics: () => [a, b],
      isWriter: () => given.isWriter ?? true,
      onDropped: () => {},
      onFailure: (cause) => {
        throw cause;
      },
    },
    options,
  );
  const append = async (context: LogContext, count: number): Promise<void> => {
    await using log = await createLogWriter({ store, crypto, clock }, { context, secret });
    for (let index = 0; index < count; index++) {
      await log.append([{ data: new Uint8Array(50) }], { sign: "now" });
    }
  };
  const prunedTo = async (context: LogContext): Promise<number | undefined> =>
    (await store.head(logIdOf(crypto, context)))?.prunedTo;
  /** A day of sweeps, one an hour; returns the entries dropped. */
  const sweepFor = async (total: number): Promise<number> => {
    let entries = 0;
    for (const end = seconds + total; seconds < end;) {
      seconds += hourSeconds;
      entries += (await retention.sweep()).entries;
    }
    return entries;
  };
  const jump = (by: number): void => {
    seconds += by;
  };
  return { store, usage, retention, append, prunedTo, sweepFor, jump, a, b };
}

describe("content", () => {
  test("that is older than the days given goes; younger content and membership stay", async () => {
    const { usage, append, prunedTo, sweepFor, a, b } = await setUp({ days: 3 });
    const control = contextOf("a", controlDomain);
    await append(control, 2);
    await append(a, 70);
    await append(b, 1);
    expect(await sweepFor(2 * daySeconds)).toBe(0);
    await append(a, 2);
    expect(await sweepFor(1.5 * daySeconds)).toBe(71);
    expect(await prunedTo(a)).toBe(70);
    expect(await prunedTo(b)).toBe(1);
    expect(await prunedTo(control)).toBe(0);
    expect(usage.of(a.topic).entries).toBe(4);
    expect(usage.total().entries).toBe(4);
    // What comes later goes on behind it.
    await append(b, 1);
    expect(usage.of(b.topic).entries).toBe(1);
    expect(await sweepFor(6 * hourSeconds)).toBe(0);
  });

  test("of a space that nobody comes for goes, that of another one stays", async () => {
    const { retention, append, prunedTo, sweepFor, a, b } = await setUp({ idleDays: 2 });
    await append(a, 3);
    await append(b, 3);
    for (let day = 0; day < 4; day++) {
      retention.seen(b.topic);
      await sweepFor(daySeconds);
    }
    expect(await prunedTo(a)).toBe(3);
    expect(await prunedTo(b)).toBe(0);
  });

  test("of a space stays as long as a session for it lasts", async () => {
    const { retention, append, prunedTo, sweepFor, a, b } = await setUp({ idleDays: 2 });
    await append(a, 1);
    await append(b, 1);
    const closed = Promise.withResolvers<SyncClosed>();
    const report = (topic: Topic, given: "full" | "none") =>
      ({ topic, given, received: "full", skippedHere: 0, leftOut: 0, skippedThere: 0 }) as const;
    retention.attached({
      closed: closed.promise,
      synced: async () => ({
        complete: true,
        topics: [report(a.topic, "full"), report(b.topic, "none")],
      }),
    });
    await sweepFor(4 * daySeconds);
    expect([await prunedTo(a), await prunedTo(b)]).toEqual([0, 1]);
    closed.resolve({ code: "SYNC_DONE", by: "remote" });
    await closed.promise;
    await sweepFor(4 * daySeconds);
    expect(await prunedTo(a)).toBe(1);
  });

  test("is not dropped because a clock jumped, or the relay was away for long", async () => {
    const { append, prunedTo, sweepFor, jump, a } = await setUp({ days: 30, idleDays: 30 });
    await append(a, 3);
    await sweepFor(2 * daySeconds);
    jump(365 * daySeconds);
    expect(await sweepFor(0.5 * daySeconds)).toBe(0);
    jump(-365 * daySeconds);
    expect(await sweepFor(3 * daySeconds)).toBe(0);
    expect(await prunedTo(a)).toBe(0);
  });

  test("is dropped by the node that leads; the others take it off their counts", async () => {
    const { store, usage, append, prunedTo, sweepFor, a } = await setUp(
      { days: 1 },
      { isWriter: false },
    );
    const leading = await openUsage(store);
    await append(a, 2);
    expect(await sweepFor(4 * daySeconds)).toBe(0);
    expect(await prunedTo(a)).toBe(0);
    await leading.dropped(a, { entries: 2, bytes: usage.of(a.topic).bytes });
    await sweepFor(hourSeconds);
    expect(usage.total()).toEqual({ bytes: 0, entries: 0 });
    expect(usage.bytesOf(author)).toBe(0);
    await usage.save();
    expect((await openUsage(store)).total()).toEqual({ bytes: 0, entries: 0 });
  });

  test("is counted anew without what was dropped where the counts are lost", async () => {
    const { store, usage, append, sweepFor, a } = await setUp({ days: 1 });
    await append(a, 2);
    await sweepFor(3 * daySeconds);
    await append(a, 1);
    await usage.save();
    await store.commit({ writes: [{ key: `relay/usage/${a.topic}`, value: undefined }] });
    expect((await openUsage(store)).of(a.topic).entries).toBe(1);
  });
});

test("members go on with each other over a relay that dropped what they have", async () => {
  const data = await temporaryFolder();
  const relay = await startRelay({ data, retention: { days: 1 } });
  const [ada, bob] = [await createDevice("ada"), await createDevice("bob")];
  const adas = await ada.spaces.create();
  await hostAt(relay, adas);
  const session = await ada.connect(relay);
  const bobs = await bob.spaces.join(await adas.invite({ level: "write", addresses: [relay.url] }));
  const bobsSession = await bob.connect(relay);
  await bobs.ready();
  await write(adas, "before");
  expect(await readTexts(bobs, 1)).toEqual(["before"]);
  await bobsSession.synced();
  await session.synced();
  await relay.close();
  const store = createSqliteStore({ crypto }, { path: join(data, "relay.sqlite") });
  for (const { logId, context, height } of await store.heads(adas.topic)) {
    if (context.domain === dataDomain) expect(await store.prune(logId, height)).toBe(height);
  }
  await store.close();
  const again = await startRelay({ data, retention: { days: 1 } });
  await ada.connect(again);
  await bob.connect(again);
  await write(adas, "now");
  expect(await readTexts(bobs, 2)).toEqual(["before", "now"]);
});
