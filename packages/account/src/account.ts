/**
 * An account: the space whose members are a person's devices (docs/spec/account.md §1). Layer 6.
 */
import { fromHex, toHex, utf8 } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { VerifiedBundle } from "@hawser/keys";
import { createMemoryStore, type LogStore, type Topic } from "@hawser/log";
import { createSpaces, type Space, type Spaces, type SpacesDeps } from "@hawser/space";
import { checkedName, nameDraft, watchNames, type DeviceNames } from "./device-names.ts";
import { AccountError } from "./errors.ts";
import { keepManagers } from "./managers.ts";
import { founderOf } from "./member-history.ts";
import {
  decodeAnswer,
  decodeRequest,
  encodeAnswer,
  encodeRequest,
  type DeviceRequest,
} from "./messages.ts";
import { approvePairing, requestPairing, type ApproveOptions } from "./pairing.ts";
import { createRecoverySecret, recoveryKeysOf } from "./phrase.ts";
import type { Rendezvous } from "./rendezvous.ts";

/** What an account needs: one device's spaces, and what they were made of. */
export interface AccountDeps extends Omit<SpacesDeps, "identity" | "prekeySecret"> {
  readonly spaces: Spaces;
}

/** One device of an account. */
export interface AccountDevice {
  readonly author: AuthorId;
  /** `undefined` until the event that names it has arrived, and for the paper key. */
  readonly name: string | undefined;
  readonly isSelf: boolean;
  /** The key behind the recovery phrase. */
  readonly isPaper: boolean;
}

/** How a device is let in. */
export interface ApproveDeviceOptions {
  readonly rendezvous: Rendezvous;
  /** Shown to the person. Good for one attempt. */
  readonly onCode: (code: string) => void;
  /** Asked when the new device is at the other end; default: it is let in. */
  readonly confirm?: (request: DeviceRequest) => Promise<boolean>;
  /** Relays at which the new device finds the account's space; at most 8. */
  readonly relays?: readonly string[];
  readonly signal: AbortSignal;
}

/**
 * A person's account on this device. While it is open, it keeps the managers of spaces that the account
 * is in: where one device manages a space, all do, and revoked ones no more.
 */
export interface Account extends AsyncDisposable {
  /** The space of the devices: name it as a group in other spaces. */
  readonly space: Space;
  /** Devices now, sorted by key; the paper key among them. */
  devices(): readonly AccountDevice[];
  /** Changes what a device is called. Throws `ACCOUNT_OUT_OF_RANGE`, and like `append`. */
  rename(author: AuthorId, name: string): Promise<void>;
  /**
   * Lets a new device in by a code. Resolves with it. Throws the codes of `approvePairing` and those
   * of `space.add`.
   */
  approve(options: ApproveDeviceOptions): Promise<AccountDevice>;
  /**
   * Removes a device from the account, and with it from every space the account is in; keys are
   * rotated there before anybody writes. The device itself loses access to what comes, not to what it
   * has. Throws `ACCOUNT_PAPER_KEY`, `SPACE_MEMBERSHIP` for a device that is none, and
   * `SPACE_NO_ACCESS`.
   */
  revoke(author: AuthorId): Promise<void>;
  /** Resolves when names that were stored are read. */
  readonly ready: Promise<void>;
}

/** Name of the account's topic in the store. */
const accountKey = "account";

/**
 * Founds an account. Its recovery secret is returned once and kept nowhere: show its phrase, or split
 * it. The key behind it founds the account, so it outranks every device. Throws
 * `ACCOUNT_EXISTS`, `ACCOUNT_OUT_OF_RANGE`.
 */
export async function createAccount(
  deps: AccountDeps,
  options: { readonly name: string },
): Promise<{ readonly account: Account; readonly recoverySecret: Uint8Array }> {
  const draft = nameDraft(deps.spaces.author, options.name);
  if (await isInAccount(deps.store)) throw existsError();
  const recoverySecret = createRecoverySecret(deps.random);
  const space = await found(deps, recoverySecret);
  // Remembered last: an account of which this device knows has a phrase that somebody was shown.
  await space.append([draft]);
  await remember(deps.store, space.topic);
  return { account: accountOf(deps, space), recoverySecret };
}

/** The account of this device, or `undefined` when it has none. Throws `SPACE_UNKNOWN`. */
export async function openAccount(deps: AccountDeps): Promise<Account | undefined> {
  const stored = await deps.store.get(accountKey);
  if (stored === undefined) return undefined;
  // Safe: only topics are written there; one that is none is unknown to the spaces.
  return accountOf(deps, deps.spaces.openTopic(toHex(stored) as Topic));
}

/**
 * Joins an account with the code that another device shows. Resolves once this device was let in;
 * its keys come with the first sync: await `account.space.ready()`. `relays` says where the account's
 * devices meet. Throws the codes of `requestPairing`, `ACCOUNT_EXISTS`.
 */
export async function joinAccount(
  deps: AccountDeps,
  options: {
    readonly rendezvous: Rendezvous;
    readonly code: string;
    readonly name: string;
    readonly signal: AbortSignal;
  },
): Promise<{ readonly account: Account; readonly relays: readonly string[] }> {
  const { rendezvous, code, signal } = options;
  const name = checkedName(options.name);
  if (await isInAccount(deps.store)) throw existsError();
  const request = encodeRequest({ bundle: await deps.spaces.bundle(), name });
  const answer = decodeAnswer(
    await requestPairing({ ...deps, rendezvous }, { code, request, signal }),
  );
  if (answer === undefined) {
    throw new AccountError("ACCOUNT_PAIRING_FAILED", "the other device's answer does not parse");
  }
  const space = await deps.spaces.accept(answer.offer);
  await remember(deps.store, space.topic);
  return { account: accountOf(deps, space), relays: answer.relays };
}

/** The paper key founds the space in memory and lets this device in; then it is forgotten. */
async function found(deps: AccountDeps, recoverySecret: Uint8Array): Promise<Space> {
  const { crypto, spaces } = deps;
  const keys = recoveryKeysOf(crypto, recoverySecret);
  const store = createMemoryStore({ crypto });
  const identity = { author: keys.author, secret: keys.authorSecret };
  const paper = await createSpaces({
    ...deps,
    store,
    identity,
    prekeySecret: keys.prekeySecret,
  });
  try {
    const nonces = { create: keys.createNonce, genesis: keys.genesisNonce };
    const founded = await paper.create({ nonces });
    const bundle = await spaces.bundle();
    await founded.add(bundle, "manage", { mayDelete: true });
    const space = await spaces.accept(founded.offer(bundle));
    await copyTopic(store, spaces, founded.topic);
    await space.ready();
    return space;
  } finally {
    await paper.close();
    await store.close();
  }
}

/** Hands everything that `from` has of a topic to `to`, as a peer would. */
async function copyTopic(from: LogStore, to: Spaces, topic: Topic): Promise<void> {
  for (const { logId, signedHeight } of await from.heads(topic)) {
    for await (const range of from.ranges(logId, { to: signedHeight })) {
      const outcome = await to.ingest(range);
      if (outcome.status === "stored" || outcome.status === "known") continue;
      throw new Error(`a founding entry was not taken: ${outcome.status}`);
    }
  }
}

/** Does this device belong to an account? */
export async function isInAccount(store: LogStore): Promise<boolean> {
  return (await store.get(accountKey)) !== undefined;
}

const remembering = new WeakMap<LogStore, Promise<void>>();

/** Makes a topic this device's account. Throws `ACCOUNT_EXISTS` when another one was quicker. */
export async function remember(store: LogStore, topic: Topic): Promise<void> {
  const value = fromHex(topic) ?? utf8("");
  const writing = (remembering.get(store) ?? Promise.resolve()).then(async () => {
    if (await isInAccount(store)) throw existsError();
    await store.commit({ writes: [{ key: accountKey, value }] });
  });
  remembering.set(
    store,
    writing.catch(() => undefined),
  );
  await writing;
}

/** A space as the account that it is. */
export function accountOf(deps: AccountDeps, space: Space): Account {
  const names: DeviceNames = watchNames(space);
  const managers = keepManagers(space, deps.spaces, deps.timers);
  const { author: self } = deps.spaces;
  const founder = (): AuthorId | undefined => founderOf(space.timeline());
  const devices = (): readonly AccountDevice[] => {
    const paper = founder();
    const listed = space.members().filter(({ level }) => level !== "pull");
    return listed.map(({ author }) => {
      const isPaper = author === paper;
      // Any device may name any key: a name for the paper key could only mislead.
      const name = isPaper ? undefined : names.nameOf(author);
      return { author, name, isSelf: author === self, isPaper };
    });
  };
  return {
    space,
    ready: names.ready,
    devices,
    rename: async (author, name) => {
      await space.append([nameDraft(author, name)]);
    },
    approve: (options) => approve(deps, space, options),
    revoke: async (author) => {
      if (author !== founder()) return space.remove(author);
      throw new AccountError("ACCOUNT_PAPER_KEY", "the key behind the words is never revoked");
    },
    [Symbol.asyncDispose]: async () => {
      await managers.stop();
      await names.stop();
    },
  };
}

async function approve(
  deps: AccountDeps,
  space: Space,
  options: ApproveDeviceOptions,
): Promise<AccountDevice> {
  const { rendezvous, onCode, signal, relays = [] } = options;
  const confirm = options.confirm ?? (() => Promise.resolve(true));
  let admitted: DeviceRequest | undefined;
  const decide: ApproveOptions["decide"] = async (bytes, stillWaits) => {
    const request = decodeRequest(deps.crypto, bytes);
    if (request === undefined || !(await confirm(request))) return undefined;
    // A person may take long; whoever has gone meanwhile is not let in.
    await stillWaits();
    const { bundle } = request;
    // Bundle and relays are found good or bad before anything is published.
    encodeAnswer({ offer: space.offer(bundle), relays });
    await letIn(space, bundle);
    await space.append([nameDraft(bundle.author, request.name)]);
    admitted = request;
    return encodeAnswer({ offer: space.offer(bundle), relays });
  };
  await approvePairing({ ...deps, rendezvous }, { onCode, decide, signal });
  if (admitted === undefined) throw new Error("a pairing that succeeds admits a device");
  const { bundle, name } = admitted;
  return { author: bundle.author, name, isSelf: false, isPaper: false };
}

/** An answer may have been lost before: then the device is in already, and is answered again. */
async function letIn(space: Space, bundle: VerifiedBundle): Promise<void> {
  const known = space.members().find(({ author }) => author === bundle.author);
  const isListed = known !== undefined && known.via === undefined;
  if (!isListed) await space.add(bundle, "manage", { mayDelete: true });
  else if (known.level !== "manage") {
    await space.set(bundle.author, "manage", { mayDelete: true });
  }
}

/** The error of a device that is to belong to a second account. */
export function existsError(): AccountError {
  return new AccountError("ACCOUNT_EXISTS", "this device belongs to an account already");
}
