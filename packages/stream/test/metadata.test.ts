/** Metadata of any kind: what is written reads back equal, and the rest is refused before. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MetadataValue } from "@hawser/stream";
import { decodeMetadata, encodeMetadata } from "../src/record.ts";
import { make, openBytes } from "./support/streams.ts";

// Halves of surrogate pairs among them.
const anyText = fc.string({
  unit: fc.oneof(
    fc.integer({ min: 0, max: 0xffff }).map(one),
    fc.constantFrom("a", "\ud83d", "\ude00", "\u0000", "é"),
  ),
});
function one(unit: number): string {
  return String.fromCharCode(unit);
}

const { value: anyValue } = fc.letrec<{ value: MetadataValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(null, true, false, 0, -1, 2 ** 53 - 1, -(2 ** 53 - 1)),
    fc.integer(),
    anyText,
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(anyText, tie("value"), { maxKeys: 3 }),
  ),
}));

describe("metadata", () => {
  test("read back equal, or are refused", () => {
    let [kept, refused] = [0, 0];
    fc.assert(
      fc.property(fc.dictionary(anyText, anyValue, { maxKeys: 4 }), (metadata) => {
        let bytes: Uint8Array;
        try {
          bytes = encodeMetadata(metadata);
        } catch (error) {
          expect(error).toMatchObject({ code: "STREAM_METADATA" });
          refused += 1;
          return;
        }
        kept += 1;
        expect(decodeMetadata(bytes)).toEqual(metadata);
      }),
      { seed: 5, numRuns: 3_000 },
    );
    expect(Math.min(kept, refused)).toBeGreaterThan(100);
  });

  test("two names that UTF-8 would make one do not end the stream", async () => {
    const { stream, store } = await make();
    for (const metadata of [{ "\ud800": 1, "\ufffd": 2 }, { title: "\ud800" }, { a: ["\udfff"] }]) {
      await expect(stream.append(metadata)).rejects.toMatchObject({ code: "STREAM_METADATA" });
    }
    const directive = { type: "related-to", targets: ["\ud800"] } as const;
    const refused = stream.append({}, undefined, { directive });
    await expect(refused).rejects.toMatchObject({ code: "STREAM_DIRECTIVE" });
    await expect(make({ software: "\ud800" })).rejects.toMatchObject({ code: "STREAM_METADATA" });
    await stream.append({ title: "\u{1f600}" });
    const copy = await openBytes(store.contents());
    expect(await copy.verify("full")).toMatchObject({ ok: true, height: 2, tornBytes: 0 });
    expect(await copy.metadata(1)).toEqual({ title: "\u{1f600}" });
  });
});
