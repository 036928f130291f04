/** X25519: published vectors over every back end, and the back ends against each other. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "@hawser/codec";
import { agreements, bytes, vectors } from "./help.ts";

interface X25519Vectors {
  readonly multiplications: readonly {
    readonly secret: string;
    readonly publicKey: string;
    readonly shared: string;
  }[];
  readonly iterated: {
    readonly start: string;
    readonly after1: string;
    readonly after1000: string;
  };
  readonly exchange: {
    readonly aliceSecret: string;
    readonly alicePublicKey: string;
    readonly bobSecret: string;
    readonly bobPublicKey: string;
    readonly shared: string;
  };
}

const { multiplications, iterated, exchange } = vectors<X25519Vectors>("x25519");
const keys = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** The u-coordinates of small order, and their spellings that are not reduced (RFC 7748 §6.1). */
const smallOrder = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "0000000000000000000000000000000000000000000000000000000000000080",
  "0100000000000000000000000000000000000000000000000000000000000080",
];

describe.each(agreements)("X25519 by %s", (_, family) => {
  it.each(multiplications)("RFC 7748 §5.2: $shared", ({ secret, publicKey, shared }) => {
    const result = family.agree(bytes(secret), bytes(publicKey));
    expect(result === undefined ? undefined : toHex(result)).toBe(shared);
  });

  it("RFC 7748 §5.2, iterated 1 and 1,000 times", () => {
    let scalar = bytes(iterated.start);
    let point = bytes(iterated.start);
    for (let count = 1; count <= 1000; count++) {
      const next = family.agree(scalar, point);
      expect(next).toBeDefined();
      point = scalar;
      scalar = next!;
      if (count === 1) expect(toHex(scalar)).toBe(iterated.after1);
    }
    expect(toHex(scalar)).toBe(iterated.after1000);
  });

  it("RFC 7748 §6.1: both sides of the exchange", () => {
    const alice = bytes(exchange.aliceSecret);
    const bob = bytes(exchange.bobSecret);
    expect(toHex(family.publicKey(alice))).toBe(exchange.alicePublicKey);
    expect(toHex(family.publicKey(bob))).toBe(exchange.bobPublicKey);
    expect(toHex(family.agree(alice, bytes(exchange.bobPublicKey))!)).toBe(exchange.shared);
    expect(toHex(family.agree(bob, bytes(exchange.alicePublicKey))!)).toBe(exchange.shared);
  });

  it.each(smallOrder)("refuses the share %s, which gives zero", (share) => {
    expect(family.agree(bytes(exchange.aliceSecret), bytes(share))).toBeUndefined();
  });

  it("leaves secrets and shares as they were", () => {
    const secret = bytes(exchange.aliceSecret);
    const share = bytes(exchange.bobPublicKey);
    family.publicKey(secret);
    family.agree(secret, share);
    expect(toHex(secret)).toBe(exchange.aliceSecret);
    expect(toHex(share)).toBe(exchange.bobPublicKey);
  });
});

it("back ends agree on random secrets and shares, shares above the field size included", () => {
  const high = keys.map((key) => key.map((byte, index) => (index > 0 ? 0xff : byte)));
  fc.assert(
    fc.property(keys, fc.oneof(keys, high), (secret, share) => {
      const shared = agreements.map(([, family]) => family.agree(secret, share));
      const own = agreements.map(([, family]) => family.publicKey(secret));
      for (const other of shared) expect(other).toEqual(shared[0]);
      for (const other of own) expect(other).toEqual(own[0]);
    }),
    { numRuns: 60 },
  );
});

it("both sides of a random exchange arrive at one secret", () => {
  fc.assert(
    fc.property(keys, keys, (left, right) => {
      for (const [, family] of agreements) {
        const shared = family.agree(left, family.publicKey(right));
        expect(shared).toBeDefined();
        expect(family.agree(right, family.publicKey(left))).toEqual(shared);
      }
    }),
    { numRuns: 20 },
  );
});
