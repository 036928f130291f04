/**
 * The device behind all spaces: its identity and its prekeys (docs/spec/6-space.md §9). Layer 5,
 * internal.
 */
import { decodeCbor, encodeCbor } from "@hawser/codec";
import type { AuthorId, HpkeMessage, Random } from "@hawser/crypto";
import {
  decodePrekeys,
  defaultPrekeyPolicy,
  encodeBundle,
  encodePrekeys,
  parseBundle,
  prekeyIsDue,
  rotatePrekey,
  verifyBundle,
  type KeysIdentity,
  type PrekeyPolicy,
  type Prekeys,
  type VerifiedBundle,
} from "@hawser/keys";
import { SpaceError } from "./errors.ts";
import { createQueue } from "./queue.ts";
import type { SpacesDeps } from "./types.ts";
import { createVault, type Vault } from "./vault.ts";

/** Identity, prekeys and local secrets of one device. */
export interface Device {
  readonly author: AuthorId;
  readonly secret: Uint8Array;
  readonly vault: Vault;
  prekeys(): Prekeys;
  /** The bundle to hand out now; makes and stores a new prekey when one is due. */
  bundle(): Promise<VerifiedBundle>;
  /** A new prekey, whether one is due or not. */
  renewBundle(): Promise<VerifiedBundle>;
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

const deviceKey = "space-device";
const version = 1;

/** Loads the device's prekeys from the store. Throws `SPACE_STATE_CORRUPT`, `SPACE_STATE_VERSION`. */
export async function openDevice(deps: SpacesDeps): Promise<Device> {
  const { crypto, store, clock, random, prekeySecret } = deps;
  const { author } = deps.identity;
  const secret = deps.identity.secret.slice();
  const vault = createVault(deps, secret);
  const queue = createQueue();
  const stored = await vault.read(deviceKey);
  let { prekeys, bundle } = stored === undefined ? nothing : decodeDevice(crypto, stored, author);
  const identity: KeysIdentity = {
    id: author,
    sign: (label, bytes) => crypto.signTagged(label, bytes, secret),
  };
  // A prekey that comes from a secret is always the same one; its bundle lives as long as one can.
  const source: Random = prekeySecret === undefined ? random : () => prekeySecret.slice();
  const policy = prekeySecret === undefined ? defaultPrekeyPolicy : paperPrekeyPolicy;

  const currentBundle = async (): Promise<VerifiedBundle> => {
    const time = Math.floor(clock.nowMicros() / 1e6);
    if (bundle !== undefined && !prekeyIsDue(prekeys, time, policy)) return bundle;
    return renew(time);
  };
  const renew = async (time: number): Promise<VerifiedBundle> => {
    const kept = prekeySecret === undefined ? prekeys : [];
    const next = rotatePrekey(crypto, kept, { identity, time, policy }, source);
    // Durable first: a bundle whose secret is lost would make keys sealed to it unreadable.
    const write = vault.write(deviceKey, encodeDevice(next.prekeys, next.bundle));
    await store.commit({ writes: [write] });
    prekeys = next.prekeys;
    bundle = next.bundle;
    return next.bundle;
  };

  return {
    author,
    secret,
    vault,
    prekeys: () => prekeys,
    bundle: () => queue.run(currentBundle),
    renewBundle: () => queue.run(() => renew(Math.floor(clock.nowMicros() / 1e6))),
    hpkeOpen: (sealed, message) => {
      for (const prekey of prekeys) {
        const opened = crypto.hpkeOpen(prekey.secret.reveal(), sealed, message);
        if (opened !== undefined) return opened;
      }
      return undefined;
    },
  };
}

interface DeviceState {
  readonly prekeys: Prekeys;
  readonly bundle: VerifiedBundle | undefined;
}

const nothing: DeviceState = { prekeys: [], bundle: undefined };

function encodeDevice(prekeys: Prekeys, bundle: VerifiedBundle): Uint8Array {
  return encodeCbor([version, encodePrekeys(prekeys), encodeBundle(bundle)]);
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
  const [, prekeyBytes, bundleBytes] = value;
  if (!(prekeyBytes instanceof Uint8Array) || !(bundleBytes instanceof Uint8Array)) throw corrupt();
  const prekeys = decodePrekeys(prekeyBytes);
  const parsed = parseBundle(bundleBytes);
  if (prekeys === undefined || !parsed.ok) throw corrupt();
  const verified = verifyBundle(crypto, parsed.bundle, author);
  if (!verified.ok) throw corrupt();
  return { prekeys, bundle: verified.bundle };
}

function corrupt(): SpaceError {
  return new SpaceError("SPACE_STATE_CORRUPT", "the device's prekeys do not parse");
}
