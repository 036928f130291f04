/** Phrases and shares: what goes in comes out, and nothing else does. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex } from "@hawser/codec";
import { createNobleCrypto } from "@hawser/crypto";
import { seededRandom } from "@hawser/crypto/testing";
import {
  combineShares,
  createRecoverySecret,
  phraseOf,
  readShare,
  recoveryKeysOf,
  secretOf,
  splitSecret,
} from "../src/index.ts";

const crypto = createNobleCrypto();
const secrets = fc.uint8Array({ minLength: 32, maxLength: 32 });
const invalid = (code: string) => expect.objectContaining({ code });

describe("recovery phrases", () => {
  it("[NB-8] 24 words are one secret, both ways", () => {
    fc.assert(
      fc.property(secrets, (secret) => {
        const phrase = phraseOf(secret);
        expect(phrase.split(" ")).toHaveLength(24);
        expect(secretOf(phrase)).toEqual(secret);
      }),
    );
  });

  it("gives the words of BIP39's own vectors", () => {
    expect(phraseOf(new Uint8Array(32))).toBe(`${"abandon ".repeat(23)}art`);
    expect(phraseOf(new Uint8Array(32).fill(0xff))).toBe(`${"zoo ".repeat(23)}vote`);
  });

  it("reads it however it was copied from paper", () => {
    const secret = createRecoverySecret(seededRandom("paper"));
    const words = phraseOf(secret).split(" ");
    const numbered = words.map((word, index) => `${index + 1}. ${word.toUpperCase()}`).join("\n");
    expect(secretOf(numbered)).toEqual(secret);
    expect(secretOf(`  ${words.join(", ")} `)).toEqual(secret);
  });

  it("names the fault and never the words", () => {
    const words = phraseOf(createRecoverySecret(seededRandom("faults"))).split(" ");
    const swapped = [words[1], words[0], ...words.slice(2)].join(" ");
    const unknown = [...words.slice(0, 4), "hawser", ...words.slice(5)].join(" ");
    const cases: readonly (readonly [string, RegExp])[] = [
      [words.slice(0, 23).join(" "), /24 words, not 23/],
      [[...words, "zoo"].join(" "), /24 words, not 25/],
      [unknown, /word 5 is not/],
      [swapped, /do not fit together/],
      ["", /not 0/],
    ];
    for (const [phrase, message] of cases) {
      const read = (): Uint8Array => secretOf(phrase);
      expect(read).toThrowError(invalid("ACCOUNT_PHRASE_INVALID"));
      expect(read).toThrowError(message);
      for (const word of words) expect(read).not.toThrowError(new RegExp(`\\b${word}\\b`));
    }
  });

  it("everything that follows from a phrase follows on every device, and from no other", () => {
    const first = recoveryKeysOf(crypto, new Uint8Array(32).fill(1));
    expect(recoveryKeysOf(crypto, new Uint8Array(32).fill(1))).toEqual(first);
    const second = recoveryKeysOf(crypto, new Uint8Array(32).fill(2));
    const texts = [first, second].flatMap((keys) => [
      keys.author,
      ...[keys.authorSecret, keys.prekeySecret, keys.createNonce, keys.genesisNonce].map(String),
    ]);
    expect(new Set(texts).size).toBe(10);
    expect(() => recoveryKeysOf(crypto, new Uint8Array(16))).toThrowError(
      invalid("ACCOUNT_OUT_OF_RANGE"),
    );
  });
});

describe("shares", () => {
  it("[NB-8] any k of n give the secret back, in any order", async () => {
    const plans = fc
      .integer({ min: 2, max: 8 })
      .chain((count) => fc.tuple(fc.constant(count), fc.integer({ min: 2, max: count })));
    await fc.assert(
      fc.asyncProperty(secrets, plans, fc.infiniteStream(fc.nat()), async (secret, plan, order) => {
        const [count, needed] = plan;
        const shares = await splitSecret(crypto, secret, { count, needed });
        expect(shares).toHaveLength(count);
        const ranks = shares.map((share) => ({ share, rank: order.next().value ?? 0 }));
        const some = ranks.sort((a, b) => a.rank - b.rank).slice(0, needed);
        expect(await combineShares(some.map(({ share }) => share))).toEqual(secret);
      }),
      { numRuns: 40 },
    );
  });

  it("too few, a share twice, and shares of two sets are refused", async () => {
    const secret = createRecoverySecret(seededRandom("shares"));
    const plan = { count: 5, needed: 3 };
    const [a = "", b = "", c = ""] = await splitSecret(crypto, secret, plan);
    const [other = ""] = await splitSecret(crypto, secret, plan);
    for (const wrong of [[], [a], [a, b], [a, b, b], [a, b, other]]) {
      await expect(combineShares(wrong)).rejects.toThrowError(invalid("ACCOUNT_SHARES_UNFIT"));
    }
    expect(await combineShares([c, a, b])).toEqual(secret);
  });

  it("a typing error is found in the share itself", async () => {
    const secret = createRecoverySecret(seededRandom("typing"));
    const [share = ""] = await splitSecret(crypto, secret, { count: 3, needed: 2 });
    expect(readShare(` ${share.toUpperCase()}\n`).needed).toBe(2);
    for (let index = 0; index < share.length; index++) {
      const letter = share[index] === "q" ? "p" : "q";
      const wrong = share.slice(0, index) + letter + share.slice(index + 1);
      expect(() => readShare(wrong)).toThrowError(invalid("ACCOUNT_SHARE_INVALID"));
    }
    for (const wrong of ["", "hawsershare1", `${share}q`, share.slice(1), "x".repeat(10_000)]) {
      expect(() => readShare(wrong)).toThrowError(invalid("ACCOUNT_SHARE_INVALID"));
    }
  });

  it("one share fewer tells nothing: every secret is as likely as any other", async () => {
    // With one of two shares fixed, the byte at its place is the only thing a holder sees; over many
    // sets of one secret it takes every value about equally often.
    const secret = new Uint8Array(32).fill(7);
    const seen = new Set<string>();
    for (let round = 0; round < 60; round++) {
      const [share = ""] = await splitSecret(crypto, secret, { count: 2, needed: 2 });
      seen.add(share);
    }
    expect(seen.size).toBe(60);
  });

  it.each([
    { count: 1, needed: 1 },
    { count: 3, needed: 1 },
    { count: 2, needed: 3 },
    { count: 33, needed: 2 },
    { count: 2.5, needed: 2 },
    { count: Number.NaN, needed: 2 },
  ])("$needed of $count is refused", async (plan) => {
    const splitting = splitSecret(crypto, new Uint8Array(32), plan);
    await expect(splitting).rejects.toThrowError(invalid("ACCOUNT_OUT_OF_RANGE"));
  });
});

describe("the example of the chapter", () => {
  it("is what the code gives", () => {
    const secret = new Uint8Array(32).map((_, index) => index);
    const keys = recoveryKeysOf(crypto, secret);
    expect(phraseOf(secret)).toMatch(/^abandon amount liar .* attend journey unaware$/);
    expect({
      author: keys.author,
      authorSecret: toHex(keys.authorSecret),
      prekeySecret: toHex(keys.prekeySecret),
      createNonce: toHex(keys.createNonce),
      genesisNonce: toHex(keys.genesisNonce),
    }).toEqual({
      author: "90a0b4aacc9b67950f8de7f1cc9743f41d51a0f2e62de07d369702f6861fbfcc",
      authorSecret: "1065174db1f86297897507e851c666410f44163ced924361fe33407537bd09b9",
      prekeySecret: "184898a650fb5a875b2f08c7b595ab29f6f19f162ec8b694ca71986aec72ca61",
      createNonce: "d70f400c3727ec7bd6f29f2aeb591a5e",
      genesisNonce: "17e9bb7c4199f908569f916085c1a75935a817cf7aff40bc227bfddf17bffdda",
    });
  });
});
