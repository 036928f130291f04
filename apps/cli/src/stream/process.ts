/** The stream commands as a process: real streams, clock and network. */
import { randomFillSync } from "node:crypto";
import type { Writable } from "node:stream";
import { createCrypto } from "@hawser/crypto";
import type { StreamIo } from "./io.ts";
import { runStreamCommand, type StreamExitCode } from "./run.ts";

/**
 * The words of a stream command, or `undefined` when it is another one. They are parsed apart from
 * those of the other commands, whose errors and exit codes are others.
 */
export function findStreamWords(words: readonly string[]): readonly string[] | undefined {
  const at = words.indexOf("stream");
  const before = words.slice(0, Math.max(at, 0));
  if (at < 0 || !before.every((word) => word === "--json")) return undefined;
  return [...before, ...words.slice(at + 1)];
}

/** Runs a stream command on this process's streams. */
export async function runStreamProcess(words: readonly string[]): Promise<StreamExitCode> {
  const { stdin, stdout, stderr, env } = process;
  const stopped = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    // The first ends in good order, a second one at once.
    process.once(signal, () => stopped.abort());
  }
  // A reader that went away fails the next write; without a listener it would end the process.
  stdout.on("error", () => stopped.abort());
  stderr.on("error", () => undefined);
  const io: StreamIo = {
    stdin,
    stdout,
    stderr,
    writeBytes: createWriter(stdout),
    env,
    nowMicros: () => Math.round((performance.timeOrigin + performance.now()) * 1_000),
    nowMs: () => performance.now(),
    random: (byteCount) => randomFillSync(new Uint8Array(byteCount)),
    crypto: await createCrypto(),
    fetch: (url, init) => fetch(url, init),
    signal: stopped.signal,
  };
  try {
    return await runStreamCommand(words, io);
  } finally {
    // Input that nobody takes any more would keep the process alive.
    stdin.destroy();
  }
}

/** Writes and waits until the system has taken it. */
function createWriter(stream: Writable): (bytes: Uint8Array) => Promise<void> {
  return (bytes) =>
    new Promise((done, fail) => {
      stream.write(bytes, (error) => {
        if (error === null || error === undefined) done();
        else fail(error);
      });
    });
}
