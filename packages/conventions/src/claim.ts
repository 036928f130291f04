/**
 * Claims, votes and reverse entries of the name system: bytes to values and back
 * (docs/spec/conventions.md §7.2–7.4). Layer 4; pure.
 */
import { concatBytes, equalBytes, fromUtf8, toHex, utf8 } from "@hawser/codec";
import { parseEncKey, type Crypto } from "@hawser/crypto";
import {
  buildKeypoint,
  buildLinkpoint,
  groupBytes,
  lnsDomain,
  privateGroup,
  publicGroup,
  tagBytes,
  textToHash,
  type BytesOrText,
  type Link,
  type LinkDraft,
  type Packet,
} from "@hawser/packet";
import { ConventionsError } from "./errors.ts";
import { claimsComponent, nameGroup, nameToPath, pathToName, type Name } from "./name.ts";
import { isTag, padLeft, toBytes } from "./place.ts";

/** A claim that never ends. */
export const claimUntilMax = 0xffff_ffff_ffff_ffffn;

/** What somebody says a name means. Whether it counts is another question. */
export interface Claim {
  readonly packet: Packet<"verified">;
  /** Without components for a root claim. */
  readonly name: Name;
  /** µs since the Unix epoch from which it counts no more. */
  readonly until: bigint;
}

export type ClaimReason =
  | "CLAIM_KIND"
  | "CLAIM_DOMAIN"
  | "CLAIM_NAME"
  | "CLAIM_GROUP"
  | "CLAIM_LINKS"
  | "CLAIM_AUTHORITIES";

export type ClaimVerdict =
  | { readonly ok: true; readonly claim: Claim }
  | { readonly ok: false; readonly reason: ClaimReason };

/** Reads a claim of a name. */
export function readClaim(packet: Packet<"verified">): ClaimVerdict {
  if (packet.kind !== "linkpoint") return { ok: false, reason: "CLAIM_KIND" };
  if (!equalBytes(packet.domain, lnsDomain())) return { ok: false, reason: "CLAIM_DOMAIN" };
  const named = pathToName(packet.path);
  if (!named.ok) return { ok: false, reason: "CLAIM_NAME" };
  if (!equalBytes(packet.group, nameGroup(named.name))) return { ok: false, reason: "CLAIM_GROUP" };
  const first = packet.link(0);
  if (first === undefined) return { ok: false, reason: "CLAIM_LINKS" };
  return { ok: true, claim: { packet, name: named.name, until: untilOf(first.tag) } };
}

/**
 * Reads the claim that names the authorities of all public names. It is trusted because the caller
 * chose it, so its until is passed over (Linkspace's own has none).
 */
export function readRootClaim(packet: Packet<"verified">): ClaimVerdict {
  if (packet.kind !== "linkpoint") return { ok: false, reason: "CLAIM_KIND" };
  if (!equalBytes(packet.domain, lnsDomain())) return { ok: false, reason: "CLAIM_DOMAIN" };
  const component = packet.pathComponent(0);
  if (packet.pathDepth !== 1 || component === undefined) return { ok: false, reason: "CLAIM_NAME" };
  if (!equalBytes(component, claimsComponent)) return { ok: false, reason: "CLAIM_NAME" };
  if (!equalBytes(packet.group, publicGroup())) return { ok: false, reason: "CLAIM_GROUP" };
  const claim = { packet, name: [], until: claimUntilMax };
  if (claimAuthorities(claim).length === 0) return { ok: false, reason: "CLAIM_AUTHORITIES" };
  return { ok: true, claim };
}

/**
 * The hash of the root claim that Linkspace ships, of seven authorities. Who wants Linkspace's
 * public names reads that packet from a copy he trusts; it is no part of this package.
 */
export function linkspaceRootHash(): Uint8Array {
  return textToHash("xzNKFCjCIP1qX-uwdkYgFSB5eUywlSzPWjbX2J_NilY") ?? new Uint8Array(0);
}

/** More keys than this vote on nothing: each costs a look-up in every resolution. */
export const authorityCountMax = 256;

/** The key the name stands for: the first link whose tag ends in `pubkey@`. */
export function claimPublicKey({ packet }: Claim): Uint8Array | undefined {
  return linkEndingIn(packet, "pubkey@")?.pointer;
}

/** The group the name stands for: the first link whose tag ends in `group#`. */
export function claimGroup({ packet }: Claim): Uint8Array | undefined {
  return linkEndingIn(packet, "group#")?.pointer;
}

/** `^`, the last byte of an authority's tag. */
const authorityMark = 0x5e;

/** The keys that vote on direct sub-names: tags ending in `^`, each key once, in link order. */
export function claimAuthorities({ packet }: Claim): readonly Uint8Array[] {
  const keys = new Map<string, Uint8Array>();
  for (const { tag, pointer } of packet.links) {
    if (tag[tagBytes - 1] !== authorityMark || keys.size === authorityCountMax) continue;
    const id = toHex(pointer);
    if (!keys.has(id)) keys.set(id, pointer);
  }
  return [...keys.values()];
}

/** Bytes in which Linkspace looks for an enckey at the start of a claim's data. */
const encKeyLineBytesMax = 130;

/** Where the password-wrapped key of a claim is: in its data, or in the packet of a hash. */
export function claimEncKey({
  packet,
}: Claim): { readonly text: string } | { readonly hash: Uint8Array } | undefined {
  const text = encKeyLine(packet.data);
  if (text !== undefined) return { text };
  const link = linkEndingIn(packet, "enckey");
  return link === undefined ? undefined : { hash: link.pointer };
}

/** The enckey text in the first line of `data`, or `undefined`. */
export function encKeyLine(data: Uint8Array): string | undefined {
  const head = data.subarray(0, encKeyLineBytesMax);
  const end = head.indexOf(0x0a);
  const text = fromUtf8(end < 0 ? head : head.subarray(0, end));
  if (text === undefined) return undefined;
  const parsed = parseEncKey(text);
  // A key that costs too much here is still a key; who opens it hears of the cost.
  return parsed.ok || parsed.reason === "ENCKEY_COST" ? text : undefined;
}

/** What a claim says. At least one link comes of it. */
export interface ClaimDraft {
  readonly name: Name;
  /** µs; after the stamp. */
  readonly until: bigint;
  readonly publicKey?: Uint8Array;
  readonly group?: Uint8Array;
  /** Keys that vote on sub-names; `label` goes before the `^`, default `auth`. */
  readonly authorities?: readonly { readonly key: Uint8Array; readonly label?: BytesOrText }[];
  /** Hash of a packet that holds an enckey; a text in `data` needs none. */
  readonly encKeyHash?: Uint8Array;
  readonly links?: readonly LinkDraft[];
  readonly data?: Uint8Array;
  /** µs; default 0, as Linkspace's tools write it. */
  readonly stamp?: bigint;
}

/**
 * Builds a claim. Throws CONVENTIONS_CLAIM, CONVENTIONS_NAME, or PacketError for what fits none.
 */
export function buildClaim(crypto: Pick<Crypto, "hash">, draft: ClaimDraft): Claim {
  const { name, until } = draft;
  const stamp = draft.stamp ?? 0n;
  if (until <= stamp || until > claimUntilMax) throw misuse("a claim ends after its stamp");
  const [first, ...rest] = claimLinks(draft);
  if (first === undefined) throw misuse("a claim has at least one link");
  const packet = buildLinkpoint(crypto, {
    group: nameGroup(name),
    domain: lnsDomain(),
    path: nameToPath(name),
    links: [{ ...first, tag: untilTag(until, first.tag) }, ...rest],
    stamp,
    ...(draft.data === undefined ? {} : { data: draft.data }),
  });
  const read = readClaim(packet);
  if (!read.ok) throw new ConventionsError("CONVENTIONS_NAME", `no claim: ${read.reason}`);
  return read.claim;
}

function claimLinks(draft: ClaimDraft): readonly LinkDraft[] {
  const links: LinkDraft[] = [];
  if (draft.publicKey !== undefined) links.push({ tag: "pubkey@", pointer: draft.publicKey });
  if (draft.group !== undefined) links.push({ tag: "group#", pointer: draft.group });
  for (const { key, label } of draft.authorities ?? []) {
    links.push({ tag: concatBytes(toBytes(label ?? "auth"), utf8("^")), pointer: key });
  }
  if (draft.encKeyHash !== undefined) links.push({ tag: "enckey", pointer: draft.encKeyHash });
  return [...links, ...(draft.links ?? [])];
}

/** A tag of an until and eight bytes of label. */
function untilTag(until: bigint, label: BytesOrText): Uint8Array {
  const tag = padLeft(label);
  if (tag === undefined || tag.subarray(0, 8).some((byte) => byte !== 0)) {
    throw misuse("the first tag shares its 16 bytes with the until: 8 are left");
  }
  new DataView(tag.buffer).setBigUint64(0, until);
  return tag;
}

function untilOf(tag: Uint8Array): bigint {
  return new DataView(tag.buffer, tag.byteOffset, tagBytes).getBigUint64(0);
}

/** A vote of an authority for a claim. */
export interface Vote {
  readonly packet: Packet<"verified">;
  readonly publicKey: Uint8Array;
  /** Hash of the claim. */
  readonly claim: Uint8Array;
  readonly stamp: bigint;
}

/** Reads a vote: a keypoint at the place of a claim whose first link is `vote`. */
export function readVote(packet: Packet<"verified">): Vote | undefined {
  const { publicKey, stamp } = packet;
  const link = packet.link(0);
  if (publicKey === undefined || link === undefined || !isTag(link.tag, "vote")) return undefined;
  if (!equalBytes(packet.domain, lnsDomain()) || !pathToName(packet.path).ok) return undefined;
  return { packet, publicKey, claim: link.pointer, stamp };
}

/** Signs a vote for a claim. Throws what `buildKeypoint` throws. */
export function buildVote(
  crypto: Pick<Crypto, "hash" | "publicKey" | "signPoint">,
  claim: Claim,
  vote: { readonly secret: Uint8Array; readonly stamp: bigint; readonly data?: Uint8Array },
): Packet<"verified"> {
  const draft = {
    group: claim.packet.group,
    domain: lnsDomain(),
    path: claim.packet.path,
    links: [{ tag: "vote", pointer: claim.packet.hash }],
    stamp: vote.stamp,
    ...(vote.data === undefined ? {} : { data: vote.data }),
  };
  return buildKeypoint(crypto, draft, vote.secret);
}

/** What a reverse entry is about: the pointer of a link with that tag. */
export type ReverseTag = "group#" | "pubkey@";

/** A claim that a reverse entry names. */
export interface ReverseLink {
  readonly until: bigint;
  /** Hash of the claim. */
  readonly claim: Uint8Array;
}

/** Claims that an entry is read for; the rest is passed over. */
export const reverseLinkCountMax = 64;

/** The path of a reverse entry: the tag in its 16 bytes, and the pointer. */
export function reversePath(tag: ReverseTag, pointer: Uint8Array): readonly Uint8Array[] {
  const padded = padLeft(tag);
  if (padded === undefined || pointer.length !== groupBytes) {
    throw misuse("a reverse entry is about 32 bytes");
  }
  return [utf8("by-tag"), padded, pointer];
}

/** Claims named by the packet at a reverse path, in its order. */
export function readReverseEntry(packet: Packet<"verified">): readonly ReverseLink[] {
  const links: ReverseLink[] = [];
  for (let index = 0; index < Math.min(packet.linkCount, reverseLinkCountMax); index++) {
    const link = packet.link(index);
    if (link !== undefined) links.push({ until: untilOf(link.tag), claim: link.pointer });
  }
  return links;
}

/** Builds the entry of a tag and pointer. Throws CONVENTIONS_CLAIM. */
export function buildReverseEntry(
  crypto: Pick<Crypto, "hash">,
  entry: {
    readonly tag: ReverseTag;
    readonly pointer: Uint8Array;
    readonly links: readonly ReverseLink[];
    readonly stamp: bigint;
  },
): Packet<"verified"> {
  return buildLinkpoint(crypto, {
    group: privateGroup(),
    domain: lnsDomain(),
    path: reversePath(entry.tag, entry.pointer),
    links: entry.links.map(({ until, claim }): LinkDraft => ({
      tag: untilTag(until, ""),
      pointer: claim,
    })),
    stamp: entry.stamp,
  });
}

/** The first link whose tag ends in `suffix`. */
function linkEndingIn(packet: Packet, suffix: string): Link | undefined {
  const bytes = utf8(suffix);
  const start = tagBytes - bytes.length;
  for (let index = 0; index < packet.linkCount; index++) {
    const link = packet.link(index);
    if (link !== undefined && equalBytes(link.tag.subarray(start), bytes)) return link;
  }
  return undefined;
}

function misuse(message: string): ConventionsError {
  return new ConventionsError("CONVENTIONS_CLAIM", message);
}
