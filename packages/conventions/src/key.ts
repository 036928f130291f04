/**
 * Password-wrapped signing keys in local claims (docs/spec/conventions.md §5). Layer 4. A key is
 * found by its name, `me:local` unless said otherwise, as Linkspace's `lk_key` does.
 */
import { equalBytes, utf8 } from "@hawser/codec";
import {
  decryptEncKey,
  encKeyReasonTexts,
  encryptEncKey,
  parseEncKey,
  type Crypto,
  type EncKeyCost,
  type EncKeyReason,
  type Random,
} from "@hawser/crypto";
import {
  buildClaim,
  claimEncKey,
  claimPublicKey,
  claimUntilMax,
  encKeyLine,
  readClaim,
  type Claim,
} from "./claim.ts";
import { ConventionsError, type ConventionsErrorCode } from "./errors.ts";
import { isLocalName, printName, toName, type Name } from "./name.ts";
import { newestAt, stampAfter } from "./place.ts";
import {
  localClaimPackets,
  newestLocalClaim,
  setLocalClaim,
  type NameResolverDeps,
  type NameResolver,
} from "./resolver.ts";

export interface KeyDeps extends NameResolverDeps {
  readonly crypto: Pick<Crypto, "hash" | "publicKey">;
  readonly random: Random;
}

/** A key that was opened. Whoever holds it zeroes `secret` when done. */
export interface OpenedKey {
  readonly secret: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly name: Name;
  /** True when this call made it. */
  readonly isNew: boolean;
}

export interface OpenKeyOptions {
  /** Default `me:local`. */
  readonly name?: Name;
  /** Default empty: then the key is wrapped, not protected. */
  readonly password?: Uint8Array;
  /** Makes the key when there is none. Without it the call rejects with CONVENTIONS_KEY_UNKNOWN. */
  readonly create?: {
    /** Default: Linkspace's default, or its `insecure` cost for an empty password. */
    readonly cost?: EncKeyCost;
  };
  /** Looks other than local names up; default: only local names open. */
  readonly resolver?: NameResolver;
}

/** The name of the key that is meant when none is named. */
export function defaultKeyName(): Name {
  return toName("me:local");
}

/**
 * Opens the key of a name, or makes one. Rejects with CONVENTIONS_KEY_UNKNOWN,
 * CONVENTIONS_KEY_PASSWORD, CONVENTIONS_KEY_FORMAT, CONVENTIONS_KEY_COST, or CONVENTIONS_NAME for a
 * name that a key cannot be made at.
 */
export async function openKey(deps: KeyDeps, options: OpenKeyOptions = {}): Promise<OpenedKey> {
  const name = options.name ?? defaultKeyName();
  const password = options.password ?? new Uint8Array(0);
  const claim = await keyClaim(deps, name, options.resolver);
  if (claim !== undefined) return { ...(await openClaim(deps, claim, password)), isNew: false };
  if (options.create === undefined) throw unknownKey(name);
  const made = await createKey(deps, { name, password, cost: options.create.cost });
  const standing = await claimKey(deps, made);
  if (standing === undefined) {
    return { secret: made.secret, publicKey: made.publicKey, name, isNew: true };
  }
  made.secret.fill(0);
  return { ...(await openClaim(deps, standing, password)), isNew: false };
}

/**
 * Wraps the key of a local name under another password. The old text stays in the store: change the
 * key itself when the old password is known to others. Rejects as `openKey` without `create`.
 */
export async function changePassword(
  deps: KeyDeps,
  options: {
    readonly name?: Name;
    readonly password: Uint8Array;
    readonly newPassword: Uint8Array;
    readonly cost?: EncKeyCost;
  },
): Promise<void> {
  const name = options.name ?? defaultKeyName();
  const claim = await keyClaim(deps, name, undefined);
  if (claim === undefined) throw unknownKey(name);
  const opened = await openClaim(deps, claim, options.password);
  try {
    const text = await encryptEncKey(opened.secret, options.newPassword, options.cost);
    const next = buildKeyClaim(deps, { name, text, publicKey: opened.publicKey, previous: claim });
    await setLocalClaim(deps, next);
  } finally {
    opened.secret.fill(0);
  }
}

/**
 * Puts an enckey text from elsewhere at a local name. Rejects with CONVENTIONS_KEY_FORMAT for a
 * text that is none and CONVENTIONS_KEY_EXISTS when the name has another key and `replace` is not
 * set.
 */
export async function importKey(
  deps: KeyDeps,
  options: { readonly name?: Name; readonly text: string; readonly replace?: boolean },
): Promise<void> {
  const name = options.name ?? defaultKeyName();
  const publicKey = encKeyOwner(name, options.text);
  const previous = await newestLocalClaim(deps, name);
  const standing = previous === undefined ? undefined : claimPublicKey(previous);
  if (standing !== undefined && !equalBytes(standing, publicKey) && options.replace !== true) {
    throw new ConventionsError("CONVENTIONS_KEY_EXISTS", `${printName(name)} has another key`);
  }
  await setLocalClaim(deps, buildKeyClaim(deps, { name, text: options.text, publicKey, previous }));
}

/** A key that stands at no name yet. */
interface MadeKey {
  readonly name: Name;
  readonly secret: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly text: string;
}

async function createKey(
  deps: KeyDeps,
  options: {
    readonly name: Name;
    readonly password: Uint8Array;
    readonly cost: EncKeyCost | undefined;
  },
): Promise<MadeKey> {
  const { name, password, cost } = options;
  if (!isLocalName(name) || name.length !== 2) {
    throw new ConventionsError("CONVENTIONS_NAME", "keys are made at names of the form x:local");
  }
  const draft = newSecret(deps);
  const text = await encryptEncKey(draft, password, cost);
  const publicKey = deps.crypto.publicKey(draft);
  // Opened again, so that the first use gives the same normal form of the secret as later ones.
  const secret = await decrypted({ name, text, password });
  draft.fill(0);
  return { name, secret, publicKey, text };
}

/**
 * Puts a new key at its name, or gives the claim of the key that stands there: wrapping takes a
 * second, in which another process may have done the same.
 */
async function claimKey(deps: KeyDeps, made: MadeKey): Promise<Claim | undefined> {
  const standing = await keyClaim(deps, made.name, undefined);
  if (standing !== undefined) return standing;
  const previous = await newestLocalClaim(deps, made.name);
  const claim = buildKeyClaim(deps, { ...made, previous });
  await deps.store.add(await localClaimPackets(deps, claim));
  const first = await settleFirst(deps, claim);
  return equalBytes(first.packet.hash, claim.packet.hash) ? undefined : first;
}

/** Claims of one stamp that are compared: as many processes may make a key at once. */
const rivalsMax = 64;

/**
 * Of several processes that made a key at once, all with one stamp, the first to be stored made it.
 * By the rule of names the greatest hash would win, also over a key somebody uses already; so
 * whoever comes later and sees that says the first key again, under a newer stamp.
 */
async function settleFirst(deps: KeyDeps, own: Claim): Promise<Claim> {
  const { name } = own;
  const rivals: { readonly claim: Claim; readonly recv: number }[] = [];
  const query = { notAfter: own.packet.stamp, max: rivalsMax };
  for (const packet of await newestAt(deps.store, own.packet, query)) {
    const read = readClaim(packet);
    const stored = await deps.store.get(packet.hash);
    if (packet.stamp === own.packet.stamp && read.ok && stored !== undefined) {
      rivals.push({ claim: read.claim, recv: stored.recv });
    }
  }
  const [first] = rivals.toSorted((a, b) => a.recv - b.recv);
  const previous = await newestLocalClaim(deps, name);
  if (first === undefined || previous === undefined) return own;
  const publicKey = claimPublicKey(first.claim);
  const found = claimEncKey(first.claim);
  const isStanding =
    previous.packet.stamp > own.packet.stamp || previous.packet === first.claim.packet;
  if (isStanding || publicKey === undefined || found === undefined || !("text" in found)) {
    return first.claim;
  }
  await setLocalClaim(deps, buildKeyClaim(deps, { name, text: found.text, publicKey, previous }));
  return first.claim;
}

/** A random scalar; one in 2^128 draws is none. */
function newSecret({ crypto, random }: KeyDeps): Uint8Array {
  for (;;) {
    const secret = random(32);
    try {
      crypto.publicKey(secret);
      return secret;
    } catch (error) {
      const isNoScalar =
        error instanceof Error && "code" in error && error.code === "CRYPTO_BAD_SECRET";
      if (!isNoScalar) throw error;
    }
  }
}

/** The first claim of a name has stamp 0, as Linkspace writes it; a later one must be newer. */
function buildKeyClaim(
  deps: KeyDeps,
  key: {
    readonly name: Name;
    readonly text: string;
    readonly publicKey: Uint8Array;
    readonly previous: Claim | undefined;
  },
): Claim {
  const { previous } = key;
  return buildClaim(deps.crypto, {
    name: key.name,
    until: claimUntilMax,
    publicKey: key.publicKey,
    data: utf8(key.text),
    stamp: previous === undefined ? 0n : stampAfter(deps.nowMicros(), previous.packet),
  });
}

async function keyClaim(
  deps: KeyDeps,
  name: Name,
  resolver: NameResolver | undefined,
): Promise<Claim | undefined> {
  if (resolver !== undefined && !isLocalName(name)) {
    const resolution = await resolver.resolve(name);
    return resolution.ok ? resolution.claim : undefined;
  }
  const claim = isLocalName(name) ? await newestLocalClaim(deps, name) : undefined;
  return claim !== undefined && claim.until > BigInt(deps.nowMicros()) ? claim : undefined;
}

async function openClaim(
  deps: KeyDeps,
  claim: Claim,
  password: Uint8Array,
): Promise<Omit<OpenedKey, "isNew">> {
  const text = await encKeyOf(deps, claim);
  const publicKey = claimPublicKey(claim);
  if (text === undefined || publicKey === undefined) throw unusable(claim.name, "ENCKEY_FORMAT");
  // Otherwise a claim could show one key and open another.
  if (!equalBytes(encKeyOwner(claim.name, text), publicKey)) {
    throw unusable(claim.name, "ENCKEY_FORMAT");
  }
  return {
    secret: await decrypted({ name: claim.name, text, password }),
    publicKey,
    name: claim.name,
  };
}

async function encKeyOf(deps: KeyDeps, claim: Claim): Promise<string | undefined> {
  const found = claimEncKey(claim);
  if (found === undefined || "text" in found) return found?.text;
  const stored = await deps.store.get(found.hash);
  return stored === undefined ? undefined : encKeyLine(stored.packet.data);
}

/** The public key that an enckey text is of. */
function encKeyOwner(name: Name, text: string): Uint8Array {
  const parsed = parseEncKey(text);
  if (!parsed.ok) throw unusable(name, parsed.reason);
  return parsed.value.publicKey;
}

async function decrypted(key: {
  readonly name: Name;
  readonly text: string;
  readonly password: Uint8Array;
}): Promise<Uint8Array> {
  const opened = await decryptEncKey(key.text, key.password);
  if (!opened.ok) throw unusable(key.name, opened.reason);
  return opened.value.secret;
}

const errorCodes: Readonly<Record<EncKeyReason, ConventionsErrorCode>> = {
  ENCKEY_FORMAT: "CONVENTIONS_KEY_FORMAT",
  ENCKEY_COST: "CONVENTIONS_KEY_COST",
  ENCKEY_PASSWORD: "CONVENTIONS_KEY_PASSWORD",
};

function unusable(name: Name, reason: EncKeyReason): ConventionsError {
  const text = `the key of ${printName(name)} does not open: ${encKeyReasonTexts[reason]}`;
  return new ConventionsError(errorCodes[reason], text);
}

function unknownKey(name: Name): ConventionsError {
  return new ConventionsError("CONVENTIONS_KEY_UNKNOWN", `no key stands at ${printName(name)}`);
}
