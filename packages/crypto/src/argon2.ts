/**
 * Argon2 (RFC 9106, version 0x13): keys out of passwords. Layer 1. Asynchronous, because one call
 * takes from milliseconds to seconds; hash-wasm where WebAssembly is allowed, noble otherwise.
 */
import { argon2dAsync, argon2idAsync } from "@noble/hashes/argon2.js";
import { CryptoError } from "./errors.ts";

/** What one evaluation costs. */
export interface Argon2Costs {
  /** KiB of memory: from 8 for each lane to 2 GiB. */
  readonly memoryKib: number;
  /** Times the memory is filled: 1 … 1,024. */
  readonly passes: number;
  /** Independent lanes: 1 … 255. They are filled one after another here; others may use threads. */
  readonly lanes: number;
  /** Length of the key: 4 … 1,024 bytes. */
  readonly byteCount: number;
}

/** Argon2id resists side channels and cracking rigs; Argon2d only the latter. */
export type Argon2Variant = "d" | "id";

/** A back end of Argon2; `costs` are within the limits. */
export type Argon2BackEnd = (
  variant: Argon2Variant,
  password: Uint8Array,
  salt: Uint8Array,
  costs: Argon2Costs,
) => Promise<Uint8Array>;

const memoryKibMax = 2_097_152;
const passesMax = 1024;
const lanesMax = 255;
const saltBytesMin = 8;
const saltBytesMax = 1024;
const outputBytesMin = 4;
const outputBytesMax = 1024;
const passwordBytesMax = 65_536;

/**
 * Argon2id of `password` (at most 64 KiB) and `salt` (8 … 1,024 bytes, random for each password).
 * Rejects with `CRYPTO_BAD_COST` or `CRYPTO_BAD_LENGTH`. A good start for a person's password on a
 * phone is 65,536 KiB, 3 passes, 1 lane.
 */
export function argon2id(
  password: Uint8Array,
  salt: Uint8Array,
  costs: Argon2Costs,
): Promise<Uint8Array> {
  return argon2("id", password, salt, costs);
}

/**
 * Either variant, by the first of `backEnds` that works here. Rejects like `argon2id`; also with
 * `CRYPTO_BAD_COST` when none works, which means that the memory cannot be had.
 */
export async function argon2(
  variant: Argon2Variant,
  password: Uint8Array,
  salt: Uint8Array,
  costs: Argon2Costs,
  backEnds: readonly Argon2BackEnd[] = [wasmArgon2, nobleArgon2],
): Promise<Uint8Array> {
  assertArgon2Input(password, salt, costs);
  const causes: unknown[] = [];
  for (const derive of backEnds) {
    try {
      return await derive(variant, password, salt, costs);
    } catch (cause) {
      // No WebAssembly, not enough memory for it, or an empty password, which hash-wasm refuses.
      causes.push(cause);
    }
  }
  throw new CryptoError("CRYPTO_BAD_COST", "Argon2 cannot be evaluated here at these costs", {
    cause: new AggregateError(causes),
  });
}

/** Whether costs can be evaluated at all, for costs that come from elsewhere. */
export function areArgon2Costs(costs: Argon2Costs): boolean {
  return (
    isWithin(costs.lanes, 1, lanesMax) &&
    isWithin(costs.passes, 1, passesMax) &&
    isWithin(costs.memoryKib, 8 * costs.lanes, memoryKibMax) &&
    isWithin(costs.byteCount, outputBytesMin, outputBytesMax)
  );
}

/** Argon2 by hash-wasm: about five times as fast as noble. */
export const wasmArgon2: Argon2BackEnd = async (variant, password, salt, costs) => {
  const { argon2d: deriveD, argon2id: deriveId } = await import("./wasm-argon2.ts");
  const derive = variant === "d" ? deriveD : deriveId;
  return derive({
    password,
    salt,
    memorySize: costs.memoryKib,
    iterations: costs.passes,
    parallelism: costs.lanes,
    hashLength: costs.byteCount,
    outputType: "binary",
  });
};

/** Argon2 by noble: everywhere; yields to other work while it runs. */
export const nobleArgon2: Argon2BackEnd = async (variant, password, salt, costs) => {
  const derive = variant === "d" ? argon2dAsync : argon2idAsync;
  return derive(password, salt, {
    m: costs.memoryKib,
    t: costs.passes,
    p: costs.lanes,
    dkLen: costs.byteCount,
  });
};

function assertArgon2Input(password: Uint8Array, salt: Uint8Array, costs: Argon2Costs): void {
  if (!areArgon2Costs(costs)) {
    const { memoryKib, passes, lanes, byteCount } = costs;
    const text = `m=${memoryKib}, t=${passes}, p=${lanes}, ${byteCount} bytes`;
    throw new CryptoError("CRYPTO_BAD_COST", `Argon2 costs are outside the limits: ${text}`);
  }
  if (password.length > passwordBytesMax || !isWithin(salt.length, saltBytesMin, saltBytesMax)) {
    throw new CryptoError("CRYPTO_BAD_LENGTH", "the password or the salt has a wrong length");
  }
}

function isWithin(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}
