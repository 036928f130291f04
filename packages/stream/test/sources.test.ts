/** Sources of contents and of copies: let go whatever happens, and seen when durable. */
import { createMemoryBytes, type ByteStore } from "@hawser/stream";
import { describe, expect, test } from "vitest";
import { collect, make, noise, open } from "./support/streams.ts";

/** A source that counts how often it is let go, as the reader of a file would close it. */
function watched(
  next: (count: number) => Uint8Array | undefined,
): AsyncIterable<Uint8Array> & { readonly closed: () => number } {
  let [count, closed] = [0, 0];
  return {
    closed: () => closed,
    [Symbol.asyncIterator]: () => ({
      next: () => {
        const value = next(count++);
        return Promise.resolve(
          value === undefined ? { done: true, value } : { done: false, value },
        );
      },
      return: () => {
        closed += 1;
        return Promise.resolve({ done: true, value: undefined });
      },
    }),
  };
}

describe("the source of a content", () => {
  test.each([0, 1, 2, 5])("is let go when the append is aborted at piece %i", async (at) => {
    const { stream } = await make();
    const stop = new AbortController();
    const source = watched((count) => {
      if (count === at) stop.abort(new Error("enough"));
      return noise(20_000);
    });
    const appending = stream.append({}, source, { signal: stop.signal });
    await expect(appending).rejects.toThrow("enough");
    expect(source.closed()).toBe(1);
    expect((await stream.append({ goes: "on" })).seq).toBe(1);
  });

  test.each([0, 1, 3])("is let go when piece %i is none", async (at) => {
    const { stream } = await make();
    // Safe: what a caller without types may give.
    const source = watched((count) => (count === at ? ("text" as never) : noise(9_000)));
    await expect(stream.append({}, source)).rejects.toMatchObject({ code: "BLOB_ARGUMENT" });
    expect(source.closed()).toBe(1);
  });

  test.each([0, 1, 4])("is not asked again after its end at %i", async (end) => {
    const { stream } = await make();
    const source = watched((count) => {
      if (count > end) throw new Error("asked again");
      return count === end ? undefined : noise(9_000);
    });
    await stream.append({}, source);
    expect((await stream.read(1))?.bytes.length).toBe(end * 9_000);
    expect(source.closed()).toBe(0);
  });

  test("is let go when the store has no room", async () => {
    const { store } = await make();
    const secret = (await make()).secret;
    const small = createMemoryBytes({ bytes: store.contents(), bytesMax: 100_000 });
    const stream = await open(small, { secret });
    const source = watched(() => noise(60_000));
    await expect(stream.append({}, source)).rejects.toMatchObject({ code: "BYTES_FULL" });
    expect(source.closed()).toBe(1);
    expect((await stream.append({ goes: "on" })).seq).toBe(1);
  });
});

describe("a source that gives nothing any more", () => {
  const hung = (first: readonly Uint8Array[]): AsyncIterable<Uint8Array> =>
    (async function* () {
      yield* first;
      await new Promise<never>(() => undefined);
    })();

  test.each([[[]], [[noise(9_000)]], [[noise(200_000)]], [[noise(3_000_000)]]])(
    "does not keep an append, %#, that is aborted, nor the ones after it",
    async (first) => {
      const { stream, store } = await make();
      const stop = new AbortController();
      const appending = stream.append({}, hung(first), { signal: stop.signal });
      const next = stream.append({ next: true });
      setImmediate(() => stop.abort(new Error("enough")));
      await expect(appending).rejects.toThrow("enough");
      expect((await next).seq).toBe(1);
      expect(await stream.verify("full")).toMatchObject({ ok: true, height: 2, tornBytes: 0 });
      await stream.close();
      expect(store.contents().length).toBe(stream.byteCount);
    },
  );

  test("does not keep a mirror", async () => {
    const { stream, store } = await make();
    const mirror = await open(createMemoryBytes({ bytes: store.contents() }));
    await stream.append({}, noise(100));
    const bytes = await collect(stream.raw({ fromHeight: 1 }));
    const stop = new AbortController();
    const accepting = mirror.accept(hung([bytes]), { signal: stop.signal });
    setImmediate(() => stop.abort(new Error("enough")));
    await expect(accepting).rejects.toThrow("enough");
    expect(await mirror.accept([bytes])).toMatchObject({ ok: true });
    expect(mirror.height).toBe(2);
    await mirror.close();
  });
});

test("every close waits until the stream is closed", async () => {
  const { store } = await make();
  const memory = createMemoryBytes({ bytes: store.contents() });
  let isClosed = false;
  const slow: ByteStore = {
    ...memory,
    close: async () => {
      await new Promise((resolve) => setImmediate(resolve));
      isClosed = true;
    },
  };
  const stream = await open(slow);
  const first = stream.close();
  await stream.close();
  expect(isClosed).toBe(true);
  await first;
});

test("a mirror shows what it took once that is durable", async () => {
  const { stream, store } = await make();
  const memory = createMemoryBytes({ bytes: store.contents() });
  await stream.append({}, noise(40_000));
  const [isFlushing, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let isGated = false;
  const target: ByteStore = {
    ...memory,
    flush: async () => {
      if (!isGated) return memory.flush();
      isFlushing.resolve();
      await gate.promise;
      return memory.flush();
    },
  };
  const mirror = await open(target);
  isGated = true;
  const accepting = mirror.accept([await collect(stream.raw({ fromHeight: 1 }))]);
  await isFlushing.promise;
  expect(mirror.height).toBe(1);
  gate.resolve();
  expect(await accepting).toMatchObject({ ok: true, height: 2 });
  expect(mirror.height).toBe(2);
});
