import { describe, expect, test } from "vitest";
import { verifyForkProof } from "@hawser/log";
import { createMemoryBytes, createStream, type Stream } from "@hawser/stream";
import { mirrorStream, openHttpBytes, openMirror, createStreamHandler } from "@hawser/stream/http";
import { createByteMedium } from "@hawser/stream/testing";
import { crypto, makeStream, openCopy, testDeps } from "./http-helpers.ts";

async function mirrorOf(
  source: Stream,
): Promise<{ target: Stream; store: ReturnType<typeof createMemoryBytes> }> {
  const store = createMemoryBytes();
  const opened = await openMirror(testDeps(9), source, store);
  if (!opened.ok) throw new Error(opened.fault.message);
  return { target: opened.stream, store };
}

describe("mirrors", () => {
  test("[IW-mirror] an empty store becomes an equal copy, and follows", async () => {
    const { stream, store } = await makeStream(4);
    const { target, store: copy } = await mirrorOf(stream);
    const outcome = await mirrorStream(stream, target);
    expect(outcome).toEqual({ ok: true, height: 5, addedEntries: target.height - 1 });
    expect(copy.contents()).toEqual(store.contents());
    expect(await mirrorStream(stream, target)).toMatchObject({ ok: true, addedEntries: 0 });
    await stream.append({ late: true }, new Uint8Array(9));
    expect(await mirrorStream(stream, target)).toMatchObject({
      ok: true,
      height: 6,
      addedEntries: 1,
    });
    expect(copy.contents()).toEqual(store.contents());
    expect(await target.verify("full")).toMatchObject({ ok: true, height: 6, tornBytes: 0 });
  });

  test("[IW-mirror] a mirror over HTTP needs to trust nobody on the way", async () => {
    const { stream, store } = await makeStream(3);
    const host = { list: async () => [stream.id], open: async () => ({ stream, store }) };
    const handler = createStreamHandler({ host });
    const fetch = (url: string, init: RequestInit): Promise<Response> =>
      handler(new Request(url, init));
    const remote = await openHttpBytes(
      { fetch: (url, init) => fetch(url, { method: "GET", headers: init.headers }) },
      `http://host.test/${stream.id}`,
    );
    const source = await openCopy(remote);
    const { target, store: copy } = await mirrorOf(source);
    expect(await mirrorStream(source, target)).toMatchObject({ ok: true, height: 4 });
    expect(copy.contents()).toEqual(store.contents());
  });

  test("[IW-mirror] [IW-a05] a source that is shorter is refused as rolled back", async () => {
    const { stream, store } = await makeStream(2);
    const before = store.contents();
    await stream.append({}, new Uint8Array(3));
    const { target, store: copy } = await mirrorOf(stream);
    await mirrorStream(stream, target);
    const old = await openCopy(createMemoryBytes({ bytes: before }));
    const kept = copy.contents();
    expect(await mirrorStream(old, target)).toMatchObject({
      ok: false,
      fault: { code: "ROLLED_BACK" },
    });
    expect(copy.contents()).toEqual(kept);
  });

  test("[IW-mirror] a fork is refused with a proof that anybody can check", async () => {
    const { stream, store, secret } = await makeStream(2);
    const twin = await openCopy(createMemoryBytes({ bytes: store.contents() }), secret.slice());
    await stream.append({ side: "left" }, new Uint8Array(3));
    await twin.append({ side: "right" }, new Uint8Array(3));
    await twin.append({ side: "right" }, new Uint8Array(3));
    const { target, store: copy } = await mirrorOf(stream);
    await mirrorStream(stream, target);
    const kept = copy.contents();
    const outcome = await mirrorStream(twin, target);
    expect(outcome).toMatchObject({ ok: false, fault: { code: "FORK", seq: 3 } });
    if (outcome.ok || outcome.proof === undefined) throw new Error("no proof");
    expect(verifyForkProof({ crypto }, outcome.proof)).toBeTruthy();
    expect(copy.contents()).toEqual(kept);
  });

  test("[IW-mirror] another stream is refused", async () => {
    const { stream } = await makeStream(1);
    const { stream: other } = await makeStream(1, 3);
    const { target } = await mirrorOf(stream);
    expect(await mirrorStream(other, target)).toMatchObject({
      ok: false,
      fault: { code: "WRONG_STREAM" },
    });
  });

  test("[IW-mirror] cut anywhere, a mirror goes on where it was", async () => {
    const { stream, store } = await makeStream(4);
    const bytes = store.contents();
    for (let cut = 100; cut < bytes.length; cut += 40_011) {
      const medium = createByteMedium();
      medium.faults.tornAtSize = cut;
      const first = await openMirror(testDeps(9), stream, await medium.open()).catch(
        () => undefined,
      );
      if (first?.ok === true) await mirrorStream(stream, first.stream).catch(() => undefined);
      delete medium.faults.tornAtSize;
      medium.restart({ keptBytes: cut });
      const second = await openMirror(testDeps(9), stream, await medium.open());
      if (!second.ok) throw new Error(`cut at ${cut}: ${second.fault.code}`);
      expect(await mirrorStream(stream, second.stream), `cut at ${cut}`).toMatchObject({
        ok: true,
        height: 5,
      });
      expect(medium.contents(), `cut at ${cut}`).toEqual(bytes);
    }
  });

  test("[IW-mirror] bytes changed on the way stop the mirror at the last good entry", async () => {
    const { stream, store } = await makeStream(4);
    const { target, store: copy } = await mirrorOf(stream);
    const lying: Stream = Object.create(stream, {
      raw: {
        value: async function* (options: { fromHeight?: number }): AsyncGenerator<Uint8Array> {
          for await (const piece of stream.raw(options)) {
            const changed = piece.slice();
            changed[changed.length - 500] = (changed[changed.length - 500] ?? 0) ^ 1;
            yield changed;
          }
        },
      },
    }) as Stream;
    const verdict = await target.accept(lying.raw({ fromHeight: target.height }));
    expect(verdict.ok).toBe(false);
    const kept = copy.contents();
    expect(kept).toEqual(store.contents().slice(0, kept.length));
    expect(await mirrorStream(stream, target)).toMatchObject({ ok: true, height: 5 });
    expect(copy.contents()).toEqual(store.contents());
  });

  test("[IW-mirror] what is smaller than the manifest is kept unless a crash left it", async () => {
    const bytes = createMemoryBytes();
    const large = { title: "x".repeat(3_000) };
    const secret = new Uint8Array(32).fill(1);
    const source = await createStream(testDeps(2), bytes, { secret, metadata: large });
    const { store: small } = await makeStream(1, 7);
    expect(small.contents().length).toBeLessThan(bytes.contents().length);
    const notes = new TextEncoder().encode("Notes that nobody else has.");
    const torn = bytes.contents().slice(0, 700);
    const zeros = new Uint8Array(900);
    zeros.set(torn);
    for (const [held, code] of [
      [small.contents(), "WRONG_STREAM"],
      [notes, "NO_STREAM"],
      [torn, undefined],
      [zeros, undefined],
    ] as const) {
      const store = createMemoryBytes({ bytes: held });
      const opened = await openMirror(testDeps(9), source, store);
      expect(opened.ok ? undefined : opened.fault.code).toBe(code);
      if (code !== undefined) expect(store.contents()).toEqual(held);
    }
  });
});
