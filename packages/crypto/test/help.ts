/** Every back end there is, straight from the source files, and the vectors' reader. */
import * as nodeCrypto from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import * as secp256k1 from "tiny-secp256k1";
import { fromHex } from "@hawser/codec";
import { createAead, nobleLongAead } from "../src/aead.ts";
import type {
  AeadFamily,
  AesFamily,
  AgreementFamily,
  HashFamily,
  KdfFamily,
  SignatureFamily,
} from "../src/back-end.ts";
import {
  createNativeAead,
  createNativeAes,
  createNativeAgreement,
  createNativeKdf,
} from "../src/native.ts";
import { createNobleFamilies } from "../src/noble.ts";
import { createWasmHash } from "../src/wasm-hash.ts";
import { createWasmSignature } from "../src/wasm-signature.ts";

/** A back end under test and its name in test titles. */
export type Named<Family> = readonly [name: string, family: Family];

// One seed for all property tests: a failure comes back at the next run.
fc.configureGlobal({ seed: 340 });

const noble = createNobleFamilies();

export const hashes: readonly Named<HashFamily>[] = [
  ["noble", noble.hash],
  ["wasm", await createWasmHash()],
];
export const signatures: readonly Named<SignatureFamily>[] = [
  ["noble", noble.signature],
  ["wasm", createWasmSignature(secp256k1)],
];
export const agreements: readonly Named<AgreementFamily>[] = [
  ["noble", noble.agreement],
  ["native", createNativeAgreement(nodeCrypto)],
];
/** The hybrids that `createCrypto` hands out, and each cipher alone at every length. */
export const aeads: readonly Named<AeadFamily>[] = [
  ["noble", noble.aead],
  ["native", createNativeAead(nodeCrypto)],
  ["noble, long form only", createAead("noble", nobleLongAead, -1)],
  ["native, long form only", createNativeAead(nodeCrypto, -1)],
];
export const aesFamilies: readonly Named<AesFamily>[] = [
  ["noble", noble.aes],
  ["native", createNativeAes(nodeCrypto)],
];
export const kdfs: readonly Named<KdfFamily>[] = [
  ["noble", noble.kdf],
  ["native", createNativeKdf(nodeCrypto)],
];

/** The bytes of hex that a test wrote itself. */
export function bytes(hex: string): Uint8Array {
  const decoded = fromHex(hex);
  if (decoded === undefined) throw new Error(`not hex: ${hex}`);
  return decoded;
}

/** A vector file of `test/vectors`. */
export function vectors<Shape>(name: string): Shape {
  const url = new URL(`vectors/${name}.json`, import.meta.url);
  // Safe: the files are committed beside the tests that name their shape.
  return JSON.parse(readFileSync(url, "utf8")) as Shape;
}

/** A copy with one bit changed. */
export function flipped(original: Uint8Array, bit: number): Uint8Array {
  const copy = original.slice();
  const index = Math.floor(bit / 8) % copy.length;
  copy[index] = (copy[index] ?? 0) ^ (1 << (bit % 8));
  return copy;
}
