import { describe, expect, test } from "vitest";
import { utf8 } from "@hawser/codec";
import { openS3Bytes, type S3Bytes, type S3Deps, type S3Location } from "@hawser/stream/s3";
import {
  byteStoreCases,
  createS3Emulation,
  type ByteStoreHarness,
  type S3Emulation,
} from "@hawser/stream/testing";
import {
  cutHead,
  decodeHead,
  encodeHead,
  joinRun,
  segmentsOf,
  withSegment,
  type SegmentHead,
} from "../src/stores/segments.ts";
import { createRandomBytes } from "./stores-helpers.ts";

const account = { bucket: "streams", accessKeyId: "KEY", secretAccessKey: "SECRET" };
const location: S3Location = { ...account, endpoint: "http://bucket.test", prefix: "a/stream b" };

interface Bucket {
  readonly emulation: S3Emulation;
  readonly deps: S3Deps;
}

function createBucket(options: { bareEtags?: boolean } = {}): Bucket {
  const emulation = createS3Emulation({ ...account, ...options });
  const random = createRandomBytes(1);
  const { subtle } = globalThis.crypto;
  const clock = (): number => 1_700_000_000_000_000;
  return { emulation, deps: { fetch: emulation.fetch, clock, random, subtle } };
}

async function createStore(bucket: Bucket, segmentBytes = 1000): Promise<S3Bytes> {
  return openS3Bytes(bucket.deps, location, { mode: "create", segmentBytes });
}

function s3Harness(): ByteStoreHarness {
  const bucket = createBucket();
  const options = { segmentBytes: 100_000 };
  return {
    open: async (bytes) => {
      const store = await createStore(bucket, 100_000);
      await store.append(0, [bytes]);
      return store;
    },
    reopen: async (store) => {
      await store.close();
      return openS3Bytes(bucket.deps, location, options);
    },
    second: () => openS3Bytes(bucket.deps, location, options),
    reader: () => openS3Bytes(bucket.deps, location, { mode: "read" }),
  };
}

/** The objects' bytes in the head's order: what the file would be. */
function concatenated({ emulation }: Bucket): Uint8Array {
  const head = decodeHead(emulation.objects.get("a/stream b/head")?.bytes ?? new Uint8Array(0));
  if (head === undefined) throw new Error("no head");
  const parts = [...segmentsOf(head, 0, head.size)].map(({ start, length, generation }) => {
    const name = `a/stream b/seg/${start.toString(16).padStart(14, "0")}-${generation}`;
    return [...(emulation.objects.get(name)?.bytes.subarray(0, length) ?? [])];
  });
  return Uint8Array.from(parts.flat());
}

describe("the S3 store keeps the contract on the emulation", () => {
  for (const { name, run, needs } of byteStoreCases) {
    const row = needs.includes("second")
      ? "[IW-two-writers] [IW-cloud]"
      : "[IW-bytestore] [IW-cloud]";
    test(`${row} S3: ${name}`, () => run(s3Harness()));
  }
});

describe("segments", () => {
  test("[IW-cloud] the segments in order are the file, whatever the appends were", async () => {
    const bucket = createBucket();
    const store = await createStore(bucket);
    const file = createRandomBytes(2)(7777);
    let size = 0;
    for (const end of [1, 2, 999, 3500, 3501, 7777]) {
      size = await store.append(size, [file.subarray(size, end)]);
    }
    expect(concatenated(bucket)).toEqual(file);
    await store.truncate(3000);
    await store.append(3000, [file.subarray(3000)]);
    expect(concatenated(bucket)).toEqual(file);
    const before = store.segmentCount();
    expect(await store.compact()).toBeGreaterThan(0);
    expect(store.segmentCount()).toBeLessThan(before);
    expect(store.segmentCount()).toBe(bucket.emulation.objects.size - 1);
    expect(concatenated(bucket)).toEqual(file);
    expect(await store.read(0, 9000)).toEqual(file);
    expect(await store.compact()).toBe(0);
  });

  test("[IW-cloud] a reader from before a compaction reads on", async () => {
    const bucket = createBucket();
    const store = await createStore(bucket);
    for (let size = 0; size < 300; size += 30)
      await store.append(size, [new Uint8Array(30).fill(size)]);
    await using reader = await openS3Bytes(bucket.deps, location, { mode: "read" });
    await store.compact();
    expect(await reader.read(270, 30)).toEqual(new Uint8Array(30).fill(270));
    await store.truncate(10);
    await store.compact();
    expect(await reader.read(0, 5)).toEqual(new Uint8Array(5));
  });

  test("[IW-cloud] [IW-range] a range read asks for the range alone", async () => {
    const bucket = createBucket();
    const store = await createStore(bucket);
    await store.append(0, [createRandomBytes(3)(5000)]);
    bucket.emulation.requests.length = 0;
    await store.read(1990, 20);
    expect(bucket.emulation.requests.map((line) => line.split("-")[0])).toEqual([
      "GET a/stream b/seg/000000000003e8",
      "GET a/stream b/seg/000000000007d0",
    ]);
  });

  test("[IW-cloud] a segment left by a crash before the head swap is adopted", async () => {
    const bucket = createBucket();
    const store = await createStore(bucket);
    const file = createRandomBytes(4)(2500);
    await store.append(0, [file.subarray(0, 100)]);
    bucket.emulation.faultOf = (method, key) =>
      method === "PUT" && key.endsWith("/head") ? { kind: "lost" } : undefined;
    const appending = store.append(100, [file.subarray(100)]);
    await expect(appending).rejects.toMatchObject({ code: "BYTES_IO" });
    bucket.emulation.faultOf = () => undefined;
    expect(concatenated(bucket).length).toBe(100);
    await using next = await openS3Bytes(bucket.deps, location, { segmentBytes: 1000 });
    expect(await next.read(0, 9999)).toEqual(file);
    expect(await next.append(2500, [new Uint8Array(1)])).toBe(2501);
    expect(concatenated(bucket).slice(0, 2500)).toEqual(file);
  });

  test("[IW-cloud] an orphan that does not continue is cut away and never comes back", async () => {
    const bucket = createBucket();
    const store = await createStore(bucket);
    await store.append(0, [new Uint8Array(10).fill(1)]);
    bucket.emulation.faultOf = (_, key) => (key.endsWith("/head") ? { kind: "lost" } : undefined);
    const torn = store.append(10, [new Uint8Array(10).fill(2)]);
    await expect(torn).rejects.toMatchObject({ code: "BYTES_IO" });
    bucket.emulation.faultOf = () => undefined;
    const next = await openS3Bytes(bucket.deps, location);
    expect(await next.size()).toBe(20);
    await next.truncate(10);
    await next.append(10, [new Uint8Array(5).fill(3)]);
    await using third = await openS3Bytes(bucket.deps, location);
    expect(await third.read(0, 99)).toEqual(
      Uint8Array.from([...Array(10).fill(1), ...Array(5).fill(3)] as number[]),
    );
    await expect(store.append(20, [new Uint8Array(1)])).rejects.toMatchObject({
      code: "BYTES_MOVED",
    });
  });
});

describe("names and beside", () => {
  for (const prefix of ["", "a", "a/b/c", "a+b (c)'!*#?é%2F&=;,"]) {
    test(`[IW-cloud] the prefix ${JSON.stringify(prefix)} is signed and kept as it is`, async () => {
      const { deps, emulation } = createBucket();
      const place = { ...location, prefix };
      const store = await openS3Bytes(deps, place, { mode: "create" });
      await store.append(0, [new Uint8Array(5).fill(6)]);
      await using again = await openS3Bytes(deps, place);
      expect(await again.read(0, 9)).toEqual(new Uint8Array(5).fill(6));
      const folder = prefix === "" ? "" : `${prefix}/`;
      expect([...emulation.objects.keys()].every((key) => key.startsWith(folder))).toBe(true);
      expect(emulation.objects.has(`${folder}head`)).toBe(true);
    });
  }

  test("[IW-cloud] a read beside a compaction finds its bytes where they are now", async () => {
    const bucket = createBucket();
    const gate = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    let isHeld = false;
    const fetch: S3Deps["fetch"] = async (url, init) => {
      if (isHeld && init.method === "GET" && url.includes("/seg/")) {
        isHeld = false;
        held.resolve();
        await gate.promise;
      }
      return bucket.deps.fetch(url, init);
    };
    const options = { mode: "create", segmentBytes: 1000 } as const;
    const store = await openS3Bytes({ ...bucket.deps, fetch }, location, options);
    await store.append(0, [new Uint8Array(10).fill(1)]);
    await store.append(10, [new Uint8Array(10).fill(2)]);
    isHeld = true;
    const reading = store.read(5, 10);
    // Requests are signed off this thread: without waiting, one of the compaction might come first.
    await held.promise;
    await store.compact();
    gate.resolve();
    const expected = [...Array<number>(5).fill(1), ...Array<number>(5).fill(2)];
    expect(await reading).toEqual(Uint8Array.from(expected));
  });
});

describe("a writer whose requests were not answered", () => {
  const answerLost = { kind: "answerLost" } as const;

  test("[IW-cloud] is not taken for another one: a segment", async () => {
    const bucket = createBucket();
    const store = await createStore(bucket);
    await store.append(0, [new Uint8Array(10).fill(1)]);
    bucket.emulation.faultOf = (method, key) =>
      method === "PUT" && key.includes("/seg/") ? answerLost : undefined;
    const stop = new AbortController();
    const aborting = store.append(10, [new Uint8Array(7).fill(2)], stop.signal);
    await expect(aborting).rejects.toMatchObject({ code: "BYTES_IO" });
    bucket.emulation.faultOf = () => undefined;
    expect(await store.size()).toBe(10);
    expect(await store.append(10, [new Uint8Array(5).fill(3)])).toBe(15);
    const expected = [...Array<number>(10).fill(1), ...Array<number>(5).fill(3)];
    expect(concatenated(bucket)).toEqual(Uint8Array.from(expected));
    const again = await openS3Bytes(bucket.deps, location);
    expect(await again.size()).toBe(15);
  });

  test("[IW-cloud] is not taken for another one: an append that was aborted", async () => {
    const bucket = createBucket();
    const store = await createStore(bucket);
    const stop = new AbortController();
    bucket.emulation.faultOf = (method, key) => {
      if (method !== "PUT" || !key.includes("/seg/")) return undefined;
      stop.abort(new Error("enough"));
      return answerLost;
    };
    const parts = [new Uint8Array(3)];
    await expect(store.append(0, parts, stop.signal)).rejects.toThrow("enough");
    bucket.emulation.faultOf = () => undefined;
    expect(await store.append(0, parts)).toBe(3);
  });

  test.each(["append", "cut"])(
    "[IW-cloud] is not taken for another one: the head of %s",
    async (kind) => {
      const bucket = createBucket();
      const store = await createStore(bucket);
      await store.append(0, [new Uint8Array(10).fill(1)]);
      bucket.emulation.faultOf = (_, key) => (key.endsWith("/head") ? answerLost : undefined);
      const changing = kind === "cut" ? store.truncate(4) : store.append(10, [new Uint8Array(2)]);
      await expect(changing).rejects.toMatchObject({ code: "BYTES_IO" });
      bucket.emulation.faultOf = () => undefined;
      const size = await store.size();
      expect(size).toBe(kind === "cut" ? 4 : 12);
      expect(await store.append(size, [new Uint8Array(3).fill(7)])).toBe(size + 3);
      expect(concatenated(bucket).slice(-3)).toEqual(Uint8Array.of(7, 7, 7));
      const again = await openS3Bytes(bucket.deps, location);
      expect(await again.size()).toBe(size + 3);
    },
  );

  test("[IW-two-writers] [IW-cloud] is refused when somebody else wrote meanwhile", async () => {
    const bucket = createBucket();
    const store = await createStore(bucket);
    bucket.emulation.faultOf = (_, key) => (key.endsWith("/head") ? answerLost : undefined);
    const appending = store.append(0, [new Uint8Array(2)]);
    await expect(appending).rejects.toMatchObject({ code: "BYTES_IO" });
    bucket.emulation.faultOf = () => undefined;
    const rival = await openS3Bytes(bucket.deps, location);
    expect(await rival.append(2, [new Uint8Array(1)])).toBe(3);
    await expect(store.append(2, [new Uint8Array(1)])).rejects.toMatchObject({
      code: "BYTES_MOVED",
    });
    expect(concatenated(bucket).length).toBe(3);
  });
});

describe("two writers in a bucket", () => {
  test("[IW-two-writers] [IW-cloud] the later one is refused and stays refused", async () => {
    const bucket = createBucket();
    const first = await createStore(bucket);
    const second = await openS3Bytes(bucket.deps, location);
    await second.append(0, [new Uint8Array(3)]);
    for (let tries = 0; tries < 2; tries++) {
      const appending = first.append(0, [new Uint8Array(4)]);
      await expect(appending).rejects.toMatchObject({ code: "BYTES_MOVED" });
    }
    expect(await second.append(3, [new Uint8Array(4)])).toBe(7);
  });

  test("[IW-two-writers] [IW-cloud] one who slept through a cut cannot write into what followed", async () => {
    const bucket = createBucket();
    const first = await createStore(bucket);
    await first.append(0, [new Uint8Array(10)]);
    const second = await openS3Bytes(bucket.deps, location);
    await second.truncate(4);
    await second.append(4, [new Uint8Array(6).fill(9)]);
    await expect(first.append(10, [new Uint8Array(1)])).rejects.toMatchObject({
      code: "BYTES_MOVED",
    });
    expect(concatenated(bucket)).toEqual(Uint8Array.from([0, 0, 0, 0, 9, 9, 9, 9, 9, 9]));
  });

  test("[IW-two-writers] [IW-cloud] a server that wants tags without quotes tells rivals apart", async () => {
    const bucket = createBucket({ bareEtags: true });
    const first = await createStore(bucket);
    expect(await first.append(0, [new Uint8Array(3)])).toBe(3);
    const second = await openS3Bytes(bucket.deps, location);
    await second.truncate(2);
    await expect(first.append(3, [new Uint8Array(1)])).rejects.toMatchObject({
      code: "BYTES_MOVED",
    });
    expect(await second.append(2, [new Uint8Array(4)])).toBe(6);
  });

  test("[IW-cloud] create refuses a prefix that is taken; open one that is not", async () => {
    const bucket = createBucket();
    await expect(openS3Bytes(bucket.deps, location)).rejects.toMatchObject({
      code: "BYTES_ABSENT",
    });
    await createStore(bucket);
    await expect(createStore(bucket)).rejects.toMatchObject({ code: "BYTES_EXISTS" });
  });
});

describe("a server that fails", () => {
  /** Each of the first `count` requests that match gets the fault. */
  function failFirst(emulation: S3Emulation, suffix: string, faults: readonly number[]): void {
    const left = [...faults];
    emulation.faultOf = (method, key) => {
      if (method !== "PUT" || !key.includes(suffix)) return undefined;
      const status = left.shift();
      return status === undefined ? undefined : { kind: "status", status };
    };
  }

  for (const status of [409, 429, 500, 503]) {
    test(`[IW-cloud] ${status} is asked again`, async () => {
      const bucket = createBucket();
      const store = await createStore(bucket);
      failFirst(bucket.emulation, "/seg/", [status, status]);
      expect(await store.append(0, [new Uint8Array(5)])).toBe(5);
      failFirst(bucket.emulation, "/head", [status]);
      expect(await store.append(5, [new Uint8Array(5)])).toBe(10);
      failFirst(
        bucket.emulation,
        "/seg/",
        Array.from({ length: 9 }, () => status),
      );
      const appending = store.append(10, [new Uint8Array(5)]);
      await expect(appending).rejects.toMatchObject({ code: "BYTES_IO" });
    });
  }

  for (const suffix of ["/seg/", "/head"]) {
    test(`[IW-cloud] an answer for ${suffix} lost on the way is not taken for a rival`, async () => {
      const bucket = createBucket();
      const store = await createStore(bucket);
      let isDone = false;
      bucket.emulation.faultOf = (method, key) => {
        if (isDone || method !== "PUT" || !key.includes(suffix)) return undefined;
        isDone = true;
        return { kind: "answerLost" };
      };
      expect(await store.append(0, [new Uint8Array(5)])).toBe(5);
      expect(await store.append(5, [new Uint8Array(5)])).toBe(10);
      expect(concatenated(bucket).length).toBe(10);
    });
  }

  test("[IW-cloud] a full bucket is BYTES_FULL; a wrong secret is refused and not told", async () => {
    const bucket = createBucket();
    const store = await createStore(bucket);
    bucket.emulation.faultOf = (method) =>
      method === "PUT" ? { kind: "status", status: 403, code: "QuotaExceeded" } : undefined;
    await expect(store.append(0, [new Uint8Array(5)])).rejects.toMatchObject({
      code: "BYTES_FULL",
    });
    const wrong = { ...location, secretAccessKey: "WRONG" };
    const error: unknown = await openS3Bytes(bucket.deps, wrong).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "BYTES_IO" });
    expect(String(error)).toContain("403 SignatureDoesNotMatch");
    expect(String(error)).not.toContain("WRONG");
  });

  test("[IW-cloud] a damaged head, and one without ETag, are refused", async () => {
    const bucket = createBucket();
    await createStore(bucket);
    const head = bucket.emulation.objects.get("a/stream b/head");
    if (head === undefined) throw new Error("no head");
    bucket.emulation.objects.set("a/stream b/head", { ...head, bytes: utf8("{}") });
    await expect(openS3Bytes(bucket.deps, location)).rejects.toMatchObject({ code: "BYTES_IO" });
    bucket.emulation.objects.set("a/stream b/head", head);
    const fetch: S3Deps["fetch"] = async (url, init) => {
      const { status, body, headers } = await bucket.deps.fetch(url, init);
      const others = new Headers(headers);
      others.delete("etag");
      return new Response(status === 404 ? null : body, { status, headers: others });
    };
    const opening = openS3Bytes({ ...bucket.deps, fetch }, location);
    await expect(opening).rejects.toMatchObject({ code: "BYTES_IO" });
  });
});

describe("the head object", () => {
  const base: SegmentHead = {
    size: 0,
    generation: "00".repeat(8),
    writer: "11".repeat(8),
    runs: [],
  };

  test("[IW-cloud] round trip; equal neighbours are one run; cuts keep what is before", () => {
    let head = base;
    for (const length of [5, 5, 5, 7]) head = withSegment(head, length);
    expect(head.runs.map(({ length, count }) => [length, count])).toEqual([
      [5, 3],
      [7, 1],
    ]);
    expect(decodeHead(encodeHead(head))).toEqual(head);
    for (let size = 0; size <= head.size; size++) {
      const cut = cutHead(head, size, "22".repeat(8));
      expect(decodeHead(encodeHead(cut))).toEqual(cut);
      const sum = [...segmentsOf(cut, 0, size)].reduce((total, { length }) => total + length, 0);
      expect(sum).toBe(size);
    }
    expect([...segmentsOf(head, 4, 11)].map(({ start }) => start)).toEqual([0, 5, 10]);
    expect(joinRun([], { length: 1, generation: "x" })).toHaveLength(1);
  });

  const good = {
    format: "hawser segments 1",
    size: 5,
    generation: "00".repeat(8),
    writer: "11".repeat(8),
    runs: [[5, 1, "00".repeat(8)]],
  };
  const bad: readonly (readonly [string, unknown])[] = [
    ["another format", { ...good, format: "hawser segments 2" }],
    ["a size that is not the sum", { ...good, size: 6 }],
    ["a negative size", { ...good, size: -5 }],
    ["a fractional size", { ...good, size: 4.5 }],
    ["an id that is none", { ...good, generation: "../../x" }],
    ["no writer", { ...good, writer: undefined }],
    ["runs that are none", { ...good, runs: "5" }],
    ["a run of two members", { ...good, runs: [[5, 1]] }],
    ["an empty segment", { ...good, size: 0, runs: [[0, 1, "00".repeat(8)]] }],
    ["a count of none", { ...good, size: 0, runs: [[5, 0, "00".repeat(8)]] }],
    ["a huge segment", { ...good, size: 2 ** 40, runs: [[2 ** 40, 1, "00".repeat(8)]] }],
    [
      "a sum beyond exact numbers",
      { ...good, size: 2 ** 60, runs: [[2 ** 26, 2 ** 34, "00".repeat(8)]] },
    ],
    ["null", null],
    ["a list", []],
  ];
  for (const [name, value] of bad) {
    test(`[IW-cloud] a head with ${name} is none`, () => {
      expect(decodeHead(utf8(JSON.stringify(good)))).toBeDefined();
      expect(decodeHead(utf8(JSON.stringify(value)))).toBeUndefined();
    });
  }
});
