/** Space ids, docs/spec/6-space.md §2. */
import { fromHex, toHex } from "@hawser/codec";
import { createNobleCrypto } from "@hawser/crypto";
import type { OpId } from "@hawser/auth";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  createSpaceId,
  decodeSpaceId,
  formatSpaceId,
  genesisSpaceId,
  isGenesisOf,
  metadataKeyOf,
  parseSpaceId,
  randomSpaceId,
  spaceIdBytes,
  topicOf,
  type SpaceId,
  type SpaceIdBase,
} from "../src/ids.ts";

const crypto = createNobleCrypto();
const bases: readonly SpaceIdBase[] = ["base16", "base32", "base36", "base58btc", "base64url"];
const multibaseOnly = { base16: "f", base32: "b", base36: "k", base58btc: "z", base64url: "u" };

const paperIds = [
  ["bafkxd5bjgi6k4zivuoyxo4ua4mzyy", "015571f429323cae6515a3b1777280e3338c", "raw", 16],
  [
    "bafyoiobghzefwlidfrwkqmzz2ka66zgmdmgeobw2mimktr5jivsavya",
    "0170e438263e485b2d032c6ca83339d281ef64cc1b0c4706da6218a9c7a945640ae0",
    "access-controlled",
    32,
  ],
  [
    "bafykrq5i25vd64ghamtgus6lue74k",
    "0170a8c3a8d76a3f70c703266a4bcba13fc5",
    "access-controlled",
    16,
  ],
] as const;

function bytesOf(hex: string): Uint8Array {
  return fromHex(hex) ?? new Uint8Array(0);
}

describe("space ids", () => {
  test.each(paperIds)(
    "[TH-081] [TH-088] [TH-084] the paper's id %s",
    (text, hex, variant, size) => {
      const parsed = parseSpaceId(text);
      expect(parsed.ok && toHex(parsed.value.bytes)).toBe(hex);
      expect(parsed.ok && parsed.value.variant).toBe(variant);
      expect(parsed.ok && parsed.value.random.length).toBe(size);
      expect(parsed.ok && parsed.value.id).toBe(text);
    },
  );

  test("[TH-082] one id in five bases is equal, and base 32 is the default", () => {
    for (const [text] of paperIds) {
      // Safe: the row above proves it parses.
      const id = text as string as SpaceId;
      for (const base of bases) {
        const spelled = formatSpaceId(id, base);
        expect(spelled[0]).toBe(multibaseOnly[base]);
        const parsed = parseSpaceId(spelled);
        expect(parsed.ok && parsed.value.id).toBe(id);
      }
    }
  });

  test("[TH-086] raw is the default variant", () => {
    const id = randomSpaceId(() => new Uint8Array(32).fill(7));
    const parsed = parseSpaceId(id);
    expect(parsed.ok && parsed.value.variant).toBe("raw");
    expect(id.startsWith("bafk")).toBe(true);
  });

  test("[TH-085] 15 random bytes are refused, 16 and 32 accepted", () => {
    expect(() => createSpaceId(new Uint8Array(15))).toThrow(
      expect.objectContaining({ code: "SPACE_ID_RANDOM" }),
    );
    expect(() => createSpaceId(new Uint8Array(0))).toThrow(
      expect.objectContaining({ code: "SPACE_ID_RANDOM" }),
    );
    expect(createSpaceId(new Uint8Array(16))).toMatch(/^bafk/);
    expect(createSpaceId(new Uint8Array(32), "access-controlled")).toMatch(/^bafy/);
    expect(() => createSpaceId(new Uint8Array(200))).toThrow(
      expect.objectContaining({ code: "SPACE_ID_TOO_LONG" }),
    );
  });

  const random16 = "00112233445566778899aabbccddeeff";
  test.each([
    ["", "SPACE_ID_TOO_SHORT"],
    ["01", "SPACE_ID_TOO_SHORT"],
    [`0155${random16.slice(2)}`, "SPACE_ID_RANDOM"],
    ["0155", "SPACE_ID_RANDOM"],
    [`0255${random16}`, "SPACE_ID_VERSION"],
    [`0055${random16}`, "SPACE_ID_VERSION"],
    [`0156${random16}`, "SPACE_ID_VARIANT"],
    [`01f0ffffff0f${random16}`, "SPACE_ID_VARIANT"],
    [`8100${random16}`, "SPACE_ID_MALFORMED"],
    [`01d500${random16}`, "SPACE_ID_MALFORMED"],
    ["ffffffffffffffffffffffff", "SPACE_ID_MALFORMED"],
    [`0155${"00".repeat(127)}`, "SPACE_ID_TOO_LONG"],
  ])("[TH-083] bytes %.40s give %s", (hex, reason) => {
    expect(decodeSpaceId(bytesOf(hex))).toEqual({ ok: false, reason });
  });

  test.each([
    ["", "SPACE_ID_TOO_SHORT"],
    ["b", "SPACE_ID_TOO_SHORT"],
    ["xafkxd5bjgi6k4zivuoyxo4ua4mzyy", "SPACE_ID_BASE"],
    ["Qafkxd5bjgi6k4zivuoyxo4ua4mzyy", "SPACE_ID_BASE"],
    ["bafkxd5bjgi6k4zivuoyxo4ua4mz!y", "SPACE_ID_MALFORMED"],
    ["bAFKXD5BJGI6K4ZIVUOYXO4UA4MZYY", "SPACE_ID_MALFORMED"],
    ["bafkxd5bjgi6k4zivuoyxo4ua4mzyz", "SPACE_ID_MALFORMED"],
    ["bafkxd5bjgi6k4zivuoyxo4ua4mzyy====", "SPACE_ID_MALFORMED"],
    ["bafkxd5bjgi6k4zivuoyxo4ua4mzyy ", "SPACE_ID_MALFORMED"],
    [`b${"a".repeat(5_000)}`, "SPACE_ID_TOO_LONG"],
  ])("[TH-083] text %.40s gives %s", (text, reason) => {
    expect(parseSpaceId(text)).toEqual({ ok: false, reason });
  });

  test("[TH-082] any id survives any base; no other text gives the same id", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 16, maxLength: 40 }),
        fc.constantFrom("raw", "access-controlled"),
        fc.constantFrom(...bases),
        (random, variant, base) => {
          const id = createSpaceId(random, variant);
          const text = formatSpaceId(id, base);
          const parsed = parseSpaceId(text);
          expect(parsed.ok && parsed.value.id).toBe(id);
          const shorter = parseSpaceId(text.slice(0, -1));
          expect(shorter.ok && shorter.value.id === id).toBe(false);
        },
      ),
      { seed: 6, numRuns: 200 },
    );
  });

  test("no text makes the parser throw", () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 80 }),
        fc.constantFrom("b", "f", "z", "k", "u", ""),
        (text, prefix) => {
          expect(typeof parseSpaceId(prefix + text).ok).toBe("boolean");
        },
      ),
      { seed: 6, numRuns: 500 },
    );
  });
});

describe("what is derived from an id", () => {
  const id = createSpaceId(new Uint8Array(32).fill(1), "access-controlled");

  test("[TH-080] topic and metadata key are one-way and differ", () => {
    const topic = topicOf(crypto, id);
    expect(topic).toMatch(/^[0-9a-f]{64}$/);
    expect(topic).not.toBe(toHex(metadataKeyOf(crypto, id)));
    expect(toHex(spaceIdBytes(id))).not.toContain(topic);
  });

  test("[TH-087] a genesis id holds for its own operation and nonce alone", () => {
    const createOp = "ab".repeat(32) as OpId;
    const nonce = new Uint8Array(32).fill(9);
    const own = genesisSpaceId(crypto, createOp, nonce);
    expect(parseSpaceId(own)).toMatchObject({ ok: true, value: { variant: "access-controlled" } });
    expect(isGenesisOf(crypto, own, { createOp, nonce })).toBe(true);
    expect(isGenesisOf(crypto, own, { createOp, nonce: new Uint8Array(32).fill(8) })).toBe(false);
    expect(isGenesisOf(crypto, own, { createOp: "ac".repeat(32) as OpId, nonce })).toBe(false);
    expect(isGenesisOf(crypto, own, { createOp, nonce: new Uint8Array(31) })).toBe(false);
  });
});
