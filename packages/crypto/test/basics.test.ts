/** The basics that group encryption stands on: authenticated encryption, derivation, hashes, random. */
import { toHex, utf8 } from "@hawser/codec";
import { createCrypto, createNobleCrypto, type Crypto } from "@hawser/crypto";
import { seededRandom } from "@hawser/crypto/testing";
import { describe, expect, test } from "vitest";

const backEnds: readonly (readonly [string, Crypto])[] = [
  ["floor", createNobleCrypto()],
  ["best", await createCrypto()],
];
const key = new Uint8Array(32).fill(7);
const nonce = new Uint8Array(24).fill(9);
const aad = utf8("place");
const text = utf8("the quick brown fox");

/** One way to seal and open under a key. */
interface Aead {
  readonly name: string;
  seal(crypto: Crypto, key: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array;
  open(
    crypto: Crypto,
    key: Uint8Array,
    sealed: Uint8Array,
    aad: Uint8Array,
  ): Uint8Array | undefined;
}

const aeads: readonly Aead[] = [
  {
    name: "XChaCha20-Poly1305",
    seal: (crypto, by, plaintext, data) => crypto.seal(by, nonce, plaintext, data),
    open: (crypto, by, sealed, data) => crypto.open(by, nonce, sealed, data),
  },
  {
    name: "ChaCha20-Poly1305, once",
    seal: (crypto, by, plaintext, data) => crypto.sealOnce(by, plaintext, data),
    open: (crypto, by, sealed, data) => crypto.openOnce(by, sealed, data),
  },
  {
    name: "AES-256-GCM",
    seal: (crypto, by, plaintext, data) =>
      crypto.sealAes(by, nonce.subarray(0, 12), plaintext, data),
    open: (crypto, by, sealed, data) => crypto.openAes(by, nonce.subarray(0, 12), sealed, data),
  },
];

describe.each(backEnds)("%s back ends", (_, crypto) => {
  test.each(aeads)("[P2-K-aead] $name opens what it sealed and nothing else", ({ seal, open }) => {
    for (const plaintext of [new Uint8Array(0), text, new Uint8Array(1_000).fill(1)]) {
      const sealed = seal(crypto, key, plaintext, aad);
      expect(sealed.length).toBe(plaintext.length + 16);
      expect(open(crypto, key, sealed, aad)).toEqual(plaintext);
    }
    const sealed = seal(crypto, key, text, aad);
    expect(toHex(sealed)).not.toContain(toHex(text.subarray(0, 6)));
    expect(open(crypto, key.toReversed().fill(8, 0, 1), sealed, aad)).toBeUndefined();
    expect(open(crypto, key, sealed, utf8("other place"))).toBeUndefined();
    expect(open(crypto, key, sealed, new Uint8Array(0))).toBeUndefined();
    for (let at = 0; at < sealed.length; at++) {
      const changed = sealed.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(open(crypto, key, changed, aad), `byte ${at}`).toBeUndefined();
      expect(open(crypto, key, sealed.subarray(0, at), aad), `cut ${at}`).toBeUndefined();
    }
    expect(open(crypto, key, new Uint8Array([...sealed, 0]), aad)).toBeUndefined();
  });

  test("[P2-K-aead] another nonce gives another ciphertext, and opens nothing", () => {
    const other = nonce.slice().fill(1, 0, 1);
    const sealed = crypto.seal(key, nonce, text, aad);
    expect(crypto.seal(key, other, text, aad)).not.toEqual(sealed);
    expect(crypto.open(key, other, sealed, aad)).toBeUndefined();
  });

  test("[P2-K-aead] derived keys depend on every input, and the first bytes not on the count", () => {
    const base = crypto.hkdf(text, nonce, aad, 64);
    const others = [
      crypto.hkdf(utf8("x"), nonce, aad, 64),
      crypto.hkdf(text, key, aad, 64),
      crypto.hkdf(text, nonce, utf8("other"), 64),
    ];
    for (const other of others) expect(other).not.toEqual(base);
    expect(crypto.hkdf(text, nonce, aad, 20)).toEqual(base.subarray(0, 20));
    // RFC 5869, test case 1.
    const okm = crypto.hkdf(
      new Uint8Array(22).fill(0x0b),
      Uint8Array.from({ length: 13 }, (_unused, at) => at),
      Uint8Array.from({ length: 10 }, (_unused, at) => 0xf0 + at),
      42,
    );
    expect(toHex(okm)).toBe(
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    );
    const derived = crypto.deriveKey("hawser test one v1", text);
    expect(crypto.deriveKey("hawser test two v1", text)).not.toEqual(derived);
    expect(crypto.deriveKey("hawser test one v1", utf8("x"))).not.toEqual(derived);
  });

  test("[P2-K-aead] hashes: the empty input is BLAKE3's, parts hash as the whole, modes differ", () => {
    expect(toHex(crypto.hash(new Uint8Array(0)))).toBe(
      "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
    );
    const stream = crypto.createHash();
    stream.update(text.subarray(0, 5));
    stream.update(text.subarray(5));
    expect(stream.digest()).toEqual(crypto.hash(text));
    const modes = [
      crypto.hash(text),
      crypto.keyedHash(key, text),
      crypto.keyedHash(new Uint8Array(32), text),
      crypto.deriveKey("hawser test one v1", text),
    ].map(toHex);
    expect(new Set(modes).size).toBe(modes.length);
  });
});

test("[P2-K-aead] seeded randomness repeats for one seed alone, and never within a run", () => {
  const [one, same, other] = [seededRandom("a"), seededRandom("a"), seededRandom("b")];
  const drawn = Array.from({ length: 100 }, () => toHex(one(16)));
  expect(Array.from({ length: 100 }, () => toHex(same(16)))).toEqual(drawn);
  expect(new Set(drawn).size).toBe(100);
  expect(toHex(other(16))).not.toBe(drawn[0]);
  expect(one(0).length).toBe(0);
});

test("[P2-K-aead] what both back ends seal, both open to the same bytes", () => {
  const [floor, best] = [createNobleCrypto(), backEnds[1]?.[1] ?? createNobleCrypto()];
  for (const { name, seal, open } of aeads) {
    expect(seal(best, key, text, aad), name).toEqual(seal(floor, key, text, aad));
    expect(open(floor, key, seal(best, key, text, aad), aad), name).toEqual(text);
  }
});
