/**
 * What packet commands touch of the outside world, injected so that a test runs them in its own
 * process: byte streams, environment, clock, timer, and the folder of keys and packets.
 */
import type { Crypto, Random } from "@hawser/crypto";
import type { PacketStore } from "@hawser/query";

export interface PacketIo {
  readonly stdin: AsyncIterable<Uint8Array>;
  /** Resolves when more may be written; rejects with code `EPIPE` when nobody reads any more. */
  readonly writeStdout: (bytes: Uint8Array) => Promise<void>;
  readonly writeStderr: (bytes: Uint8Array) => Promise<void>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** µs since the Unix epoch. */
  readonly nowMicros: () => number;
  /** Resolves after that time, or at once when `signal` aborts. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly random: Random;
  readonly crypto: Crypto;
  /** Opens the packet store in that file, making it when it is not there. */
  readonly openStore: (file: string) => Promise<PacketStore>;
  /** Where keys and packets are kept unless `--dir` or LK_DIR says otherwise. */
  readonly folder: string;
  /** Aborts when the command is to stop (Ctrl-C). */
  readonly signal: AbortSignal;
}

/** Bytes on their way out. */
export interface ByteSink {
  /** Queues bytes; waits for the reader once enough of them are queued. */
  write(bytes: Uint8Array): Promise<void>;
  /** Resolves when everything queued has been taken. */
  flush(): Promise<void>;
}

/** One system call for many small packets. */
const queueBytesMax = 65_536;

/** A sink that gathers small writes. What is queued exceeds the limit by one write at most. */
export function createByteSink(write: (bytes: Uint8Array) => Promise<void>): ByteSink {
  let queue: Uint8Array[] = [];
  let size = 0;
  const flush = async (): Promise<void> => {
    if (size === 0) return;
    const bytes = queue.length === 1 ? queue[0] : Buffer.concat(queue, size);
    queue = [];
    size = 0;
    if (bytes !== undefined) await write(bytes);
  };
  return {
    write: async (bytes) => {
      if (bytes.length === 0) return;
      queue.push(bytes);
      size += bytes.length;
      if (size >= queueBytesMax) await flush();
    },
    flush,
  };
}
