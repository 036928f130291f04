import { encodeCbor, equalBytes } from "@hawser/codec";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  addBundles,
  bundleSecondsMax,
  createBundle,
  emptyRegistry,
  encodeBundle,
  isValidAt,
  type KeyBundle,
  latestBundle,
  parseBundle,
  validBundle,
  type VerifiedBundle,
  verifyBundle,
} from "@hawser/keys";
import { createTestRandom, crypto, identityOf } from "./support/space.ts";

const alice = identityOf("alice");
const mallory = identityOf("mallory");
const random = createTestRandom("bundles");

function bundleOf(notBefore: number, notAfter: number, identity = alice): VerifiedBundle {
  return createBundle(crypto, { identity, lifetime: { notBefore, notAfter } }, random).bundle;
}

const good = bundleOf(1000, 2000);

test("[P2-K-xeddsa] a bundle verifies, and not with a wrong field, key or signature", () => {
  expect(verifyBundle(crypto, good, alice.id)).toEqual({ ok: true, bundle: good });
  const forged: readonly [string, KeyBundle][] = [
    ["prekey", { ...good, prekey: bundleOf(1000, 2000).prekey }],
    // Upstream signs the prekey alone, so an old prekey could be given a fresh lifetime.
    ["notBefore", { ...good, notBefore: 999 }],
    ["notAfter", { ...good, notAfter: 2001 }],
    ["signature", { ...good, signature: good.signature.toReversed() }],
  ];
  for (const [name, bundle] of forged) {
    const verdict = verifyBundle(crypto, bundle, alice.id);
    expect(verdict, name).toEqual({ ok: false, reason: "BAD_SIGNATURE" });
  }
});

test("[P2-M22] [P2-K-invalid_bundles] nobody publishes another's prekey as their own or their own as another's", () => {
  expect(verifyBundle(crypto, good, mallory.id)).toEqual({ ok: false, reason: "WRONG_AUTHOR" });
  const renamed = { ...good, author: mallory.id };
  expect(verifyBundle(crypto, renamed, mallory.id)).toEqual({ ok: false, reason: "BAD_SIGNATURE" });
  // Signing somebody else's prekey is possible; what is sealed to it names Mallory and opens for
  // nobody (see "a bundle under a false name" in attacks.test.ts).
  const signature = mallory.sign(
    "key bundle",
    encodeCbor([1, 1, crypto.publicKey(secretOf("mallory")), good.prekey, 1000, 2000]),
  );
  expect(verifyBundle(crypto, { ...renamed, signature }, mallory.id).ok).toBe(true);
});

test("[P2-K-invalid_bundles] a prekey of small order is refused, or it would break everybody's rekey", () => {
  const author = crypto.publicKey(secretOf("mallory"));
  for (const first of [0, 1]) {
    const prekey = new Uint8Array(32);
    prekey[0] = first;
    const signature = mallory.sign("key bundle", encodeCbor([1, 1, author, prekey, 1000, 2000]));
    const bundle = { ...good, author: mallory.id, prekey, signature };
    const verdict = verifyBundle(crypto, bundle, mallory.id);
    expect(verdict).toEqual({ ok: false, reason: "WEAK_PREKEY" });
  }
});

test("[P2-K-lifetime] a lifetime begins at notBefore and ends before notAfter", () => {
  const rows = [
    [999, false],
    [1000, true],
    [1999, true],
    [2000, false],
    [2001, false],
  ] as const;
  for (const [time, expected] of rows) expect(isValidAt(good, time), `${time}`).toBe(expected);
});

test("[P2-K-lifetime] lifetimes that are empty, backward, fractional or too long are refused", () => {
  const rows: readonly [number, number][] = [
    [1000, 1000],
    [1000, 999],
    [-1, 10],
    [0.5, 10],
    [0, Number.NaN],
    [0, bundleSecondsMax + 1],
    [0, Number.MAX_SAFE_INTEGER + 2],
  ];
  for (const [notBefore, notAfter] of rows) {
    expect(() => bundleOf(notBefore, notAfter), `${notBefore}..${notAfter}`).toThrow(
      expect.objectContaining({ code: "KEYS_BAD_LIFETIME" }),
    );
    const verdict = verifyBundle(crypto, { ...good, notBefore, notAfter }, alice.id);
    expect(verdict).toEqual({ ok: false, reason: "BAD_LIFETIME" });
  }
});

test("[P2-M14] a bundle has one encoding, and parsing gives it back", () => {
  const bytes = encodeBundle(good);
  expect(parseBundle(bytes)).toEqual({ ok: true, bundle: good });
  for (let size = 0; size < bytes.length; size++) {
    expect(parseBundle(bytes.subarray(0, size)).ok).toBe(false);
  }
  for (let at = 0; at < bytes.length; at++) {
    const changed = bytes.slice();
    changed[at] = (changed[at] ?? 0) ^ 0x01;
    const parsed = parseBundle(changed);
    if (!parsed.ok) continue;
    expect(equalBytes(encodeBundle(parsed.bundle), changed)).toBe(true);
    expect(verifyBundle(crypto, parsed.bundle, parsed.bundle.author).ok, `byte ${at}`).toBe(false);
  }
});

test("[P2-K-invalid_bundles] bytes that are no bundle get a reason", () => {
  const author = crypto.publicKey(secretOf("alice"));
  const { prekey, signature } = good;
  const rows: readonly [string, Parameters<typeof encodeCbor>[0], string][] = [
    ["no array", 7, "MALFORMED"],
    ["empty", [], "MALFORMED"],
    ["version 2", [2, 1, author, prekey, 0, 1, signature], "UNKNOWN_VERSION"],
    ["version as text", ["1", 1, author, prekey, 0, 1, signature], "MALFORMED"],
    ["suite 3", [1, 3, author, prekey, 0, 1, signature], "UNKNOWN_SUITE"],
    ["suite 0", [1, 0, author, prekey, 0, 1, signature], "UNKNOWN_SUITE"],
    ["suite 2, prekey of suite 1", [1, 2, author, prekey, 0, 1, signature], "MALFORMED"],
    ["suite as text", [1, "1", author, prekey, 0, 1, signature], "MALFORMED"],
    ["short author", [1, 1, author.subarray(1), prekey, 0, 1, signature], "MALFORMED"],
    ["short prekey", [1, 1, author, prekey.subarray(1), 0, 1, signature], "MALFORMED"],
    ["negative time", [1, 1, author, prekey, -1, 1, signature], "MALFORMED"],
    ["no lifetime", [1, 1, author, prekey, 5, 5, signature], "BAD_LIFETIME"],
    ["short signature", [1, 1, author, prekey, 0, 1, signature.subarray(1)], "MALFORMED"],
    ["no signature", [1, 1, author, prekey, 0, 1], "MALFORMED"],
    ["one field more", [1, 1, author, prekey, 0, 1, signature, 0], "MALFORMED"],
    ["too large", [1, 1, author, prekey, 0, 1, new Uint8Array(1500)], "TOO_LARGE"],
  ];
  for (const [name, value, reason] of rows) {
    expect(parseBundle(encodeCbor(value)), name).toEqual({ ok: false, reason });
  }
});

test("[P2-K-invalid_bundles] no bytes make the parser throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const parsed = parseBundle(bytes);
      return !parsed.ok || equalBytes(encodeBundle(parsed.bundle), bytes);
    }),
  );
});

test("[P2-K-latest_key_bundle] [P2-K-expired_prekey_bundles] the valid bundle that expires last is used", () => {
  const short = bundleOf(1000, 1500);
  const long = bundleOf(1200, 3000);
  const later = bundleOf(2500, 4000);
  const registry = addBundles(emptyRegistry, [long, short, later]);
  expect(validBundle(registry, alice.id, 900)).toBeUndefined();
  expect(validBundle(registry, alice.id, 1100)).toBe(short);
  expect(validBundle(registry, alice.id, 1300)).toBe(long);
  expect(validBundle(registry, alice.id, 2600)).toBe(later);
  expect(validBundle(registry, alice.id, 4000)).toBeUndefined();
  expect(validBundle(registry, mallory.id, 1300)).toBeUndefined();
  // Rather an expired bundle than a reader left out: its newest secret is kept for this.
  expect(latestBundle(registry, alice.id)).toBe(later);
});

test("[P2-K-garbage_collection] [P2-M11] of many bundles the eight that expire last stay, whatever order they came in", () => {
  const bundles = Array.from({ length: 12 }, (_, index) => bundleOf(1000, 2000 + index));
  const forward = addBundles(emptyRegistry, bundles).get(alice.id);
  let backward = emptyRegistry;
  for (const bundle of bundles.toReversed()) backward = addBundles(backward, [bundle, bundle]);
  expect(forward).toEqual(bundles.slice(4).toReversed());
  expect(backward.get(alice.id)).toEqual(forward);
});

function secretOf(name: string): Uint8Array {
  return crypto.deriveKey("hawser test identity", new TextEncoder().encode(name));
}
