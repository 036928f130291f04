/** The folder that `serve` serves: what its files are, become, and cost. */
import { readdirSync, readlinkSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildKeypoint, publicGroup } from "@hawser/packet";
import { createMemoryBytes, createStream } from "@hawser/stream";
import { createStreamHandler, type StreamHandler } from "@hawser/stream/http";
import { describe, expect, test } from "vitest";
import { openFileBytes } from "@hawser/stream/node";
import { createFolderHost } from "../src/stream/folder-host.ts";
import { createStreamBench, crypto, noise, type StreamBench } from "./support/streams.ts";

let stamp = 1_700_000_000_000_000;
const deps = {
  crypto,
  random: (byteCount: number) => noise(byteCount, `${stamp}`),
  clock: { nowMicros: () => (stamp += 1_000) },
};

interface Made {
  readonly id: string;
  readonly bytes: Uint8Array;
}

async function make(...blocks: readonly Uint8Array[]): Promise<Made> {
  const store = createMemoryBytes();
  await using stream = await createStream(deps, store, { secret: noise(32, "author") });
  for (const block of blocks) await stream.append({}, block);
  return { id: stream.id, bytes: store.contents() };
}

/** A signed packet that begins no stream, under the name by which a folder would list it. */
function impostor(): Made {
  const draft = { group: publicGroup(), domain: "app", path: [], stamp: 1 };
  const { bytes, point } = buildKeypoint(crypto, draft, noise(32, "author"));
  return { id: Buffer.from(crypto.hash(point)).toString("hex"), bytes };
}

interface Served extends Disposable {
  readonly bench: StreamBench;
  readonly reports: readonly unknown[];
  put(name: string, bytes: Uint8Array): void;
  get(path: string): Promise<Response>;
  status(path: string): Promise<number>;
  send(method: string, path: string, body: Uint8Array, etag?: string): Promise<Response>;
  /** POSTs a body that comes piece by piece. */
  stream(path: string, body: ReadableStream<Uint8Array>, etag: string): Promise<Response>;
  /** Packets behind the head, with its tag. */
  post(id: string, body: Uint8Array): Promise<Response>;
}

function serve(): Served {
  const bench = createStreamBench();
  const reports: unknown[] = [];
  const host = createFolderHost(deps, bench.folder, { canCreate: true });
  const handler: StreamHandler = createStreamHandler({
    host,
    authorize: () => Promise.resolve(true),
    report: (error) => reports.push(error),
  });
  const send: Served["send"] = (method, path, body, etag) => {
    const headers = etag === undefined ? {} : { "if-match": etag };
    return handler(
      new Request(`http://host/${path}`, { method, body: Buffer.from(body), headers }),
    );
  };
  const get = (path: string): Promise<Response> => handler(new Request(`http://host/${path}`));
  return {
    bench,
    reports,
    put: (name, bytes) => writeFileSync(bench.path(name), bytes),
    get,
    send,
    stream: (path, body, etag) => {
      const init = { method: "POST", body, headers: { "if-match": etag }, duplex: "half" };
      // Safe: Node wants `duplex`, which its declaration of the type leaves out.
      return handler(new Request(`http://host/${path}`, init as RequestInit));
    },
    post: async (id, body) => {
      const { headers, body: all } = await get(id);
      await all?.cancel();
      return send("POST", id, body, headers.get("etag") ?? "");
    },
    status: async (path) => {
      const response = await get(path);
      await response.body?.cancel();
      return response.status;
    },
    [Symbol.dispose]: () => bench[Symbol.dispose](),
  };
}

const descriptors = "/proc/self/fd";

/** Open descriptors of files below a folder. */
function openBelow(folder: string): number {
  let count = 0;
  for (const name of readdirSync(descriptors)) {
    try {
      if (readlinkSync(join(descriptors, name)).startsWith(folder)) count += 1;
    } catch {
      // The descriptor of this very listing is gone by now.
    }
  }
  return count;
}

describe("[IW-http] a served folder", () => {
  test.skipIf(process.platform !== "linux")("no request leaves a file open", async () => {
    using served = serve();
    const [good, other, bad] = [await make(noise(300_000)), await make(), impostor()];
    const forged = await make(noise(10));
    // A manifest whose signature does not hold.
    forged.bytes[100] = (forged.bytes[100] ?? 0) ^ 1;
    served.put("good", good.bytes);
    served.put("bad", bad.bytes);
    served.put("forged", forged.bytes);
    const list = (await (await served.get("streams")).json()) as { readonly streams: string[] };
    for (let count = 0; count < 20; count++) {
      for (const id of list.streams) await served.status(id);
      expect(await served.status("0".repeat(64))).toBe(404);
      served.put("good", (count % 2 === 0 ? other : good).bytes);
    }
    expect(openBelow(served.bench.folder)).toBe(0);
  });

  test("a signed packet that begins no stream is not there", async () => {
    using served = serve();
    const { id, bytes } = impostor();
    served.put("bad", bytes);
    expect(await served.status(id)).toBe(404);
    expect(await served.status(`${id}/0`)).toBe(404);
    expect(served.reports).toEqual([]);
  });

  test("a manifest whose bytes were changed is a fault of the server's copy", async () => {
    using served = serve();
    const { bytes } = await make();
    // The hash that the packet states, not the point: the folder lists it by its point.
    bytes[5] = (bytes[5] ?? 0) ^ 1;
    served.put("bad", bytes);
    const { streams } = (await (await served.get("streams")).json()) as { streams: string[] };
    for (const id of streams) expect(await served.status(id)).not.toBe(200);
  });

  test("one stream in place of another, also under the same inode", async () => {
    using served = serve();
    const [first, second] = [await make(noise(500)), await make(noise(500))];
    served.put("log", first.bytes);
    expect([await served.status(first.id), await served.status(second.id)]).toEqual([200, 404]);
    // In place, and then as another file, which often gets the number of the one that went.
    for (const [now, gone] of [
      [second, first],
      [first, second],
    ] as const) {
      if (now === first) rmSync(served.bench.path("log"));
      served.put("log", now.bytes);
      const { streams } = (await (await served.get("streams")).json()) as { streams: string[] };
      expect(streams).toEqual([now.id]);
      expect([await served.status(now.id), await served.status(gone.id)]).toEqual([200, 404]);
    }
  });

  test("a file with another name is the same stream", async () => {
    using served = serve();
    const { id, bytes } = await make(noise(500));
    served.put("log", bytes);
    expect(await served.status(id)).toBe(200);
    renameSync(served.bench.path("log"), served.bench.path("moved"));
    expect(await served.status(id)).toBe(200);
    rmSync(served.bench.path("moved"));
    expect(await served.status(id)).toBe(404);
  });

  test("a file that is replaced while it is sent ends the answer, mixed with nothing", async () => {
    using served = serve();
    const [first, second] = [await make(noise(2_000_000)), await make(noise(2_000_000))];
    served.put("log", first.bytes);
    const response = await served.get(first.id);
    served.put("new", second.bytes);
    renameSync(served.bench.path("new"), served.bench.path("log"));
    await expect(response.arrayBuffer()).rejects.toMatchObject({ code: "BYTES_MOVED" });
    expect(await served.status(first.id)).toBe(404);
    expect(await served.status(second.id)).toBe(200);
  });

  test("requests that come at once see what was appended", async () => {
    using served = serve();
    const { id, bytes } = await make(noise(500), noise(600));
    const short = bytes.slice(0, -1);
    served.put("log", short);
    const heights = async (): Promise<readonly (string | null)[]> =>
      Promise.all(
        Array.from({ length: 8 }, async () => (await served.get(id)).headers.get("hawser-height")),
      );
    const before = new Set(await heights());
    served.put("log", bytes);
    expect(new Set(await heights())).toEqual(new Set(["3"]));
    expect(before.size).toBe(1);
  });

  test("what a crash left behind a stream does not keep out who adds to it", async () => {
    for (const cut of [1, 40, 600]) {
      using served = serve();
      const store = createMemoryBytes();
      const secret = noise(32, "author");
      await using stream = await createStream(deps, store, { secret });
      await stream.append({}, noise(500, "one"));
      const short = store.contents();
      await stream.append({}, noise(500, "two"));
      const height = stream.height - 1;
      served.put("log", store.contents().subarray(0, short.length + cut));
      const more: Uint8Array[] = [];
      for await (const piece of stream.raw({ fromHeight: height })) more.push(piece);
      const answer = await served.post(stream.id, Buffer.concat(more));
      expect([answer.status, await answer.json()]).toMatchObject([200, { height: 3 }]);
      expect(served.bench.read("log").equals(store.contents())).toBe(true);
    }
  });

  test("a missing index is made anew before anything is added", async () => {
    using served = serve();
    const store = createMemoryBytes();
    await using stream = await createStream(deps, store, { secret: noise(32, "author") });
    await stream.append({}, noise(500, "one"));
    const [height, short] = [stream.height, store.contents()];
    await stream.append({}, noise(500, "two"));
    served.put("log", short.subarray(0, -8));
    const more: Uint8Array[] = [];
    for await (const piece of stream.raw({ fromHeight: height })) more.push(piece);
    expect((await served.post(stream.id, Buffer.concat(more))).status).toBe(200);
    expect(served.bench.read("log").equals(store.contents())).toBe(true);
  });

  test("damage is not cut off because somebody posts", async () => {
    using served = serve();
    const { id, bytes } = await make(noise(500), noise(600));
    bytes[bytes.length - 700] = (bytes[bytes.length - 700] ?? 0) ^ 1;
    served.put("log", bytes);
    const answer = await served.post(id, noise(100));
    expect(answer.status).toBe(500);
    expect(served.bench.read("log").equals(bytes)).toBe(true);
  });

  test.each([0, 100])("a stream can be put where a crash left %i bytes of one", async (left) => {
    using served = serve();
    const { id, bytes } = await make(noise(500));
    // What a server that was killed in a PUT leaves.
    served.put(`.${id}.part`, bytes.subarray(0, left));
    const answer = await served.send("PUT", id, bytes);
    expect([answer.status, await answer.json()]).toMatchObject([201, { id, height: 2 }]);
    expect(served.bench.read(`${id}.stream`).equals(bytes)).toBe(true);
    expect(await served.status(id)).toBe(200);
    expect((await served.send("PUT", id, bytes)).status).toBe(409);
  });

  test("a stream that does not verify leaves no file", async () => {
    using served = serve();
    const { id, bytes } = await make(noise(500));
    const forged = bytes.slice();
    forged[600] = (forged[600] ?? 0) ^ 1;
    const refused = await served.send("PUT", id, forged);
    expect(refused.status).toBe(422);
    const listed = readdirSync(served.bench.folder).filter((name) => !name.endsWith(".lock"));
    expect(listed).toEqual([]);
    expect((await served.send("PUT", id, bytes)).status).toBe(201);
  });

  test("who sends slowly keeps nobody else from writing, and leaves nothing behind", async () => {
    using served = serve();
    const { id, bytes } = await make(noise(500));
    served.put("log", bytes);
    const etag = (await served.get(id)).headers.get("etag") ?? "";
    const stop = new AbortController();
    const sent = Promise.withResolvers<void>();
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        controller.enqueue(noise(100));
        // The second pull comes when the first piece was taken; it waits until it is aborted.
        sent.resolve();
        await new Promise<void>((resolve) =>
          stop.signal.addEventListener("abort", () => resolve()),
        );
        controller.error(new Error("gone"));
      },
    });
    const posting = served.stream(id, body, etag);
    await sent.promise;
    await using store = await openFileBytes(served.bench.path("log"), { mode: "append" });
    expect(await store.size()).toBe(bytes.length);
    stop.abort();
    expect((await posting).status).toBe(500);
    expect(readdirSync(served.bench.folder).filter((name) => name.startsWith("."))).toEqual([]);
    expect(served.bench.read("log").equals(bytes)).toBe(true);
  });
});
