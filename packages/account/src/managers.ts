/**
 * A group never manages a space, so the devices of a person manage it one by one (docs/spec/account.md
 * §1.4): where one of them manages a space that the account is in, all of them do, the paper key too,
 * and a device that left the account leaves there as well. Layer 6.
 */
import type { AuthorId } from "@hawser/crypto";
import type { Space, SpaceMember, Spaces } from "@hawser/space";
import type { Timers } from "@hawser/sync";

/** What is missing in one space. */
interface Due {
  readonly space: Space;
  /** Devices that do not manage it by themselves. */
  readonly add: readonly AuthorId[];
  /** Members of their own that are devices of the account no more. */
  readonly remove: readonly AuthorId[];
}

/** Spaces of this device in which the managers are not those that the account has. */
export function managersDue(account: Space, spaces: Spaces): readonly Due[] {
  const devices = devicesOf(account);
  const former = formerDevicesOf(account, devices);
  return spaces.list().flatMap((space) => {
    if (!isManagedWith(space, account)) return [];
    const listed = space.members().filter((member) => member.via === undefined);
    const managing = new Set(listed.filter(isManager).map(({ author }) => author));
    const add = devices.filter((author) => !managing.has(author));
    const remove = listed.flatMap(({ author }) => (former.has(author) ? [author] : []));
    return add.length + remove.length === 0 ? [] : [{ space, add, remove }];
  });
}

/** Makes one space's managers those of the account. Throws like `space.add` and `space.remove`. */
export async function settleManagers(account: Space, { space, add, remove }: Due): Promise<void> {
  // Whoever is out is out first: the keys that follow are not for them.
  for (const author of remove) await space.remove(author);
  for (const author of add) {
    const listed = space.members().find((member) => member.author === author);
    const bundle = account.bundleOf(author);
    if (listed?.via === undefined && listed !== undefined) {
      await space.set(author, "manage", { mayDelete: true });
    } else if (bundle !== undefined) {
      await space.add(bundle, "manage", { mayDelete: true });
    }
  }
}

/** Settles every space of this device as it can. */
export async function settleAllManagers(account: Space, spaces: Spaces): Promise<void> {
  for (const due of managersDue(account, spaces)) await settleManagers(account, due);
}

/** Time after a change before this device looks: others of the account may be quicker. */
const lookDelayMs = 500;

/**
 * Keeps the managers of all spaces those of the account until it is stopped. What fails is tried again
 * at the next change: another device may have done the same meanwhile.
 */
export function keepManagers(
  account: Space,
  spaces: Spaces,
  timers: Timers,
): { stop(): Promise<void> } {
  let cancel: (() => void) | undefined;
  let running: Promise<unknown> = Promise.resolve();
  let isStopped = false;
  const settle = (): void => {
    cancel = undefined;
    running = running
      .then(() => (isStopped ? undefined : settleAllManagers(account, spaces)))
      .catch(() => undefined);
  };
  const look = (): void => {
    if (isStopped || cancel !== undefined) return;
    if (managersDue(account, spaces).length > 0) cancel = timers.after(lookDelayMs, settle);
  };
  const unsubscribe = spaces.onTopicsChanged(look);
  look();
  return {
    stop: async () => {
      isStopped = true;
      unsubscribe();
      cancel?.();
      await running;
    },
  };
}

function isManager({ level }: SpaceMember): boolean {
  return level === "manage";
}

/** Does this device manage the space, by itself, and is the account a group in it? */
function isManagedWith(space: Space, account: Space): boolean {
  if (space.topic === account.topic || space.variant === "raw") return false;
  if (space.status().state !== "active" || space.status().problem !== undefined) return false;
  const self = space.members().find((member) => member.author === space.author);
  if (self === undefined || self.via !== undefined || !isManager(self)) return false;
  return space.groups().some(({ topic }) => topic === account.topic);
}

function devicesOf(account: Space): readonly AuthorId[] {
  return account
    .members()
    .filter(({ level }) => level !== "pull")
    .map(({ author }) => author);
}

/** Everybody whom an effective change took out of the account, and who is not back. */
function formerDevicesOf(account: Space, devices: readonly AuthorId[]): ReadonlySet<AuthorId> {
  const now = new Set<string>(devices);
  const gone = account
    .timeline()
    .filter(({ status }) => status.state === "effective")
    .filter(({ change }) => change === "remove" || change === "leave")
    .flatMap(({ author, change, members }) => (change === "leave" ? [author] : members));
  // Safe: members of an account are devices; a group's id equals no member's key.
  return new Set(gone.filter((id) => !now.has(id)) as AuthorId[]);
}
