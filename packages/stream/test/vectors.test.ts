/** docs/spec/vectors/stream: the committed file against its seeds, and the code against the file. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { fromHex, toHex } from "@hawser/codec";
import { createNobleCrypto } from "@hawser/crypto";
import { createMemoryBytes, openStream } from "@hawser/stream";
import { describe, expect, test } from "vitest";
import { testDeps } from "./support/streams.ts";
import { deriveVectors, vectorsPath, type StreamVectors } from "./support/vectors.ts";

const file = fileURLToPath(new URL(`../../../${vectorsPath}`, import.meta.url));
const derived = await deriveVectors();
const wanted = `${JSON.stringify(derived, undefined, 2)}\n`;
if (process.env["HAWSER_WRITE_VECTORS"] === "1") {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, wanted);
}
const committed = readFileSync(file, "utf8");
// Safe: compared with what it was derived from, below.
const vectors = JSON.parse(committed) as StreamVectors;
const bytesOf = (hex: string | undefined): Uint8Array => fromHex(hex ?? "") ?? new Uint8Array(0);
const crypto = createNobleCrypto();

describe("the vectors of streams", () => {
  test("the committed file is what its seeds give", () => {
    expect(committed).toBe(wanted);
  });

  test.each(vectors.streams.filter(({ bytes }) => bytes !== undefined))("$name", async (vector) => {
    const bytes = bytesOf(vector.bytes);
    expect(toHex(crypto.hash(bytes))).toBe(vector.bytes_hash);
    for (const decrypt of [
      { secrets: [bytesOf(vectors.meta["reader_secret"])] },
      ...(vector.suite === 2 ? [{ streamKey: bytesOf(vectors.meta["stream_key"]) }] : []),
    ]) {
      const opened = await openStream(testDeps(), createMemoryBytes({ bytes }), { decrypt });
      if (!opened.ok) throw new Error(opened.fault.message);
      const { stream } = opened;
      expect([stream.id, toHex(stream.headHash)]).toEqual([vector.id, vector.head]);
      expect(stream.height).toBe(vector.entries.length);
      for (const [seq, entry] of vector.entries.entries()) {
        const block = await stream.read(seq);
        expect(toHex(block?.bytes ?? bytes)).toBe(entry.content);
        expect(JSON.parse(JSON.stringify(block?.metadata))).toEqual(entry.metadata);
        expect([block?.info.offset, block?.info.isSigned]).toEqual([entry.offset, entry.signed]);
      }
      expect(await stream.verify("full")).toMatchObject({ ok: true, indexFaultCount: 0 });
    }
  });

  test.each(vectors.broken)("$name: $fault", async ({ stream, cut, offset, hex, fault }) => {
    const whole = bytesOf(vectors.streams[stream]?.bytes);
    const bytes = whole.slice(0, cut ?? whole.length);
    bytes.set(bytesOf(hex), offset ?? 0);
    const opened = await openStream(testDeps(), createMemoryBytes({ bytes }));
    if (!opened.ok) {
      expect(opened.fault.code).toBe(fault);
      return;
    }
    const verdict = await opened.stream.verify("full");
    const found = verdict.ok
      ? (verdict.tornBytes > 0 && "TORN") || (verdict.indexFaultCount > 0 && "INDEX")
      : verdict.fault.code;
    expect(found).toBe(fault);
  });
});
