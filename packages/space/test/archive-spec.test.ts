/** The literal examples of docs/spec/archive.md. */
import { toHex } from "@hawser/codec";
import { createCrypto } from "@hawser/crypto";
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { createHeader } from "../src/archive/format.ts";
import { encodeRecord } from "../src/archive/records.ts";
import { sealChunks } from "../src/archive/chunks.ts";
import { collect } from "./archive-help.ts";

test("[TH-131] the archive of the specification's example", async () => {
  const crypto = await createCrypto();
  const random = (byteCount: number): Uint8Array => new Uint8Array(byteCount).fill(0x22);
  const header = await createHeader({ crypto, random }, { key: new Uint8Array(32).fill(0x11) });
  const author = "33".repeat(32) as never;
  const record = encodeRecord({
    kind: "owner",
    time: 1_794_000_000_000_000,
    author,
    secret: undefined,
  });
  const end = encodeRecord({ kind: "end", spaces: 0, logs: 0, entries: 0 });
  async function* records(): AsyncGenerator<Uint8Array> {
    yield record;
    yield end;
  }
  const chunk = await collect(sealChunks(crypto, header.fileKey, records()));
  const spec = await readFile(new URL("../../../docs/spec/archive.md", import.meta.url), "utf8");
  const lines = [header.bytes, header.fileKey, record, end, chunk].map(toHex);
  for (const hex of lines) expect(spec).toContain(hex);
  expect(header.bytes.length + chunk.length).toBe(67 + 4 + 4 + record.length + 4 + end.length + 16);
});
