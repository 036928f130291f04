import fc from "fast-check";
import { expect, test } from "vitest";
import { createMemoryBytes } from "@hawser/stream";
import { openLegacyStream } from "@hawser/stream/legacy";
import { joinBlocks, makeLegacyKeys, writeLegacyBlocks, type Bytes } from "./legacy-writer.ts";

const deps = { subtle: globalThis.crypto.subtle };

/** Contents of the blocks that hold, up to the first fault. */
async function contentsOf(bytes: Bytes): Promise<readonly string[]> {
  const opened = await openLegacyStream(deps, createMemoryBytes({ bytes }), {
    blockBytesMax: 5000,
  });
  const found: string[] = [];
  if (!opened.ok) return found;
  for await (const block of opened.blocks()) {
    if (block.ok) found.push(Buffer.from(block.content).toString("hex") + block.metadataText);
  }
  return found;
}

test("[IW-legacy] however a file is changed, what is accepted is a beginning of the original", async () => {
  const keys = await makeLegacyKeys();
  const drafts = ["one", "two", "three", "four"].map((content) => ({
    content,
    metadata: { content },
  }));
  const file = joinBlocks(await writeLegacyBlocks(keys, drafts));
  const original = await contentsOf(file);
  expect(original).toHaveLength(5);
  const place = fc.nat(file.length);
  const change = fc.record({
    at: place,
    removed: fc.nat(400),
    inserted: fc.uint8Array({ maxLength: 40 }),
    from: place,
    copied: fc.nat(400),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
      let bytes: readonly number[] = [...file];
      for (const { at, removed, inserted, from, copied } of changes) {
        const part = [...inserted, ...file.subarray(from, from + copied)];
        bytes = [...bytes.slice(0, at), ...part, ...bytes.slice(at + removed)];
      }
      const found = await contentsOf(Uint8Array.from(bytes));
      expect(found).toEqual(original.slice(0, found.length));
    }),
    { seed: 3, numRuns: 300 },
  );
});

test("[IW-legacy] random bytes are never a stream and never an exception", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), async (bytes) => {
      const opened = await openLegacyStream(deps, createMemoryBytes({ bytes }));
      expect(opened.ok).toBe(false);
    }),
    { seed: 4, numRuns: 300 },
  );
});
