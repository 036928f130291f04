/** Mirrors between files and over loopback, against the command that serves them. */
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { openFileBytes } from "@hawser/stream/node";
import { createS3Emulation } from "@hawser/stream/testing";
import {
  benchWith,
  eventOf,
  noise,
  type Ran,
  type StreamBench as Bench,
} from "./support/streams.ts";

const token = "a-token-of-many-characters";
const withToken = { env: { HAWSER_STREAM_TOKEN: token } };

interface Served extends AsyncDisposable {
  readonly url: string;
  /** Lines the server printed so far. */
  lines(): string;
  /** Asks it to stop; resolves with its exit code. */
  stop(): Promise<number>;
}

/** Runs `serve` in this process until it is disposed. */
async function serve(bench: Bench, ...words: readonly string[]): Promise<Served> {
  const stop = new AbortController();
  let text = "";
  let running: Promise<Ran> | undefined;
  const url = await new Promise<string>((resolve, reject) => {
    const stdout = {
      write: (part: string): void => {
        text += part;
        const [, found] = /at (http:[^ ]+)\/streams/.exec(part) ?? [];
        if (found !== undefined) resolve(found);
      },
    };
    const args = ["serve", bench.path("srv"), "--port", "0", ...words];
    running = bench.run(args, { ...withToken, signal: stop.signal, io: { stdout } });
    running.then((ran) => reject(new Error(ran.stderr)), reject);
  });
  const end = async (): Promise<number> => {
    stop.abort();
    return (await running)?.code ?? -1;
  };
  return {
    url,
    lines: () => text,
    stop: end,
    [Symbol.asyncDispose]: async () => {
      await end();
    },
  };
}

async function idOf(bench: Bench, name = "log"): Promise<string> {
  return String(eventOf(await bench.done(["--json", "info", bench.path(name)]), "info")["id"]);
}

/** A bench with a stream and a copy of it in the folder to serve. */
async function servedBench(): Promise<Bench> {
  const bench = await benchWith("one", noise(400_000), "three");
  mkdirSync(bench.path("srv"));
  writeFileSync(bench.path("srv/log.stream"), bench.read("log"));
  return bench;
}

describe("[IW-mirror] files", () => {
  test("a copy is made, brought up to date, and equal byte for byte", async () => {
    using bench = await benchWith("one", noise(200_000));
    const [log, copy] = [bench.path("log"), bench.path("copy")];
    const first = await bench.done(["--json", "mirror", log, copy]);
    expect(eventOf(first, "mirrored")).toMatchObject({ height: 3, added: 2 });
    await bench.done(["append", log, bench.path("file1")]);
    const second = await bench.done(["--json", "mirror", log, copy]);
    expect(eventOf(second, "mirrored")).toMatchObject({ height: 4, added: 1 });
    expect(bench.read("copy").equals(bench.read("log"))).toBe(true);
    expect((await bench.done(["mirror", log, copy])).text).toContain("is up to date: 4 entries");
  });

  test("goes on where a copy was cut, at any of many places", async () => {
    using bench = await benchWith("one", noise(200_000), "three");
    const [log, copy] = [bench.path("log"), bench.path("copy")];
    const whole = bench.read("log");
    for (let size = 0; size < whole.length; size += 9_973) {
      writeFileSync(copy, whole.subarray(0, size));
      await bench.done(["mirror", log, copy]);
      expect(bench.read("copy").equals(whole)).toBe(true);
    }
  });

  test("refuses a fork, a rollback and another stream, and changes nothing", async () => {
    using bench = await benchWith("one", "two");
    const [log, copy] = [bench.path("log"), bench.path("copy")];
    await bench.done(["mirror", log, copy]);
    await bench.done(["append", copy, bench.path("file1")]);
    const other = bench.path("other");
    await bench.done(["create", other]);
    const refuse = async (code: string, words: string): Promise<void> => {
      for (const [source, target] of [
        [log, copy],
        [other, copy],
      ] as const) {
        if ((code === "WRONG_STREAM") !== (source === other)) continue;
        const before = readFileSync(target);
        const ran = await bench.run(["mirror", source, target]);
        expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining(`[${code}]`)]);
        expect(ran.stderr).toContain(words);
        expect(readFileSync(target).equals(before)).toBe(true);
      }
    };
    await refuse("ROLLED_BACK", "the source is behind the target");
    await refuse("WRONG_STREAM", "it holds another stream than the source");
    await bench.done(["append", log, bench.path("file2")]);
    await refuse("FORK", "the author signed two histories");
  });

  test("what was forged in a copy does not pass", async () => {
    using bench = await benchWith("one", noise(200_000), "three");
    const [log, copy] = [bench.path("log"), bench.path("copy")];
    const bytes = bench.read("log");
    bytes[100_000] = (bytes[100_000] ?? 0) ^ 1;
    writeFileSync(log, bytes);
    const ran = await bench.run(["mirror", log, copy]);
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringMatching(/entry 2|byte/)]);
    // What came before the forgery is good and stays.
    const { height } = eventOf(await bench.done(["--json", "verify", copy]), "verified");
    expect(height).toBe(2);
  });

  test("a file that is no stream is never written over", async () => {
    using bench = await benchWith("one");
    const target = bench.file("precious", noise(10_000));
    const ran = await bench.run(["mirror", bench.path("log"), target]);
    expect([ran.code, bench.read("precious").equals(noise(10_000))]).toEqual([2, true]);
  });
});

describe("[IW-mirror] [IW-cloud] buckets, on the emulation of their server", () => {
  const account = { bucket: "logs", accessKeyId: "key-id", secretAccessKey: "key-secret" };
  const env = {
    AWS_ACCESS_KEY_ID: account.accessKeyId,
    AWS_SECRET_ACCESS_KEY: account.secretAccessKey,
    AWS_ENDPOINT_URL: "http://s3.test",
  };
  const place = "s3://logs/ada/log";

  test("a stream goes there, grows there, and comes back", async () => {
    using bench = await benchWith("one", noise(300_000));
    const options = { env, io: { fetch: createS3Emulation(account).fetch } };
    const log = bench.path("log");
    await bench.done(["mirror", log, place], options);
    await bench.done(["append", log, bench.path("file1")]);
    const grown = await bench.done(["--json", "mirror", log, place], options);
    expect(eventOf(grown, "mirrored")).toMatchObject({ height: 4, added: 1 });
    expect((await bench.done(["verify", place], options)).text).toContain("all 4 entries");
    await bench.done(["mirror", place, bench.path("copy")], options);
    expect(bench.read("copy").equals(bench.read("log"))).toBe(true);
    await bench.done(["append", place, bench.path("file2")], options);
    const part = await bench.done(["cat", place, "4", "--range", "-5"], options);
    expect(part.bytes.equals(noise(300_000).subarray(-5))).toBe(true);
  });

  test("wrong credentials are refused, and no secret is printed", async () => {
    using bench = await benchWith("one");
    const { fetch } = createS3Emulation({ ...account, secretAccessKey: "another" });
    const options = { env, io: { fetch } };
    const ran = await bench.run(["mirror", bench.path("log"), place], options);
    expect(ran.code).toBe(1);
    expect(ran.text + ran.stderr).not.toContain("key-secret");
  });
});

describe("[IW-mirror] places that are none", () => {
  test.each([
    ["a folder", ["verify", "FOLDER"], "EISDIR"],
    ["a folder as target", ["mirror", "LOG", "FOLDER"], "EISDIR"],
    ["a new stream in no folder", ["create", "FOLDER/none/log"], "its folder is not there"],
    ["a source that is not there", ["mirror", "FOLDER/none", "COPY"], "BYTES_ABSENT"],
  ] as const)("%s", async (_, words, said) => {
    using bench = await benchWith("one");
    const named = words.map((word) =>
      word
        .replace("FOLDER", bench.folder)
        .replace("LOG", bench.path("log"))
        .replace("COPY", bench.path("copy")),
    );
    const ran = await bench.run(named);
    expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining(said)]);
    expect(readdirSync(bench.folder)).not.toContain("copy");
  });

  test("a page of another server is no stream, nor a server of streams", async () => {
    using bench = await benchWith("one");
    const url = `http://example.test/${await idOf(bench)}`;
    const page = async (): Promise<Response> => new Response("<h1>Hello</h1>");
    const io = { fetch: page };
    for (const words of [
      ["verify", url],
      ["mirror", url, bench.path("copy")],
      ["mirror", bench.path("log"), url],
    ]) {
      const ran = await bench.run(words, { io });
      expect([ran.code, ran.stderr]).toEqual([1, expect.stringMatching(/\[(BYTES|CLI)_[A-Z_]+\]/)]);
      expect(ran.stderr).not.toContain("CLI_UNEXPECTED");
    }
    expect(readdirSync(bench.folder)).not.toContain("copy");
  });

  test("what stands behind the ? of an address is not repeated", async () => {
    using bench = await benchWith("one");
    const io = { fetch: async (): Promise<Response> => new Response("", { status: 403 }) };
    const ran = await bench.run(["verify", "https://example.test/log?signature=hunter2"], { io });
    expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining("log?…")]);
    expect(ran.stderr).not.toContain("hunter2");
  });
});

describe("[IW-http] [IW-mirror] serve and mirror over loopback", () => {
  test("a mirror of a served stream, found by its address; Range and HEAD", async () => {
    using bench = await servedBench();
    await using server = await serve(bench);
    const id = await idOf(bench);
    const url = `${server.url}/${id}`;
    await bench.done(["mirror", url, bench.path("copy")]);
    expect(bench.read("copy").equals(bench.read("log"))).toBe(true);
    const iw = url.replace("http://", "iw://");
    expect((await bench.done(["verify", iw])).text).toContain("all 4 entries");
    const part = await bench.done(["cat", iw, "2", "--range", "100-199"]);
    expect(part.bytes.equals(noise(400_000).subarray(100, 200))).toBe(true);
    const ranged = await fetch(`${url}/2`, { headers: { range: "bytes=100-199" } });
    expect([ranged.status, ranged.headers.get("content-range")]).toEqual([
      206,
      "bytes 100-199/400000",
    ]);
    expect(Buffer.from(await ranged.arrayBuffer()).equals(part.bytes)).toBe(true);
    const head = await fetch(url, { method: "HEAD" });
    expect(head.headers.get("content-length")).toBe(String(bench.read("log").length));
    expect(await (await fetch(`${server.url}/streams`)).json()).toEqual({
      streams: [id],
      hasMore: false,
    });
    expect(await server.stop()).toBe(0);
    expect(server.lines()).toContain("Stopped.");
  });

  test("a file that is appended to beside the server is served as it grows", async () => {
    using bench = await servedBench();
    await using server = await serve(bench);
    const url = `${server.url}/${await idOf(bench)}`;
    await bench.done(["mirror", url, bench.path("copy")]);
    await bench.done(["append", bench.path("srv/log.stream"), bench.path("file1")]);
    const again = await bench.done(["--json", "mirror", url, bench.path("copy")]);
    expect(eventOf(again, "mirrored")).toMatchObject({ height: 5, added: 1 });
    renameSync(bench.path("srv/log.stream"), bench.path("srv/moved"));
    expect((await bench.done(["verify", url])).text).toContain("all 5 entries");
    renameSync(bench.path("srv/moved"), bench.path("away"));
    expect((await bench.run(["verify", url])).stderr).toContain("[BYTES_ABSENT]");
  });

  test("the author's packets are taken; a fork, a rollback and others are not", async () => {
    using bench = await servedBench();
    await using server = await serve(bench);
    const log = bench.path("log");
    const url = `${server.url}/${await idOf(bench)}`;
    const fork = bench.file("fork", bench.read("log"));
    await bench.done(["append", log, bench.path("file2")]);
    const pushed = await bench.done(["--json", "mirror", log, url]);
    expect(eventOf(pushed, "mirrored")).toMatchObject({ height: 5, added: 1 });
    expect(bench.read("srv/log.stream").equals(bench.read("log"))).toBe(true);
    expect((await bench.done(["mirror", log, url])).text).toContain("is up to date");
    const behind = await bench.run(["mirror", fork, url]);
    expect([behind.code, behind.stderr]).toEqual([2, expect.stringContaining("[ROLLED_BACK]")]);
    await bench.done(["append", fork, bench.path("file1")]);
    await bench.done(["append", fork, bench.path("file3")]);
    const forked = await bench.run(["mirror", fork, url]);
    expect([forked.code, forked.stderr]).toEqual([2, expect.stringContaining("[FORK]")]);
    await bench.done(["create", bench.path("other")]);
    const wrong = await bench.run(["mirror", bench.path("other"), url]);
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining("[CLI_USAGE]")]);
    expect(bench.read("srv/log.stream").equals(bench.read("log"))).toBe(true);
  });

  test("a new stream needs the token, which is never printed", async () => {
    using bench = await servedBench();
    await using server = await serve(bench, "--token");
    const fresh = bench.path("fresh");
    await bench.done(["create", fresh]);
    await bench.done(["append", fresh, bench.path("file2")]);
    const url = `${server.url}/${await idOf(bench, "fresh")}`;
    const without = await bench.run(["mirror", fresh, url]);
    const wrongToken = { env: { HAWSER_STREAM_TOKEN: "hunter2hunter2hunter2" } };
    const wrong = await bench.run(["mirror", fresh, url], wrongToken);
    for (const ran of [without, wrong]) {
      expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining("[CLI_SERVER_REFUSED]")]);
    }
    expect(readdirSync(bench.path("srv"))).toEqual(["log.stream"]);
    const made = await bench.done(["mirror", fresh, url], withToken);
    const id = await idOf(bench, "fresh");
    expect(bench.read(`srv/${id}.stream`).equals(bench.read("fresh"))).toBe(true);
    const said = server.lines() + without.stderr + wrong.stderr + wrong.text + made.text;
    expect(said).not.toContain(token);
    expect(said).not.toContain("hunter2");
  });

  test("a server that takes nothing says so", async () => {
    using bench = await servedBench();
    await using server = await serve(bench, "--read-only");
    const [log, url] = [bench.path("log"), `${server.url}/${await idOf(bench)}`];
    await bench.done(["append", log, bench.path("file1")]);
    const ran = await bench.run(["mirror", log, url], withToken);
    expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining("answered 405")]);
    expect(ran.stderr).toContain("read only");
  });

  test("[IW-two-writers] an upload waits for who is writing to the file", async () => {
    using bench = await servedBench();
    await using server = await serve(bench);
    const [log, url] = [bench.path("log"), `${server.url}/${await idOf(bench)}`];
    await bench.done(["append", log, bench.path("file1")]);
    {
      await using _ = await openFileBytes(bench.path("srv/log.stream"), { mode: "append" });
      const ran = await bench.run(["mirror", log, url]);
      expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining("answered 503")]);
      // Readers are served meanwhile.
      await bench.done(["verify", url]);
    }
    await bench.done(["mirror", log, url]);
    expect(bench.read("srv/log.stream").equals(bench.read("log"))).toBe(true);
  });

  test("requests that are none get an answer, and the server goes on", async () => {
    using bench = await servedBench();
    await using server = await serve(bench);
    const { port } = new URL(server.url);
    const send = (text: string): Promise<string> =>
      new Promise((resolve, reject) => {
        let answer = "";
        const socket = connect(Number(port), "127.0.0.1", () => socket.write(text));
        socket.setEncoding("latin1");
        socket.on("data", (part: string) => (answer += part));
        socket.on("close", () => resolve(answer));
        socket.on("error", reject);
      });
    const end = "Host: x\r\nConnection: close\r\n\r\n";
    expect(await send(`GET http://elsewhere/ HTTP/1.1\r\n${end}`)).toMatch(/^HTTP\/1\.1 400/);
    expect(await send(`TRACE / HTTP/1.1\r\n${end}`)).toMatch(/^HTTP\/1\.1 400/);
    expect(await send(`GET /../../etc/passwd HTTP/1.1\r\n${end}`)).toMatch(/^HTTP\/1\.1 40[04]/);
    expect(await send(`GET //x HTTP/1.1\r\n${end}`)).toMatch(/^HTTP\/1\.1 40[04]/);
    expect(await send("rubbish\r\n\r\n")).toMatch(/^HTTP\/1\.1 400/);
    expect((await fetch(`${server.url}/streams`)).status).toBe(200);
  });

  test("a client that goes away in the middle of an upload leaves the stream whole", async () => {
    using bench = await servedBench();
    await using server = await serve(bench);
    const log = bench.path("log");
    const before = bench.read("srv/log.stream");
    await bench.done(["append", log, bench.file("big", noise(600_000, "big"))]);
    const url = new URL(`${server.url}/${await idOf(bench)}`);
    const etag = (await fetch(url, { method: "HEAD" })).headers.get("etag") ?? "";
    await new Promise<void>((resolve) => {
      const post = request(url, { method: "POST", headers: { "if-match": etag } });
      post.on("error", () => resolve());
      post.write(bench.read("log").subarray(before.length, before.length + 300_000), () =>
        post.destroy(new Error("away")),
      );
    });
    const pushed = await pushUntilTaken(bench, log, url.href);
    expect(eventOf(pushed, "mirrored")).toMatchObject({ height: 5, added: 1 });
    expect(bench.read("srv/log.stream").equals(bench.read("log"))).toBe(true);
  });
});

/** Mirrors; while the server still ends the upload that broke off it says that it is busy. */
async function pushUntilTaken(bench: Bench, log: string, url: string): Promise<Ran> {
  for (let tries = 0; ; tries++) {
    const ran = await bench.run(["--json", "mirror", log, url]);
    if (ran.code === 0 || tries === 100 || !ran.stderr.includes("answered 503")) return ran;
  }
}
