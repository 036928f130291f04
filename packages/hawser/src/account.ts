/**
 * `@hawser/hawser/account`: a person's account over several devices. An entry point of its own: who
 * has one device only does not load it.
 */
import {
  createAccount as foundAccount,
  createRelayRendezvous,
  joinAccount as joinByCode,
  openAccount as findAccount,
  phraseOf,
  recoverAccount as recoverBy,
  secretOf,
  combineShares,
  splitSecret,
  type Account,
  type AccountDeps,
  type AccountDevice,
  type DeviceRequest,
  type PaperDevice,
  type RecoveryKeys,
  type Rendezvous,
  type ShareOptions,
} from "@hawser/account";
import type { AuthorId } from "@hawser/crypto";
import { createMemoryStore, logIdOf } from "@hawser/log";
import { controlDomain, dataDomain, snapDomain, type Space } from "@hawser/space";
import { platformTimers } from "@hawser/transport-ws";
import { saveRelays } from "./device-store.ts";
import { HawserError } from "./errors.ts";
import { assemble, closeParts, partsOf, type Parts } from "./parts.ts";
import { systemClock, systemRandom } from "./platform.ts";
import { createRelayClient } from "./relay-client.ts";
import { untilSynced } from "./space.ts";
import type { Hawser, HawserSpace } from "./types.ts";

export type { AccountDevice, DeviceRequest, Rendezvous, ShareOptions };

/** An account with its relays. */
export interface HawserAccount extends Account {
  /**
   * Resolves when a relay has what this device has of the account, and the other way round. Rejects
   * with HAWSER_NO_RELAY, HAWSER_NO_ACCESS.
   */
  synced(options?: { readonly signal?: AbortSignal }): Promise<void>;
}

/** Where devices meet to pair; default: the device's first relay. */
interface Meeting {
  /** Mailboxes of one's own instead of a relay's. */
  readonly rendezvous?: Rendezvous;
  readonly signal: AbortSignal;
}

/** How another device is let in. */
export interface ApproveOptions extends Meeting {
  /** Twelve digits to be typed into the new device; good for one attempt. */
  readonly onCode: (code: string) => void;
  /** Asked before it is let in; default: yes. */
  readonly confirm?: (request: DeviceRequest) => Promise<boolean>;
}

/** How this device joins the account of another. */
export interface JoinOptions extends Meeting {
  readonly code: string;
  /** What this device is to be called. */
  readonly name: string;
}

/** How an account comes back. */
export interface RecoverOptions {
  /** 24 words. */
  readonly phrase: string;
  /** What this device is to be called. */
  readonly name: string;
  /** Which devices are lost and to be revoked; default: none. */
  readonly lost?: (devices: readonly AccountDevice[]) => Promise<readonly AuthorId[]>;
  /** Hears of spaces that could not be reached: there the account's other devices settle things. */
  readonly onMissed?: (space: Space) => void;
  readonly signal: AbortSignal;
}

/**
 * Founds an account with this device in it, and hands it to the relays. The phrase is shown once and
 * kept nowhere: a relay that refuses the account is no error here, it is asked again when it is
 * connected the next time, and `synced` says when it has it. Errors: ACCOUNT_EXISTS,
 * ACCOUNT_OUT_OF_RANGE.
 */
export async function createAccount(
  hawser: Hawser,
  options: { readonly name: string },
): Promise<{ readonly account: HawserAccount; readonly phrase: string }> {
  const parts = partsOf(hawser);
  const { account, recoverySecret } = await foundAccount(depsOf(parts), options);
  const phrase = phraseOf(recoverySecret);
  recoverySecret.fill(0);
  // From here on nothing may fail: nobody could show the phrase again.
  await parts.relays.host(account.space).catch(() => undefined);
  return { account: taken(parts, account), phrase };
}

/** The account of this device, or `undefined`. Dispose of it before the device. */
export async function openAccount(hawser: Hawser): Promise<HawserAccount | undefined> {
  const parts = partsOf(hawser);
  const account = await findAccount(depsOf(parts));
  return account && withRelays(parts, account);
}

/**
 * Shows a code and lets in the device that is given it. Errors: ACCOUNT_CODE_WRONG and the other codes
 * of pairing, HAWSER_NO_RELAY.
 */
export async function approveDevice(
  hawser: Hawser,
  account: Account,
  options: ApproveOptions,
): Promise<AccountDevice> {
  const parts = partsOf(hawser);
  const rendezvous = options.rendezvous ?? rendezvousOf(parts);
  const relays = parts.relays.addresses(account.space.topic);
  return await account.approve({ ...options, rendezvous, relays });
}

/**
 * Joins an account with the code that another of its devices shows, and resolves when this device has
 * its keys. When it is called off after it was let in, `openAccount` finds the account all the same.
 * Errors: like approveDevice, ACCOUNT_EXISTS, ACCOUNT_PAIRING_DENIED.
 */
export async function joinAccount(hawser: Hawser, options: JoinOptions): Promise<HawserAccount> {
  const parts = partsOf(hawser);
  const rendezvous = options.rendezvous ?? rendezvousOf(parts);
  const { account, relays } = await joinByCode(depsOf(parts), { ...options, rendezvous });
  const joined = taken(parts, account);
  try {
    await useRelays(parts, relays);
    await account.space.ready({ signal: options.signal });
    return joined;
  } catch (error) {
    await account[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Brings the account back from its phrase: as the paper key, in memory, it is fetched from the relays,
 * this device is let in and lost ones are revoked. Errors: ACCOUNT_PHRASE_INVALID, ACCOUNT_EXISTS,
 * HAWSER_NO_RELAY, HAWSER_NO_ACCESS when the relays know of no such account.
 */
export async function recoverAccount(
  hawser: Hawser,
  options: RecoverOptions,
): Promise<HawserAccount> {
  const parts = partsOf(hawser);
  const { signal, name, lost, onMissed } = options;
  if (parts.relays.isEmpty) throw noRelay();
  const recoverySecret = secretOf(options.phrase);
  try {
    const account = await recoverBy(depsOf(parts), {
      recoverySecret,
      name,
      ...(lost === undefined ? {} : { lost }),
      ...(onMissed === undefined ? {} : { onMissed }),
      open: (keys) => openPaper(parts, keys),
      signal,
    });
    const back = taken(parts, account);
    await account.space.ready({ signal }).catch(async (error: unknown) => {
      await account[Symbol.asyncDispose]();
      throw error;
    });
    return back;
  } finally {
    recoverySecret.fill(0);
  }
}

/**
 * Lets all devices of the account into a space, present and future. They write, or do what `level`
 * says; where this device manages the space, they all do. Errors: SPACE_NO_ACCESS, SPACE_MEMBERSHIP.
 */
export async function addDevices(
  space: HawserSpace,
  account: HawserAccount,
  options: { readonly level?: "pull" | "read" | "write" } = {},
): Promise<void> {
  await space.space.addGroup(account.space, options.level ?? "write");
}

/** The phrase as shares of which any `needed` give it back. Errors: ACCOUNT_OUT_OF_RANGE. */
export async function sharePhrase(
  hawser: Hawser,
  phrase: string,
  options: ShareOptions,
): Promise<readonly string[]> {
  return await splitSecret(partsOf(hawser).crypto, secretOf(phrase), options);
}

/** The phrase of enough shares. Errors: ACCOUNT_SHARE_INVALID, ACCOUNT_SHARES_UNFIT. */
export async function phraseOfShares(shares: readonly string[]): Promise<string> {
  return phraseOf(await combineShares(shares));
}

/** This device's account from now on. */
function taken(parts: Parts, account: Account): HawserAccount {
  parts.account = account.space.topic;
  return withRelays(parts, account);
}

function withRelays({ relays }: Parts, account: Account): HawserAccount {
  const { space } = account;
  return { ...account, synced: ({ signal } = {}) => untilSynced({ space, relays }, signal) };
}

function depsOf({ store, spaces, crypto }: Parts): AccountDeps {
  const timers = platformTimers;
  return { store, spaces, crypto, timers, clock: systemClock, random: systemRandom };
}

/** The first relay that has an address keeps the mailboxes. */
function rendezvousOf({ relays }: Parts): Rendezvous {
  const address = relays.states().find((state) => state.address !== "")?.address;
  if (address === undefined) throw noRelay();
  return createRelayRendezvous(address);
}

/** Relays that another device of the account uses are this person's own. */
async function useRelays(parts: Parts, addresses: readonly string[]): Promise<void> {
  const usable = addresses.filter((address) => /^wss?:\/\//.test(address) && URL.canParse(address));
  for (const address of usable) parts.relays.add(createRelayClient(address), { isOwn: true });
  const added = usable.map((address) => ({ address, isOwn: true }));
  await saveRelays(parts.store, added);
}

/** The paper key as a device in memory, connected to the same relays. */
async function openPaper(parts: Parts, keys: RecoveryKeys): Promise<PaperDevice> {
  const { crypto, relays } = parts;
  const store = createMemoryStore({ crypto });
  const paper = await assemble(store, crypto, { secret: keys.authorSecret }, keys.prekeySecret);
  let space: Space;
  try {
    // Before anything arrives: keys are opened by the prekey that is there.
    await paper.spaces.bundle();
    const nonces = { create: keys.createNonce, genesis: keys.genesisNonce };
    space = await paper.spaces.reopen(nonces);
  } catch (error) {
    await closeParts(paper);
    throw error;
  }
  for (const client of relays.clients()) paper.relays.add(client, { isOwn: false });
  return {
    store,
    space,
    spaces: paper.spaces,
    heard: ({ signal }) => untilHeard(paper, space, signal),
    synced: (one, { signal }) => untilSynced({ space: one, relays: paper.relays }, signal),
    [Symbol.asyncDispose]: () => closeParts(paper),
  };
}

/** Resolves when one relay has told all control logs that it has, this key's own among them. */
async function untilHeard(
  { relays, crypto }: Parts,
  { topic, author }: Space,
  signal: AbortSignal,
): Promise<void> {
  const logIds = [controlDomain, dataDomain, snapDomain].map((domain) =>
    logIdOf(crypto, { topic, domain, author }),
  );
  for (;;) {
    signal.throwIfAborted();
    const change = relays.changed(signal);
    change.catch(() => undefined);
    for (const session of relays.sessions()) {
      // One that ends meanwhile is followed by another.
      const report = await session.synced({ signal }).catch(() => undefined);
      const isTold = report?.topics.some((one) => one.topic === topic && one.received !== "none");
      const logs = session.standing(topic, logIds)?.logs ?? [];
      const isOwnHere = logs.length > 0 && logs.every(({ here }) => here);
      if (isTold === true && isOwnHere && logs.some(({ announced }) => announced > 0)) return;
    }
    await change;
  }
}

function noRelay(): HawserError {
  return new HawserError("HAWSER_NO_RELAY", "devices of an account meet at a relay: name one");
}
