/** The packet commands as a process: real streams, clock and files. */
import { randomFillSync } from "node:crypto";
import { chmod, mkdir, open } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Writable } from "node:stream";
import { createCrypto } from "@hawser/crypto";
import type { PacketStore } from "@hawser/query";
import { createSqlitePacketStore } from "@hawser/store-sqlite";
import { CliError } from "../errors.ts";
import type { PacketIo } from "./io.ts";
import { runPacketCommand, type PacketExitCode } from "./run.ts";

/** What stands before and after the word `packet` on the command line. */
export interface PacketWords {
  readonly home: string | undefined;
  readonly args: readonly string[];
}

/**
 * The words of a packet command, or `undefined` when it is another one. They are not left to the
 * parser of the other commands, which would take `--` and what stands behind it for its own.
 */
export function findPacketWords(words: readonly string[]): PacketWords | undefined {
  const refused: string[] = [];
  let home: string | undefined;
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    // An option of the other commands that is none here is refused with the rest of the words.
    if (word === "packet") return { home, args: [...refused, ...words.slice(index + 1)] };
    if (word === "--home") home = words[++index];
    else if (word.startsWith("--home=")) home = word.slice("--home=".length);
    else if (word === "--json") refused.push(word);
    else return undefined;
  }
  return undefined;
}

/** Runs a packet command on this process's streams. */
export async function runPacketProcess({ home, args }: PacketWords): Promise<PacketExitCode> {
  const folder = resolve(home ?? process.env["HAWSER_HOME"] ?? join(homedir(), ".hawser"));
  const io: PacketIo = {
    stdin: process.stdin,
    writeStdout: createWriter(process.stdout),
    writeStderr: createWriter(process.stderr),
    env: process.env,
    nowMicros,
    wait: async (ms, signal) => {
      // An abort only ends the wait; whoever aborts says what it means.
      await delay(ms, undefined, { signal }).catch(() => undefined);
    },
    random: (byteCount) => randomFillSync(new Uint8Array(byteCount)),
    crypto: await createCrypto(),
    openStore,
    folder: join(folder, "packets"),
    signal: new AbortController().signal,
  };
  try {
    return await runPacketCommand(args, io);
  } finally {
    // Input that nobody takes any more would keep the process alive.
    process.stdin.destroy();
  }
}

async function openStore(file: string): Promise<PacketStore> {
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    // What is in the store is for its owner's eyes; the engine gives its other files the same mode.
    await (await open(file, "a", 0o600)).close();
    await chmod(file, 0o600);
  } catch (cause) {
    const remedy = "Name a place that this user may write with --db or --dir.";
    throw new CliError("CLI_HOME_UNUSABLE", `${file} cannot be opened`, remedy, { cause });
  }
  return createSqlitePacketStore({ clock: { nowMicros } }, { path: file });
}

function nowMicros(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1_000);
}

/** Writes and waits until the system has taken it; a reader that went away rejects with EPIPE. */
function createWriter(stream: Writable): (bytes: Uint8Array) => Promise<void> {
  // Each failed write rejects; without a listener the same error would also end the process.
  stream.on("error", () => undefined);
  return (bytes) =>
    new Promise((done, fail) => {
      stream.write(bytes, (error) => {
        if (error === null || error === undefined) done();
        else fail(error);
      });
    });
}
