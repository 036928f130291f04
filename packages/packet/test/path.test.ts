import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  buildLinkpoint,
  decodePath,
  encodePath,
  encodeRootedPath,
  exchangeDomain,
  printPath,
  publicGroup,
  toEscapedText,
} from "@hawser/packet";
import { arbitraryPath } from "./arbitraries.ts";
import { bytesOf, crypto, toHex, utf8, verdict, withRootedPath } from "./helpers.ts";

function path(...components: readonly string[]): Uint8Array[] {
  return components.map(utf8);
}

describe("forms", () => {
  test.each([
    [[], ""],
    [["a"], "01020202020202020161"],
    [["he", "llo"], "0203070707070707026865036c6c6f"],
    [["1", "2", "3", "4", "5", "6", "7", "8"], "08020406080a0c0e01310132013301340135013601370138"],
  ])("[LK-path] %j rooted", (components, hex) => {
    expect(toHex(encodeRootedPath(path(...components)))).toBe(hex);
    expect(toHex(encodePath(path(...components)))).toBe(hex.slice(16));
  });

  test("[LK-path] components come back, one by one in O(1)", () => {
    fc.assert(
      fc.property(arbitraryPath, (components) => {
        const packet = buildLinkpoint(crypto, { group: publicGroup(), path: components, stamp: 0 });
        expect(packet.path).toEqual(components);
        expect(packet.pathDepth).toBe(components.length);
        for (let index = 0; index < 10; index++) {
          expect(packet.pathComponent(index)).toEqual(components[index]);
        }
        expect(packet.pathComponent(-1)).toBe(undefined);
        expect(toHex(packet.unrootedPath)).toBe(toHex(encodePath(components)));
        expect(decodePath(packet.unrootedPath)).toEqual({ ok: true, path: components });
      }),
      { numRuns: 150 },
    );
  });

  test("[LK-path] the largest paths: one of 242 bytes in two and in eight components", () => {
    const two = [new Uint8Array(200).fill(1), new Uint8Array(40).fill(2)];
    const eight = [...path("a", "a", "a", "a", "a", "a", "a"), new Uint8Array(227).fill(3)];
    expect(encodeRootedPath(two).length).toBe(250);
    expect(() => encodeRootedPath(eight)).toThrow(
      expect.objectContaining({ code: "PACKET_PATH_COMPONENT_BYTES" }),
    );
    const fitting = [...eight.slice(0, 6), new Uint8Array(28), new Uint8Array(200)];
    expect(encodeRootedPath(fitting).length).toBe(250);
    expect(verdict(withRootedPath(encodeRootedPath(fitting)))).toBe("ok");
  });

  test("[LK-path] print escapes what would be read otherwise", () => {
    expect(printPath([])).toBe("");
    expect(printPath(path("hello", "world"))).toBe("/hello/world");
    expect(printPath([bytesOf("00"), bytesOf("2f"), bytesOf("612f62"), bytesOf("ff00ff")])).toBe(
      "/\\0/\\//a\\/b/\\f\\0\\f",
    );
  });

  test("[LK-path] print shows hashes and tags in paths as what they are", () => {
    const hash = publicGroup();
    expect(printPath([hash])).toBe("/[b:Yrs7iz3VznXh-ogv4aM62VmMNxXFiT4P24tIfVz9sTk]");
    expect(printPath(path("sixteen letters!"))).toBe("/sixteen letters!");
    expect(printPath([bytesOf("0000000000000000000000000061612f")])).toBe("/[a:aa\\/]");
    expect(printPath([exchangeDomain()])).toBe("/[f:exchange]");
    expect(printPath([hash.subarray(1)])).toBe(`/${toEscapedText(hash.subarray(1))}`);
  });
});

describe("unrooted paths of peers", () => {
  test.each([
    ["00", "PACKET_PATH_COMPONENT_EMPTY"],
    ["01", "PACKET_PATH_TAIL"],
    ["026100", "ok"],
    ["0361", "PACKET_PATH_TAIL"],
    [`c9${"61".repeat(201)}`, "PACKET_PATH_COMPONENT_BYTES"],
    ["0161".repeat(9), "PACKET_PATH_DEPTH"],
    ["0161".repeat(8), "ok"],
    ["0161".repeat(122), "PACKET_PATH_BYTES"],
  ])("[LK-path] %s: %s", (hex, expected) => {
    const decoded = decodePath(bytesOf(hex));
    expect(decoded.ok ? "ok" : decoded.reason).toBe(expected);
  });

  test("[LK-path] what decodes encodes to the same bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => {
        const small = bytes.map((byte) => byte % 4);
        const decoded = decodePath(small);
        if (decoded.ok) expect(toHex(encodePath(decoded.path))).toBe(toHex(small));
      }),
      { numRuns: 1000 },
    );
  });
});

test("[LK-path] no byte of a rooted path can be changed and keep its meaning", () => {
  const rooted = encodeRootedPath(path("a", "bc", "def"));
  const original = verdict(withRootedPath(rooted));
  expect(original).toBe("ok");
  // The prefix is redundant: every changed prefix byte must be caught.
  for (let offset = 0; offset < 8; offset++) {
    for (let value = 0; value < 256; value++) {
      if (value === rooted[offset]) continue;
      const changed = rooted.slice();
      changed[offset] = value;
      expect(verdict(withRootedPath(changed))).toMatch(/^PACKET_PATH_(DEPTH|INDEX)$/);
    }
  }
});
