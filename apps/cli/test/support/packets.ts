/** Runs packet commands in this process, on bytes instead of streams and with a clock that stands. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCrypto, type Crypto } from "@hawser/crypto";
import { parsePackets, type Packet } from "@hawser/packet";
import { createMemoryPacketStore, type PacketStore } from "@hawser/query";
import type { PacketIo } from "../../src/packet/io.ts";
import { runPacketCommand } from "../../src/packet/run.ts";

export const startMicros = 1_700_000_000_000_000;
const crypto: Crypto = await createCrypto();

export interface Ran {
  readonly code: number;
  readonly out: Uint8Array;
  readonly text: string;
  readonly stderr: string;
  readonly packets: readonly Packet[];
}

export interface RunOptions {
  readonly stdin?: Uint8Array | string | AsyncIterable<Uint8Array>;
  readonly env?: Readonly<Record<string, string>>;
  readonly io?: Partial<PacketIo>;
}

/** A folder and a store of their own; the clock goes on by 1 µs with each look. */
export interface Bench {
  readonly folder: string;
  readonly store: PacketStore;
  run(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** Runs, and fails the test unless the command is done without a word. */
  done(args: readonly string[], options?: RunOptions): Promise<Ran>;
}

export function createBench(): Bench {
  const folder = mkdtempSync(join(tmpdir(), "hawser-packet-"));
  let now = startMicros;
  const nowMicros = (): number => now++;
  const store = createMemoryPacketStore({ clock: { nowMicros } });
  // The store outlives the commands that open it.
  const shared: PacketStore = { ...store, close: () => Promise.resolve() };
  const run = async (args: readonly string[], options: RunOptions = {}): Promise<Ran> => {
    const out: Uint8Array[] = [];
    const err: Uint8Array[] = [];
    const code = await runPacketCommand(args, {
      stdin: toChunks(options.stdin ?? ""),
      writeStdout: (bytes) => Promise.resolve(void out.push(bytes)),
      writeStderr: (bytes) => Promise.resolve(void err.push(bytes)),
      env: options.env ?? {},
      nowMicros,
      wait: () => new Promise((resolve) => setImmediate(resolve)),
      random: (count) => new Uint8Array(count).fill(7),
      crypto,
      openStore: () => Promise.resolve(shared),
      folder,
      signal: new AbortController().signal,
      ...options.io,
    });
    const bytes = Buffer.concat(out);
    return {
      code,
      out: bytes,
      text: bytes.toString("utf8"),
      stderr: Buffer.concat(err).toString("utf8"),
      get packets() {
        return toPackets(bytes);
      },
    };
  };
  return {
    folder,
    store,
    run,
    done: async (args, options) => {
      const ran = await run(args, options);
      if (ran.code !== 0 || ran.stderr !== "") {
        throw new Error(`${args.join(" ")}: ${ran.code} ${ran.stderr}`);
      }
      return ran;
    },
  };
}

async function* toChunks(
  input: Uint8Array | string | AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (typeof input !== "string" && !(input instanceof Uint8Array)) return yield* input;
  const bytes = Buffer.from(input);
  for (let start = 0; start < bytes.length; start += 65_536) {
    yield bytes.subarray(start, start + 65_536);
  }
}

/** The packets in bytes; throws when they are not packets back to back. */
export function toPackets(bytes: Uint8Array): readonly Packet[] {
  return [...parsePackets(bytes, { mode: "reference", allowPrivate: true })].map((parsed) => {
    if (!parsed.ok) throw new Error(`no packet: ${parsed.reason}`);
    return parsed.packet;
  });
}
