/** The checks at load: they pass every real back end and stop every broken one. */
import { describe, expect, it } from "vitest";
import type {
  AeadFamily,
  AesFamily,
  AgreementFamily,
  HashFamily,
  KdfFamily,
} from "../src/back-end.ts";
import {
  isRightAead,
  isRightAes,
  isRightAgreement,
  isRightHash,
  isRightKdf,
  isRightSignature,
} from "../src/known-answers.ts";
import { createNobleFamilies } from "../src/noble.ts";
import { aeads, aesFamilies, agreements, hashes, kdfs, signatures } from "./help.ts";

const noble = createNobleFamilies();

it("pass every back end there is", () => {
  for (const [name, family] of hashes) expect(isRightHash(family), name).toBe(true);
  for (const [name, family] of signatures) expect(isRightSignature(family), name).toBe(true);
  for (const [name, family] of agreements) expect(isRightAgreement(family), name).toBe(true);
  for (const [name, family] of aeads) expect(isRightAead(family), name).toBe(true);
  for (const [name, family] of aesFamilies) expect(isRightAes(family), name).toBe(true);
  for (const [name, family] of kdfs) expect(isRightKdf(family), name).toBe(true);
});

describe("stop a hash that", () => {
  const shared = noble.hash.createHash();
  it.each<readonly [string, Partial<HashFamily>]>([
    ["is another function", { hash: (bytes) => noble.hash.deriveKey("x", bytes, 32) }],
    ["reads the first block only", { hash: (bytes) => noble.hash.hash(bytes.subarray(0, 64)) }],
    ["keeps its first key", { keyedHash: (_, bytes) => noble.hash.keyedHash(firstKey, bytes) }],
    ["ignores the key", { keyedHash: (_, bytes) => noble.hash.hash(bytes) }],
    [
      "mixes its streams",
      { createHash: () => ({ update: (bytes) => shared.update(bytes), digest: () => firstKey }) },
    ],
  ])("%s", (_name, defect) => {
    expect(isRightHash({ ...noble.hash, ...defect })).toBe(false);
  });
  const firstKey = new TextEncoder().encode("whats the Elvish word for friend");
});

describe("stop an agreement that", () => {
  it.each<readonly [string, Partial<AgreementFamily>]>([
    [
      "takes the zero share",
      { agree: (s, p) => noble.agreement.agree(s, p) ?? new Uint8Array(32) },
    ],
    ["gives nothing", { agree: () => undefined }],
    ["gives wrong public keys", { publicKey: () => new Uint8Array(32) }],
  ])("%s", (_name, defect) => {
    expect(isRightAgreement({ ...noble.agreement, ...defect })).toBe(false);
  });
});

describe("stop an AEAD that", () => {
  it.each<readonly [string, Partial<AeadFamily>]>([
    [
      "ignores associated data",
      { seal: (key, nonce, text) => noble.aead.seal(key, nonce, text, new Uint8Array(0)) },
    ],
    ["does not open", { open: () => undefined }],
    [
      "opens everything",
      { open: (_key, _nonce, sealed) => sealed.subarray(16).map((_, index) => index % 251) },
    ],
  ])("%s", (_name, defect) => {
    expect(isRightAead({ ...noble.aead, ...defect })).toBe(false);
  });
});

describe("stop an AES-GCM that", () => {
  it.each<readonly [string, Partial<AesFamily>]>([
    [
      "ignores associated data",
      { seal: (key, nonce, text) => noble.aes.seal(key, nonce, text, new Uint8Array(0)) },
    ],
    ["does not open", { open: () => undefined }],
    ["is another cipher", { seal: (...input) => noble.aead.seal(...input) }],
    ["checks no tag", { open: (...input) => noble.aes.open(...input) ?? new Uint8Array(60) }],
  ])("%s", (_name, defect) => {
    expect(isRightAes({ ...noble.aes, ...defect })).toBe(false);
  });
});

describe("stop a KDF that", () => {
  it.each<readonly [string, Partial<KdfFamily>]>([
    ["swaps salt and material", { extract: (salt, material) => noble.kdf.extract(material, salt) }],
    [
      "ignores info",
      { expand: (key, _, count) => noble.kdf.expand(key, new Uint8Array(0), count) },
    ],
  ])("%s", (_name, defect) => {
    expect(isRightKdf({ ...noble.kdf, ...defect })).toBe(false);
  });
});
