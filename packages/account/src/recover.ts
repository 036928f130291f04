/** An account that comes back from its recovery secret (docs/spec/account.md §3.1). Layer 6. */
import type { AuthorId } from "@hawser/crypto";
import type { Space } from "@hawser/space";
import { accountOf, existsError, isInAccount, remember, type Account } from "./account.ts";
import type { AccountDeps, AccountDevice } from "./account.ts";
import { nameDraft } from "./device-names.ts";
import { recoveryKeysOf, type RecoveryKeys } from "./phrase.ts";

/** The paper key at work: a device in memory that has opened the account's space. */
export interface PaperDevice extends AsyncDisposable {
  readonly space: Space;
  /** Resolves when what is here is where others find it, and the other way round. */
  synced(options: { readonly signal: AbortSignal }): Promise<void>;
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
  readonly signal: AbortSignal;
}

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
  await paper.synced({ signal });
  const bundle = await spaces.bundle();
  if (paper.space.access(bundle.author) === undefined) {
    await paper.space.add(bundle, "manage", { mayDelete: true });
  }
  await paper.space.append([draft]);
  for (const author of await lostDevices(deps, paper.space, options)) {
    await paper.space.remove(author);
  }
  await paper.synced({ signal });
  const space = await spaces.accept(paper.space.offer(bundle));
  await remember(store, space.topic);
  return accountOf(deps, space);
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
