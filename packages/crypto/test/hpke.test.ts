/** HPKE base mode: RFC 9180 A.2.1 over every mix of back ends, and what must not open. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, toHex, utf8 } from "@hawser/codec";
import { seededRandom } from "@hawser/crypto/testing";
import { assemble } from "../src/assemble.ts";
import { contextOf, hpkeOpenWith, hpkeSealWith } from "../src/hpke.ts";
import { createNobleFamilies } from "../src/noble.ts";
import { aeads, agreements, bytes, flipped, kdfs, vectors } from "./help.ts";

interface HpkeVectors {
  readonly info: string;
  readonly ephemeralPublicKey: string;
  readonly ephemeralSecret: string;
  readonly recipientPublicKey: string;
  readonly recipientSecret: string;
  readonly encapsulated: string;
  readonly key: string;
  readonly baseNonce: string;
  readonly exporterSecret: string;
  readonly plaintext: string;
  readonly encryptions: readonly {
    readonly sequence: number;
    readonly associatedData: string;
    readonly ciphertext: string;
  }[];
  readonly exports: readonly { readonly context: string; readonly value: string }[];
}

const vector = vectors<HpkeVectors>("hpke");
const info = bytes(vector.info);
const recipientSecret = bytes(vector.recipientSecret);
const recipientKey = bytes(vector.recipientPublicKey);
const first = vector.encryptions[0]!;
const message = { info, associatedData: bytes(first.associatedData) };
const published = concatBytes(bytes(vector.encapsulated), bytes(first.ciphertext));

const mixes = agreements.flatMap(([agreementName, agreement]) =>
  aeads.flatMap(([aeadName, aead]) =>
    kdfs.map(([kdfName, kdf]) => ({
      name: `${agreementName} + ${aeadName} + ${kdfName}`,
      families: { agreement, aead, kdf },
    })),
  ),
);

describe.each(mixes)("RFC 9180 A.2.1 by $name", ({ families }) => {
  it("has the published key schedule", () => {
    const shared = families.agreement.agree(recipientSecret, bytes(vector.encapsulated))!;
    const context = contextOf(families.kdf, shared, bytes(vector.encapsulated), recipientKey, info);
    expect(toHex(context.key)).toBe(vector.key);
    expect(toHex(context.baseNonce)).toBe(vector.baseNonce);
    expect(toHex(context.exporterSecret)).toBe(vector.exporterSecret);
    expect(
      shared.every((byte) => byte === 0),
      "the raw secret is wiped",
    ).toBe(true);
  });

  it("has the published ciphertexts of sequence numbers 0, 1, 2, 4, 255, 256", () => {
    for (const { sequence, associatedData, ciphertext } of vector.encryptions) {
      const nonce = bytes(vector.baseNonce);
      nonce[10] = nonce[10]! ^ (sequence >> 8);
      nonce[11] = nonce[11]! ^ (sequence & 0xff);
      const key = bytes(vector.key);
      const sealed = families.aead.seal(key, nonce, bytes(vector.plaintext), bytes(associatedData));
      expect(toHex(sealed), `sequence ${sequence}`).toBe(ciphertext);
    }
  });

  it("has the published exports", () => {
    const suite = bytes("48504b45002000010003");
    for (const { context, value } of vector.exports) {
      const labelled = concatBytes(
        bytes("0020"),
        utf8("HPKE-v1"),
        suite,
        utf8("sec"),
        bytes(context),
      );
      const secret = bytes(vector.exporterSecret);
      expect(toHex(families.kdf.expand(secret, labelled, 32))).toBe(value);
    }
  });

  it("seals and opens the published message", () => {
    const sealed = hpkeSealWith(
      families,
      recipientKey,
      bytes(vector.plaintext),
      message,
      bytes(vector.ephemeralSecret),
    );
    expect(toHex(sealed)).toBe(toHex(published));
    const opened = hpkeOpenWith(families, recipientSecret, published, message);
    expect(toHex(opened!)).toBe(vector.plaintext);
  });
});

describe("hpkeSeal and hpkeOpen", () => {
  const crypto = assemble(createNobleFamilies());

  it("open the published message through the public interface", () => {
    expect(toHex(crypto.hpkeOpen(recipientSecret, published, message)!)).toBe(vector.plaintext);
    const random = (): Uint8Array => bytes(vector.ephemeralSecret);
    const sealed = crypto.hpkeSeal(recipientKey, bytes(vector.plaintext), message, random);
    expect(sealed).toEqual(published);
  });

  it("refuse another info, other associated data, another recipient, any flipped bit", () => {
    const { associatedData } = message;
    const other = { info: concatBytes(info, Uint8Array.of(0)), associatedData };
    expect(crypto.hpkeOpen(recipientSecret, published, other)).toBeUndefined();
    const swapped = { info: associatedData, associatedData: info };
    expect(crypto.hpkeOpen(recipientSecret, published, swapped)).toBeUndefined();
    const longer = { info, associatedData: concatBytes(associatedData, Uint8Array.of(0)) };
    expect(crypto.hpkeOpen(recipientSecret, published, longer)).toBeUndefined();
    const stranger = bytes(vector.ephemeralSecret);
    expect(crypto.hpkeOpen(stranger, published, message)).toBeUndefined();
    // Bit 255 is the one that X25519 ignores (RFC 7748 §5); the key schedule hashes it all the same.
    for (const bit of [0, 7, 100, 255, 256, 400, 8 * published.length - 1]) {
      expect(crypto.hpkeOpen(recipientSecret, flipped(published, bit), message)).toBeUndefined();
    }
  });

  it("refuse every truncation and a share of small order", () => {
    for (let size = 0; size < published.length; size++) {
      const cut = published.subarray(0, size);
      expect(crypto.hpkeOpen(recipientSecret, cut, message), `${size} bytes`).toBeUndefined();
    }
    const zero = concatBytes(new Uint8Array(32), published.subarray(32));
    expect(crypto.hpkeOpen(recipientSecret, zero, message)).toBeUndefined();
  });

  it("throw for a recipient of small order and for sizes that are wrong", () => {
    const random = seededRandom("hpke");
    const text = utf8("text");
    expect(() => crypto.hpkeSeal(new Uint8Array(32), text, message, random)).toThrow(
      expect.objectContaining({ code: "CRYPTO_BAD_KEY" }),
    );
    expect(() => crypto.hpkeSeal(new Uint8Array(31), text, message, random)).toThrow(
      expect.objectContaining({ code: "CRYPTO_BAD_LENGTH" }),
    );
    expect(() => crypto.hpkeSeal(recipientKey, text, message, () => new Uint8Array(16))).toThrow(
      expect.objectContaining({ code: "CRYPTO_BAD_LENGTH" }),
    );
    expect(() => crypto.hpkeOpen(new Uint8Array(33), published, message)).toThrow(
      expect.objectContaining({ code: "CRYPTO_BAD_LENGTH" }),
    );
  });

  it("round-trip any plaintext, and never repeat a ciphertext", () => {
    const random = seededRandom("hpke round trip");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (plaintext) => {
        const sealed = crypto.hpkeSeal(recipientKey, plaintext, message, random);
        expect(sealed.length).toBe(plaintext.length + 48);
        expect(crypto.hpkeOpen(recipientSecret, sealed, message)).toEqual(plaintext);
        expect(crypto.hpkeSeal(recipientKey, plaintext, message, random)).not.toEqual(sealed);
      }),
      { numRuns: 20 },
    );
  });
});
