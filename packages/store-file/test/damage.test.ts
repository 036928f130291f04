/** What a store makes of files that somebody cut, changed or took away. */
import { createMemoryStore, type CommitBatch } from "@hawser/log";
import { extendLog, testCrypto, testDrafts, testFork, testLog } from "@hawser/log/testing";
import { describe, expect, test } from "vitest";
import { createMemoryDisk, type MemoryDisk } from "./memory-files.ts";
import { codeOf, crypto, dump, openOn } from "./support.ts";

const segment = "00000001-00000000.segment";
const index = "00000001-00000000.index";

/** Four small commits of every kind. */
async function commits(): Promise<readonly CommitBatch[]> {
  const one = testLog(1);
  const first = extendLog(one, one.start, testDrafts(2));
  const second = extendLog(one, first.after, testDrafts(1, 1), { sign: false });
  const { proof } = await testFork(one, 1);
  return [
    { ranges: [first], writes: [{ key: "a", value: new Uint8Array([1]) }] },
    { writes: [{ key: "a", value: new Uint8Array([2]) }] },
    { forks: [proof] },
    { ranges: [second], writes: [{ key: "a", value: undefined }] },
  ];
}

interface Prepared {
  /** As a killed process leaves it: without an index. */
  readonly killed: MemoryDisk;
  readonly closed: MemoryDisk;
  /** What the store held after so many commits. */
  readonly states: readonly string[];
  /** Bytes of the segment after so many commits. */
  readonly ends: readonly number[];
}

async function prepare(): Promise<Prepared> {
  const disk = createMemoryDisk();
  const store = await openOn(disk);
  const memory = createMemoryStore({ crypto });
  const states = [await dump(memory, "records")];
  const ends = [26];
  for (const batch of await commits()) {
    await store.commit(batch);
    await memory.commit(batch);
    states.push(await dump(memory, "records"));
    ends.push(disk.bytes(segment).length);
  }
  expect(await dump(store, "records")).toBe(states.at(-1));
  const killed = disk.copy();
  await store.close();
  return { killed, closed: disk.copy(), states, ends };
}

const prepared = await prepare();

/** What opening and reading everything comes to: a state, or the code of an error. */
async function outcomeOf(
  disk: MemoryDisk,
): Promise<{ readonly state: string; readonly cut: boolean }> {
  try {
    const store = await openOn(disk);
    try {
      return { state: await dump(store, "records"), cut: store.recovery.cut !== undefined };
    } finally {
      await store.close();
    }
  } catch (error) {
    if (typeof error === "object" && error !== null && "code" in error) {
      return { state: String(error.code), cut: false };
    }
    throw error;
  }
}

describe("a segment cut at every byte", () => {
  test("[TH-153] opens with the commits before the cut, says what it cut, and goes on", async () => {
    const whole = prepared.killed.bytes(segment);
    for (let size = 26; size <= whole.length; size++) {
      const disk = createMemoryDisk(new Map([[segment, whole.slice(0, size)]]));
      const count = prepared.ends.findLastIndex((end) => end <= size);
      const store = await openOn(disk);
      expect(await dump(store, "records"), `${size} bytes`).toBe(prepared.states[count]);
      const end = prepared.ends[count] ?? 0;
      const cut = size === end ? undefined : { file: segment, offset: end, byteCount: size - end };
      expect(store.recovery.cut).toEqual(cut);
      await store.commit({ writes: [{ key: "next", value: new Uint8Array([9]) }] });
      const again = await openOn(disk.copy());
      expect(await again.get("next")).toEqual(new Uint8Array([9]));
      expect(again.recovery.cut).toBeUndefined();
    }
  });

  test("is damage when the store had been closed: what is missing was stored", async () => {
    const whole = prepared.closed.bytes(segment);
    for (let size = 0; size < whole.length; size++) {
      const disk = prepared.closed.copy();
      disk.put(segment, whole.slice(0, size));
      expect((await outcomeOf(disk)).state, `${size} bytes`).toBe("STORE_CORRUPT");
      expect(disk.bytes(segment)).toEqual(whole.slice(0, size));
    }
  });

  test("a header that is cut short is damage: it is written before its name", async () => {
    for (let size = 0; size < 26; size++) {
      const disk = createMemoryDisk(
        new Map([[segment, prepared.killed.bytes(segment).slice(0, size)]]),
      );
      expect((await outcomeOf(disk)).state).toBe("STORE_CORRUPT");
    }
  });
});

/** Every bit of a file, one at a time. */
function* flips(disk: MemoryDisk, name: string): Generator<{ disk: MemoryDisk; byte: number }> {
  const whole = disk.bytes(name);
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const changed = whole.slice();
    changed[bit >>> 3] = (changed[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
    const copy = disk.copy();
    copy.put(name, changed);
    yield { disk: copy, byte: bit >>> 3 };
  }
}

describe("every bit flipped", () => {
  test(
    "in the segment of a closed store: all is as it was, or STORE_CORRUPT",
    { timeout: 120_000 },
    async () => {
      let corruptCount = 0;
      for (const { disk, byte } of flips(prepared.closed, segment)) {
        const { state } = await outcomeOf(disk);
        // A dead record may go bad unnoticed: nobody reads it.
        if (state === "STORE_CORRUPT") corruptCount++;
        else expect(state, `byte ${byte}`).toBe(prepared.states.at(-1));
      }
      expect(corruptCount).toBeGreaterThan(prepared.closed.bytes(segment).length * 4);
    },
  );

  test("in its index: the segment is read instead", async () => {
    for (const { disk, byte } of flips(prepared.closed, index)) {
      expect(await outcomeOf(disk), `byte ${byte}`).toEqual({
        state: prepared.states.at(-1),
        cut: false,
      });
    }
  });

  test(
    "[TH-153] without an index: damage before the last write is told, within it cut and told",
    { timeout: 120_000 },
    async () => {
      const last = prepared.ends.at(-2) ?? 0;
      for (const { disk, byte } of flips(prepared.killed, segment)) {
        const { state, cut } = await outcomeOf(disk);
        if (byte < last) expect(state, `byte ${byte}`).toBe("STORE_CORRUPT");
        else
          expect({ state, cut }, `byte ${byte}`).toEqual({
            state: prepared.states.at(-2),
            cut: true,
          });
      }
    },
  );
});

/** A store of several sealed segments, closed. */
async function severalSegments(): Promise<MemoryDisk> {
  const disk = createMemoryDisk();
  const store = await openOn(disk, { segmentBytes: 4_096 });
  for (let index = 0; index < 30; index++) {
    await store.commit({ writes: [{ key: `k${index}`, value: new Uint8Array(500).fill(index) }] });
  }
  await store.close();
  return disk;
}

describe("whole files", () => {
  test("a segment that is missing is damage, whichever it is", async () => {
    const disk = await severalSegments();
    const segments = disk.names().filter((name) => name.endsWith(".segment"));
    expect(segments.length).toBeGreaterThan(3);
    for (const name of segments) {
      const copy = disk.copy();
      copy.remove(name);
      expect((await outcomeOf(copy)).state, name).toBe("STORE_CORRUPT");
    }
  });

  test("indexes that are missing are made up for, and said", async () => {
    const disk = await severalSegments();
    const whole = await outcomeOf(disk.copy());
    const indexes = disk.names().filter((name) => name.endsWith(".index"));
    for (const name of indexes) disk.remove(name);
    expect(await outcomeOf(disk.copy())).toEqual(whole);
    const store = await openOn(disk);
    // The last one belongs to the live segment, which needs none.
    expect(store.recovery.rebuilt).toEqual(indexes.slice(0, -1));
    await store.close();
  });

  test("a sealed segment cut anywhere is damage, with and without its index", async () => {
    const disk = await severalSegments();
    const name = "00000002-00000000.segment";
    const whole = disk.bytes(name);
    for (let size = 0; size < whole.length; size += 13) {
      const copy = disk.copy();
      copy.put(name, whole.slice(0, size));
      expect((await outcomeOf(copy)).state).toBe("STORE_CORRUPT");
      copy.remove("00000002-00000000.index");
      expect((await outcomeOf(copy)).state).toBe("STORE_CORRUPT");
    }
  });

  test("an index of another segment is not used", async () => {
    const disk = await severalSegments();
    const whole = await outcomeOf(disk.copy());
    disk.put("00000002-00000000.index", disk.bytes("00000001-00000000.index"));
    expect(await outcomeOf(disk)).toEqual(whole);
  });

  test("bytes behind the end of a closed store are a torn tail", async () => {
    const disk = prepared.closed.copy();
    const whole = disk.bytes(segment);
    disk.put(segment, new Uint8Array([...whole, ...new Uint8Array(4_096)]));
    expect(await outcomeOf(disk)).toEqual({ state: prepared.states.at(-1), cut: true });
    expect(disk.bytes(segment)).toEqual(whole);
  });

  test("damage says file and byte", async () => {
    const disk = prepared.killed.copy();
    const bytes = disk.bytes(segment).slice();
    bytes[40] = (bytes[40] ?? 0) ^ 1;
    disk.put(segment, bytes);
    await expect(openOn(disk)).rejects.toThrow(`${segment} at byte 26`);
    expect(disk.bytes(segment)).toEqual(bytes);
  });

  test("unfinished files are removed, and said", async () => {
    const disk = prepared.closed.copy();
    disk.put("00000001-00000001.new", new Uint8Array(100));
    const store = await openOn(disk);
    expect(store.recovery.removed).toEqual(["00000001-00000001.new"]);
    await store.close();
    expect(disk.names()).toEqual([index, segment]);
  });

  test("random files never do more than fail to open", async () => {
    for (let seed = 0; seed < 300; seed++) {
      const bytes = testCrypto.hash(new Uint8Array([seed & 0xff, seed >> 8]));
      const files = new Map([[segment, bytes.slice(0, seed % 33)]]);
      expect(await codeOf(openOn(createMemoryDisk(files)))).toBe("STORE_CORRUPT");
    }
  });
});
