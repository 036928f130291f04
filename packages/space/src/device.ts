/**
 * The device behind all spaces: its identity and its prekeys (docs/spec/6-space.md §9). Layer 5,
 * internal.
 */
import { decodeCbor, encodeCbor, toHex } from "@hawser/codec";
import type { AuthorId, HpkeMessage, Random } from "@hawser/crypto";
import {
  decodePrekeys,
  defaultPrekeyPolicy,
  encodeBundle,
  encodePrekeys,
  parseBundle,
  prekeyIsDue,
  rotatePrekey,
  suiteHybrid,
  suiteX25519,
  verifyBundle,
  type KeysIdentity,
  type PrekeyPolicy,
  type Prekeys,
  type Suite,
  type VerifiedBundle,
} from "@hawser/keys";
import { SpaceError } from "./errors.ts";
import { openGuard, type Guard } from "./guard.ts";
import { createQueue } from "./queue.ts";
import type { SpacesDeps } from "./types.ts";
import { createVault, type Vault } from "./vault.ts";

/** Identity, prekeys and local secrets of one device. */
export interface Device {
  readonly author: AuthorId;
  readonly secret: Uint8Array;
  readonly vault: Vault;
  /** Whether it may write. */
  readonly guard: Guard;
  prekeys(): Prekeys;
  /** Cipher suites this device's crypto has, the weakest first. */
  readonly suites: readonly Suite[];
  /** The bundle of a suite (1 unless said) to hand out now; makes a new prekey when one is due. */
  bundle(suite?: Suite): Promise<VerifiedBundle>;
  /** A new prekey, whether one is due or not. */
  renewBundle(suite?: Suite): Promise<VerifiedBundle>;
  /** Reads prekeys and marks again: another process of this device may have renewed them. */
  reload(): Promise<void>;
  /** Opens what was sealed to any prekey of ours that is still kept. */
  hpkeOpen(sealed: Uint8Array, message: HpkeMessage): Uint8Array | undefined;
}

const daySeconds = 24 * 3_600;
/** Nearly the longest life a bundle may have: nobody renews it until the paper is taken out. */
const paperPrekeyPolicy: PrekeyPolicy = {
  lifeSeconds: 399 * daySeconds,
  rotateAfterSeconds: 399 * daySeconds,
  graceSeconds: 0,
};

/** Name of the device's own state in the store. */
export const deviceKey = "space-device";
const version = 1;

/** Loads the device's prekeys from the store. Throws `SPACE_STATE_CORRUPT`, `SPACE_STATE_VERSION`. */
export async function openDevice(deps: SpacesDeps): Promise<Device> {
  const { crypto, store, clock, random, prekeySecret } = deps;
  const { author } = deps.identity;
  const secret = deps.identity.secret.slice();
  const vault = createVault(deps, secret);
  const queue = createQueue();
  const stored = await vault.read(deviceKey);
  const isWriter = deps.isWriter ?? (() => true);
  const guard = await openGuard(store, vault, isWriter);
  let { prekeys, bundles } = stored === undefined ? nothing : decodeDevice(crypto, stored, author);
  const identity: KeysIdentity = {
    id: author,
    sign: (label, bytes) => crypto.signTagged(label, bytes, secret),
  };
  // A prekey that comes from a secret is always the same one; its bundle lives as long as one can.
  const sourceOf = (suite: Suite): Random => {
    if (prekeySecret === undefined) return random;
    if (suite === suiteX25519) return () => prekeySecret.slice();
    return () => crypto.deriveKey("hawser prekey of suite 2 v1", prekeySecret);
  };
  const policy = prekeySecret === undefined ? defaultPrekeyPolicy : paperPrekeyPolicy;

  const currentBundle = async (suite: Suite): Promise<VerifiedBundle> => {
    const time = Math.floor(clock.nowMicros() / 1e6);
    const bundle = bundles.find((known) => known.suite === suite);
    // A prekey that two processes renew at once would be lost: the one that does not write waits.
    const isLeft = !isWriter() || !prekeyIsDue(prekeys, time, policy, suite);
    if (bundle !== undefined && isLeft) return bundle;
    if (!isWriter()) throw new SpaceError("SPACE_STANDBY", "the device has no key bundle yet");
    return renew(time, suite);
  };
  const renew = async (time: number, suite: Suite): Promise<VerifiedBundle> => {
    const isKept = (known: { readonly suite: Suite }): boolean => known.suite !== suite;
    const kept = prekeySecret === undefined ? prekeys : prekeys.filter(isKept);
    const input = { identity, time, policy, suite };
    const next = rotatePrekey(crypto, kept, input, sourceOf(suite));
    const all = [...bundles.filter(isKept), next.bundle].sort((a, b) => a.suite - b.suite);
    // Durable first: a bundle whose secret is lost would make keys sealed to it unreadable.
    const write = vault.write(deviceKey, encodeDevice(next.prekeys, all));
    await store.commit({ writes: [write] });
    prekeys = next.prekeys;
    bundles = all;
    return next.bundle;
  };

  return {
    author,
    secret,
    vault,
    guard,
    prekeys: () => prekeys,
    suites: crypto.hybrid === undefined ? [suiteX25519] : [suiteX25519, suiteHybrid],
    bundle: (suite = suiteX25519) => queue.run(() => currentBundle(suite)),
    renewBundle: (suite = suiteX25519) =>
      queue.run(() => renew(Math.floor(clock.nowMicros() / 1e6), suite)),
    reload: () =>
      queue.run(async () => {
        await guard.reload();
        const now = await vault.read(deviceKey);
        if (now !== undefined) ({ prekeys, bundles } = decodeDevice(crypto, now, author));
      }),
    hpkeOpen: (sealed, message) => {
      for (const prekey of prekeys) {
        if (prekey.suite !== suiteX25519) continue;
        const opened = crypto.hpkeOpen(prekey.secret.reveal(), sealed, message);
        if (opened !== undefined) return opened;
      }
      return undefined;
    },
  };
}

interface DeviceState {
  readonly prekeys: Prekeys;
  /** The newest of each suite, the weakest first. */
  readonly bundles: readonly VerifiedBundle[];
}

const nothing: DeviceState = { prekeys: [], bundles: [] };

/** The stored state of a device with the prekeys of an archived one, so that both open what they did. */
export function mergeDevices(
  crypto: SpacesDeps["crypto"],
  author: AuthorId,
  states: { readonly archived: Uint8Array; readonly stored: Uint8Array | undefined },
): Uint8Array {
  const archived = decodeDevice(crypto, states.archived, author);
  if (states.stored === undefined) return states.archived;
  const stored = decodeDevice(crypto, states.stored, author);
  const known = new Set(stored.prekeys.map((prekey) => toHex(prekey.secret.reveal())));
  const more = archived.prekeys.filter((prekey) => !known.has(toHex(prekey.secret.reveal())));
  return encodeDevice([...stored.prekeys, ...more], stored.bundles);
}

function encodeDevice(prekeys: Prekeys, bundles: readonly VerifiedBundle[]): Uint8Array {
  return encodeCbor([version, encodePrekeys(prekeys), ...bundles.map(encodeBundle)]);
}

function decodeDevice(
  crypto: SpacesDeps["crypto"],
  bytes: Uint8Array,
  author: AuthorId,
): DeviceState {
  const value = decodeCbor(bytes);
  if (!Array.isArray(value)) throw corrupt();
  if (typeof value[0] === "number" && value[0] > version) {
    throw new SpaceError("SPACE_STATE_VERSION", `device state of version ${value[0]}; this is 1`);
  }
  const [, prekeyBytes, ...bundleBytes] = value;
  const prekeys = prekeyBytes instanceof Uint8Array ? decodePrekeys(prekeyBytes) : undefined;
  if (prekeys === undefined || bundleBytes.length === 0) throw corrupt();
  const bundles: VerifiedBundle[] = [];
  for (const each of bundleBytes) {
    const parsed = each instanceof Uint8Array ? parseBundle(each) : undefined;
    if (parsed?.ok !== true) throw corrupt();
    const verified = verifyBundle(crypto, parsed.bundle, author);
    if (verified.ok) bundles.push(verified.bundle);
    // A suite that was injected once and is not now: its secret stays, a new bundle may come.
    else if (verified.reason !== "UNKNOWN_SUITE") throw corrupt();
  }
  return { prekeys, bundles };
}

function corrupt(): SpaceError {
  return new SpaceError("SPACE_STATE_CORRUPT", "the device's prekeys do not parse");
}
