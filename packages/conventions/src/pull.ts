/**
 * Pull requests: what an application asks the exchange process of its device to fetch
 * (docs/spec/conventions.md §4). Layer 4; pure but for `readPulls`, which looks through a store.
 */
import { equalBytes, fromUtf8, utf8 } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import {
  buildLinkpoint,
  domainBytes,
  encodePath,
  exchangeDomain,
  groupBytes,
  isPrivate,
  packetBytesMax,
  pathBytesMax,
  pathComponentBytesMax,
  privateGroup,
  type Packet,
  type Path,
} from "@hawser/packet";
import {
  compileQuery,
  parseQuery,
  printQuery,
  queryQid,
  type CompiledQuery,
  type PacketStore,
  type Query,
  type QueryFailure,
} from "@hawser/query";
import { newestBelow, newestStamp } from "./place.ts";

export type PullReason =
  /** The rules allow more than one group. */
  | "PULL_GROUP"
  /** The rules allow more than one domain. */
  | "PULL_DOMAIN"
  /** The group is the private one, which nobody may fetch. */
  | "PULL_PRIVATE"
  /** There is no `:qid`, or it does not fit a path. */
  | "PULL_QID"
  /** The text of the query does not fit a packet. */
  | "PULL_TOO_LARGE"
  /** Not where pull requests lie, or with links. */
  | "PULL_SHAPE"
  /** The text is no query; `failure` says where. */
  | "PULL_QUERY"
  /** The query asks for another group, domain or qid than the path says. */
  | "PULL_MISMATCH";

export interface PullRefusal {
  readonly ok: false;
  readonly reason: PullReason;
  /** Set for PULL_QUERY. */
  readonly failure?: QueryFailure;
}

/** A request that was read and checked. */
export interface Pull {
  readonly ok: true;
  readonly packet: Packet<"verified">;
  /** The one group that is asked about. */
  readonly group: Uint8Array;
  /** The one domain, 16 bytes. */
  readonly domain: Uint8Array;
  /** Of several requests with this identity in one group and domain the newest holds. */
  readonly qid: Uint8Array;
  readonly query: Query;
  readonly compiled: CompiledQuery;
}

const pullComponent = utf8("pull");
/** A path of `pull`, group and domain leaves this for the qid. */
const qidBytesMax = Math.min(
  pathComponentBytesMax,
  pathBytesMax - (pullComponent.length + 1) - (groupBytes + 1) - (domainBytes + 1) - 1,
);

/**
 * The request for what `query` matches. The query must allow exactly one group, not the private
 * one, and exactly one domain, and have a `:qid`; anything else is refused.
 */
export function buildPull(
  crypto: Pick<Crypto, "hash">,
  query: Query,
  stamp: bigint,
): { readonly ok: true; readonly packet: Packet<"verified"> } | PullRefusal {
  const scope = scopeOf(query, compileQuery(query));
  if (!scope.ok) return scope;
  const data = utf8(printQuery(query));
  const path = [pullComponent, scope.group, scope.domain, scope.qid];
  // The rest of such a packet takes less than a kilobyte.
  if (data.length > packetBytesMax - 1_024) return { ok: false, reason: "PULL_TOO_LARGE" };
  const draft = { group: privateGroup(), domain: exchangeDomain(), path, stamp, data };
  return { ok: true, packet: buildLinkpoint(crypto, draft) };
}

/**
 * Reads a request. It comes from another process, so all of it is checked: place, size, text, and
 * that it asks for no other group or domain than its path says.
 *
 * `"device"` (the default) reads requests of this device's applications, in the private group;
 * `"group"` those that an exchange process of a member wrote into the group itself, signed.
 */
export function readPull(
  packet: Packet<"verified">,
  options: { readonly nowMicros: () => number; readonly from?: "device" | "group" },
): Pull | PullRefusal {
  const place = readPlace(packet, options.from ?? "device");
  if (place === undefined) return { ok: false, reason: "PULL_SHAPE" };
  const text = fromUtf8(packet.data);
  if (text === undefined) return { ok: false, reason: "PULL_SHAPE" };
  // Neither names, packets nor the environment: a request means the same to whoever reads it.
  const parsed = parseQuery(text, { nowMicros: options.nowMicros });
  if (!parsed.ok) return { ok: false, reason: "PULL_QUERY", failure: parsed };
  const compiled = compileQuery(parsed.query);
  const scope = scopeOf(parsed.query, compiled);
  if (!scope.ok) return scope;
  const isAsSaid =
    equalBytes(scope.group, place.group) &&
    equalBytes(scope.domain, place.domain) &&
    equalBytes(scope.qid, place.qid);
  if (!isAsSaid) return { ok: false, reason: "PULL_MISMATCH" };
  return { ...scope, packet, query: parsed.query, compiled };
}

/**
 * The requests that hold on this device: of each group, domain and qid the newest, if it is good.
 * One that is refused takes the place of an older one all the same, as the newest word on it.
 */
export async function* readPulls(deps: {
  readonly store: PacketStore;
  readonly nowMicros: () => number;
}): AsyncGenerator<
  Pull | (PullRefusal & { readonly packet: Packet<"verified"> }),
  void,
  undefined
> {
  const place = { group: privateGroup(), domain: exchangeDomain(), path: [pullComponent] };
  const query = { depth: 4, notAfter: newestStamp(deps.nowMicros()), max: 1 };
  let held: Packet<"verified"> | undefined;
  // Branches of one path, one for each author, come one after another.
  for await (const [packet] of newestBelow(deps.store, place, query)) {
    if (packet === undefined) continue;
    if (held !== undefined && !haveEqualPaths(held.path, packet.path)) yield judged(held, deps);
    const isOlder =
      held !== undefined && haveEqualPaths(held.path, packet.path) && packet.stamp <= held.stamp;
    if (!isOlder) held = packet;
  }
  if (held !== undefined) yield judged(held, deps);
}

function judged(
  packet: Packet<"verified">,
  deps: { readonly nowMicros: () => number },
): Pull | (PullRefusal & { readonly packet: Packet<"verified"> }) {
  const read = readPull(packet, deps);
  return read.ok ? read : { ...read, packet };
}

function haveEqualPaths(a: Path, b: Path): boolean {
  return equalBytes(encodePath(a), encodePath(b));
}

interface Scope {
  readonly ok: true;
  readonly group: Uint8Array;
  readonly domain: Uint8Array;
  readonly qid: Uint8Array;
}

/** The one group, domain and qid of a query. */
function scopeOf(query: Query, { bounds }: CompiledQuery): Scope | PullRefusal {
  const group = single(bounds.group);
  const domain = single(bounds.domain);
  const qid = queryQid(query);
  if (group === undefined) return { ok: false, reason: "PULL_GROUP" };
  if (group.every((byte) => byte === 0)) return { ok: false, reason: "PULL_PRIVATE" };
  if (domain === undefined) return { ok: false, reason: "PULL_DOMAIN" };
  if (qid === undefined || qid.length === 0 || qid.length > qidBytesMax) {
    return { ok: false, reason: "PULL_QID" };
  }
  return { ok: true, group, domain, qid };
}

function single(bounds: CompiledQuery["bounds"]["group"]): Uint8Array | undefined {
  return equalBytes(bounds.low, bounds.high) ? bounds.low : undefined;
}

/** Group, domain and qid in the path of a packet that lies where requests lie. */
function readPlace(
  packet: Packet<"verified">,
  from: "device" | "group",
): Omit<Scope, "ok"> | undefined {
  const [prefix, group, domain, qid, ...deeper] = packet.path;
  if (prefix === undefined || group === undefined || domain === undefined || qid === undefined) {
    return undefined;
  }
  if (!equalBytes(prefix, pullComponent) || deeper.length > 0 || packet.linkCount > 0) {
    return undefined;
  }
  if (group.length !== groupBytes || domain.length !== domainBytes) return undefined;
  if (!equalBytes(packet.domain, exchangeDomain())) return undefined;
  const isHere =
    from === "device"
      ? isPrivate(packet)
      : packet.publicKey !== undefined && equalBytes(packet.group, group);
  return isHere ? { group, domain, qid } : undefined;
}
