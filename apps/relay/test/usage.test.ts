/** What each space takes up, counted while ranges are stored, and over restarts. */
import { encodeCbor, toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import {
  createLogWriter,
  createMemoryStore,
  logIdOf,
  type LogContext,
  type LogStore,
  type Topic,
} from "@hawser/log";
import type { AdmissionRequest } from "@hawser/space";
import { createVirtualTimers } from "@hawser/sync/testing";
import { describe, expect, test } from "vitest";
import { defaultRelayLimits, type RelayLimits } from "../src/limits.ts";
import { openUsageBook, withQuota, type UsageBook } from "../src/usage.ts";
import { clock, crypto } from "./help.ts";

const secret = new Uint8Array(32).fill(9);
// Safe: a public key in hex is what the brand stands for.
const author = toHex(crypto.publicKey(secret)) as AuthorId;

function contextOf(letter: string, domain = "hawser.data"): LogContext {
  // Safe: 32 bytes in hex are what the brand stands for.
  return { topic: letter.repeat(64) as Topic, author, domain };
}

const [a, b] = [contextOf("a"), contextOf("b")];

async function append(store: LogStore, context: LogContext, count: number): Promise<void> {
  await using log = await createLogWriter({ store, crypto, clock }, { context, secret });
  const draft = { data: new Uint8Array(100) };
  await log.append(Array.from({ length: count }, () => draft));
}

function open(store: LogStore, limits: Partial<RelayLimits> = {}): Promise<UsageBook> {
  const onFailure = (cause: unknown): void => {
    throw cause;
  };
  const timers = createVirtualTimers();
  return openUsageBook({ store, timers, limits: { ...defaultRelayLimits, ...limits }, onFailure });
}

function requestOf(context: LogContext, count: number, byteCount: number): AdmissionRequest {
  return { ...context, logId: logIdOf(crypto, context), count, byteCount, role: "follower" };
}

/** The oracle: everything in the store, added up. */
async function countAll(
  store: LogStore,
  topic: Topic,
): Promise<{ bytes: number; entries: number }> {
  let [bytes, entries] = [0, 0];
  for await (const range of store.received(topic, 0)) {
    bytes += range.bytes.length;
    entries += range.count;
  }
  return { bytes, entries };
}

describe("counts", () => {
  test("follow commits, per topic and in all", async () => {
    const store = createMemoryStore({ crypto });
    await append(store, a, 3);
    const usage = await open(store);
    await append(store, b, 2);
    await append(store, a, 4);
    expect(usage.of(a.topic)).toEqual(await countAll(store, a.topic));
    expect(usage.of(b.topic)).toEqual(await countAll(store, b.topic));
    expect(usage.of(a.topic).entries).toBe(7);
    expect(usage.total().entries).toBe(9);
    expect(usage.of(contextOf("c").topic)).toEqual({ bytes: 0, entries: 0 });
  });

  test("are written down, and only what came later is read again", async () => {
    const store = createMemoryStore({ crypto });
    const first = await open(store);
    await append(store, a, 3);
    await append(store, b, 1);
    await first.save();
    first.stop();
    await append(store, a, 4);
    const cursors: number[] = [];
    const watched: LogStore = {
      ...store,
      received: (topic, cursor) => {
        cursors.push(cursor);
        return store.received(topic, cursor);
      },
    };
    const second = await open(watched);
    expect(cursors.toSorted((one, two) => one - two)).toEqual([1, 2]);
    expect(second.of(a.topic)).toEqual(await countAll(store, a.topic));
    expect(second.of(b.topic)).toEqual(await countAll(store, b.topic));
  });

  test.each([
    ["record", `relay/usage/${a.topic}`, new Uint8Array([0xff])],
    ["count", `relay/usage/${a.topic}`, encodeCbor(["many"])],
    ["count without its cursor", `relay/usage/${a.topic}`, encodeCbor([1, 1])],
    ["list of authors", `relay/usage/${a.topic}`, encodeCbor([1, 1, 1, ["x"], []])],
  ])("are made anew from the logs when a %s is damaged", async (_name, key, value) => {
    const store = createMemoryStore({ crypto });
    const first = await open(store);
    await append(store, a, 3);
    await append(store, b, 3);
    await first.save();
    first.stop();
    await store.commit({ writes: [{ key, value }] });
    const second = await open(store);
    expect(second.of(a.topic)).toEqual(await countAll(store, a.topic));
    expect(second.total().entries).toBe(6);
  });
});

describe("admission", () => {
  test("lets in up to the limit, and not one byte or entry more", async () => {
    const usage = await open(createMemoryStore({ crypto }), {
      topicBytesMax: 1_000,
      topicEntriesMax: 10,
    });
    expect(usage.admit(requestOf(a, 10, 1_001))).toBe("OVER_BUDGET");
    expect(usage.admit(requestOf(a, 11, 1_000))).toBe("OVER_BUDGET");
    expect(usage.admit(requestOf(a, 10, 1_000))).toBeUndefined();
  });

  test("holds the share of ranges under way, also of other logs, until they are settled", async () => {
    const usage = await open(createMemoryStore({ crypto }), { topicBytesMax: 1_000 });
    const control = contextOf("a", "hawser.control");
    expect(usage.admit(requestOf(a, 1, 600))).toBeUndefined();
    expect(usage.admit(requestOf(control, 1, 600))).toBe("OVER_BUDGET");
    expect(usage.admit(requestOf(b, 1, 600))).toBeUndefined();
    usage.settled(a);
    usage.settled(a);
    expect(usage.admit(requestOf(control, 1, 600))).toBeUndefined();
  });

  test("bounds all topics together", async () => {
    const usage = await open(createMemoryStore({ crypto }), { storeBytesMax: 1_000 });
    expect(usage.admit(requestOf(a, 1, 600))).toBeUndefined();
    expect(usage.admit(requestOf(b, 1, 401))).toBe("OVER_BUDGET");
    expect(usage.admit(requestOf(b, 1, 400))).toBeUndefined();
  });

  test("bounds what one author key stores in all topics together, over restarts too", async () => {
    const store = createMemoryStore({ crypto });
    const first = await open(store);
    await append(store, a, 3);
    await append(store, b, 4);
    const bytes = (await countAll(store, a.topic)).bytes + (await countAll(store, b.topic)).bytes;
    expect(first.bytesOf(author)).toBe(bytes);
    await first.save();
    first.stop();
    const second = await open(store, { authorBytesMax: bytes + 1_000 });
    expect(second.bytesOf(author)).toBe(bytes);
    const fresh = contextOf("c");
    expect(second.admit(requestOf(fresh, 1, 1_001))).toBe("OVER_BUDGET");
    expect(second.admit(requestOf(fresh, 1, 600))).toBeUndefined();
    expect(second.admit(requestOf(a, 1, 401))).toBe("OVER_BUDGET");
    // Safe: 64 hex characters are what the brand stands for.
    const other = { ...requestOf(a, 1, 401), author: "ab".repeat(32) as AuthorId };
    expect(second.admit(other)).toBeUndefined();
    second.settled(fresh);
    expect(second.admit(requestOf(a, 1, 1_000))).toBeUndefined();
  });

  test.each([
    ["refused", async () => ({ status: "refused", reason: "CONFLICT" }) as const],
    ["bad", async () => ({ status: "bad", reason: "BAD_SIGNATURE", seq: 0 }) as const],
    ["known", async () => ({ status: "known" }) as const],
    ["not stored, for the store failed", () => Promise.reject(new Error("disk"))],
  ])("gives the share of a range back that is %s", async (_name, store) => {
    const usage = await open(createMemoryStore({ crypto }), { topicBytesMax: 1_000 });
    const { ingest, idle } = withQuota((range) => {
      const byteCount = range.bytes.length;
      expect(usage.admit(requestOf(range.context, 1, byteCount))).toBeUndefined();
      return store();
    }, usage);
    const range = { context: a, from: 0, count: 1, bytes: new Uint8Array(900) };
    const outcomes = [ingest(range), idle()];
    await Promise.allSettled(outcomes);
    expect(usage.admit(requestOf(contextOf("a", "hawser.snap"), 1, 1_000))).toBeUndefined();
  });

  test("idle waits for the ranges under way", async () => {
    const usage = await open(createMemoryStore({ crypto }));
    const stored = Promise.withResolvers<{ status: "known" }>();
    const { ingest, idle } = withQuota(() => stored.promise, usage);
    const events: string[] = [];
    const range = { context: a, from: 0, count: 1, bytes: new Uint8Array(1) };
    const ingested = ingest(range);
    const idled = idle().then(() => events.push("idle"));
    await Promise.resolve();
    events.push("stored");
    stored.resolve({ status: "known" });
    await Promise.all([ingested, idled]);
    expect(events).toEqual(["stored", "idle"]);
  });

  test("counts a stored range once", async () => {
    const store = createMemoryStore({ crypto });
    const usage = await open(store, { topicEntriesMax: 6 });
    expect(usage.admit(requestOf(a, 3, 300))).toBeUndefined();
    await append(store, a, 3);
    expect(usage.admit(requestOf(contextOf("a", "hawser.snap"), 3, 300))).toBeUndefined();
  });
});
