/**
 * What stream commands touch of the outside world besides files, injected so that a test runs them
 * in its own process.
 */
import type { Crypto, Random } from "@hawser/crypto";
import type { Fetch } from "@hawser/stream/http";
import type { OutputOptions } from "../output.ts";

export interface StreamIo {
  readonly stdin: AsyncIterable<Uint8Array>;
  /** Sentences and JSON lines. */
  readonly stdout: OutputOptions["stdout"];
  readonly stderr: OutputOptions["stderr"];
  /** Content. Resolves when more may be written; rejects with `EPIPE` when nobody reads any more. */
  readonly writeBytes: (bytes: Uint8Array) => Promise<void>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** µs since the Unix epoch. */
  readonly nowMicros: () => number;
  /** A clock for pauses between two reports of progress. */
  readonly nowMs: () => number;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly fetch: Fetch;
  /** Aborts when the command is to stop (Ctrl-C). */
  readonly signal: AbortSignal;
}
