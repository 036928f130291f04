/** docs/spec/vectors/log: the committed file against the code, both ways. */
import { readFileSync } from "node:fs";
import { fromHex, toHex } from "@hawser/codec";
import { expect, test } from "vitest";
import {
  decodeChainState,
  decodeCheckpoint,
  decodeContext,
  decodeEntryProof,
  decodeForkProof,
  emptyChain,
  entryPacket,
  logIdOf,
  skipTarget,
  stateWithin,
  verifyCheckpoint,
  verifyForkProof,
  verifyProof,
  verifyRange,
  type LogId,
} from "@hawser/log";
import { oracleVerify } from "@hawser/log/testing";
import { fastCrypto as crypto } from "./support/logs.ts";
import { deriveVectors, readable, vectorContext, vectorsFile } from "./support/vectors.ts";

interface RangeVector {
  readonly name: string;
  readonly from: number;
  readonly count: number;
  readonly compact: string;
}

interface Vectors {
  readonly context: { readonly bytes: string; readonly log_id: LogId };
  readonly skips: { readonly targets: readonly (readonly [number, number])[] };
  readonly ranges: {
    readonly vectors: readonly (RangeVector & {
      readonly state_after: string;
      readonly entries: readonly { readonly hash: string; readonly packet: string }[];
    })[];
  };
  readonly rejected: {
    readonly vectors: readonly (RangeVector & {
      readonly error: string;
      readonly failed_seq: number;
      readonly accepted: number;
    })[];
  };
  readonly entry_proofs: {
    readonly vectors: readonly {
      readonly seq: number;
      readonly hash: string;
      readonly proof: string;
    }[];
  };
  readonly checkpoints: {
    readonly vectors: readonly { readonly height: number; readonly checkpoint: string }[];
  };
  readonly fork_proofs: {
    readonly vectors: readonly { readonly seq: number; readonly proof: string }[];
  };
}

const text = readFileSync(vectorsFile, "utf8");
const file = JSON.parse(text) as Vectors;
const start = emptyChain(crypto, vectorContext);
const bytesOf = (hex: string): Uint8Array => fromHex(hex) ?? new Uint8Array(0);

test("[P2-M14] the committed vectors are what the code derives", async () => {
  expect(readable(await deriveVectors())).toBe(text);
});

test("the literal examples of the chapter are those of the vectors", () => {
  const chapter = readFileSync(new URL("../../2-log.md", new URL("..", vectorsFile)), "utf8");
  const [example] = file.ranges.vectors;
  const quoted = [
    file.context.log_id,
    file.context.bytes.slice(64, 96),
    file.context.bytes.slice(96),
  ];
  for (const text_ of quoted) expect(chapter).toContain(text_);
  expect(chapter).toContain(`${(example?.compact.length ?? 0) / 2} bytes for five entries`);
  expect(chapter).toContain(`hash ${example?.entries[3]?.hash}`);
  const compact = example?.compact ?? "";
  expect(chapter).toContain(compact.slice(2, 18));
  for (const entry of ["e70702ac02", "f0a204", "97817a"]) expect(compact).toContain(entry);
});

test("contexts and skip targets", () => {
  expect(decodeContext(bytesOf(file.context.bytes))).toEqual(vectorContext);
  expect(logIdOf(crypto, vectorContext)).toBe(file.context.log_id);
  const targets = new Map(file.skips.targets);
  for (let seq = 0; seq < 200; seq++) expect(skipTarget(seq)).toBe(targets.get(seq));
});

test("[TH-026] ranges verify, and rebuild their packets", () => {
  for (const { from, count, compact, state_after, entries } of file.ranges.vectors) {
    const encoded = { context: vectorContext, from, count, bytes: bytesOf(compact) };
    const verdict = verifyRange({ crypto }, start, encoded);
    if (!verdict.ok) throw new Error(verdict.reason);
    const { range } = verdict;
    expect(range.entries.map((entry) => toHex(entry.hash))).toEqual(
      entries.map(({ hash }) => hash),
    );
    const packets = range.entries.map((entry) =>
      entryPacket(stateWithin(crypto, start, range, entry.seq), entry),
    );
    expect(packets.map(toHex)).toEqual(entries.map(({ packet }) => packet));
    expect(oracleVerify(crypto, vectorContext, packets)).toBe(true);
    expect(decodeChainState(crypto, bytesOf(state_after))).toEqual(range.after);
  }
});

test("[TH-027] damaged ranges are refused, each for its reason", () => {
  for (const { name, from, count, compact, error, failed_seq, accepted } of file.rejected.vectors) {
    const encoded = { context: vectorContext, from, count, bytes: bytesOf(compact) };
    const verdict = verifyRange({ crypto }, start, encoded);
    if (verdict.ok) throw new Error(`${name}: accepted`);
    expect([name, verdict.reason, verdict.failedSeq, verdict.accepted?.count ?? 0]).toEqual([
      name,
      error,
      failed_seq,
      accepted,
    ]);
  }
});

test("[TH-029] [P2-M12] proofs and checkpoints", () => {
  for (const { seq, hash, proof } of file.entry_proofs.vectors) {
    const decoded = decodeEntryProof(bytesOf(proof));
    const verdict = decoded && verifyProof({ crypto }, decoded);
    expect(verdict?.ok === true && [verdict.entry.seq, toHex(verdict.entry.hash)]).toEqual([
      seq,
      hash,
    ]);
  }
  for (const { height, checkpoint } of file.checkpoints.vectors) {
    const decoded = decodeCheckpoint(bytesOf(checkpoint));
    expect(decoded?.height).toBe(height);
    expect(decoded && verifyCheckpoint({ crypto }, decoded)).toBe(true);
  }
  for (const { seq, proof } of file.fork_proofs.vectors) {
    const decoded = decodeForkProof(bytesOf(proof));
    expect(decoded && verifyForkProof({ crypto }, decoded)).toEqual({ ok: true, seq });
  }
});
