/** An account that comes back from its recovery secret (docs/spec/account.md §3.1). Layer 6. */
import type { AuthorId } from "@hawser/crypto";
import type { LogStore } from "@hawser/log";
import type { Space, Spaces } from "@hawser/space";
import { accountOf, existsError, isInAccount, remember, type Account } from "./account.ts";
import type { AccountDeps, AccountDevice } from "./account.ts";
import { nameDraft } from "./device-names.ts";
import { isIn, managersDueIn, settleManagers } from "./managers.ts";
import { outrankRemovers } from "./outrank.ts";
import { recoveryKeysOf, type RecoveryKeys } from "./phrase.ts";

/** The paper key at work: a device in memory that has opened the account's space. */
export interface PaperDevice extends AsyncDisposable {
  /** In memory: what it has of the account. */
  readonly store: LogStore;
  readonly spaces: Spaces;
  /** The account's. */
  readonly space: Space;
  /**
   * Resolves when a peer has announced this key's own logs of the account and all of them is here: also
   * for a key that was removed, which is served control logs alone.
   */
  heard(options: { readonly signal: AbortSignal }): Promise<void>;
  /** Resolves when what is here of a space is where others find it, and the other way round. */
  synced(space: Space, options: { readonly signal: AbortSignal }): Promise<void>;
}

/** How an account comes back. */
export interface RecoverOptions {
  /** 32 bytes, of `secretOf` or `combineShares`. */
  readonly recoverySecret: Uint8Array;
  /** What this device is to be called. */
  readonly name: string;
  /** Opens the account as the paper key, by `spaces.reopen`, and connects it. */
  readonly open: (keys: RecoveryKeys) => Promise<PaperDevice>;
  /** Which of the devices are lost: they are revoked. Default: none. */
  readonly lost?: (devices: readonly AccountDevice[]) => Promise<readonly AuthorId[]>;
  /**
   * Hears of spaces of the account in which things could not be put right: they were not reached in
   * time, or the paper key may not. A lost device may still be a member of its own there, until another
   * device of the account that manages the space, or somebody else who does, takes it out.
   */
  readonly onMissed?: (space: Space) => void;
  readonly signal: AbortSignal;
}

/** How long one space of the account may take, in ms. */
const spaceMsMax = 15_000;
/** Spaces that are put right at the same time. */
const spacesAtOnce = 8;

/**
 * Lets this device into the account that a recovery secret founded. Its keys come with the next sync:
 * await `account.space.ready()`. Doing it again after a failure is safe. Throws `ACCOUNT_EXISTS`,
 * `ACCOUNT_OUT_OF_RANGE`, what `open` throws, and the signal's reason.
 */
export async function recoverAccount(deps: AccountDeps, options: RecoverOptions): Promise<Account> {
  const { spaces, store, crypto } = deps;
  const { signal } = options;
  const draft = nameDraft(spaces.author, options.name);
  if (await isInAccount(store)) throw existsError();
  const keys = recoveryKeysOf(crypto, options.recoverySecret);
  await using paper = await options.open(keys);
  await paper.heard({ signal });
  await outrankRemovers(deps, paper, keys);
  await paper.space.ready({ signal });
  // Nothing is written before everything that is known of this key's own log is here.
  await paper.synced(paper.space, { signal });
  await untilCompared(paper.spaces, paper.space, signal);
  const bundle = await spaces.bundle();
  if (paper.space.access(bundle.author) === undefined) {
    await paper.space.add(bundle, "manage", { mayDelete: true });
  }
  await paper.space.append([draft]);
  for (const author of await lostDevices(deps, paper.space, options)) {
    await paper.space.remove(author);
  }
  await paper.synced(paper.space, { signal });
  await settleSpaces(paper, options);
  const space = await spaces.accept(paper.space.offer(bundle));
  await remember(store, space.topic);
  return accountOf(deps, space);
}

/** In every space that the account is in: this device manages it, lost ones do no more. */
async function settleSpaces(paper: PaperDevice, options: RecoverOptions): Promise<void> {
  await paper.spaces.offersHeard();
  const others = paper.spaces.list().filter((space) => space.topic !== paper.space.topic);
  const missed: Space[] = [];
  // A few at once: whoever puts the account into spaces that never answer must not hold it up.
  const queue = others.values();
  const work = async (): Promise<void> => {
    for (const space of queue) {
      if (!(await isSettled(paper, space, options.signal))) missed.push(space);
    }
  };
  await Promise.all(Array.from({ length: spacesAtOnce }, work));
  options.signal.throwIfAborted();
  for (const space of missed) options.onMissed?.(space);
}

/** False when the space was not reached, or when this key may not put things right there. */
async function isSettled(paper: PaperDevice, space: Space, stop: AbortSignal): Promise<boolean> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(spaceMsMax)]);
  try {
    await space.ready({ signal });
    await paper.synced(space, { signal });
    await untilCompared(paper.spaces, space, signal);
    if (!isIn(paper.space, space)) return true;
    const due = managersDueIn(paper.space, space);
    if (space.access()?.level === "manage") await settleManagers(paper.space, due);
    await paper.synced(space, { signal });
    return managersDueIn(paper.space, space).remove.length === 0;
  } catch {
    // Whatever is wrong with one space, the account comes back.
    return false;
  }
}

/** Resolves when this key's own log in the space was compared with a peer's: then it may write. */
async function untilCompared(spaces: Spaces, space: Space, signal: AbortSignal): Promise<void> {
  while (spaces.restored().includes(space.topic)) {
    signal.throwIfAborted();
    const change = Promise.withResolvers<void>();
    const resolve = (): void => change.resolve();
    const unsubscribe = spaces.onTopicsChanged(resolve);
    signal.addEventListener("abort", resolve, { once: true });
    // It may have ended between the two looks.
    if (!spaces.restored().includes(space.topic)) resolve();
    await change.promise;
    signal.removeEventListener("abort", resolve);
    unsubscribe();
  }
}

async function lostDevices(
  deps: AccountDeps,
  space: Space,
  { lost }: RecoverOptions,
): Promise<readonly AuthorId[]> {
  if (lost === undefined) return [];
  await using account = accountOf(deps, space);
  await account.ready;
  const others = account
    .devices()
    .filter(({ author, isPaper }) => !isPaper && author !== deps.spaces.author);
  const named = new Set(await lost(others));
  return others.flatMap(({ author }) => (named.has(author) ? [author] : []));
}
