/** An account that comes back from its recovery secret (docs/spec/account.md §3.1). Layer 6. */
import type { AuthorId } from "@hawser/crypto";
import type { Space, Spaces } from "@hawser/space";
import { accountOf, existsError, isInAccount, remember, type Account } from "./account.ts";
import type { AccountDeps, AccountDevice } from "./account.ts";
import { nameDraft } from "./device-names.ts";
import { managersDue, settleManagers } from "./managers.ts";
import { recoveryKeysOf, type RecoveryKeys } from "./phrase.ts";

/** The paper key at work: a device in memory that has opened the account's space. */
export interface PaperDevice extends AsyncDisposable {
  readonly spaces: Spaces;
  /** The account's. */
  readonly space: Space;
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
   * Hears of spaces of the account that could not be reached in time: the paper key has not made this
   * device a manager there, nor taken the lost ones out. The account's other devices will.
   */
  readonly onMissed?: (space: Space) => void;
  readonly signal: AbortSignal;
}

/** How long one space of the account may take, in ms. */
const spaceMsMax = 15_000;

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
  await using paper = await options.open(recoveryKeysOf(crypto, options.recoverySecret));
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
  for (const space of others) {
    const limit = AbortSignal.any([options.signal, AbortSignal.timeout(spaceMsMax)]);
    try {
      await space.ready({ signal: limit });
      await paper.synced(space, { signal: limit });
      await untilCompared(paper.spaces, space, limit);
      for (const due of managersDue(paper.space, paper.spaces)) {
        if (due.space.topic === space.topic) await settleManagers(paper.space, due);
      }
      await paper.synced(space, { signal: limit });
    } catch (error) {
      options.signal.throwIfAborted();
      if (!limit.aborted) throw error;
      options.onMissed?.(space);
    }
  }
}

/** Resolves when this key's own log in the space was compared with a peer's: then it may write. */
async function untilCompared(spaces: Spaces, space: Space, signal: AbortSignal): Promise<void> {
  while (spaces.restored().includes(space.topic)) {
    signal.throwIfAborted();
    const change = Promise.withResolvers<void>();
    const unsubscribe = spaces.onTopicsChanged(change.resolve);
    signal.addEventListener("abort", () => change.resolve(), { once: true });
    // It may have ended between the two looks.
    if (!spaces.restored().includes(space.topic)) change.resolve();
    await change.promise;
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
