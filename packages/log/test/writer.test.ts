/** docs/spec/2-log.md §2, §11: the writer of a log. */
import { describe, expect, test } from "vitest";
import type { Crypto } from "@hawser/crypto";
import {
  checkpointPath,
  createLogWriter,
  createMemoryStore,
  ingestRange,
  joinRanges,
  verifyRange,
  type Clock,
  type EntryDraft,
  type LogStore,
  type LogWriter,
  type LogWriterOptions,
} from "@hawser/log";
import {
  extendLog,
  testClock,
  testDrafts,
  testFork,
  testLog,
  withFaults,
  type CommitFaults,
} from "@hawser/log/testing";
import { announced, collect, exampleLog as log, fastCrypto as crypto } from "./support/logs.ts";

const { context, secret, start } = log;

interface Setup {
  readonly store?: LogStore;
  readonly clock?: Clock;
  readonly options?: Partial<LogWriterOptions>;
  readonly crypto?: Crypto;
}

function open(setup: Setup = {}): Promise<LogWriter> {
  const { store = createMemoryStore({ crypto }), clock = testClock(), options = {} } = setup;
  const deps = { store, crypto: setup.crypto ?? crypto, clock };
  return createLogWriter(deps, { context, secret, ...options });
}

const one = (value = 1): EntryDraft[] => [{ data: new Uint8Array([value]) }];
const code = (name: string): unknown => expect.objectContaining({ code: name });

/** Counts signatures made. */
function countingSignatures(): { readonly crypto: Crypto; readonly made: { count: number } } {
  const made = { count: 0 };
  return {
    made,
    crypto: {
      ...crypto,
      signPoint: (...args) => {
        made.count++;
        return crypto.signPoint(...args);
      },
    },
  };
}

/** A promise and its resolver. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let resolve = (): void => undefined;
  const opened = new Promise<void>((settle) => (resolve = settle));
  return { opened, open: () => resolve() };
}

describe("appending", () => {
  test("[TH-001] a log is appended to and read from its beginning, and nothing else", async () => {
    const store = createMemoryStore({ crypto });
    await using writer = await open({ store });
    const written = [
      ...(await writer.append(one(1))),
      ...(await writer.append(testDrafts(3))),
      ...(await writer.append(one(2))),
    ];
    expect(written.map((entry) => entry.seq)).toEqual([0, 1, 2, 3, 4]);
    expect(await collect(store.entries(writer.logId))).toEqual(written);
    const overwrite = extendLog(log, start, one(9), { crypto });
    expect((await store.commit({ ranges: [overwrite] })).ok).toBe(false);
    expect(await collect(store.entries(writer.logId))).toEqual(written);
  });

  test("the genesis and the last of a batch are signed, the others are not", async () => {
    await using writer = await open();
    const signed = async (drafts: readonly EntryDraft[]): Promise<string> =>
      (await writer.append(drafts)).map((entry) => (entry.signature ? "s" : "u")).join("");
    expect(await signed(testDrafts(4))).toBe("suus");
    expect(await signed(testDrafts(4))).toBe("uuus");
    expect(await signed(testDrafts(1))).toBe("s");
    expect(writer.head?.signedHeight).toBe(9);
  });

  test("appends made together share a commit and a signature, each gets its own entries", async () => {
    const { crypto: counted, made } = countingSignatures();
    const store = createMemoryStore({ crypto });
    await using writer = await open({ store, crypto: counted });
    const appends = Array.from({ length: 50 }, (_, index) => writer.append(testDrafts(2, index)));
    const results = await Promise.all(appends);
    for (const [index, entries] of results.entries()) {
      expect(entries.map((entry) => [entry.seq, entry.data[0]])).toEqual([
        [2 * index, index],
        [2 * index + 1, index],
      ]);
    }
    expect(made.count).toBe(2);
    expect((await store.stats()).ranges).toBe(1);
  });

  test("a builder is told the seq of its first entry, once", async () => {
    await using writer = await open();
    const seqs: number[] = [];
    const build = (count: number) => (seq: number) => {
      seqs.push(seq);
      return testDrafts(count, seq);
    };
    const results = await Promise.all([
      writer.append(build(2)),
      writer.append(one()),
      writer.append(build(3)),
    ]);
    expect(seqs).toEqual([0, 3]);
    expect(results[2]?.map((entry) => [entry.seq, entry.data[0]])).toEqual([
      [3, 3],
      [4, 3],
      [5, 3],
    ]);
  });

  test("values are written with the entries, or alone", async () => {
    const store = createMemoryStore({ crypto });
    await using writer = await open({ store });
    await writer.append(one(), { writes: [{ key: "a", value: new Uint8Array([1]) }] });
    expect(await writer.append([], { writes: [{ key: "b", value: new Uint8Array([2]) }] })).toEqual(
      [],
    );
    expect([await store.get("a"), await store.get("b")]).toEqual([
      new Uint8Array([1]),
      new Uint8Array([2]),
    ]);
    expect(writer.head?.height).toBe(1);
    expect(await writer.append([])).toEqual([]);
  });

  test("a bad draft fails alone, its neighbours are appended", async () => {
    await using writer = await open();
    const results = await Promise.allSettled([
      writer.append(one(1)),
      writer.append([{ data: new Uint8Array(65_000) }]),
      writer.append(() => {
        throw new RangeError("no draft today");
      }),
      writer.append(one(2)),
    ]);
    expect(results).toMatchObject([
      { status: "fulfilled", value: [{ seq: 0 }] },
      { status: "rejected", reason: { code: "LOG_DATA_TOO_LARGE" } },
      { status: "rejected", reason: { message: "no draft today" } },
      { status: "fulfilled", value: [{ seq: 1 }] },
    ]);
  });

  const hash = new Uint8Array(32);
  const deps = (count: number): { seq: number; hash: Uint8Array }[] =>
    Array.from({ length: count }, (_, index) => ({
      seq: 0,
      hash: hash.map((_, at) => (at === 0 ? index : 0)),
    }));
  test.each([
    ["65 deps", { deps: deps(65) }, "LOG_DEPS_INVALID"],
    ["deps out of order", { deps: deps(2).reverse() }, "LOG_DEPS_INVALID"],
    ["a dep twice", { deps: [...deps(1), ...deps(1)] }, "LOG_DEPS_INVALID"],
    [
      "a dep with a short hash",
      { deps: [{ seq: 0, hash: new Uint8Array(31) }] },
      "LOG_DEPS_INVALID",
    ],
    ["a dep at −1", { deps: [{ seq: -1, hash }] }, "LOG_DEPS_INVALID"],
    ["an empty path component", { path: [new Uint8Array(0)] }, "LOG_PATH_INVALID"],
    ["a component of 201 bytes", { path: [new Uint8Array(201)] }, "LOG_PATH_INVALID"],
    [
      "nine components",
      { path: Array(9).fill(new Uint8Array(1)) as Uint8Array[] },
      "LOG_PATH_INVALID",
    ],
    [
      "a path of 243 bytes",
      { path: [new Uint8Array(200), new Uint8Array(41)] },
      "LOG_PATH_INVALID",
    ],
    ["a body of 1.5 bytes", { body: { byteCount: 1.5, hash } }, "LOG_BODY_INVALID"],
    [
      "a body with a short hash",
      { body: { byteCount: 1, hash: hash.subarray(1) } },
      "LOG_BODY_INVALID",
    ],
    ["65,025 bytes", { data: new Uint8Array(65_025) }, "LOG_DATA_TOO_LARGE"],
  ] as const)("%s are refused", async (_, change, expected) => {
    await using writer = await open();
    const draft: EntryDraft = { data: new Uint8Array(0), ...change };
    await expect(writer.append([draft])).rejects.toThrow(code(expected));
    expect(writer.head).toBeUndefined();
  });

  test("[P2-M17] the queue is bounded", async () => {
    const store = createMemoryStore({ crypto });
    const hold = gate();
    const slow = withFaults(store, { before: () => hold.opened });
    await using writer = await open({ store: slow, options: { queueMax: 3 } });
    const first = writer.append(one());
    // The first is taken from the queue as soon as its commit starts.
    await Promise.resolve()
      .then(() => Promise.resolve())
      .then(() => Promise.resolve());
    const waiting = [writer.append(one()), writer.append(one()), writer.append(one())];
    const refused = writer.append(one());
    await expect(refused).rejects.toThrow(code("LOG_QUEUE_FULL"));
    hold.open();
    await Promise.all([first, ...waiting]);
    expect(writer.head?.height).toBe(4);
  });

  test("one append holds at most 4 MiB and 65,536 entries", async () => {
    await using writer = await open();
    const data = new Uint8Array(64_000);
    const large = Array.from({ length: 66 }, () => ({ data }));
    await expect(writer.append(large)).rejects.toThrow(code("LOG_DATA_TOO_LARGE"));
    const many = Array.from({ length: 65_537 }, () => ({ data: data.subarray(0, 0) }));
    await expect(writer.append(many)).rejects.toThrow(code("LOG_DATA_TOO_LARGE"));
  });
});

describe("stamps", () => {
  test("[TH-010] stamps rise whatever the clock does, and follow what was observed", async () => {
    const times = [1_000, 1_000, 5, 7_000.9, 2_000];
    const clock: Clock = { nowMicros: () => times.shift() ?? 0 };
    await using writer = await open({ clock });
    const stamps: number[] = [];
    const append = async (drafts: EntryDraft[]): Promise<void> => {
      for (const entry of await writer.append(drafts)) stamps.push(entry.stamp);
    };
    await append(testDrafts(2));
    await append(one());
    await append(one());
    await append(one());
    writer.observe(9_000);
    writer.observe(8_000);
    writer.observe(Number.NaN);
    await append(testDrafts(2));
    expect(stamps).toEqual([1_000, 1_001, 1_002, 1_003, 7_000, 9_001, 9_002]);
  });

  test.each([
    ["an observed stamp at the end of time", 5, Number.MAX_SAFE_INTEGER],
    ["a clock at the end of time", Number.MAX_SAFE_INTEGER + 1, 0],
    ["a clock before 1970", -1, 0],
    ["a clock that is none", Number.NaN, 0],
  ])("%s gives LOG_STAMP", async (_, now, observed) => {
    await using writer = await open({ clock: { nowMicros: () => now } });
    writer.observe(observed);
    await expect(writer.append(one())).rejects.toThrow(code("LOG_STAMP"));
  });
});

describe("deferred signing", () => {
  test("a stream of appends costs two signatures, and a peer takes it after the checkpoint", async () => {
    const { crypto: counted, made } = countingSignatures();
    const store = createMemoryStore({ crypto });
    await using writer = await open({ store, crypto: counted, options: { sign: "deferred" } });
    for (let index = 0; index < 100; index++) await writer.append(one(index));
    expect(made.count).toBe(1);
    expect([writer.head?.height, writer.head?.signedHeight]).toEqual([100, 1]);
    expect((await announced(store, writer.logId)).map((range) => range.count)).toEqual([1]);
    const head = await writer.checkpoint();
    expect([head?.height, head?.signedHeight, made.count]).toEqual([101, 101, 2]);
    const [last] = await collect(store.entries(writer.logId, { from: 100 }));
    expect([last?.data.length, last?.path]).toEqual([0, checkpointPath]);
    const verdict = verifyRange(
      { crypto },
      start,
      joinRanges(await announced(store, writer.logId)),
    );
    expect(verdict.ok && verdict.range.count).toBe(101);
  });

  test("a checkpoint without a tail writes nothing", async () => {
    await using writer = await open({ options: { sign: "deferred" } });
    expect(await writer.checkpoint()).toBeUndefined();
    await writer.append(one());
    expect((await writer.checkpoint())?.height).toBe(1);
    await writer.append(one());
    expect((await writer.checkpoint())?.height).toBe(3);
    expect((await writer.checkpoint())?.height).toBe(3);
  });

  test("a signed append vouches for the tail before it, without a checkpoint entry", async () => {
    await using writer = await open({ options: { sign: "deferred" } });
    await writer.append(testDrafts(3));
    await writer.append(one(), { sign: "now" });
    expect([writer.head?.height, writer.head?.signedHeight]).toEqual([4, 4]);
    const [, head] = await Promise.all([writer.append(one()), writer.checkpoint()]);
    expect([head?.height, head?.signedHeight]).toEqual([5, 5]);
  });

  test("no unsigned stretch outgrows what a peer can take at once", async () => {
    await using writer = await open({ options: { sign: "deferred" } });
    const data = new Uint8Array(60_000);
    for (let index = 0; index < 100; index++) await writer.append([{ data }]);
    const { height = 0, signedHeight = 0 } = writer.head ?? {};
    expect((height - signedHeight) * data.length).toBeLessThanOrEqual(4 * 1024 * 1024);
    expect(signedHeight).toBeGreaterThan(1);
  });

  test("no unsigned stretch holds more entries than a peer takes at once", async () => {
    await using writer = await open({ options: { sign: "deferred" } });
    const drafts = testDrafts(33_000);
    const tails: boolean[] = [];
    for (let index = 0; index < 3; index++) {
      await writer.append(drafts);
      tails.push((writer.head?.signedHeight ?? 0) < (writer.head?.height ?? 0));
    }
    expect(tails).toEqual([true, false, true]);
  });

  test("opening signs a tail that a crash left", async () => {
    const store = createMemoryStore({ crypto });
    const writer = await open({ store, options: { sign: "deferred" } });
    await writer.append(testDrafts(3));
    await using next = await open({ store, options: { sign: "deferred" } });
    expect([next.head?.height, next.head?.signedHeight]).toEqual([4, 4]);
  });
});

describe("when something goes wrong", () => {
  test("a wrong secret opens no writer, and no message shows it", async () => {
    const wrong = testLog(2).secret;
    const opened = open({ options: { secret: wrong } });
    await expect(opened).rejects.toThrow(code("LOG_WRONG_KEY"));
  });

  test("a context that is none opens no writer", async () => {
    const opened = open({ options: { context: { ...context, domain: "" } } });
    await expect(opened).rejects.toThrow(code("LOG_CONTEXT_INVALID"));
  });

  test("another writer on the same store is noticed, and nothing is forked", async () => {
    const store = createMemoryStore({ crypto });
    await using first = await open({ store });
    await using second = await open({ store });
    await first.append(one(1));
    const [one_, two] = await Promise.allSettled([second.append(one(2)), second.append(one(3))]);
    expect([one_, two]).toMatchObject([
      { status: "rejected", reason: { code: "LOG_HEAD_MOVED" } },
      { status: "rejected", reason: { code: "LOG_HEAD_MOVED" } },
    ]);
    expect((await second.append(one(4)))[0]?.seq).toBe(1);
    await expect(first.append(one(5))).rejects.toThrow(code("LOG_HEAD_MOVED"));
    const all = joinRanges(await announced(store, first.logId));
    expect(verifyRange({ crypto }, start, all).ok).toBe(true);
  });

  test("a head that moves between reading and committing is noticed too", async () => {
    const store = createMemoryStore({ crypto });
    const rival = extendLog(log, start, one(7), { crypto });
    const faults: CommitFaults = {
      before: async () => void (await store.commit({ ranges: [rival] })),
    };
    await using writer = await open({ store: withFaults(store, faults) });
    await expect(writer.append(one(1))).rejects.toThrow(code("LOG_HEAD_MOVED"));
    expect(writer.head?.height).toBe(1);
    delete faults.before;
    expect((await writer.append(one(2)))[0]?.seq).toBe(1);
  });

  test("a commit that fails before it is stored leaves the log as it was", async () => {
    const store = createMemoryStore({ crypto });
    const disk = new Error("the disk is full");
    const faults: CommitFaults = { before: () => Promise.reject(disk) };
    await using writer = await open({ store: withFaults(store, faults) });
    const failed = writer.append(one(1));
    await expect(failed).rejects.toMatchObject({ code: "LOG_STORE_FAILED", cause: disk });
    delete faults.before;
    expect((await writer.append(one(2)))[0]?.seq).toBe(0);
  });

  test("a commit whose answer is lost is not written over: the log goes on after it", async () => {
    const store = createMemoryStore({ crypto });
    const faults: CommitFaults = { after: () => Promise.reject(new Error("no answer")) };
    await using writer = await open({ store: withFaults(store, faults) });
    await expect(writer.append(one(1))).rejects.toThrow(code("LOG_STORE_FAILED"));
    delete faults.after;
    expect((await writer.append(one(2)))[0]?.seq).toBe(1);
    const all = joinRanges(await announced(store, writer.logId));
    expect(verifyRange({ crypto }, start, all).ok).toBe(true);
  });

  test("a forked log is not extended", async () => {
    const store = createMemoryStore({ crypto });
    await using writer = await open({ store });
    await writer.append(testDrafts(2));
    const { proof } = await testFork(log, 1);
    await store.commit({ forks: [proof] });
    await expect(writer.append(one())).rejects.toThrow(code("LOG_FORKED"));
    await expect(writer.checkpoint()).rejects.toThrow(code("LOG_FORKED"));
  });

  test("[TH-131] a writer whose disk is gone gets its log from a follower and goes on unforked", async () => {
    const follower = createMemoryStore({ crypto });
    {
      const lost = createMemoryStore({ crypto });
      await using writer = await open({ store: lost });
      await writer.append(testDrafts(5));
      for (const range of await announced(lost, writer.logId)) {
        await ingestRange({ store: follower, crypto }, range);
      }
    }
    const store = createMemoryStore({ crypto });
    for (const range of await announced(follower, start.logId)) {
      await ingestRange({ store, crypto }, range);
    }
    await using writer = await open({ store, clock: testClock(1_000) });
    await writer.append(one(9));
    const outcomes: string[] = [];
    for (const range of await announced(store, start.logId)) {
      outcomes.push((await ingestRange({ store: follower, crypto }, range)).status);
    }
    expect(outcomes).toEqual(["known", "stored"]);
    expect((await follower.head(start.logId))?.height).toBe(6);
  });

  test("a restored backup that meets its own later entries goes on after them", async () => {
    const store = createMemoryStore({ crypto });
    const first = extendLog(log, start, testDrafts(2), { crypto });
    const later = extendLog(log, first.after, testDrafts(2, 1), { crypto });
    await store.commit({ ranges: [first] });
    await using writer = await open({ store });
    expect((await ingestRange({ store, crypto }, later)).status).toBe("stored");
    await expect(writer.append(one())).rejects.toThrow(code("LOG_HEAD_MOVED"));
    expect((await writer.append(one()))[0]?.seq).toBe(4);
  });

  test("a restored backup whose unsigned tail was continued elsewhere cannot fork its log", async () => {
    const store = createMemoryStore({ crypto });
    const first = extendLog(log, start, testDrafts(2), { crypto });
    await store.commit({ ranges: [first] });
    await using writer = await open({ store, options: { sign: "deferred" } });
    await writer.append(one(1));
    const elsewhere = extendLog(log, first.after, testDrafts(2, 5), { crypto });
    const outcome = await ingestRange({ store, crypto }, elsewhere);
    expect(outcome).toEqual({ status: "conflict", seq: 2 });
    await expect(writer.checkpoint()).rejects.toThrow(code("LOG_FORKED"));
    await expect(writer.append(one(2))).rejects.toThrow(code("LOG_FORKED"));
    await expect(open({ store })).rejects.toThrow(code("LOG_FORKED"));
    expect((await store.head(start.logId))?.signedHeight).toBe(2);
  });

  test("closing finishes what waits; afterwards the writer refuses", async () => {
    const store = createMemoryStore({ crypto });
    const writer = await open({ store });
    const appends = Array.from({ length: 5 }, () => writer.append(one()));
    const closing = writer.close();
    await expect(writer.append(one())).rejects.toThrow(code("LOG_CLOSED"));
    await closing;
    await writer.close();
    expect((await Promise.all(appends)).flat().map((entry) => entry.seq)).toEqual([0, 1, 2, 3, 4]);
    await expect(writer.checkpoint()).rejects.toThrow(code("LOG_CLOSED"));
  });
});
