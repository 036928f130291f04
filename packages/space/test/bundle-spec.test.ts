/** The example of docs/spec/bundle.md §10, byte by byte. */
import { concatBytes, toHex } from "@hawser/codec";
import { createCrypto } from "@hawser/crypto";
import type { Topic } from "@hawser/log";
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { createHeader, sectionKeyOf } from "../src/bundle/format.ts";
import { encodeRecord } from "../src/bundle/records.ts";

test("the example of the chapter is what this program writes", async () => {
  const crypto = await createCrypto();
  const header = createHeader((byteCount) => new Uint8Array(byteCount).fill(0x22), "entries", 1);
  // Safe: 32 bytes in hex name a topic.
  const topic = "11".repeat(32) as Topic;
  const key = sectionKeyOf(crypto, header, { topic, section: 0 });
  const begin = encodeRecord({ kind: "begin", time: 1_794_000_000_000_000 });
  const end = encodeRecord({ kind: "end", rangeCount: 0, withheld: 0 });
  const lines = {
    header: header.bytes,
    tag: key.tag,
    begin,
    "chunk 0": key.seal(0, begin, false),
    end,
    "chunk 1": key.seal(1, end, true),
    file: concatBytes(
      header.bytes,
      key.tag,
      key.seal(0, begin, false),
      key.seal(1, end, true),
      new Uint8Array(4),
    ),
  };
  const text = Object.entries(lines)
    .map(([name, bytes]) => `${name.padEnd(8)}  ${toHex(bytes)}`)
    .join("\n");
  const chapter = new URL("../../../docs/spec/bundle.md", import.meta.url);
  expect(await readFile(chapter, "utf8")).toContain(`\`\`\`\n${text}\n\`\`\`\n`);
});
