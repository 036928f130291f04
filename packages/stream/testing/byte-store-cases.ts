/**
 * What every ByteStore must do, as cases any test runner can loop over (docs/spec/stream.md,
 * "Byte stores").
 */
import type { ByteStore, StreamErrorCode } from "@hawser/stream";

/** How the cases get at stores. */
export interface ByteStoreHarness {
  /** A fresh store that holds `bytes`, open for writing, or for reading if it is of that kind. */
  open(bytes: Uint8Array): Promise<ByteStore>;
  /** Closes a store of `open` and opens what it kept; absent for stores that keep nothing. */
  reopen?(store: ByteStore): Promise<ByteStore>;
  /** A second writer while `store` is open; rejects where a store is exclusive. */
  second?(store: ByteStore): Promise<ByteStore>;
  /** A reader beside `store`. */
  reader?(store: ByteStore): Promise<ByteStore>;
}

/** One promise of the contract. */
export interface ByteStoreCase {
  readonly name: string;
  /** What the case asks of the harness or the store: skip it where that is not offered. */
  readonly needs: readonly ("writing" | "reopen" | "second" | "reader")[];
  /** Rejects when the store breaks the promise. */
  run(harness: ByteStoreHarness): Promise<void>;
}

function check(holds: boolean, message: string): void {
  if (!holds) throw new Error(message);
}

function checkBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
  const isSame =
    actual.length === expected.length && actual.every((byte, index) => byte === expected[index]);
  check(isSame, `${what}: got ${actual.length} bytes that are not the ${expected.length} expected`);
}

async function checkRejects(
  work: Promise<unknown>,
  code: StreamErrorCode,
  what: string,
): Promise<void> {
  const settled = await work.then(
    () => "nothing",
    (error: unknown) =>
      typeof error === "object" && error !== null && "code" in error
        ? String(error.code)
        : String(error),
  );
  check(settled === code, `${what}: rejected with ${settled}, expected ${code}`);
}

/** `count` bytes that differ from their neighbours and from those of another seed. */
function pattern(count: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length: count }, (_, index) => (index * 31 + (index >> 8) + seed) & 255);
}

function splitAt(bytes: Uint8Array, ...cuts: readonly number[]): readonly Uint8Array[] {
  const ends = [...cuts, bytes.length];
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

async function* asyncParts(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

async function* failingParts(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
  throw new Error("the source broke");
}

async function checkContents(store: ByteStore, bytes: Uint8Array, what: string): Promise<void> {
  check((await store.size()) === bytes.length, `${what}: size is ${await store.size()}`);
  checkBytes(await store.read(0, bytes.length + 10), bytes, what);
}

const readCases: readonly ByteStoreCase[] = [
  {
    name: "an empty store has no bytes",
    needs: [],
    run: async ({ open }) => {
      await using store = await open(new Uint8Array(0));
      await checkContents(store, new Uint8Array(0), "empty");
      checkBytes(await store.read(5, 5), new Uint8Array(0), "behind the end");
    },
  },
  {
    name: "read gives exactly the bytes asked for, fewer only at the end",
    needs: [],
    run: async ({ open }) => {
      const bytes = pattern(1000);
      await using store = await open(bytes);
      check((await store.size()) === 1000, "size");
      const ranges = [0, 1, 499, 999, 1000, 1001, 5000].flatMap((offset) =>
        [0, 1, 2, 500, 1000, 9000].map((length) => ({ offset, length })),
      );
      for (const { offset, length } of ranges) {
        const got = await store.read(offset, length);
        checkBytes(got, bytes.slice(offset, offset + length), `read(${offset}, ${length})`);
      }
    },
  },
  {
    name: "what read gave belongs to the caller",
    needs: [],
    run: async ({ open }) => {
      const bytes = pattern(64);
      await using store = await open(bytes);
      (await store.read(0, 64)).fill(0);
      checkBytes(await store.read(0, 64), bytes, "after the caller wrote into the result");
    },
  },
  {
    name: "reads run beside each other",
    needs: [],
    run: async ({ open }) => {
      const bytes = pattern(5000);
      await using store = await open(bytes);
      const parts = await Promise.all(
        Array.from({ length: 10 }, (_, index) => store.read(index * 500, 500)),
      );
      parts.forEach((part, index) => {
        checkBytes(part, bytes.slice(index * 500, index * 500 + 500), `part ${index}`);
      });
    },
  },
  {
    name: "offsets and lengths that are no counts are misuse",
    needs: [],
    run: async ({ open }) => {
      await using store = await open(pattern(10));
      for (const bad of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
        await checkRejects(store.read(bad, 1), "BYTES_MISUSE", `offset ${bad}`);
        await checkRejects(store.read(0, bad), "BYTES_MISUSE", `length ${bad}`);
      }
      await checkRejects(store.read(0, 2 ** 40), "BYTES_MISUSE", "a terabyte");
    },
  },
  {
    name: "an aborted signal stops a call before it begins",
    needs: [],
    run: async ({ open }) => {
      await using store = await open(pattern(10));
      const reason = new Error("enough");
      const signal = AbortSignal.abort(reason);
      for (const work of [store.size(signal), store.read(0, 1, signal)]) {
        const settled = await work.then(
          () => undefined,
          (error: unknown) => error,
        );
        check(settled === reason, "did not reject with the signal's reason");
      }
    },
  },
  {
    name: "close is idempotent, and every call after it rejects",
    needs: [],
    run: async ({ open }) => {
      const store = await open(pattern(10));
      await store.close();
      await store.close();
      await store[Symbol.asyncDispose]();
      await checkRejects(store.size(), "BYTES_CLOSED", "size");
      await checkRejects(store.read(0, 1), "BYTES_CLOSED", "read");
      if (store.abilities.isReadOnly) return;
      await checkRejects(store.append(10, [pattern(1)]), "BYTES_CLOSED", "append");
      await checkRejects(store.flush(), "BYTES_CLOSED", "flush");
      await checkRejects(store.truncate(1), "BYTES_CLOSED", "truncate");
    },
  },
  {
    name: "a store that is read only takes no bytes and loses none",
    needs: ["reader"],
    run: async ({ open, reader }) => {
      const bytes = pattern(10);
      await using writer = await open(bytes);
      if (reader === undefined) throw new Error("the harness has no reader");
      await using store = await reader(writer);
      check(store.abilities.isReadOnly, "abilities say that it can write");
      check(!store.abilities.canTruncate, "abilities say that it can cut");
      await checkRejects(store.append(10, [pattern(1)]), "BYTES_MISUSE", "append");
      await checkRejects(store.truncate(1), "BYTES_MISUSE", "truncate");
      await checkContents(store, bytes, "afterwards");
    },
  },
];

const writeCases: readonly ByteStoreCase[] = [
  {
    name: "append adds bytes in order, in parts of any size, and gives the new size",
    needs: ["writing"],
    run: async ({ open }) => {
      const bytes = pattern(3000);
      await using store = await open(bytes.slice(0, 100));
      const [first, second, third] = [bytes.slice(100, 900), bytes.slice(900, 901)].concat([
        bytes.slice(901),
      ]);
      if (first === undefined || second === undefined || third === undefined) return;
      check((await store.append(100, splitAt(first, 1, 1, 7, 500))) === 900, "new size");
      check((await store.append(900, asyncParts([second]))) === 901, "new size");
      check((await store.append(901, asyncParts(splitAt(third, 1000, 1000)))) === 3000, "size");
      check((await store.append(3000, [])) === 3000, "an append of nothing");
      await store.flush();
      await checkContents(store, bytes, "all");
    },
  },
  {
    name: "an append larger than any buffer arrives whole",
    needs: ["writing"],
    run: async ({ open }) => {
      const bytes = pattern(3_300_000);
      await using store = await open(new Uint8Array(0));
      const cuts = [1, 70_000, 1_500_000, 1_500_001, 3_000_000];
      check((await store.append(0, asyncParts(splitAt(bytes, ...cuts)))) === bytes.length, "size");
      checkBytes(await store.read(0, bytes.length), bytes, "all");
      checkBytes(await store.read(1_048_570, 20), bytes.slice(1_048_570, 1_048_590), "a border");
    },
  },
  {
    name: "an append that expects another size is refused and writes nothing",
    needs: ["writing"],
    run: async ({ open }) => {
      const bytes = pattern(100);
      await using store = await open(bytes);
      for (const wrong of [0, 99, 101]) {
        await checkRejects(store.append(wrong, [pattern(5)]), "BYTES_MOVED", `${wrong}`);
      }
      for (const bad of [-1, 0.5, NaN]) {
        await checkRejects(store.append(bad, [pattern(5)]), "BYTES_MISUSE", `${bad}`);
      }
      await checkContents(store, bytes, "afterwards");
    },
  },
  {
    name: "of two appends at once one wins",
    needs: ["writing"],
    run: async ({ open }) => {
      await using store = await open(pattern(10));
      const settled = await Promise.allSettled([
        store.append(10, asyncParts([pattern(20, 2), pattern(20, 2)])),
        store.append(10, asyncParts([pattern(40, 3)])),
      ]);
      const won = settled.findIndex(({ status }) => status === "fulfilled");
      check(settled.filter(({ status }) => status === "fulfilled").length === 1, "not one winner");
      const part = won === 0 ? [pattern(20, 2), pattern(20, 2)] : [pattern(40, 3)];
      const expected = [pattern(10), ...part].flatMap((bytes) => [...bytes]);
      await checkContents(store, Uint8Array.from(expected), "the winner's bytes");
    },
  },
  {
    name: "a source that fails leaves at most a torn tail, and the store goes on",
    needs: ["writing"],
    run: async ({ open }) => {
      const bytes = pattern(50);
      await using store = await open(bytes);
      const settled = await store.append(50, failingParts([pattern(30, 2)])).then(
        () => "no error",
        (error: unknown) => (error instanceof Error ? error.message : "another error"),
      );
      check(settled === "the source broke", `the source's own error was lost: ${settled}`);
      const size = await store.size();
      check(size >= 50 && size <= 80, `size is ${size}`);
      checkBytes(await store.read(0, 50), bytes, "what was there before");
      if (store.abilities.canTruncate) await store.truncate(50);
      else return;
      check((await store.append(50, [pattern(5, 4)])) === 55, "the next append");
    },
  },
  {
    name: "a part that is no bytes is misuse",
    needs: ["writing"],
    run: async ({ open }) => {
      await using store = await open(pattern(5));
      const parts: unknown = ["text"];
      // Safe: the point of the case is to break the type.
      const appending = store.append(5, parts as Uint8Array[]);
      await checkRejects(appending, "BYTES_MISUSE", "a string");
    },
  },
  {
    name: "truncate cuts the end, and appends go on there",
    needs: ["writing"],
    run: async ({ open }) => {
      const bytes = pattern(500);
      await using store = await open(bytes);
      if (!store.abilities.canTruncate) {
        return checkRejects(store.truncate(1), "BYTES_MISUSE", "truncate");
      }
      await checkRejects(store.truncate(501), "BYTES_MISUSE", "growing");
      await checkRejects(store.truncate(-1), "BYTES_MISUSE", "a negative size");
      await store.truncate(500);
      await store.truncate(123);
      await checkContents(store, bytes.slice(0, 123), "after the cut");
      check((await store.append(123, [pattern(77, 9)])) === 200, "the next append");
      checkBytes(await store.read(123, 100), pattern(77, 9), "the new bytes");
      checkBytes(await store.read(0, 123), bytes.slice(0, 123), "the old bytes");
      await store.truncate(0);
      await checkContents(store, new Uint8Array(0), "after cutting all");
    },
  },
  {
    name: "an aborted append stops between parts",
    needs: ["writing"],
    run: async ({ open }) => {
      await using store = await open(pattern(10));
      const controller = new AbortController();
      const endless = async function* (): AsyncGenerator<Uint8Array> {
        // Ends, so that a store that ignores signals fails instead of growing for ever.
        for (let count = 0; count < 1000; count++) {
          if (count === 3) controller.abort(new Error("enough"));
          yield pattern(10);
        }
      };
      const settled = await store.append(10, endless(), controller.signal).then(
        () => "no error",
        (error: unknown) => (error instanceof Error ? error.message : ""),
      );
      check(settled === "enough", `settled with ${settled}`);
      checkBytes(await store.read(0, 10), pattern(10), "what was there before");
    },
  },
  {
    name: "everything flushed is there after reopening",
    needs: ["writing", "reopen"],
    run: async ({ open, reopen }) => {
      if (reopen === undefined) throw new Error("the harness cannot reopen stores");
      const bytes = pattern(300);
      const first = await open(bytes.slice(0, 100));
      await first.append(100, [bytes.slice(100, 200)]);
      await first.flush();
      const second = await reopen(first);
      await checkContents(second, bytes.slice(0, 200), "reopened");
      await second.append(200, [bytes.slice(200)]);
      if (second.abilities.canTruncate) await second.truncate(250);
      await second.flush();
      await using third = await reopen(second);
      const size = third.abilities.canTruncate ? 250 : 300;
      await checkContents(third, bytes.slice(0, size), "reopened again");
    },
  },
];

const sharedCases: readonly ByteStoreCase[] = [
  {
    name: "a second writer gets an error, not a fork",
    needs: ["writing", "second"],
    run: async ({ open, second }) => {
      if (second === undefined) throw new Error("the harness has no second writer");
      const bytes = pattern(10);
      const store = await open(bytes);
      if (store.abilities.isExclusive) {
        await checkRejects(second(store), "BYTES_LOCKED", "the second open");
        await store.append(10, [pattern(5, 2)]);
        await store.flush();
        await store.close();
        await using next = await second(store);
        check((await next.append(15, [pattern(5, 3)])) === 20, "after the first closed");
        return;
      }
      await using rival = await second(store);
      const settled = await Promise.allSettled([
        store.append(10, [pattern(5, 2)]),
        rival.append(10, [pattern(5, 3)]),
      ]);
      const errors = settled.filter((result) => result.status === "rejected");
      check(errors.length === 1, `${errors.length} of two writers failed`);
      const [error] = errors;
      await checkRejects(Promise.reject(error?.reason as Error), "BYTES_MOVED", "the loser");
      const isFirst = settled[0]?.status === "fulfilled";
      const expected = [...bytes, ...pattern(5, isFirst ? 2 : 3)];
      await checkContents(isFirst ? store : rival, Uint8Array.from(expected), "the winner's");
      await store.close();
    },
  },
  {
    name: "a reader sees what a writer appended before the reader was opened",
    needs: ["writing", "reader"],
    run: async ({ open, reader }) => {
      if (reader === undefined) throw new Error("the harness has no reader");
      const bytes = pattern(200);
      await using store = await open(bytes.slice(0, 100));
      await store.append(100, [bytes.slice(100)]);
      await store.flush();
      await using beside = await reader(store);
      await checkContents(beside, bytes, "the reader");
    },
  },
];

/** All promises of the ByteStore contract. */
export const byteStoreCases: readonly ByteStoreCase[] = [
  ...readCases,
  ...writeCases,
  ...sharedCases,
];
