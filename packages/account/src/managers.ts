/**
 * A group never manages a space, so the devices of a person manage it one by one (docs/spec/account.md
 * §1.4): where one of them manages a space that the account is in, all of them do, the paper key too,
 * and a device that left the account leaves there as well. Layer 6.
 */
import type { AuthorId } from "@hawser/crypto";
import type { Space, SpaceMember, Spaces } from "@hawser/space";
import type { Timers } from "@hawser/sync";
import { historyOf, type Admission, type MemberHistory } from "./member-history.ts";

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
  const list = spaces.list().filter((space) => isManagedWith(space, account));
  if (list.length === 0) return [];
  const devices = historyOf(account.timeline());
  return list.flatMap((space) => {
    const due = dueIn(space, account, devices);
    return due.add.length + due.remove.length === 0 ? [] : [due];
  });
}

/** What one space lacks, whether or not this device may change it. */
export function managersDueIn(account: Space, space: Space): Due {
  return dueIn(space, account, historyOf(account.timeline()));
}

function dueIn(space: Space, account: Space, devices: MemberHistory): Due {
  const now = new Set(devicesOf(account));
  const listed = space.members().filter((member) => member.via === undefined);
  const managing = new Set(listed.filter(isManager).map(({ author }) => author));
  const isKnown = (author: string): boolean => devices.admissions.has(author);
  const history = historyOf(space.timeline());
  const add = [...now].filter(
    (author) => !managing.has(author) && !wasTakenOut(author, history, devices, now),
  );
  const remove = listed.flatMap(({ author }) => {
    const leftAt = now.has(author) ? undefined : devices.departures.get(author)?.stamp;
    if (leftAt === undefined) return [];
    return isLetInAnew(history.admissions.get(author), leftAt, isKnown) ? [] : [author];
  });
  return { space, add, remove };
}

/**
 * Somebody took the device out of the space after it came into the account: a manager who wants it so,
 * or a device that has heard of a revocation before this one. What a device did that is revoked itself
 * does not count.
 */
function wasTakenOut(
  author: AuthorId,
  space: MemberHistory,
  devices: MemberHistory,
  now: ReadonlySet<string>,
): boolean {
  const out = space.departures.get(author);
  const into = devices.admissions.get(author);
  if (out === undefined || into === undefined || out.stamp < into.stamp) return false;
  return now.has(out.by) || !devices.admissions.has(out.by);
}

/** Somebody else has let the former device in since, as what it is now: that is theirs to decide. */
function isLetInAnew(
  admission: Admission | undefined,
  leftAt: number,
  isKnown: (author: string) => boolean,
): boolean {
  return admission !== undefined && admission.stamp > leftAt && !isKnown(admission.by);
}

/**
 * Makes one space's managers those of the account. Every change stands alone: one that fails hinders no
 * other. Throws the first error of `space.add` and `space.remove`.
 */
export async function settleManagers(account: Space, { space, add, remove }: Due): Promise<void> {
  const errors: unknown[] = [];
  const attempt = async (change: () => Promise<void>): Promise<void> => {
    await change().catch((error: unknown) => errors.push(error));
  };
  // Whoever is out is out first: the keys that follow are not for them.
  for (const author of remove) await attempt(() => space.remove(author));
  for (const author of add) await attempt(() => makeManager(account, space, author));
  if (errors.length > 0) throw errors[0];
}

async function makeManager(account: Space, space: Space, author: AuthorId): Promise<void> {
  const listed = space.members().find((member) => member.author === author);
  const mayDelete = space.access()?.mayDelete === true;
  const bundle = account.bundleOf(author);
  if (listed !== undefined && listed.via === undefined) {
    if (!isManager(listed)) await space.set(author, "manage", { mayDelete });
  } else if (bundle !== undefined) {
    await space.add(bundle, "manage", { mayDelete });
  }
}

/** Time after a change before this device looks: others of the account may be quicker. */
const lookDelayMs = 500;
/** Times that one change of one space is tried while nothing new is known of the device. */
const attemptsMax = 3;

/**
 * Keeps the managers of all spaces those of the account until it is stopped. What fails is tried again
 * at the next change, three times in all: another device may have done the same meanwhile.
 */
export function keepManagers(
  account: Space,
  spaces: Spaces,
  timers: Timers,
): { stop(): Promise<void> } {
  let cancel: (() => void) | undefined;
  let running: Promise<unknown> = Promise.resolve();
  let isStopped = false;
  const attempts = new Map<string, number>();
  const isWorthwhile = (space: Space, kind: string, author: AuthorId): boolean => {
    const key = `${space.topic} ${kind} ${author} ${account.timeline().length}`;
    const count = (attempts.get(key) ?? 0) + 1;
    attempts.set(key, count);
    return count <= attemptsMax;
  };
  const settleAll = async (): Promise<void> => {
    for (const { space, add, remove } of managersDue(account, spaces)) {
      if (isStopped) return;
      const worthwhile = {
        space,
        add: add.filter((author) => isWorthwhile(space, "add", author)),
        remove: remove.filter((author) => isWorthwhile(space, "remove", author)),
      };
      // One space in which nothing works must not keep a lost device in the others.
      await settleManagers(account, worthwhile).catch(() => undefined);
    }
  };
  const settle = (): void => {
    cancel = undefined;
    running = running.then(settleAll).catch(() => undefined);
  };
  const look = (): void => {
    if (!isStopped) cancel ??= timers.after(lookDelayMs, settle);
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
  if (account.status().state !== "active") return false;
  const self = space.members().find((member) => member.author === space.author);
  if (self === undefined || self.via !== undefined || !isManager(self)) return false;
  return isIn(account, space);
}

/** Is the account a group in the space? */
export function isIn(account: Space, space: Space): boolean {
  return space.groups().some(({ topic }) => topic === account.topic);
}

/**
 * The devices: who manages the account by itself. Whoever may only read in it, or is in it through a
 * group, gets no right in other spaces by that but the group's.
 */
function devicesOf(account: Space): readonly AuthorId[] {
  return account
    .members()
    .filter((member) => isManager(member) && member.via === undefined)
    .map(({ author }) => author);
}
