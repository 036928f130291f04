import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openHttpBytes, type Fetch } from "@hawser/stream/http";
import { byteStoreCases, type ByteStoreHarness } from "@hawser/stream/testing";

/** A file of a static host, and how the host behaves. */
interface HostedFile {
  bytes: Uint8Array<ArrayBuffer>;
  etag?: string;
  lastModified?: string;
  /** Replaces the answer. */
  answer?: (range: { from: number; end: number }) => Response | undefined;
}

/** What a good static host answers to one GET. */
function serve(file: HostedFile, headers: Headers): Response {
  const [, from = "0", to = "0"] = /^bytes=(\d+)-(\d+)$/.exec(headers.get("range") ?? "") ?? [];
  const range = { from: Number(from), end: Math.min(Number(to) + 1, file.bytes.length) };
  const replaced = file.answer?.(range);
  if (replaced !== undefined) return replaced;
  const ifMatch = headers.get("if-match");
  if (ifMatch !== null && ifMatch !== file.etag) return new Response(null, { status: 412 });
  const size = file.bytes.length;
  if (range.from >= size) {
    return new Response(null, { status: 416, headers: { "content-range": `bytes */${size}` } });
  }
  const common = {
    ...(file.etag === undefined ? {} : { etag: file.etag }),
    ...(file.lastModified === undefined ? {} : { "last-modified": file.lastModified }),
  };
  return new Response(file.bytes.slice(range.from, range.end), {
    status: 206,
    headers: { ...common, "content-range": `bytes ${range.from}-${range.end - 1}/${size}` },
  });
}

function fetchOf(file: HostedFile): Fetch {
  return async (_, { headers }) => serve(file, new Headers(headers));
}

function fileOf(byteCount: number): HostedFile {
  return { bytes: Uint8Array.from({ length: byteCount }, (_, index) => index % 251), etag: '"v1"' };
}

const url = "http://host.test/a.iws";

describe("the HTTP store keeps the contract of reading", () => {
  const harness: ByteStoreHarness = {
    open: (bytes) => {
      const file = { bytes: Uint8Array.from(bytes), etag: '"v1"' };
      return openHttpBytes({ fetch: fetchOf(file) }, url);
    },
    reader: async (store) => store,
  };
  const offered = byteStoreCases.filter(({ needs }) => !needs.includes("writing"));
  for (const { name, run } of offered) {
    test(`[IW-bytestore] [IW-cloud] HTTP: ${name}`, () => run(harness));
  }
});

describe("a file that changes", () => {
  const changes: readonly (readonly [string, (file: HostedFile) => void])[] = [
    ["gets other bytes and another ETag", (file) => (file.etag = '"v2"')],
    ["grows", (file) => Object.assign(file, { bytes: new Uint8Array(999), etag: '"v2"' })],
    ["goes", (file) => (file.answer = () => new Response(null, { status: 404 }))],
    ["loses its ETag", (file) => delete file.etag],
    ["answers 416", (file) => (file.bytes = new Uint8Array(0))],
  ];
  for (const [name, change] of changes) {
    test(`[IW-bytestore] HTTP: a file that ${name} is BYTES_MOVED`, async () => {
      const file = fileOf(500);
      await using store = await openHttpBytes({ fetch: fetchOf(file) }, url);
      expect((await store.read(100, 10)).length).toBe(10);
      change(file);
      await expect(store.read(100, 10)).rejects.toMatchObject({ code: "BYTES_MOVED" });
    });
  }

  test("[IW-bytestore] HTTP: without ETag the date and the size are the pin", async () => {
    const file: HostedFile = { bytes: new Uint8Array(500), lastModified: "Mon, 01 Jan 2024" };
    const store = await openHttpBytes({ fetch: fetchOf(file) }, url);
    expect((await store.read(0, 10)).length).toBe(10);
    file.lastModified = "Tue, 02 Jan 2024";
    await expect(store.read(0, 10)).rejects.toMatchObject({ code: "BYTES_MOVED" });
    file.lastModified = "Mon, 01 Jan 2024";
    file.bytes = new Uint8Array(501);
    await expect(store.read(0, 10)).rejects.toMatchObject({ code: "BYTES_MOVED" });
  });
});

describe("a server that lies or fails", () => {
  const answers: readonly (readonly [string, string, () => Response])[] = [
    ["an error", "BYTES_IO", () => new Response("x", { status: 500 })],
    ["a login page", "BYTES_IO", () => new Response("x", { status: 401 })],
    ["the whole file", "BYTES_IO", () => new Response(new Uint8Array(500))],
    ["another range", "BYTES_IO", () => part({ "content-range": "bytes 0-9/500" }, 10)],
    ["no range", "BYTES_IO", () => part({}, 10)],
    ["no total", "BYTES_IO", () => part({ "content-range": "bytes 100-109/*" }, 10)],
    [
      "a huge total",
      "BYTES_IO",
      () => part({ "content-range": `bytes 100-109/${"9".repeat(40)}` }, 10),
    ],
    ["too few bytes", "BYTES_IO", () => part({ "content-range": "bytes 100-109/500" }, 9)],
    ["too many bytes", "BYTES_IO", () => part({ "content-range": "bytes 100-109/500" }, 11)],
    [
      "compressed bytes",
      "BYTES_IO",
      () => part({ "content-range": "bytes 100-109/500", "content-encoding": "gzip" }, 10),
    ],
  ];
  function part(headers: Record<string, string>, byteCount: number): Response {
    return new Response(new Uint8Array(byteCount), {
      status: 206,
      headers: { etag: '"v1"', ...headers },
    });
  }
  for (const [name, code, answer] of answers) {
    test(`[IW-bytestore] HTTP: ${name} is ${code}, and later reads go on`, async () => {
      const file = fileOf(500);
      await using store = await openHttpBytes({ fetch: fetchOf(file) }, url);
      file.answer = answer;
      await expect(store.read(100, 10)).rejects.toMatchObject({ code });
      delete file.answer;
      expect(await store.read(100, 10)).toEqual(file.bytes.slice(100, 110));
    });
  }

  test("[IW-bytestore] HTTP: an endless body is left after the bytes asked for", async () => {
    const file = fileOf(500);
    await using store = await openHttpBytes({ fetch: fetchOf(file) }, url);
    let pulls = 0;
    file.answer = () => {
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => {
          pulls += 1;
          controller.enqueue(new Uint8Array(8));
        },
      });
      const headers = { etag: '"v1"', "content-range": "bytes 0-15/500" };
      return new Response(body, { status: 206, headers });
    };
    await expect(store.read(0, 16)).rejects.toMatchObject({ code: "BYTES_IO" });
    expect(pulls).toBeLessThan(6);
  });

  test("[IW-bytestore] HTTP: opening tells what is wrong", async () => {
    const opening = (answer: () => Response): Promise<unknown> =>
      openHttpBytes({ fetch: async () => answer() }, url);
    const code = (value: string): unknown => expect.objectContaining({ code: value });
    await expect(opening(() => new Response(null, { status: 404 }))).rejects.toEqual(
      code("BYTES_ABSENT"),
    );
    await expect(opening(() => new Response(null, { status: 410 }))).rejects.toEqual(
      code("BYTES_ABSENT"),
    );
    await expect(opening(() => new Response(null, { status: 503 }))).rejects.toEqual(
      code("BYTES_IO"),
    );
    await expect(opening(() => new Response("abc"))).rejects.toEqual(code("BYTES_MISUSE"));
    const failing = openHttpBytes({ fetch: () => Promise.reject(new TypeError("no route")) }, url);
    await expect(failing).rejects.toEqual(code("BYTES_IO"));
  });
});

describe("a server without ranges", () => {
  const fetch: Fetch = async () => new Response(new Uint8Array(300).fill(5));

  test("[IW-bytestore] HTTP: is read whole when that was allowed, within the bound", async () => {
    await using store = await openHttpBytes({ fetch }, url, { wholeBytesMax: 300 });
    expect(await store.read(290, 50)).toEqual(new Uint8Array(10).fill(5));
    const code = (value: string): unknown => expect.objectContaining({ code: value });
    await expect(openHttpBytes({ fetch }, url)).rejects.toEqual(code("BYTES_MISUSE"));
    const small = openHttpBytes({ fetch }, url, { wholeBytesMax: 299 });
    await expect(small).rejects.toEqual(code("BYTES_IO"));
  });
});

describe("over a real socket", () => {
  const file = fileOf(100_000);
  let server: Server;
  let address = "";
  beforeAll(async () => {
    server = createServer((request, response) => void answerNode(request, response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const bound = server.address();
    if (typeof bound === "object" && bound !== null) address = `http://127.0.0.1:${bound.port}/x`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  async function answerNode(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const headers = new Headers({ range: request.headers.range ?? "" });
    if (request.headers["if-match"] !== undefined)
      headers.set("if-match", request.headers["if-match"]);
    const answer = serve(file, headers);
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(Buffer.from(await answer.arrayBuffer()));
  }

  test("[IW-bytestore] [IW-cloud] HTTP: the platform's fetch reads ranges", async () => {
    await using store = await openHttpBytes({ fetch: (to, init) => fetch(to, init) }, address);
    expect(await store.size()).toBe(100_000);
    expect(await store.read(99_000, 5000)).toEqual(file.bytes.slice(99_000));
    expect(await store.read(12_345, 678)).toEqual(file.bytes.slice(12_345, 13_023));
  });
});
