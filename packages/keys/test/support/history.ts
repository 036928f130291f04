/**
 * Random concurrent histories: actors who add, remove, merge, pay and write, each with what it has
 * merged so far. Membership is a small replicated set with removals that win over concurrent adds;
 * who knows which secret is tracked twice: as sets (here) and by what each actor really opens.
 */
import { toHex, utf8 } from "@hawser/codec";
import type { AuthorId, Crypto, Random } from "@hawser/crypto";
import {
  addBundles,
  type BundleRegistry,
  createKeyRing,
  emptyRegistry,
  type EpochId,
  type HistoryPolicy,
  type IncomingOp,
  type KeyAgreement,
  type KeyState,
  latestBundle,
  type Members,
  parseKeyOp,
  type Prekeys,
  rotatePrekey,
  type VerifiedBundle,
} from "@hawser/keys";

const topic = "71".repeat(32);

/** A seeded stream of small numbers (mulberry32). */
export function createPrng(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

type Role = "reader" | "follower";

interface AuthEntry {
  readonly kind: "auth";
  readonly index: number;
  readonly past: ReadonlySet<number>;
  readonly author: number;
  readonly change: "add" | "remove";
  readonly role: Role;
  readonly target: number;
}

interface KeyEntry {
  readonly kind: "key";
  readonly index: number;
  readonly past: ReadonlySet<number>;
  readonly author: number;
  readonly op: IncomingOp;
  /** The symbolic effect: who learns which epoch, and who is to be believed about it. */
  readonly gives: { readonly epochIds: readonly EpochId[]; readonly to: readonly number[] };
  readonly isRekey: boolean;
}

type Entry = AuthEntry | KeyEntry;

export interface Actor {
  readonly index: number;
  readonly id: AuthorId;
  readonly ring: KeyAgreement;
  readonly prekeys: Prekeys;
  known: ReadonlySet<number>;
  state: KeyState;
}

export interface Write {
  readonly author: number;
  readonly epochId: EpochId;
  readonly view: ReadonlySet<number>;
  readonly readers: ReadonlySet<number>;
}

export interface History {
  readonly actors: readonly Actor[];
  readonly entries: readonly Entry[];
  readonly writes: readonly Write[];
  step(): void;
  /** Everybody merges everything. */
  mergeAll(): void;
  /** Pays all debts by whoever comes first until there are none; returns the rounds it took. */
  settle(): number;
  membersOf(view: ReadonlySet<number>): Members;
  readersOf(view: ReadonlySet<number>): ReadonlySet<number>;
  /** Who knows the secret when the ops of `view` are all there is. */
  symbolicHolders(view: ReadonlySet<number>, id: EpochId): ReadonlySet<number>;
  /** The same, found out by opening. */
  realHolders(view: ReadonlySet<number>, id: EpochId): ReadonlySet<number>;
  keyOps(view: ReadonlySet<number>): readonly IncomingOp[];
  /** p2panda's choice: the epoch that came last, whoever holds it. */
  latestOf(actor: Actor): EpochId | undefined;
}

export interface HistoryOptions {
  readonly crypto: Crypto;
  readonly seed: number;
  readonly actorCount: number;
  readonly policy: HistoryPolicy;
}

export function createHistory(options: HistoryOptions): History {
  const { crypto, policy } = options;
  const draw = createPrng(options.seed);
  let drawn = 0;
  const random: Random = (byteCount) =>
    crypto.deriveKey("hawser model", utf8(`${options.seed} ${drawn++}`), byteCount);
  const { actors, registry } = createActors(options, random);
  const indexOf = new Map(actors.map((actor) => [actor.id, actor.index]));
  const entries: Entry[] = [];
  const writes: Write[] = [];
  const membership = createMembership(entries, actors);
  const { membersOf, readersOf } = membership;

  const append = (actor: Actor, entry: Entry): void => {
    entries.push(entry);
    actor.known = new Set([...actor.known, entry.index]);
  };
  const changeMembers = (actor: Actor, change: "add" | "remove", role: Role, target: number) => {
    const { index: author, known: past } = actor;
    append(actor, { kind: "auth", index: entries.length, past, author, change, role, target });
  };
  const publish = (actor: Actor, bytes: Uint8Array, epochId?: EpochId): void => {
    const parsed = parseKeyOp(bytes);
    if (!parsed.ok) throw new Error("the model made an op that does not parse");
    const at = membersOf(actor.known);
    const carrier = {
      author: actor.id,
      opRef: toHex(crypto.hash(utf8(`${options.seed} entry ${entries.length}`))),
      readersAt: at.readers,
      followersAt: at.followers,
    };
    const op = { bytes, carrier };
    const gives = effectOf(parsed.op, epochId, indexOf);
    const { index: author, known: past } = actor;
    const isRekey = parsed.op.kind === "rekey";
    append(actor, { kind: "key", index: entries.length, past, author, op, gives, isRekey });
    actor.state = actor.ring.receive(actor.state, [op], actor.prekeys).state;
  };
  const bundlesOf = (ids: readonly AuthorId[]): readonly VerifiedBundle[] =>
    ids.map((id) => latestBundle(registry, id)!);
  const authHeads = (actor: Actor): readonly string[] =>
    headsOf(entries, actor.known).map((index) => toHex(crypto.hash(utf8(`auth ${index}`))));
  const rekey = (actor: Actor): void => {
    const { readers, followers } = membersOf(actor.known);
    const input = {
      readers: bundlesOf(readers),
      followers: bundlesOf(followers),
      authHeads: authHeads(actor),
      reason: "membership",
    } as const;
    const made = actor.ring.rekey(actor.state, input, random);
    actor.state = made.state;
    publish(actor, made.opBytes, made.epochId);
  };
  const pay = (actor: Actor): boolean => {
    const members = membersOf(actor.known);
    if (!members.readers.includes(actor.id)) return false;
    const first = actor.ring.whatIsOwed(actor.state, members, policy);
    if (first.rekey) rekey(actor);
    const { gives } = actor.ring.whatIsOwed(actor.state, members, policy);
    for (const { kind, recipient, ...rest } of gives) {
      const [bundle] = bundlesOf([recipient]);
      const input = { recipient: bundle!, authHeads: authHeads(actor), ...rest };
      for (const bytes of actor.ring[kind](actor.state, input, random)) publish(actor, bytes);
    }
    return first.rekey || gives.length > 0;
  };
  const merge = (actor: Actor, other: ReadonlySet<number>): void => {
    const news = [...other].filter((index) => !actor.known.has(index));
    actor.known = new Set([...actor.known, ...news]);
    const ops = keyOpsOf(entries, shuffled(news, draw));
    // Now and then the device restarts from what it stored.
    if (draw(6) === 0) actor.state = actor.ring.decode(actor.ring.encode(actor.state))!;
    if (ops.length === 0) return;
    actor.state = actor.ring.receive(actor.state, ops, actor.prekeys).state;
  };
  const write = (actor: Actor): void => {
    const view = actor.known;
    const { readers } = membersOf(view);
    if (!readers.includes(actor.id)) return;
    if (actor.ring.eligibleEpoch(actor.state, readers) === undefined) rekey(actor);
    const epochId = actor.ring.eligibleEpoch(actor.state, readers);
    if (epochId === undefined) throw new Error("no epoch is eligible right after a rekey");
    writes.push({
      author: actor.index,
      epochId,
      view: actor.known,
      readers: readersOf(actor.known),
    });
  };
  const realHolders = createOpening(entries, actors);

  const founder = actors[0]!;
  changeMembers(founder, "add", "reader", 0);
  rekey(founder);
  for (const actor of actors.slice(1)) merge(actor, founder.known);

  const step = (): void => {
    const actor = actors[draw(actors.length)]!;
    const choice = draw(100);
    const members = membersOf(actor.known);
    const isReader = members.readers.includes(actor.id);
    if (choice < 30 || !isReader) return merge(actor, actors[draw(actors.length)]!.known);
    if (choice < 55) {
      const target = draw(actors.length);
      const role = draw(5) === 0 ? "follower" : "reader";
      const present = role === "reader" ? members.readers : members.followers;
      const change = present.includes(actors[target]!.id) ? "remove" : "add";
      // Fewer removals than additions, or histories end with nobody left.
      if (change === "remove" && draw(5) < 3) return;
      changeMembers(actor, change, role, target);
      if (draw(2) === 0) pay(actor);
    } else if (choice < 70) pay(actor);
    else write(actor);
  };
  return {
    actors,
    entries,
    writes,
    step,
    mergeAll: () => {
      const everything = new Set(entries.map((entry) => entry.index));
      for (const actor of actors) merge(actor, everything);
    },
    settle() {
      for (let round = 1; round < 10; round++) {
        this.mergeAll();
        const isPaid = actors.some((actor) => pay(actor));
        if (!isPaid) return round;
      }
      return Number.POSITIVE_INFINITY;
    },
    membersOf,
    readersOf,
    symbolicHolders: (view, id) => symbolicHolders(entries, view, id),
    realHolders,
    keyOps: (view) => keyOpsOf(entries, [...view]),
    latestOf: (actor) => actor.ring.epochs(actor.state).find((epoch) => !epoch.partial)?.id,
  };
}

function createActors(
  { crypto, seed, actorCount }: HistoryOptions,
  random: Random,
): { readonly actors: readonly Actor[]; readonly registry: BundleRegistry } {
  let registry = emptyRegistry;
  const actors: Actor[] = [];
  for (let index = 0; index < actorCount; index++) {
    const id = toHex(crypto.hash(utf8(`${seed} actor ${index}`))) as AuthorId;
    const identity = { id, sign: () => new Uint8Array(64).fill(index) };
    const { prekeys, bundle } = rotatePrekey(crypto, [], { identity, time: 0 }, random);
    registry = addBundles(registry, [bundle]);
    const ring = createKeyRing({ crypto }, { topic, self: id });
    actors.push({ index, id, ring, prekeys, known: new Set(), state: ring.empty });
  }
  return { actors, registry };
}

/** Present = some valid add that no removal beats; a removal beats adds it follows or races. */
function createMembership(entries: readonly Entry[], actors: readonly Actor[]) {
  const present = (view: ReadonlySet<number>, role: Role): ReadonlySet<number> => {
    const ops = [...view]
      .map((index) => entries[index]!)
      .filter((entry): entry is AuthEntry => entry.kind === "auth");
    const removals = ops.filter((op) => op.change === "remove");
    const isConcurrent = (a: AuthEntry, b: AuthEntry): boolean =>
      !a.past.has(b.index) && !b.past.has(a.index);
    const isVoid = (add: AuthEntry): boolean =>
      removals.some(
        (removal) =>
          removal.role === "reader" &&
          removal.target === add.author &&
          removal.author !== add.author &&
          isConcurrent(removal, add),
      );
    const adds = ops.filter((op) => op.change === "add" && op.role === role && !isVoid(op));
    const kept = adds.filter(
      (add) =>
        !removals.some(
          (removal) =>
            removal.role === role && removal.target === add.target && !add.past.has(removal.index),
        ),
    );
    return new Set(kept.map((add) => add.target));
  };
  const readersOf = (view: ReadonlySet<number>): ReadonlySet<number> => present(view, "reader");
  const membersOf = (view: ReadonlySet<number>): Members => {
    const readers = readersOf(view);
    const followers = [...present(view, "follower")].filter((index) => !readers.has(index));
    const idsOf = (indexes: Iterable<number>): AuthorId[] =>
      [...indexes].map((index) => actors[index]!.id);
    return { readers: idsOf(readers), followers: idsOf(followers) };
  };
  return { readersOf, membersOf };
}

function effectOf(
  op: Extract<ReturnType<typeof parseKeyOp>, { ok: true }>["op"],
  epochId: EpochId | undefined,
  indexOf: ReadonlyMap<AuthorId, number>,
): KeyEntry["gives"] {
  if (op.kind === "rekey") {
    const to = op.toReaders.map((message) => indexOf.get(message.recipient)!);
    return { epochIds: epochId === undefined ? [] : [epochId], to };
  }
  if (op.kind === "keyRequest" || op.level === "follow") return { epochIds: [], to: [] };
  return { epochIds: op.epochIds, to: [indexOf.get(op.recipient)!] };
}

/** Sets only: authors and recipients of the rekey, then gives until nothing changes. */
function symbolicHolders(
  entries: readonly Entry[],
  view: ReadonlySet<number>,
  id: EpochId,
): ReadonlySet<number> {
  const holders = new Set<number>();
  const about = [...view]
    .map((index) => entries[index]!)
    .filter(
      (entry): entry is KeyEntry => entry.kind === "key" && entry.gives.epochIds.includes(id),
    );
  for (let before = -1; before !== holders.size;) {
    before = holders.size;
    for (const { author, gives, isRekey } of about) {
      if (isRekey) holders.add(author);
      if (holders.has(author)) for (const to of gives.to) holders.add(to);
    }
  }
  return holders;
}

/** Gives every actor the ops of the view and looks whose ring has the read key. */
function createOpening(entries: readonly Entry[], actors: readonly Actor[]) {
  return (view: ReadonlySet<number>, id: EpochId): ReadonlySet<number> => {
    const ops = keyOpsOf(entries, [...view]);
    const holders = new Set<number>();
    for (const { index, ring, prekeys, state } of actors) {
      const opened = ring.receive(ring.empty, ops, prekeys).state;
      // The author of an epoch made its secret and sends itself no message.
      const isAuthor = ring.epoch(opened, id)?.author === actors[index]!.id;
      const key = isAuthor ? ring.readKey(state, id) : ring.readKey(opened, id);
      if (key !== undefined) holders.add(index);
    }
    return holders;
  };
}

function keyOpsOf(entries: readonly Entry[], indexes: readonly number[]): readonly IncomingOp[] {
  return indexes.flatMap((index) => {
    const entry = entries[index]!;
    return entry.kind === "key" ? [entry.op] : [];
  });
}

function headsOf(entries: readonly Entry[], view: ReadonlySet<number>): readonly number[] {
  const auth = [...view].filter((index) => entries[index]!.kind === "auth");
  const covered = new Set(auth.flatMap((index) => [...entries[index]!.past]));
  return auth.filter((index) => !covered.has(index));
}

export function shuffled<Item>(
  items: readonly Item[],
  draw: (below: number) => number,
): readonly Item[] {
  const copy = [...items];
  for (let last = copy.length - 1; last > 0; last--) {
    const other = draw(last + 1);
    [copy[last], copy[other]] = [copy[other]!, copy[last]!];
  }
  return copy;
}
