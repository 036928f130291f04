import { beforeEach, describe, expect, test } from "vitest";
import {
  createMemoryBytes,
  createStream,
  StreamError,
  type ByteStore,
  type MemoryBytes,
  type Stream,
} from "@hawser/stream";
import {
  createStoreHost,
  createStreamHandler,
  type StreamHandler,
  type StreamHandlerOptions,
  type StreamHost,
} from "@hawser/stream/http";
import { blockBytes, makeStream, openCopy, testDeps, type TestStream } from "./http-helpers.ts";

let local: TestStream;
let served: { stream: Stream; store: MemoryBytes };
let handler: StreamHandler;
let reports: unknown[];

/** A host whose stream has the author's first `height` entries. */
beforeEach(async () => {
  local = await makeStream(3);
  const store = createMemoryBytes({ bytes: local.store.contents() });
  served = { stream: await openCopy(store), store };
  reports = [];
  handler = handlerOf({
    list: async () => [served.stream.id],
    open: async (id) => (id === served.stream.id ? served : undefined),
  });
});

function handlerOf(host: StreamHost, options: StreamHandlerOptions = {}): StreamHandler {
  const report = (error: unknown): void => void reports.push(error);
  const authorize = async (request: Request): Promise<boolean> =>
    request.headers.get("authorization") === "Bearer good";
  return createStreamHandler({ host, report, authorize }, options);
}

type Init = {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array<ArrayBuffer>;
};
const ask = (path: string, init: Init = {}): Promise<Response> =>
  handler(new Request(`http://host.test${path}`, init));
const bytesOf = async (response: Response): Promise<Uint8Array> =>
  new Uint8Array(await response.arrayBuffer());
const codeOf = async (response: Response): Promise<string> => {
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const problem = Object(await response.json()) as { code?: unknown; status?: unknown };
  expect(problem.status).toBe(response.status);
  return String(problem.code);
};

describe("reading over HTTP", () => {
  test("[IW-http] the list, the bytes, and the head of a stream", async () => {
    const { id } = served.stream;
    expect(await (await ask("/streams")).json()).toEqual({ streams: [id], hasMore: false });
    const whole = await ask(`/${id}`);
    expect(whole.status).toBe(200);
    expect(await bytesOf(whole)).toEqual(served.store.contents());
    const head = await ask(`/${id}`, { method: "HEAD" });
    expect(head.body).toBeNull();
    expect(head.headers.get("content-length")).toBe(String(served.stream.byteCount));
    expect(head.headers.get("hawser-height")).toBe("4");
    expect(head.headers.get("etag")).toBe(whole.headers.get("etag"));
    expect(whole.headers.get("x-content-type-options")).toBe("nosniff");
  });

  test("[IW-http] [IW-range] ranges of the bytes and of a block's content", async () => {
    const { id } = served.stream;
    const all = served.store.contents();
    const part = await ask(`/${id}`, { headers: { range: "bytes=100-299" } });
    expect([part.status, part.headers.get("content-range")]).toEqual([
      206,
      `bytes 100-299/${all.length}`,
    ]);
    expect(await bytesOf(part)).toEqual(all.slice(100, 300));
    const suffix = await ask(`/${id}/2`, { headers: { range: "bytes=-1000" } });
    expect(suffix.headers.get("content-range")).toBe("bytes 149000-149999/150000");
    expect(await bytesOf(suffix)).toEqual(blockBytes(2).slice(-1000));
    expect(await bytesOf(await ask(`/${id}/1`))).toEqual(blockBytes(1));
    const behind = await ask(`/${id}/1`, { headers: { range: "bytes=5000-" } });
    expect([behind.status, behind.headers.get("content-range")]).toEqual([416, "bytes */11"]);
    expect(await codeOf(behind)).toBe("HTTP_RANGE");
  });

  test("[IW-http] meta=1 puts a line of metadata before the content", async () => {
    const response = await ask(`/${served.stream.id}/1?meta=1`);
    const text = await bytesOf(response);
    const end = text.indexOf(10);
    const line: unknown = JSON.parse(new TextDecoder().decode(text.subarray(0, end)));
    expect(line).toEqual({ name: "block 1", tag: { base64url: "AQ" } });
    expect(text.slice(end + 1)).toEqual(blockBytes(1));
    expect(response.headers.get("content-length")).toBe(String(text.length));
  });

  test("[IW-http] validators: If-Range, If-None-Match, If-Match", async () => {
    const { id } = served.stream;
    const etag = (await ask(`/${id}`)).headers.get("etag") ?? "";
    const range = { range: "bytes=0-9" };
    expect((await ask(`/${id}`, { headers: { ...range, "if-range": etag } })).status).toBe(206);
    expect((await ask(`/${id}`, { headers: { ...range, "if-range": '"old"' } })).status).toBe(200);
    expect((await ask(`/${id}`, { headers: { "if-none-match": `"x", ${etag}` } })).status).toBe(
      304,
    );
    expect((await ask(`/${id}`, { headers: { "if-match": '"old"' } })).status).toBe(412);
    expect((await ask(`/${id}`, { headers: { "if-match": etag } })).status).toBe(200);
  });

  const refusals: readonly (readonly [string, string, number, string])[] = [
    ["GET", "/", 400, "HTTP_BAD_REQUEST"],
    ["GET", "/../etc/passwd", 400, "HTTP_BAD_REQUEST"],
    ["GET", "/ABC", 400, "HTTP_BAD_REQUEST"],
    ["GET", `/${"0".repeat(64)}`, 404, "HTTP_NOT_FOUND"],
    ["GET", `/${"0".repeat(64)}/1`, 404, "HTTP_NOT_FOUND"],
    ["GET", "/ID/99", 404, "HTTP_NOT_FOUND"],
    ["GET", "/ID/01", 400, "HTTP_BAD_REQUEST"],
    ["GET", "/ID/-1", 400, "HTTP_BAD_REQUEST"],
    ["GET", "/ID/1/2", 404, "HTTP_NOT_FOUND"],
    ["DELETE", "/ID", 405, "HTTP_METHOD"],
    ["POST", "/streams", 405, "HTTP_METHOD"],
    ["PUT", "/ID/1", 405, "HTTP_METHOD"],
    ["POST", "/ID", 428, "HTTP_PRECONDITION_REQUIRED"],
    ["PUT", "/ID", 403, "HTTP_FORBIDDEN"],
  ];
  for (const [method, path, status, code] of refusals) {
    test(`[IW-http] ${method} ${path.slice(0, 20)} is ${status} ${code}`, async () => {
      const response = await ask(path.replace("ID", served.stream.id), { method });
      expect(response.status).toBe(status);
      expect(await codeOf(response)).toBe(code);
    });
  }

  test("[IW-http] a host that fails tells nothing of its inside", async () => {
    handler = handlerOf({
      list: () => Promise.reject(new Error("password=secret")),
      open: () => Promise.reject(new Error("password=secret")),
    });
    for (const path of ["/streams", `/${"0".repeat(64)}`]) {
      const response = await ask(path);
      expect(response.status).toBe(500);
      expect(await response.text()).not.toContain("secret");
    }
    expect(reports).toHaveLength(2);
  });
});

describe("what the server cannot read", () => {
  test("[IW-http] [IW-recipients] an encrypted block is 403; its bytes are served and mirrored", async () => {
    const store = createMemoryBytes();
    const [secret, streamKey] = [new Uint8Array(32).fill(3), new Uint8Array(32).fill(4)];
    const stream = await createStream(testDeps(6), store, { secret, streamKey });
    await stream.append({ name: "private" }, new Uint8Array(50).fill(7));
    const copy = await openCopy(createMemoryBytes({ bytes: store.contents() }));
    handler = handlerOf({ list: async () => [], open: async () => ({ stream: copy, store }) });
    for (const path of [`/${stream.id}/1`, `/${stream.id}/1?meta=1`]) {
      const response = await ask(path);
      expect([response.status, await codeOf(response)]).toEqual([403, "STREAM_NO_KEY"]);
    }
    expect((await ask(`/${stream.id}/1`, { method: "HEAD" })).headers.get("content-length")).toBe(
      "50",
    );
    expect(await bytesOf(await ask(`/${stream.id}`))).toEqual(store.contents());
  });

  test("[IW-http] errors of the host have codes of their own", async () => {
    for (const [code, status] of [
      ["BYTES_EXISTS", 409],
      ["BYTES_LOCKED", 503],
      ["BYTES_FULL", 507],
      ["BYTES_MOVED", 412],
    ] as const) {
      handler = handlerOf({
        list: async () => [],
        open: () => Promise.reject(new StreamError(code, "inside")),
      });
      const response = await ask(`/${"0".repeat(64)}`);
      expect(response.status).toBe(status);
      expect(await codeOf(response)).toBe(code);
    }
  });
});

describe("appending over HTTP", () => {
  const post = async (body: Uint8Array<ArrayBuffer>, ifMatch?: string): Promise<Response> => {
    const etag = ifMatch ?? (await ask(`/${served.stream.id}`)).headers.get("etag") ?? "";
    return ask(`/${served.stream.id}`, { method: "POST", headers: { "if-match": etag }, body });
  };
  const newBytes = async (): Promise<Uint8Array<ArrayBuffer>> => {
    await local.stream.append({ late: 1 }, blockBytes(2));
    return local.store.contents().slice(served.stream.byteCount);
  };

  test("[IW-http] packets that extend the head are taken, by anybody", async () => {
    const response = await post(await newBytes());
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      id: local.stream.id,
      height: 5,
      byteCount: local.store.contents().length,
    });
    expect(served.store.contents()).toEqual(local.store.contents());
    expect(response.headers.get("etag")).toContain('"5-');
  });

  test("[IW-http] [IW-two-writers] a POST for another head is 412 and changes nothing", async () => {
    const before = served.store.contents();
    expect((await post(await newBytes(), '"3-00"')).status).toBe(412);
    expect(served.store.contents()).toEqual(before);
  });

  test("[IW-http] what does not extend the head is refused and not kept", async () => {
    const good = await newBytes();
    const before = served.store.contents();
    const changed = good.slice();
    changed[changed.length - 400] = (changed[changed.length - 400] ?? 0) ^ 1;
    const other = (await makeStream(2, 4)).store.contents();
    for (const body of [changed, other, before, new Uint8Array(5000), good.slice(0, 1000)]) {
      const response = await post(body);
      expect([409, 422]).toContain(response.status);
      expect(await codeOf(response)).toMatch(/^[A-Z_]+$/);
      expect(served.store.contents()).toEqual(before);
    }
    expect((await post(good)).status).toBe(200);
  });

  test("[IW-http] a body over the limit is 413, whatever its length says", async () => {
    const host = { list: async () => [], open: async () => served };
    handler = handlerOf(host, { bodyBytesMax: 5000 });
    const before = served.store.contents();
    const response = await post(await newBytes());
    expect([response.status, await codeOf(response)]).toEqual([413, "HTTP_TOO_LARGE"]);
    expect(served.store.contents()).toEqual(before);
  });

  test("[IW-http] one write at a time: a second POST is told to come again", async () => {
    const gate = Promise.withResolvers<void>();
    const { accept } = served.stream;
    const slow: Stream = Object.create(served.stream, {
      accept: {
        value: async (...args: Parameters<Stream["accept"]>) => {
          await gate.promise;
          return accept(...args);
        },
      },
    }) as Stream;
    handler = handlerOf({
      list: async () => [],
      open: async () => ({ stream: slow, store: served.store }),
    });
    const body = await newBytes();
    const first = post(body);
    const second = await post(body);
    expect([second.status, second.headers.get("retry-after")]).toEqual([503, "1"]);
    gate.resolve();
    expect((await first).status).toBe(200);
  });
});

describe("creating over HTTP", () => {
  function memoryStores(): {
    host: ReturnType<typeof createStoreHost>;
    stores: Map<string, MemoryBytes>;
  } {
    const stores = new Map<string, MemoryBytes>();
    const host = createStoreHost(testDeps(8), {
      list: async () => [...stores.keys()],
      open: async (id) => {
        const bytes = stores.get(id)?.contents();
        if (bytes === undefined) return undefined;
        const store = createMemoryBytes({ bytes });
        stores.set(id, store);
        return store;
      },
      create: async (id) => {
        if (stores.has(id)) throw new StreamError("BYTES_EXISTS", "there is one");
        const store = createMemoryBytes();
        stores.set(id, store);
        return store;
      },
    });
    return { host, stores };
  }
  const put = (id: string, body: Uint8Array<ArrayBuffer>, token = "good"): Promise<Response> =>
    ask(`/${id}`, { method: "PUT", headers: { authorization: `Bearer ${token}` }, body });

  test.each([0, 200, -300, -1])(
    "[IW-http] a PUT that was cut off after %i bytes can be made again",
    async (cut) => {
      const { host, stores } = memoryStores();
      handler = handlerOf(host);
      const { id } = local.stream;
      const body = local.store.contents();
      // Less than a manifest is no stream; more is one that is behind.
      const isStream = cut < 0;
      stores.set(id, createMemoryBytes({ bytes: body.slice(0, cut) }));
      expect((await ask(`/${id}`)).status).toBe(isStream ? 200 : 404);
      expect((await put(id, body)).status).toBe(isStream ? 409 : 201);
      if (!isStream) expect(stores.get(id)?.contents()).toEqual(body);
    },
  );

  test("[IW-http] a PUT writes over nothing that is no beginning of its stream", async () => {
    const { host, stores } = memoryStores();
    handler = handlerOf(host);
    const { id } = local.stream;
    const notes = new TextEncoder().encode("Notes that nobody else has.");
    stores.set(id, createMemoryBytes({ bytes: notes }));
    const answer = await put(id, local.store.contents());
    expect([answer.status, await codeOf(answer)]).toEqual([409, "BYTES_EXISTS"]);
    expect(stores.get(id)?.contents()).toEqual(notes);
  });

  test("[IW-http] what a crash left behind a stream does not keep out who adds to it", async () => {
    const { host, stores } = memoryStores();
    handler = handlerOf(host);
    const { stream, store } = local;
    const short = store.contents();
    const fromHeight = stream.height;
    await stream.append({}, blockBytes(4));
    stores.set(
      stream.id,
      createMemoryBytes({ bytes: store.contents().slice(0, short.length + 50) }),
    );
    const etag = (await ask(`/${stream.id}`)).headers.get("etag") ?? "";
    const body = store.contents().slice(short.length);
    const headers = { "if-match": etag };
    const answer = await ask(`/${stream.id}`, { method: "POST", headers, body });
    expect([answer.status, await answer.json()]).toMatchObject([200, { height: fromHeight + 1 }]);
    expect(stores.get(stream.id)?.contents()).toEqual(store.contents());
  });

  test("a host closes a store that cannot be read", async () => {
    let closed = 0;
    const memory = createMemoryBytes({ bytes: local.store.contents() });
    const store: ByteStore = {
      ...memory,
      read: () => Promise.reject(new StreamError("BYTES_IO", "a read failed")),
      close: () => Promise.resolve(void closed++),
    };
    const host = createStoreHost(testDeps(8), { list: async () => [], open: async () => store });
    await expect(host.open(local.stream.id)).rejects.toMatchObject({ code: "BYTES_IO" });
    expect(closed).toBe(1);
  });

  test("[IW-http] an authorised PUT makes a stream; a second one is 409", async () => {
    const { host, stores } = memoryStores();
    handler = handlerOf(host);
    const { id } = local.stream;
    const body = local.store.contents();
    expect((await put(id, body, "bad")).status).toBe(403);
    expect((await put(id, body)).status).toBe(201);
    expect(stores.get(id)?.contents()).toEqual(body);
    expect(await bytesOf(await ask(`/${id}/1`))).toEqual(blockBytes(1));
    const again = await put(id, body);
    expect([again.status, await codeOf(again)]).toEqual([409, "HTTP_EXISTS"]);
    await host.close();
  });

  test("[IW-http] a PUT of what does not verify under its id leaves nothing", async () => {
    const { host, stores } = memoryStores();
    handler = handlerOf(host);
    const { id } = local.stream;
    const good = local.store.contents();
    const flipped = good.slice();
    flipped[good.length - 300] = (flipped[good.length - 300] ?? 0) ^ 1;
    const other = (await makeStream(1, 6)).store.contents();
    for (const body of [
      new Uint8Array(0),
      new Uint8Array(100),
      other,
      flipped,
      good.slice(0, -1),
    ]) {
      const response = await put(id, body);
      expect([409, 422]).toContain(response.status);
      expect(stores.size).toBe(0);
    }
    handler = handlerOf(host, { putBytesMax: 1000 });
    expect((await put(id, good)).status).toBe(413);
    expect(stores.size).toBe(0);
  });
});
