import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseStreamAddress, printStreamAddress } from "@hawser/stream/http";

const id = "ab".repeat(32);
const digitsOfHex = "0123456789abcdef".split("");
const uuid = "0123456789abcdef".repeat(2);

describe("addresses", () => {
  test("[IW-uri] every form is read", () => {
    expect(parseStreamAddress(`iw://${id}`)).toEqual({ id });
    expect(parseStreamAddress(`iw://${uuid}/0`)).toEqual({ id: uuid, block: 0 });
    expect(parseStreamAddress(`iw://host/${id}`)).toEqual({ host: "host", id });
    expect(parseStreamAddress(`iw://a.b-c.example:8080/${id}/12`)).toEqual({
      host: "a.b-c.example",
      port: 8080,
      id,
      block: 12,
    });
    expect(parseStreamAddress(`iw://[::1]:80/${uuid}`)).toEqual({
      host: "[::1]",
      port: 80,
      id: uuid,
    });
    // A host may look like an id; what follows decides.
    expect(parseStreamAddress(`iw://${uuid}/${id}`)).toEqual({ host: uuid, id });
  });

  test("[IW-uri] parse after print is the same, and print after parse", () => {
    const hex = (length: number): fc.Arbitrary<string> =>
      fc
        .array(fc.constantFrom(...digitsOfHex), { minLength: length, maxLength: length })
        .map((digits) => digits.join(""));
    const host = fc.constantFrom("host", "a.b.c", "127.0.0.1", "[fe80::1]", "x-y.example");
    const server = fc.oneof(
      fc.constant({}),
      host.map((name) => ({ host: name })),
      fc.record({ host, port: fc.integer({ min: 1, max: 65_535 }) }),
    );
    const block = fc.oneof(
      fc.constant({}),
      fc.maxSafeNat().map((seq) => ({ block: seq })),
    );
    fc.assert(
      fc.property(server, fc.oneof(hex(32), hex(64)), block, (where, name, place) => {
        const address = { ...where, id: name, ...place };
        const text = printStreamAddress(address);
        expect(parseStreamAddress(text)).toEqual(address);
      }),
    );
  });

  const bad = [
    "",
    "iw://",
    id,
    `http://host/${id}`,
    `IW://${id}`,
    `iw:/${id}`,
    `iw://${id.toUpperCase()}`,
    `iw://${id.slice(1)}`,
    `iw://${id}/`,
    `iw://${id}/01`,
    `iw://${id}/-1`,
    `iw://${id}/1.5`,
    `iw://${id}/9007199254740993`,
    `iw://${id}/1/2`,
    `iw://host:0/${id}`,
    `iw://host:65536/${id}`,
    `iw://host:080/${id}`,
    `iw://host:/${id}`,
    `iw://HOST/${id}`,
    `iw://user@host/${id}`,
    `iw://host/${id}/1/`,
    `iw://host//${id}`,
    `iw://../${id}`,
    `iw://host/${id}?x`,
    `iw://host/${id}#1`,
    ` iw://${id}`,
    `iw://${id}\n`,
    `iw://${"a.".repeat(300)}a/${id}`,
  ];
  for (const text of bad) {
    test(`[IW-uri] ${JSON.stringify(text.slice(0, 60))} is no address`, () => {
      expect(parseStreamAddress(text)).toBeUndefined();
    });
  }
});
