/**
 * Derives the vectors of docs/spec/2-log.md §15 from fixed inputs; packets come from the oracle. To
 * write the file anew (never once its version is released; a change of bytes is a new version):
 *
 *     node --conditions=hawser-source packages/log/test/support/vectors.ts
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createByteWriter, toHex, utf8 } from "@hawser/codec";
import { createNobleCrypto, type AuthorId } from "@hawser/crypto";
import {
  buildRange,
  createCheckpoint,
  createMemoryStore,
  emptyChain,
  encodeChainState,
  encodeCheckpoint,
  encodeContext,
  encodeEntryProof,
  encodeForkProof,
  ingestRange,
  joinRanges,
  proveEntry,
  verifyRange,
  type EncodedRange,
  type EntryDraft,
  type LogContext,
  type Topic,
  type VerifiedRange,
} from "@hawser/log";
import { createOracleLog, oracleSkipTarget } from "@hawser/log/testing";

export const vectorsFile: URL = new URL(
  "../../../../docs/spec/vectors/log/v1/log.json",
  import.meta.url,
);

const crypto = createNobleCrypto();
const secret = new Uint8Array(32).fill(7);
export const vectorContext: LogContext = {
  // Safe: 32 bytes in hex.
  topic: "5c".repeat(32) as Topic,
  domain: "hawser.data",
  author: toHex(crypto.publicKey(secret)) as AuthorId,
};
const firstStamp = 1_700_000_000_000_000;

/** An entry of a vector: what its author chose. */
interface VectorEntry {
  readonly draft: EntryDraft;
  readonly stamp: number;
  readonly signed: boolean;
}

const fill = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const path = [utf8("notes"), new Uint8Array([0xff])];

const example: readonly VectorEntry[] = [
  { draft: { data: utf8("first") }, stamp: firstStamp, signed: true },
  { draft: { data: utf8("second"), path }, stamp: firstStamp + 1, signed: false },
  {
    draft: {
      data: new Uint8Array(0),
      path,
      deps: [
        { seq: 300, hash: fill(0xa1) },
        { seq: 4, hash: fill(0xa2) },
      ],
    },
    stamp: firstStamp + 1_000,
    signed: false,
  },
  {
    draft: { data: utf8("fourth"), body: { byteCount: 70_000, hash: fill(0xb0) } },
    stamp: firstStamp + 1_001,
    signed: false,
  },
  { draft: { data: utf8("last"), path }, stamp: firstStamp + 2_000_000, signed: true },
];

function build(entries: readonly VectorEntry[]): VerifiedRange {
  return buildRange({ crypto, secret }, emptyChain(crypto, vectorContext), entries);
}

function describeRange(name: string, entries: readonly VectorEntry[]): object {
  const oracle = createOracleLog(crypto, vectorContext, secret);
  for (const { draft, stamp, signed } of entries) oracle.append(draft, stamp, signed);
  const range = build(entries);
  return {
    name,
    spec: "§4, §5",
    from: 0,
    count: range.count,
    compact: toHex(range.bytes),
    state_after: toHex(encodeChainState(range.after)),
    entries: entries.map(({ draft, stamp, signed }, seq) => ({
      stamp: String(stamp),
      signed,
      path: (draft.path ?? []).map(toHex),
      deps: (draft.deps ?? []).map((dep) => ({ seq: dep.seq, hash: toHex(dep.hash) })),
      body:
        draft.body === undefined
          ? null
          : { size: draft.body.byteCount, hash: toHex(draft.body.hash) },
      data: toHex(draft.data),
      hash: toHex(oracle.hashes[seq] ?? new Uint8Array(0)),
      packet: toHex(oracle.packets[seq] ?? new Uint8Array(0)),
    })),
  };
}

/** Forty small entries in one batch: every skip link up to level 4. */
const batch: readonly VectorEntry[] = Array.from({ length: 40 }, (_, index) => ({
  draft: { data: new Uint8Array([index]) },
  stamp: firstStamp + index,
  signed: index === 0 || index === 39,
}));

/** Damage and what it leads to. */
function describeRejections(): readonly object[] {
  const good = build(example);
  const changed = (edit: (bytes: Uint8Array) => void): Uint8Array => {
    const bytes = good.bytes.slice();
    edit(bytes);
    return bytes;
  };
  const handMade = (flags: number, delta: number, ...rest: readonly number[]): Uint8Array => {
    const writer = createByteWriter();
    writer.u8(flags);
    writer.varint(delta);
    for (const byte of rest) writer.u8(byte);
    return writer.finish();
  };
  const last = good.bytes.length - 1;
  const cases: readonly (readonly [string, number, number, Uint8Array])[] = [
    ["a flipped bit in the genesis' data", 0, 5, changed((bytes) => (bytes[10] = 0xff))],
    ["a flipped bit in the last signature", 0, 5, changed((bytes) => (bytes[last] = 0xff))],
    ["a reserved flag", 0, 5, changed((bytes) => (bytes[0] = 0x21))],
    ["cut off by one byte", 0, 5, good.bytes.subarray(0, last)],
    ["one byte too many", 0, 5, Uint8Array.from([...good.bytes, 0])],
    ["fewer entries than bytes", 0, 4, good.bytes],
    ["more entries than bytes", 0, 6, good.bytes],
    ["no entries", 0, 0, good.bytes],
    ["starts after the head", 1, 5, good.bytes],
    ["unsigned genesis", 0, 1, handMade(0, firstStamp, 0)],
    ["stamp that stands still", 0, 1, handMade(1, 0, 0)],
    ["stamp in a longer spelling", 0, 1, Uint8Array.from([1, 0x81, 0, 0])],
    ["no deps where deps are announced", 0, 1, handMade(0x09, 1, 0, 0)],
    ["65 deps", 0, 1, handMade(0x09, 1, 65, 0)],
    ["path and same path", 0, 1, handMade(0x07, 1, 2, 1, 7, 0)],
    ["same path at the start of a range", 0, 1, handMade(0x05, 1, 0)],
    ["empty path", 0, 1, handMade(0x03, 1, 0, 0)],
    ["empty path component", 0, 1, handMade(0x03, 1, 1, 0, 0)],
    ["data longer than a packet", 0, 1, handMade(1, 1, 0x81, 0xfc, 0x03)],
    ["a batch without its end", 0, 39, build(batch).bytes.subarray(0, offsetOfLast(build(batch)))],
  ];
  return cases.map(([name, from, count, bytes]) => {
    const range: EncodedRange = { context: vectorContext, from, count, bytes };
    const verdict = verifyRange({ crypto }, emptyChain(crypto, vectorContext), range);
    if (verdict.ok) throw new Error(`${name}: accepted`);
    const { reason, failedSeq, accepted } = verdict;
    return {
      name,
      spec: "§7",
      from,
      count,
      compact: toHex(bytes),
      error: reason,
      failed_seq: failedSeq,
      accepted: accepted?.count ?? 0,
    };
  });
}

function offsetOfLast(range: VerifiedRange): number {
  const signature = 64;
  return range.bytes.length - signature - 4;
}

async function describeProofs(): Promise<object> {
  const store = createMemoryStore({ crypto });
  const range = build(batch);
  await store.commit({ ranges: [range] });
  const { logId } = range.after;
  const proofs: object[] = [];
  for (const seq of [0, 3, 12, 38, 39]) {
    const proof = await proveEntry({ store, crypto }, logId, seq);
    proofs.push({
      name: `entry ${seq} of 40`,
      spec: "§8",
      seq,
      hash: toHex(range.entries[seq]?.hash ?? new Uint8Array(0)),
      proof: toHex(encodeEntryProof(proof)),
    });
  }
  const head = await store.head(logId);
  const checkpoint = head && createCheckpoint({ crypto }, head, secret);
  if (checkpoint === undefined) throw new Error("the log has no signed entry");
  const spec = "§10";
  const bytes = toHex(encodeCheckpoint(checkpoint));
  return {
    entry_proofs: { vectors: proofs },
    checkpoints: { vectors: [{ spec, height: 40, checkpoint: bytes }] },
  };
}

/** Two branches that part at `seq`, inside batches. */
async function describeFork(seq: number): Promise<object> {
  const store = createMemoryStore({ crypto });
  const ours = build(batch);
  const theirs = build(
    batch.map((entry, index) =>
      index < seq ? entry : { ...entry, draft: { data: utf8("other") } },
    ),
  );
  await store.commit({ ranges: [ours] });
  const outcome = await ingestRange({ store, crypto }, joinRanges([theirs]));
  if (outcome.status !== "forked") throw new Error("no fork");
  return {
    name: `parting at ${seq}`,
    spec: "§9",
    seq,
    proof: toHex(encodeForkProof(outcome.proof)),
  };
}

/** The whole file. */
export async function deriveVectors(): Promise<object> {
  const seqs = Array.from({ length: 200 }, (_, seq) => seq);
  return {
    meta: {
      title: "Logs",
      spec: "docs/spec/2-log.md",
      generator: "packages/log/test/support/vectors.ts",
      conventions:
        "Byte strings are lower-case hex, stamps decimal strings. All entries are by the author of secret 07*32 under the one context.",
    },
    context: {
      spec: "§3",
      ...vectorContext,
      secret: toHex(secret),
      bytes: toHex(encodeContext(vectorContext)),
      log_id: emptyChain(crypto, vectorContext).logId,
    },
    skips: {
      spec: "§6",
      targets: seqs.flatMap((seq) => {
        const target = oracleSkipTarget(seq);
        return target === undefined ? [] : [[seq, target]];
      }),
    },
    ranges: { vectors: [describeRange("every field", example), describeRange("forty", batch)] },
    rejected: { vectors: describeRejections() },
    ...(await describeProofs()),
    fork_proofs: { vectors: [await describeFork(0), await describeFork(17)] },
  };
}

/** One value a line. */
export function readable(vectors: object): string {
  return `${JSON.stringify(vectors, null, 1)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(vectorsFile, readable(await deriveVectors()));
}
