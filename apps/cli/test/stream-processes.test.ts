/** The stream commands as processes: two writers, a killed one, stopped ones, and a server. */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { mkdir, watch } from "node:fs/promises";
import { createServer, type AddressInfo, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { launch } from "../src/demo/processes.ts";
import { benchWith, eventOf, noise, type StreamBench } from "./support/streams.ts";

const program = fileURLToPath(new URL("../src/main.ts", import.meta.url));
/** Longer than any step takes on a machine under load. */
const stepMsMax = 60_000;
const compiled = mkdtempSync(join(tmpdir(), "hawser-compiled-"));
const running = new Set<ChildProcessWithoutNullStreams>();

afterAll(() => {
  for (const child of running) child.kill("SIGKILL");
  rmSync(compiled, { recursive: true, force: true });
});

interface Running {
  readonly child: ChildProcessWithoutNullStreams;
  /** Exit code, or the signal that ended it; and what was on stdout and stderr. */
  readonly ended: Promise<{
    readonly how: number | string | null;
    readonly out: string;
    readonly err: string;
  }>;
}

/** `hawser stream …` with stdin open. */
function start(bench: StreamBench, ...words: readonly string[]): Running {
  const options = ["--conditions=hawser-source", "--disable-warning=ExperimentalWarning"];
  const child = spawn(process.execPath, [...options, program, "stream", ...words], {
    env: {
      ...process.env,
      HAWSER_STREAM_KEY: bench.path("ada"),
      // Compiled sources are kept from one process to the next: each starts in half the time.
      NODE_COMPILE_CACHE: compiled,
    },
  });
  running.add(child);
  let [out, err] = ["", ""];
  child.stdout.on("data", (part: Buffer) => (out += part.toString("utf8")));
  child.stderr.on("data", (part: Buffer) => (err += part.toString("utf8")));
  // A process that has ended takes no more input; how it ended is what counts.
  child.stdin.on("error", () => undefined);
  const ended = new Promise<Awaited<Running["ended"]>>((resolve) => {
    child.on("close", (code, signal) => {
      running.delete(child);
      resolve({ how: code ?? signal, out, err });
    });
  });
  return { child, ended };
}

/** Resolves when the file has more than so many bytes. */
async function untilLarger(path: string, byteCount: number): Promise<void> {
  const stop = new AbortController();
  const changes = watch(join(path, ".."), { signal: stop.signal })[Symbol.asyncIterator]();
  try {
    for (;;) {
      // Asked for before the look, so that no change falls between the two.
      const change = changes.next();
      change.catch(() => undefined);
      if (existsSync(path) && statSync(path).size > byteCount) return;
      await change;
    }
  } finally {
    stop.abort();
  }
}

describe("[IW-two-writers] [IW-cli] two processes append at once", () => {
  test(
    "exactly one gets the stream, the other an error, and the stream is whole",
    async () => {
      using bench = await benchWith("one");
      const log = bench.path("log");
      const writers = [1, 2].map((number) =>
        start(bench, "append", log, "-", "--name", `${number}`),
      );
      // Each waits for input, so that whoever has the stream keeps it until the other was refused.
      const first = await Promise.race(
        writers.map(async (writer) => ({ writer, end: await writer.ended })),
      );
      expect(first.end).toMatchObject({ how: 1, out: "" });
      expect(first.end.err).toContain("[BYTES_LOCKED]");
      const [winner] = writers.filter((writer) => writer !== first.writer);
      winner?.child.stdin.end(noise(300_000));
      expect(await winner?.ended).toMatchObject({ how: 0, err: "" });
      const verified = await bench.done(["--json", "verify", log]);
      expect(eventOf(verified, "verified")).toMatchObject({ height: 3, tornBytes: 0 });
      expect((await bench.done(["cat", log, "2"])).bytes.equals(noise(300_000))).toBe(true);
      // Readers are let in beside a writer, and a later writer after it.
      await bench.done(["append", log, bench.path("file1")]);
    },
    stepMsMax,
  );
});

describe("[IW-cli] a process that ends early", () => {
  test(
    "kill -9 in a long append: the stream is whole, recovers, and goes on",
    async () => {
      using bench = await benchWith("one", "two");
      const log = bench.path("log");
      const before = bench.read("log");
      const { child, ended } = start(bench, "append", log, "-");
      child.stdin.write(noise(12 << 20));
      await untilLarger(log, before.length + (1 << 20));
      child.kill("SIGKILL");
      expect((await ended).how).toBe("SIGKILL");
      const told = eventOf(await bench.done(["--json", "recover", log]), "recover");
      expect(told).toMatchObject({ height: 3, damage: null, cut: false });
      expect(told["bytes"]).toBeGreaterThan(1 << 20);
      await bench.done(["recover", log, "--yes"]);
      expect(bench.read("log").equals(before)).toBe(true);
      await bench.done(["append", log, bench.file("again", noise(100_000))]);
      const verified = eventOf(await bench.done(["--json", "verify", log]), "verified");
      expect(verified).toMatchObject({ height: 4, tornBytes: 0 });
    },
    stepMsMax,
  );

  test.skipIf(process.platform === "win32")(
    "Ctrl-C in a long append: exit code 130, and nothing is left of the block",
    async () => {
      using bench = await benchWith("one");
      const log = bench.path("log");
      const before = bench.read("log");
      const { child, ended } = start(bench, "append", log, "-");
      child.stdin.write(noise(12 << 20));
      await untilLarger(log, before.length + (1 << 20));
      child.kill("SIGINT");
      expect(await ended).toEqual({ how: 130, out: "", err: "" });
      expect(bench.read("log").equals(before)).toBe(true);
    },
    stepMsMax,
  );

  test.skipIf(process.platform === "win32")(
    "a pipe whose reader goes away ends cat quietly",
    async () => {
      using bench = await benchWith(noise(8 << 20));
      const { child, ended } = start(bench, "cat", bench.path("log"), "1");
      child.stdout.once("data", () => child.stdout.destroy());
      const { how, err } = await ended;
      expect([how, err]).toEqual([141, ""]);
    },
    stepMsMax,
  );
});

describe("[IW-http] [IW-mirror] processes over loopback", () => {
  test(
    "serve and mirror; SIGTERM ends the server in good order",
    async () => {
      using bench = await benchWith("one", noise(3 << 20));
      await mkdir(bench.path("srv"));
      const { id } = eventOf(
        await bench.done(["--json", "mirror", bench.path("log"), bench.path("srv/log")]),
        "mirrored",
      );
      await using server = launch({
        name: "serve",
        program: "hawser",
        args: ["stream", "serve", bench.path("srv"), "--port", "0"],
      });
      const { url } = await server.waitFor(({ event }) => event === "listening", stepMsMax);
      const address = `${String(url)}/${String(id)}`;
      const mirror = start(bench, "mirror", address, bench.path("copy"));
      expect(await mirror.ended).toMatchObject({ how: 0, err: "" });
      expect(bench.read("copy").equals(bench.read("log"))).toBe(true);
      const cat = start(bench, "cat", address, "2", "--range", "2000000-2000009");
      const part = Buffer.from(noise(3 << 20).subarray(2_000_000, 2_000_010));
      expect((await cat.ended).out).toBe(part.toString("utf8"));
      server.signal("SIGTERM");
      expect(await server.ended).toBe(0);
      expect(server.events.at(-1)).toMatchObject({ event: "stopped" });
    },
    stepMsMax,
  );

  test(
    "a port that is taken is told with a remedy",
    async () => {
      using bench = await benchWith("one");
      const taken: Server = createServer();
      await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
      // Safe: a TCP server that listens has an address of this type.
      const { port } = taken.address() as AddressInfo;
      const { ended } = start(bench, "serve", bench.folder, "--port", String(port));
      const { how, err } = await ended;
      expect([how, err]).toEqual([1, expect.stringContaining("[EADDRINUSE]")]);
      await new Promise((resolve) => taken.close(resolve));
    },
    stepMsMax,
  );
});
