/**
 * What a log costs: append, verify, replicate, read, prove; 200-byte entries in memory.
 * A program of its own: `node --conditions=hawser-source packages/log/bench/log.bench.ts [entries] [--noble]`.
 */
import { toHex } from "@hawser/codec";
import { createCrypto, createNobleCrypto, type AuthorId, type Crypto } from "@hawser/crypto";
import {
  createLogWriter,
  createMemoryStore,
  emptyChain,
  ingestRange,
  joinRanges,
  proveEntry,
  verifyProof,
  verifyRange,
  type EncodedRange,
  type EntryDraft,
  type LogContext,
  type LogStore,
  type LogWriter,
  type Topic,
} from "@hawser/log";

const entryCount = Number(process.argv.find((word) => /^\d+$/.test(word)) ?? 100_000);
const batchSize = 1_000;
const dataBytes = 200;
const secret = new Uint8Array(32).fill(7);

interface Row {
  readonly work: string;
  readonly perSecond: number;
  readonly note: string;
}

/** Payloads that do not repeat, made before the clock starts. */
const payloads: readonly Uint8Array[] = Array.from({ length: entryCount }, (_, index) => {
  const bytes = new Uint8Array(dataBytes);
  for (let at = 0; at < dataBytes; at++) bytes[at] = (index * 31 + at * 17) & 0xff;
  return bytes;
});

async function timed(work: string, count: number, run: () => Promise<string>): Promise<Row> {
  const start = performance.now();
  const note = await run();
  return { work, perSecond: count / ((performance.now() - start) / 1000), note };
}

async function open(crypto: Crypto, store: LogStore): Promise<LogWriter> {
  let micros = 1_700_000_000_000_000;
  const context: LogContext = {
    // Safe: both are 32 bytes in hex.
    topic: "5c".repeat(32) as Topic,
    domain: "hawser.data",
    author: toHex(crypto.publicKey(secret)) as AuthorId,
  };
  const clock = { nowMicros: () => (micros += 50) };
  return createLogWriter({ store, crypto, clock }, { context, secret });
}

function drafts(from: number, to: number): EntryDraft[] {
  return payloads.slice(from, to).map((data) => ({ data }));
}

async function appendBatches(writer: LogWriter): Promise<void> {
  for (let from = 0; from < entryCount; from += batchSize) {
    await writer.append(drafts(from, from + batchSize));
  }
}

async function appendSingly(crypto: Crypto, sign: "now" | "deferred", count: number): Promise<Row> {
  const writer = await open(crypto, createMemoryStore({ crypto }));
  return timed(
    `append one by one, ${sign === "now" ? "each signed" : "signed later"}`,
    count,
    async () => {
      for (const data of payloads.slice(0, count)) await writer.append([{ data }], { sign });
      await writer.checkpoint();
      return "";
    },
  );
}

async function replicate(crypto: Crypto, from: LogStore, writer: LogWriter): Promise<string> {
  const to = createMemoryStore({ crypto });
  let bytes = 0;
  for await (const range of from.ranges(writer.logId)) {
    bytes += range.bytes.length;
    const outcome = await ingestRange({ store: to, crypto }, range);
    if (outcome.status !== "stored") throw new Error(`replication ended with ${outcome.status}`);
  }
  const payload = entryCount * dataBytes;
  return `${(bytes / payload).toFixed(4)} × payload`;
}

async function bench(crypto: Crypto): Promise<readonly Row[]> {
  const rows: Row[] = [];
  const store = createMemoryStore({ crypto });
  const writer = await open(crypto, store);
  rows.push(
    await timed("append in batches of 1,000", entryCount, async () => {
      await appendBatches(writer);
      return "";
    }),
  );
  const ranges: EncodedRange[] = [];
  for await (const range of store.ranges(writer.logId)) ranges.push(range);
  rows.push(
    await timed("verify, range by range", entryCount, async () => {
      let state = emptyChain(crypto, writer.context);
      for (const range of ranges) {
        const verdict = verifyRange({ crypto }, state, range);
        if (!verdict.ok) throw new Error(verdict.reason);
        state = verdict.range.after;
      }
      return `${ranges.length} signatures`;
    }),
  );
  const half = joinRanges(ranges.slice(0, Math.ceil(ranges.length / 2)));
  rows.push(
    await timed("verify, half of it as one range", half.count, async () => {
      const verdict = verifyRange({ crypto }, emptyChain(crypto, writer.context), half);
      if (!verdict.ok) throw new Error(verdict.reason);
      return "1 signature";
    }),
  );
  rows.push(
    await timed("replicate store to store", entryCount, () => replicate(crypto, store, writer)),
  );
  rows.push(
    await timed("replicate again, all known", entryCount, async () => {
      for (const range of ranges) await ingestRange({ store, crypto }, range);
      return "";
    }),
  );
  rows.push(
    await timed("read and decode all", entryCount, async () => {
      let count = 0;
      for await (const entry of store.entries(writer.logId)) count += entry.data.length;
      return `${count} bytes`;
    }),
  );
  rows.push(
    await timed("read one of them", 1_000, async () => {
      for (let index = 0; index < 1_000; index++) {
        const from = (index * 7_919) % entryCount;
        for await (const _ of store.entries(writer.logId, { from, to: from + 1 }));
      }
      return "";
    }),
  );
  const proof = await proveEntry({ store, crypto }, writer.logId, 1);
  rows.push(
    await timed("verify a proof of entry 1", 100, async () => {
      for (let index = 0; index < 100; index++) verifyProof({ crypto }, proof);
      return `${proof.path.length} bytes`;
    }),
  );
  const singles = Math.min(entryCount, 2_000);
  rows.push(await appendSingly(crypto, "now", singles));
  rows.push(await appendSingly(crypto, "deferred", Math.min(entryCount, 20_000)));
  return rows;
}

function print(rows: readonly Row[]): void {
  for (const { work, perSecond, note } of rows) {
    const rate = Math.round(perSecond).toLocaleString("en").padStart(12);
    console.log(`${work.padEnd(40)}${rate} / s   ${note}`);
  }
}

const fast = await createCrypto();
console.log(
  `\n${fast.backEnds.hash} hash, ${fast.backEnds.signature} signature; first run, then warm`,
);
print(await bench(fast));
console.log("");
print(await bench(fast));
if (process.argv.includes("--noble")) {
  console.log("\nnoble");
  print(await bench(createNobleCrypto()));
}
