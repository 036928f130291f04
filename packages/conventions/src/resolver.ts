/**
 * Resolving names and finding names of groups and keys in a store (docs/spec/conventions.md
 * §7.5–7.7). Layer 4. Each step reads one packet or the newest of one author at one place, so what
 * strangers wrote beside them costs nothing.
 */
import { equalBytes } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { lnsDomain, privateGroup, publicGroup, type Packet } from "@hawser/packet";
import type { PacketStore } from "@hawser/query";
import {
  buildReverseEntry,
  claimAuthorities,
  claimGroup,
  claimPublicKey,
  readClaim,
  readReverseEntry,
  readRootClaim,
  readVote,
  reverseLinkCountMax,
  reversePath,
  type Claim,
  type ReverseLink,
  type ReverseTag,
  type Vote,
} from "./claim.ts";
import { ConventionsError } from "./errors.ts";
import {
  checkName,
  isLocalName,
  nameToPath,
  printName,
  staticGroup,
  staticGroupName,
  staticPublicKey,
  staticPublicKeyName,
  type Name,
} from "./name.ts";
import { newestAt, newestStamp, stampAfter, type Place } from "./place.ts";
import { countVotes } from "./votes.ts";

export type ResolutionReason =
  /** No claim of a local name, or no vote for one of a public name. */
  | "NAME_UNKNOWN"
  /** The claim that counts has ended. An older one does not come back. */
  | "NAME_EXPIRED"
  /** Two claims have equally many votes. */
  | "NAME_TIED"
  /** The claim that won is not in the store. */
  | "NAME_CLAIM_MISSING"
  /** The packet that won is no claim of this name. */
  | "NAME_CLAIM_INVALID"
  /** The claim above names nobody who could vote. */
  | "NAME_NO_AUTHORITY"
  /** Public names need a root claim, and none was given. */
  | "NAME_NO_ROOT"
  /** The components make no name. */
  | "NAME_INVALID";

/** A claim that counts, and the votes that made it count (none for root and local claims). */
export interface LiveClaim {
  readonly claim: Claim;
  readonly votes: readonly Vote[];
}

export type Resolution =
  | {
      readonly ok: true;
      readonly claim: Claim;
      /** From the root to the name; a single one for local names. */
      readonly chain: readonly LiveClaim[];
    }
  | {
      readonly ok: false;
      readonly reason: ResolutionReason;
      /** The name at which it went wrong: the one asked for or one above it. */
      readonly at: Name;
    };

export interface NameResolverDeps {
  readonly store: PacketStore;
  /** µs since the Unix epoch. */
  readonly nowMicros: () => number;
}

export interface NameResolver {
  resolve(name: Name): Promise<Resolution>;
  /** The group of a name, static names included. */
  group(name: Name): Promise<Uint8Array | undefined>;
  publicKey(name: Name): Promise<Uint8Array | undefined>;
  /** The text of a name that stands for `group` now: looked up backwards, verified forwards. */
  groupName(group: Uint8Array): Promise<string | undefined>;
  publicKeyName(publicKey: Uint8Array): Promise<string | undefined>;
}

/** Packets of one local name that are looked at before giving up on garbage. */
const localTriesMax = 16;

/**
 * A resolver over a store. `root` is the claim that names the authorities of public names; without
 * it only local and static names resolve. Throws CONVENTIONS_CLAIM when `root` is no root claim.
 */
export function createNameResolver(
  deps: NameResolverDeps,
  options: { readonly root?: Packet<"verified"> } = {},
): NameResolver {
  const root = options.root === undefined ? undefined : rootOf(options.root);

  const resolve = async (name: Name): Promise<Resolution> => {
    if (checkName(name) !== undefined) return { ok: false, reason: "NAME_INVALID", at: name };
    return isLocalName(name) ? resolveLocal(deps, name) : resolvePublic(deps, root, name);
  };
  const linked = async (
    name: Name,
    pointerOf: (claim: Claim) => Uint8Array | undefined,
  ): Promise<Uint8Array | undefined> => {
    const resolution = await resolve(name);
    return resolution.ok ? pointerOf(resolution.claim) : undefined;
  };
  const named = async (tag: ReverseTag, pointer: Uint8Array): Promise<string | undefined> => {
    const pointerOf = tag === "group#" ? claimGroup : claimPublicKey;
    for (const claim of await reverseClaims(deps, tag, pointer)) {
      const current = await linked(claim.name, pointerOf);
      if (current !== undefined && equalBytes(current, pointer)) return printName(claim.name);
    }
    return undefined;
  };

  return {
    resolve,
    group: async (name) => staticGroup(name) ?? linked(name, claimGroup),
    publicKey: async (name) => staticPublicKey(name) ?? linked(name, claimPublicKey),
    groupName: async (group) => staticGroupName(group) ?? named("group#", group),
    publicKeyName: async (key) => staticPublicKeyName(key) ?? named("pubkey@", key),
  };
}

function rootOf(packet: Packet<"verified">): Claim {
  const root = readRootClaim(packet);
  if (!root.ok) {
    throw new ConventionsError("CONVENTIONS_CLAIM", `this is no root claim: ${root.reason}`);
  }
  return root.claim;
}

/** The newest claim at the name in the private group. */
async function resolveLocal(deps: NameResolverDeps, name: Name): Promise<Resolution> {
  const claim = await newestLocalClaim(deps, name);
  if (claim === undefined) return { ok: false, reason: "NAME_UNKNOWN", at: name };
  if (isOver(deps, claim)) return { ok: false, reason: "NAME_EXPIRED", at: name };
  return { ok: true, claim, chain: [{ claim, votes: [] }] };
}

/** From the root down, one level for each component: the winner of a level votes on the next. */
async function resolvePublic(
  deps: NameResolverDeps,
  root: Claim | undefined,
  name: Name,
): Promise<Resolution> {
  if (root === undefined) return { ok: false, reason: "NAME_NO_ROOT", at: name };
  const chain: LiveClaim[] = [{ claim: root, votes: [] }];
  let parent = root;
  for (let depth = 1; depth <= name.length; depth++) {
    const at = name.slice(name.length - depth);
    const live = await liveClaim(deps, parent, at);
    if (!live.ok) return { ok: false, reason: live.reason, at };
    chain.push(live.live);
    parent = live.live.claim;
  }
  return { ok: true, claim: parent, chain };
}

/** What the authorities of `parent` chose for the name directly below it. */
async function liveClaim(
  deps: NameResolverDeps,
  parent: Claim,
  name: Name,
): Promise<
  | { readonly ok: true; readonly live: LiveClaim }
  | { readonly ok: false; readonly reason: ResolutionReason }
> {
  const authorities = claimAuthorities(parent);
  if (authorities.length === 0) return { ok: false, reason: "NAME_NO_AUTHORITY" };
  const place = { group: publicGroup(), domain: lnsDomain(), path: nameToPath(name) };
  const votes: Vote[] = [];
  for (const publicKey of authorities) {
    const [packet] = await newestHere(deps, place, { publicKey, max: 1 });
    const vote = packet === undefined ? undefined : readVote(packet);
    if (vote !== undefined) votes.push(vote);
  }
  const count = countVotes(authorities, votes);
  if (!count.ok) {
    return { ok: false, reason: count.reason === "VOTES_TIED" ? "NAME_TIED" : "NAME_UNKNOWN" };
  }
  const stored = await deps.store.get(count.claim);
  if (stored === undefined) return { ok: false, reason: "NAME_CLAIM_MISSING" };
  const read = readClaim(stored.packet);
  // An authority of one name has no say over another, also not by a vote that points there.
  if (!read.ok || !areEqualNames(read.claim.name, name)) {
    return { ok: false, reason: "NAME_CLAIM_INVALID" };
  }
  if (isOver(deps, read.claim)) return { ok: false, reason: "NAME_EXPIRED" };
  return { ok: true, live: { claim: read.claim, votes: count.votes } };
}

function areEqualNames(a: Name, b: Name): boolean {
  return (
    a.length === b.length &&
    a.every((component, index) => equalBytes(component, b[index] ?? new Uint8Array(0)))
  );
}

function isOver(deps: NameResolverDeps, claim: Claim): boolean {
  return claim.until <= BigInt(deps.nowMicros());
}

function newestHere(
  deps: NameResolverDeps,
  place: Place,
  query: { readonly publicKey?: Uint8Array; readonly max: number },
): Promise<readonly Packet<"verified">[]> {
  return newestAt(deps.store, place, { ...query, notAfter: newestStamp(deps.nowMicros()) });
}

/** The newest claim of a local name, ended or not. */
export async function newestLocalClaim(
  deps: NameResolverDeps,
  name: Name,
): Promise<Claim | undefined> {
  const place = { group: privateGroup(), domain: lnsDomain(), path: nameToPath(name) };
  for (const packet of await newestHere(deps, place, { max: localTriesMax })) {
    const read = readClaim(packet);
    if (read.ok) return read.claim;
  }
  return undefined;
}

async function reverseEntry(
  deps: NameResolverDeps,
  tag: ReverseTag,
  pointer: Uint8Array,
): Promise<Packet<"verified"> | undefined> {
  const path = reversePath(tag, pointer);
  const place = { group: privateGroup(), domain: lnsDomain(), path };
  const [packet] = await newestHere(deps, place, { max: 1 });
  return packet;
}

/** Claims that the reverse entry of a pointer names and that have not ended. */
async function reverseClaims(
  deps: NameResolverDeps,
  tag: ReverseTag,
  pointer: Uint8Array,
): Promise<readonly Claim[]> {
  const entry = await reverseEntry(deps, tag, pointer);
  const claims: Claim[] = [];
  for (const link of entry === undefined ? [] : readReverseEntry(entry)) {
    if (link.until <= BigInt(deps.nowMicros())) continue;
    const stored = await deps.store.get(link.claim);
    const read = stored === undefined ? undefined : readClaim(stored.packet);
    if (read?.ok === true) claims.push(read.claim);
  }
  return claims;
}

/**
 * Stores a claim of a local name with the reverse entries of its group and key, and takes what it
 * replaces out of theirs. `order` says whether the name goes before or behind other names of the
 * same group or key; default `"first"`. Rejects with CONVENTIONS_CLAIM for a public name and
 * CONVENTIONS_CLAIM_OLDER when a newer claim stands there: it would hide this one.
 */
export async function setLocalClaim(
  deps: NameResolverDeps & { readonly crypto: Pick<Crypto, "hash"> },
  claim: Claim,
  options: { readonly order?: "first" | "last" } = {},
): Promise<void> {
  const replaced = await newestLocalClaim(deps, claim.name);
  if (replaced !== undefined && replaced.packet.stamp >= claim.packet.stamp) {
    if (equalBytes(replaced.packet.hash, claim.packet.hash)) return;
    throw new ConventionsError(
      "CONVENTIONS_CLAIM_OLDER",
      `the claim of ${printName(claim.name)} is not newer than the one that stands`,
    );
  }
  await deps.store.add(await localClaimPackets(deps, claim, options));
}

/**
 * A claim and the reverse entries that change with it. Errors as `setLocalClaim`, but for the last.
 */
export async function localClaimPackets(
  deps: NameResolverDeps & { readonly crypto: Pick<Crypto, "hash"> },
  claim: Claim,
  options: { readonly order?: "first" | "last" } = {},
): Promise<readonly Packet<"verified">[]> {
  if (!isLocalName(claim.name)) {
    throw new ConventionsError("CONVENTIONS_CLAIM", "only local names are set without votes");
  }
  const replaced = await newestLocalClaim(deps, claim.name);
  const groups = { tag: "group#", pointerOf: claimGroup, claim, replaced } as const;
  const keys = { tag: "pubkey@", pointerOf: claimPublicKey, claim, replaced } as const;
  return [
    claim.packet,
    ...(await changedEntries(deps, groups, options)),
    ...(await changedEntries(deps, keys, options)),
  ];
}

/**
 * The reverse entries of one tag that a new claim changes: its own, and that of what it replaces.
 */
async function changedEntries(
  deps: NameResolverDeps & { readonly crypto: Pick<Crypto, "hash"> },
  change: {
    readonly tag: ReverseTag;
    readonly pointerOf: (claim: Claim) => Uint8Array | undefined;
    readonly claim: Claim;
    readonly replaced: Claim | undefined;
  },
  options: { readonly order?: "first" | "last" },
): Promise<readonly Packet<"verified">[]> {
  const { tag, pointerOf, claim, replaced } = change;
  const pointer = pointerOf(claim);
  const before = replaced === undefined ? undefined : pointerOf(replaced);
  const entries: Packet<"verified">[] = [];
  const rewrite = async (of: Uint8Array, own: readonly ReverseLink[]): Promise<void> => {
    const old = await reverseEntry(deps, tag, of);
    const kept = (old === undefined ? [] : readReverseEntry(old)).filter(
      (link) =>
        link.until > BigInt(deps.nowMicros()) &&
        !equalBytes(link.claim, claim.packet.hash) &&
        (replaced === undefined || !equalBytes(link.claim, replaced.packet.hash)),
    );
    const all = options.order === "last" ? [...kept, ...own] : [...own, ...kept];
    const links = all.slice(0, reverseLinkCountMax);
    const stamp = stampAfter(deps.nowMicros(), old);
    entries.push(buildReverseEntry(deps.crypto, { tag, pointer: of, links, stamp }));
  };
  if (pointer !== undefined) {
    await rewrite(pointer, [{ until: claim.until, claim: claim.packet.hash }]);
  }
  if (before !== undefined && (pointer === undefined || !equalBytes(before, pointer))) {
    await rewrite(before, []);
  }
  return entries;
}
