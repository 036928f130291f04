/** Runs stream commands in this process, in a folder of their own, with a clock that goes by ms. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCrypto, type Crypto } from "@hawser/crypto";
import { seededRandom } from "@hawser/crypto/testing";
import type { StreamIo } from "../../src/stream/io.ts";
import { runStreamCommand } from "../../src/stream/run.ts";

export const crypto: Crypto = await createCrypto();

export interface Ran {
  readonly code: number;
  /** Sentences or JSON lines. */
  readonly text: string;
  /** Content that was written to stdout. */
  readonly bytes: Buffer;
  readonly stderr: string;
  /** The lines as objects; only with `--json`. */
  readonly events: readonly Readonly<Record<string, unknown>>[];
}

export interface RunOptions {
  readonly stdin?: Uint8Array | AsyncIterable<Uint8Array>;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly io?: Partial<StreamIo>;
}

/** A folder for files, and keys `ada` and `ben` in it that need no password. */
export interface StreamBench extends Disposable {
  readonly folder: string;
  /** The path of a file in the folder. */
  path(name: string): string;
  /** Writes a file and tells its path. */
  file(name: string, content: string | Uint8Array): string;
  read(name: string): Buffer;
  run(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** Runs, and fails the test unless the command is done without a word on stderr. */
  done(args: readonly string[], options?: RunOptions): Promise<Ran>;
}

export function createStreamBench(seed = "streams"): StreamBench {
  const folder = mkdtempSync(join(tmpdir(), "hawser-stream-cli-"));
  const random = seededRandom(seed);
  let now = 1_700_000_000_000_000;
  const nowMicros = (): number => (now += 1_000);
  const path = (name: string): string => join(folder, name);
  const run = async (args: readonly string[], options: RunOptions = {}): Promise<Ran> => {
    let [text, stderr] = ["", ""];
    const pieces: Uint8Array[] = [];
    const code = await runStreamCommand(args, {
      stdin: toChunks(options.stdin ?? new Uint8Array(0)),
      stdout: { write: (part) => (text += part) },
      stderr: { write: (part) => (stderr += part) },
      writeBytes: (bytes) => Promise.resolve(void pieces.push(bytes.slice())),
      env: { HAWSER_STREAM_KEY: path("ada"), ...options.env },
      nowMicros,
      nowMs: () => 0,
      random,
      crypto,
      fetch: (url, init) => fetch(url, init),
      signal: options.signal ?? new AbortController().signal,
      ...options.io,
    });
    return { code, text, stderr, bytes: Buffer.concat(pieces), events: toEvents(text) };
  };
  return {
    folder,
    path,
    file: (name, content) => {
      writeFileSync(path(name), content);
      return path(name);
    },
    read: (name) => readFileSync(path(name)),
    run,
    done: async (args, options) => {
      const ran = await run(args, options);
      if (ran.code !== 0 || ran.stderr !== "") {
        throw new Error(`${args.join(" ")}: ${ran.code} ${ran.stderr}`);
      }
      return ran;
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** A bench with keys, and a stream `log` of Ada's if `blocks` are given. */
export async function benchWith(...blocks: readonly (string | Uint8Array)[]): Promise<StreamBench> {
  const bench = createStreamBench();
  await bench.done(["keys", bench.path("ada"), "--no-password"]);
  await bench.done(["keys", bench.path("ben"), "--no-password"]);
  if (blocks.length === 0) return bench;
  await bench.done(["create", bench.path("log"), "--title", "A log"]);
  for (const [index, block] of blocks.entries()) {
    const file = bench.file(`file${index + 1}`, block);
    await bench.done(["append", bench.path("log"), file]);
  }
  return bench;
}

async function* toChunks(
  input: Uint8Array | AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (!(input instanceof Uint8Array)) return yield* input;
  yield input;
}

function toEvents(text: string): readonly Readonly<Record<string, unknown>>[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line): Readonly<Record<string, unknown>> => JSON.parse(line));
}

/** Bytes that do not compress or repeat; the same for the same arguments. */
export function noise(byteCount: number, seed = "noise"): Uint8Array {
  return seededRandom(seed)(byteCount);
}

/** The event of that name; fails the test when there is none. */
export function eventOf(ran: Ran, name: string): Readonly<Record<string, unknown>> {
  const found = ran.events.find(({ event }) => event === name);
  if (found === undefined) throw new Error(`no event ${name} in ${ran.text}${ran.stderr}`);
  return found;
}
