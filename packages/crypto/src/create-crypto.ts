/** Where a program gets its `Crypto` from: the fastest back ends that are there and right. Layer 1. */
import { assemble } from "./assemble.ts";
import type { Families } from "./back-end.ts";
import { CryptoError } from "./errors.ts";
import {
  isRightAead,
  isRightAes,
  isRightAgreement,
  isRightHash,
  isRightKdf,
  isRightSignature,
} from "./known-answers.ts";
import { createNobleFamilies } from "./noble.ts";
import type { Platform } from "./platform.ts";
import type { BackEnd, Crypto } from "./types.ts";
import type { Secp256k1Module } from "./wasm-signature.ts";

/** Options of `createCrypto`; all optional. */
export interface CryptoOptions {
  /**
   * Demands a back end for a family instead of taking the fastest. `createCrypto` then rejects with
   * `CRYPTO_BACK_END` when it is not there. Meant for tests and measurements.
   */
  readonly backEnds?: Partial<Crypto["backEnds"]>;
  /**
   * Gives the tiny-secp256k1 module where the platform cannot find it: in browsers, whose bundler
   * must be able to import .wasm files, `() => import("tiny-secp256k1")`. Node finds it alone.
   */
  readonly loadSecp256k1?: () => Promise<Secp256k1Module>;
}

/**
 * `Crypto` in pure TypeScript by @noble: synchronous, no WASM, no platform. The floor under
 * `createCrypto`, and enough for tests and small tools.
 */
export function createNobleCrypto(): Crypto {
  return assemble(createNobleFamilies());
}

/**
 * `Crypto` with the fastest back end for each family. One that is absent, forbidden (a page without
 * wasm-unsafe-eval) or wrong in its known-answer check is replaced by @noble; `crypto.backEnds` tells
 * what serves. Rejects with `CRYPTO_BACK_END` only for a back end demanded in `options`.
 */
export async function createCrypto(options: CryptoOptions = {}): Promise<Crypto> {
  const platform = await loadPlatform();
  const demanded = options.backEnds ?? {};
  const noble = createNobleFamilies();
  const nativeParts = (): Promise<NativeParts> => loadNativeParts(platform);
  const [hash, signature, agreement, aead, aes, kdf] = await Promise.all([
    choose(demanded.hash, isRightHash, noble.hash, { wasm: loadWasmHash }),
    choose(demanded.signature, isRightSignature, noble.signature, {
      wasm: () => loadWasmSignature(options.loadSecp256k1 ?? platform.loadSecp256k1),
    }),
    choose(demanded.agreement, isRightAgreement, noble.agreement, {
      native: async () => (await nativeParts()).agreement,
    }),
    choose(demanded.aead, isRightAead, noble.aead, {
      native: async () => (await nativeParts()).aead,
    }),
    choose(demanded.aes, isRightAes, noble.aes, {
      native: async () => (await nativeParts()).aes,
    }),
    // noble's HMAC is twice as fast as node:crypto's on the inputs HKDF has, so the native one
    // serves on demand only: as a second opinion in the tests.
    choose(demanded.kdf ?? "noble", isRightKdf, noble.kdf, {
      native: async () => (await nativeParts()).kdf,
    }),
  ]);
  return assemble({ hash, signature, agreement, aead, aes, kdf });
}

type NativeParts = Pick<Families, "agreement" | "aead" | "aes" | "kdf">;

/** Ways to a back end that is faster than noble. */
type Loaders<Family> = Partial<Record<Exclude<BackEnd, "noble">, () => Promise<Family>>>;

/** The demanded back end, or the one that loads and answers rightly, or `noble`. */
async function choose<Family extends { readonly backEnd: BackEnd }>(
  demanded: BackEnd | undefined,
  isRight: (family: Family) => boolean,
  noble: Family,
  loaders: Loaders<Family>,
): Promise<Family> {
  if (demanded === "noble") return noble;
  const load = demanded === undefined ? (loaders.wasm ?? loaders.native) : loaders[demanded];
  try {
    if (load === undefined) throw new Error("this family has no such back end");
    const family = await load();
    if (!isRight(family)) throw new Error("the known-answer check failed");
    return family;
  } catch (cause) {
    // Every reason is as good as another: noble does the same work, and `backEnds` shows it.
    if (demanded === undefined) return noble;
    throw new CryptoError("CRYPTO_BACK_END", `the ${demanded} back end cannot be used`, { cause });
  }
}

async function loadPlatform(): Promise<Platform> {
  try {
    return (await import("#platform")).platform;
  } catch {
    // A bundler that knows no package imports, or a platform without node:crypto.
    return { native: undefined, loadSecp256k1: undefined };
  }
}

async function loadNativeParts(platform: Platform): Promise<NativeParts> {
  if (platform.native === undefined) throw new Error("the platform has no node:crypto");
  const { createNativeAead, createNativeAes, createNativeAgreement, createNativeKdf } =
    await import("./native.ts");
  return {
    agreement: createNativeAgreement(platform.native),
    aead: createNativeAead(platform.native),
    aes: createNativeAes(platform.native),
    kdf: createNativeKdf(platform.native),
  };
}

async function loadWasmHash(): Promise<Families["hash"]> {
  const { createWasmHash } = await import("./wasm-hash.ts");
  return createWasmHash();
}

async function loadWasmSignature(
  load: (() => Promise<Secp256k1Module>) | undefined,
): Promise<Families["signature"]> {
  if (load === undefined) throw new Error("the platform cannot find tiny-secp256k1");
  const module = await load();
  const { createWasmSignature } = await import("./wasm-signature.ts");
  return createWasmSignature(module);
}
