import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { buildLinkpoint, parsePacket, readPacket } from "@hawser/packet";
import { arbitraryDraft } from "./arbitraries.ts";
import { bytesOf, crypto, hello, patch, toHex, verdict, withRootedPath } from "./helpers.ts";

const reference = { mode: "reference" } as const;
const eight = "0161016201630164016501660167".concat("0168");

/** Holes of the reference: what it says, what strict mode says. */
const holes: readonly [string, Uint8Array, string, string][] = [
  ["another magic", patch(hello.bytes, { 2: [0x32] }), "ok", "PACKET_MAGIC"],
  ["no magic at all", patch(hello.bytes, { 0: [0, 0, 0] }), "ok", "PACKET_MAGIC"],
  ["the always-zero flag", patch(hello.bytes, { 3: [0x80] }), "ok", "PACKET_FLAGS"],
  ...[0, 1, 2, 3, 4, 5, 6, 7, 9, 200, 255].map((depth): [string, Uint8Array, string, string] => [
    `depth ${depth} before eight components`,
    withRootedPath(bytesOf(`${depth.toString(16).padStart(2, "0")}020406080a0c0e${eight}`)),
    "ok",
    "PACKET_PATH_DEPTH",
  ]),
  [
    "eight zero bytes for no path",
    withRootedPath(new Uint8Array(8)),
    "ok",
    "PACKET_PATH_EMPTY_FORM",
  ],
  ["a size of 0", sized(0), "PACKET_POINT_BYTES", "PACKET_POINT_BYTES"],
  ["a size of 1", sized(1), "PACKET_PADDING", "PACKET_POINT_BYTES"],
  ["a size of 2", sized(2), "PACKET_PADDING", "PACKET_POINT_BYTES"],
  ["a size of 3", sized(3), "PACKET_PADDING", "PACKET_POINT_BYTES"],
];

/** A datapoint that states another size, the rest of the point all 0xFF, with the fitting hash. */
function sized(size: number): Uint8Array {
  const bytes = patch(hello.bytes.subarray(0, 72), { 64: [0, 1, 0, size, 255, 255, 255, 255] });
  bytes.set(crypto.hash(bytes.subarray(64, 64 + Math.ceil(size / 8) * 8)), 32);
  return bytes;
}

describe("the holes of the reference", () => {
  test.each(holes)("[LK-strict] %s", (_name, bytes, inReference, inStrict) => {
    expect(verdict(bytes, reference)).toBe(inReference);
    expect(verdict(bytes)).toBe(inStrict);
    expect(verdict(bytes, { mode: "strict" })).toBe(inStrict);
  });

  test("[LK-strict] eight components with depth 8 are legal", () => {
    expect(verdict(withRootedPath(bytesOf(`08020406080a0c0e${eight}`)))).toBe("ok");
  });

  test("[LK-strict] named and unnamed flags other than always-zero are legal", () => {
    for (const flags of [0x01, 0x0f, 0x70, 0x7f]) {
      expect(verdict(patch(hello.bytes, { 3: [flags] }))).toBe("ok");
    }
  });

  test("[LK-strict] a wrong depth byte still reads its eight components", () => {
    const bytes = withRootedPath(bytesOf(`00020406080a0c0e${eight}`));
    const read = readPacket(crypto, bytes, reference);
    if (!read.ok) throw new Error(read.reason);
    expect(read.packet.pathDepth).toBe(0);
    expect(read.packet.path.map(toHex).join("")).toBe("6162636465666768");
  });
});

describe("one byte string per content", () => {
  test("[LK-strict] what strict mode accepts is what its fields build", () => {
    const edit = fc.tuple(fc.nat(400), fc.nat(255));
    let accepted = 0;
    fc.assert(
      fc.property(arbitraryDraft, fc.array(edit, { maxLength: 3 }), (fields, edits) => {
        const bytes = buildLinkpoint(crypto, fields).bytes.slice();
        for (const [offset, value] of edits) {
          if (64 + offset < bytes.length) bytes[64 + offset] = value;
        }
        const parsed = parsePacket(bytes, { allowPrivate: true });
        if (!parsed.ok || parsed.packet.kind !== "linkpoint") return;
        accepted++;
        const { group, domain, path, links, stamp, data, point } = parsed.packet;
        const again = buildLinkpoint(crypto, { group, domain, path, links, stamp, data });
        expect(toHex(again.point)).toBe(toHex(point));
      }),
      { numRuns: 300 },
    );
    expect(accepted).toBeGreaterThan(100);
  });
});
