import { utf8 } from "@hawser/codec";
import { encodeRootedPath, privateGroup, publicGroup } from "@hawser/packet";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  checkName,
  ConventionsError,
  isLocalName,
  nameBytesMax,
  nameGroup,
  nameToPath,
  pathToName,
  printName,
  toName,
} from "../src/index.ts";
import { hex } from "./support/values.ts";

const component = fc.uint8Array({ minLength: 1, maxLength: 40 });
const name = fc
  .array(component, { minLength: 1, maxLength: 7 })
  .filter((components) => checkName(components) === undefined);

describe("names and paths", () => {
  test("[LK-lns] a name is its path from behind, below /claims", () => {
    const path = nameToPath(toName("john:example:test"));
    expect(path.map((part) => new TextDecoder().decode(part))).toEqual([
      "claims",
      "test",
      "example",
      "john",
    ]);
    expect(encodeRootedPath(nameToPath([]))).toEqual(hex("010707070707070706636c61696d73"));
  });

  test("[LK-lns] name → path → name is the same name, and the path fits a packet", () => {
    fc.assert(
      fc.property(name, (components) => {
        const path = nameToPath(components);
        expect(encodeRootedPath(path).length).toBeLessThanOrEqual(250);
        expect(pathToName(path)).toEqual({ ok: true, name: components });
      }),
    );
  });

  test("[LK-lns] path → name → path is the same path", () => {
    fc.assert(
      fc.property(fc.array(component, { maxLength: 9 }), (rest) => {
        const path = [utf8("claims"), ...rest];
        const read = pathToName(path);
        if (read.ok) expect(nameToPath(read.name)).toEqual(path);
        else expect(checkName(rest)).toBe(read.reason);
      }),
    );
  });

  test("[LK-lns] two names never share a path", () => {
    fc.assert(
      fc.property(name, name, (a, b) => {
        const [pathA, pathB] = [encodeRootedPath(nameToPath(a)), encodeRootedPath(nameToPath(b))];
        expect(Buffer.compare(pathA, pathB) === 0).toBe(printName(a) === printName(b));
      }),
    );
  });

  const bad: readonly (readonly [string, readonly Uint8Array[], string])[] = [
    ["no component", [], "NAME_EMPTY"],
    ["eight components", Array.from({ length: 8 }, () => utf8("a")), "NAME_DEPTH"],
    ["an empty component", [utf8("a"), new Uint8Array(0)], "NAME_COMPONENT_EMPTY"],
    ["a component of 201 bytes", [new Uint8Array(201)], "NAME_COMPONENT_BYTES"],
    ["235 bytes", [new Uint8Array(200), new Uint8Array(33)], "NAME_BYTES"],
  ];
  for (const [title, components, reason] of bad) {
    test(`[LK-lns] refuses ${title}`, () => {
      expect(checkName(components)).toBe(reason);
      expect(() => toName(components)).toThrow(ConventionsError);
      expect(pathToName([utf8("claims"), ...components])).toEqual({ ok: false, reason });
    });
  }

  test("[LK-lns] the longest names fit", () => {
    expect(checkName([new Uint8Array(200), new Uint8Array(32)])).toBeUndefined();
    expect(nameBytesMax).toBe(234);
    expect(checkName(Array.from({ length: 7 }, () => utf8("a")))).toBeUndefined();
  });

  test("[LK-lns] only what lies below /claims is a name", () => {
    for (const path of [[], [utf8("claim"), utf8("a")], [utf8("by-tag"), utf8("a")]]) {
      expect(pathToName(path)).toEqual({ ok: false, reason: "NAME_PREFIX" });
    }
  });

  test("[LK-lns] only a last component `local` makes a name local", () => {
    expect(isLocalName(toName("me:local"))).toBe(true);
    expect(nameGroup(toName("local"))).toEqual(privateGroup());
    for (const text of ["local:me", "me:locals", "me:Local", "example:test"]) {
      expect(isLocalName(toName(text))).toBe(false);
      expect(nameGroup(toName(text))).toEqual(publicGroup());
    }
  });

  test("[LK-lns] a printed name is ASCII with its separators escaped", () => {
    expect(printName([utf8("a:b"), Uint8Array.of(0, 255)])).toBe("a\\:b:\\0\\f");
  });
});
