/** Linkspace's password-wrapped keys: its vectors, round trips, and texts that are refused. */
import { existsSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toHex, utf8 } from "@hawser/codec";
import {
  createNobleCrypto,
  decryptEncKey,
  encKeyCosts,
  encKeyReasonTexts,
  encryptEncKey,
  parseEncKey,
} from "@hawser/crypto";
import { isSigningSecret, negatedSecret } from "../src/signing-secret.ts";
import { bytes, vectors } from "./help.ts";

interface EncKeyVector {
  readonly case?: string;
  readonly secret?: string;
  readonly normalised_secret?: string;
  readonly pubkey?: string;
  readonly password: string;
  readonly enckey: string;
  readonly enckey_of_raw_secret_accepted?: string;
  readonly error?: string;
}

interface EncKeyVectors {
  readonly enckey: { readonly vectors: readonly EncKeyVector[] };
  readonly documented_keys: { readonly vectors: readonly EncKeyVector[] };
}

const sharedFile = new URL("../../../../shared/vectors/linkspace.json", import.meta.url);
const isShared = existsSync(sharedFile);
const committed = vectors<EncKeyVectors>("enc-key");
const crypto = createNobleCrypto();

/** What a vector claims: an error, or the secret both ways. */
async function check(vector: EncKeyVector): Promise<void> {
  const password = utf8(vector.password);
  const opened = await decryptEncKey(vector.enckey, password);
  if (vector.error !== undefined) {
    expect(opened.ok ? "opened" : encKeyReasonTexts[opened.reason]).toBe(vector.error);
    return;
  }
  const secret = vector.normalised_secret ?? vector.secret;
  expect(opened).toMatchObject({ ok: true });
  if (!opened.ok) return;
  expect(toHex(opened.value.secret)).toBe(secret);
  expect(toHex(opened.value.publicKey)).toBe(vector.pubkey);
  const parsed = parseEncKey(vector.enckey);
  const cost = parsed.ok ? parsed.value.cost : undefined;
  expect(await encryptEncKey(bytes(vector.secret!), password, cost)).toBe(vector.enckey);
  if (vector.enckey_of_raw_secret_accepted === undefined) return;
  const raw = await decryptEncKey(vector.enckey_of_raw_secret_accepted, password);
  expect(raw.ok && toHex(raw.value.secret)).toBe(secret);
}

describe("committed vectors", () => {
  it.each(committed.enckey.vectors)("[LK-enckey] $enckey", check);
  it.each(committed.documented_keys.vectors)("[LK-keys] $enckey", check);
});

describe("shared vectors (../shared/vectors/linkspace.json; not run where that is absent)", () => {
  // Safe: the sections' shape is what `check` reads.
  const shared = isShared
    ? (JSON.parse(readFileSync(sharedFile, "utf8")) as EncKeyVectors)
    : { enckey: { vectors: [] }, documented_keys: { vectors: [] } };

  it.skipIf(!isShared)("[LK-enckey] every enckey", async () => {
    expect(shared.enckey.vectors.length).toBeGreaterThan(0);
    for (const vector of shared.enckey.vectors) await check(vector);
  });
  it.skipIf(!isShared)("[LK-keys] every documented key", async () => {
    expect(shared.documented_keys.vectors.length).toBeGreaterThan(0);
    for (const vector of shared.documented_keys.vectors) await check(vector);
  });
});

const publicKey = "tb0anwpH0rSbYe6JLd1Bgtf00QQUAYuhOcBqeSjAgW4";
const wrapped = "kYAtGyF78cfPjRqcm4Y/s1hgQTRysELK/L910P2u27c";
const good = `$argon2d$v=19$m=8,t=1,p=1$${publicKey}$${wrapped}`;

describe("parseEncKey", () => {
  it("[LK-enckey] reads the public key and the cost without the password", () => {
    const parsed = parseEncKey(good);
    expect(parsed).toMatchObject({ ok: true, value: { cost: encKeyCosts.insecure } });
    expect(parsed.ok && toHex(parsed.value.publicKey)).toBe(
      "b5bd1a9f0a47d2b49b61ee892ddd4182d7f4d10414018ba139c06a7928c0816e",
    );
  });

  it("[LK-enckey] passes over further parameters", async () => {
    const text = good.replace("p=1", "p=1,keyid=abc");
    expect(parseEncKey(text)).toEqual(parseEncKey(good));
    expect(await decryptEncKey(text, utf8(""))).toMatchObject({ ok: true });
  });

  it.each([
    ["nothing", ""],
    ["no dollar at the start", good.slice(1)],
    ["a dollar at the end", `${good}$`],
    ["a sixth part", `${good}$${wrapped}`],
    ["argon2id", good.replace("argon2d", "argon2id")],
    ["an upper-case algorithm", good.replace("argon2d", "ARGON2D")],
    ["version 16", good.replace("v=19", "v=16")],
    ["no version", good.replace("$v=19", "")],
    ["no costs", good.replace("$m=8,t=1,p=1", "")],
    ["costs in another order", good.replace("m=8,t=1", "t=1,m=8")],
    ["a cost missing", good.replace(",p=1", "")],
    ["a cost of zero", good.replace("t=1", "t=0")],
    ["a negative cost", good.replace("t=1", "t=-1")],
    ["a leading zero", good.replace("m=8", "m=08")],
    ["a fraction", good.replace("m=8", "m=8.5")],
    ["a hexadecimal cost", good.replace("m=8", "m=0x8")],
    ["less memory than lanes need", good.replace("p=1", "p=2")],
    ["a public key of 31 bytes", good.replace(publicKey, publicKey.slice(0, -2))],
    ["a public key of 33 bytes", good.replace(publicKey, `${publicKey}A`)],
    ["padding", good.replace(publicKey, `${publicKey}=`)],
    ["the URL-safe alphabet", good.replace("/", "_")],
    ["bits left over", good.replace(publicKey, `${publicKey.slice(0, -1)}5`)],
    ["a space", good.replace(wrapped, ` ${wrapped.slice(1)}`)],
    ["an empty secret", good.replace(wrapped, "")],
    ["a line end", `${good}\n`],
    ["characters without end", `${good.replace("p=1", `p=1,${"x".repeat(1000)}`)}`],
  ])("[LK-enckey] refuses %s", async (_name, text) => {
    const expected = { ok: false, reason: "ENCKEY_FORMAT" };
    expect(parseEncKey(text)).toEqual(expected);
    expect(await decryptEncKey(text, utf8(""))).toEqual(expected);
  });

  it.each([
    ["memory", "m=2097153,t=1,p=1"],
    ["memory beyond 32 bits", "m=9999999999,t=1,p=1"],
    ["passes", "m=8,t=1025,p=1"],
    ["lanes", "m=9999,t=1,p=256"],
    ["work", "m=2097152,t=3,p=4"],
  ])("[LK-enckey] refuses too much %s before it takes any", async (_name, costs) => {
    const text = good.replace("m=8,t=1,p=1", costs);
    expect(parseEncKey(text)).toEqual({ ok: false, reason: "ENCKEY_COST" });
    expect(await decryptEncKey(text, utf8(""))).toEqual({ ok: false, reason: "ENCKEY_COST" });
  });

  it("[LK-enckey] takes Linkspace's own costs", () => {
    for (const { memoryKib, passes, lanes } of Object.values(encKeyCosts)) {
      const text = good.replace("m=8,t=1,p=1", `m=${memoryKib},t=${passes},p=${lanes}`);
      expect(parseEncKey(text)).toMatchObject({ ok: true });
    }
  });

  it("[LK-enckey] never throws", () => {
    const pieces = fc.constantFrom("$", "argon2d", "v=19", "m=8,t=1,p=1", publicKey, wrapped, "=");
    const texts = fc.oneof(
      fc.string(),
      fc.array(pieces).map((parts) => parts.join("")),
    );
    fc.assert(fc.property(texts, (text) => typeof parseEncKey(text).ok === "boolean"));
  });
});

describe("decryptEncKey", () => {
  it.each(["x", " ", "PASSWORD", "my secre", "my secret "])(
    "[LK-enckey] refuses the wrong password %j",
    async (password) => {
      const text = committed.documented_keys.vectors[0]!.enckey;
      expect(await decryptEncKey(text, utf8(password))).toEqual({
        ok: false,
        reason: "ENCKEY_PASSWORD",
      });
    },
  );

  it("[LK-enckey] refuses a changed public key or secret as a wrong password", async () => {
    const expected = { ok: false, reason: "ENCKEY_PASSWORD" };
    expect(await decryptEncKey(good.replace("$tb0", "$ub0"), utf8(""))).toEqual(expected);
    expect(await decryptEncKey(good.replace("$kYA", "$lYA"), utf8(""))).toEqual(expected);
  });

  it("[LK-enckey] opens what encryptEncKey wrote, in normal form, for any secret and password", async () => {
    const secrets = fc.uint8Array({ minLength: 32, maxLength: 32 }).filter(isSigningSecret);
    const passwords = fc.uint8Array({ maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(secrets, passwords, async (secret, password) => {
        const text = await encryptEncKey(secret, password, encKeyCosts.insecure);
        expect(await encryptEncKey(negatedSecret(secret), password, encKeyCosts.insecure)).toBe(
          text,
        );
        const opened = await decryptEncKey(text, password);
        expect(opened).toMatchObject({ ok: true });
        if (!opened.ok) return;
        const own = opened.value.secret;
        expect([toHex(secret), toHex(negatedSecret(secret))]).toContain(toHex(own));
        expect(opened.value.publicKey).toEqual(crypto.publicKey(secret));
        expect(crypto.signPoint(password, own)).toEqual(crypto.signPoint(password, secret));
      }),
      { numRuns: 15 },
    );
  });
});

describe("encryptEncKey", () => {
  it("[LK-enckey] takes the insecure cost for an empty password by itself", async () => {
    const secret = bytes(committed.enckey.vectors[0]!.secret!);
    expect(await encryptEncKey(secret, utf8(""))).toBe(good);
    expect(toHex(secret), "the caller's secret stays").toBe(committed.enckey.vectors[0]!.secret);
  });

  it.each([
    ["zero", new Uint8Array(32), "CRYPTO_BAD_SECRET"],
    ["too large", new Uint8Array(32).fill(255), "CRYPTO_BAD_SECRET"],
    ["too short", new Uint8Array(31).fill(1), "CRYPTO_BAD_LENGTH"],
  ])("rejects a secret that is %s", async (_name, secret, code) => {
    await expect(encryptEncKey(secret, utf8("p"))).rejects.toMatchObject({ code });
  });

  it("rejects costs beyond the limits", async () => {
    const cost = { memoryKib: 8, passes: 0, lanes: 1 };
    await expect(encryptEncKey(new Uint8Array(32).fill(1), utf8("p"), cost)).rejects.toMatchObject({
      code: "CRYPTO_BAD_COST",
    });
  });
});
