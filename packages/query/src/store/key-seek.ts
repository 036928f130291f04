/**
 * Skip-scan: from a tree key to the next one a query could match (docs/spec/query.md §7.4).
 * Layer 3; pure.
 *
 *   key = group 32 ‖ domain 16 ‖ depth 1 ‖ unrooted path ‖ public key 32
 */
import { compareBytes, concatBytes } from "@hawser/codec";
import { domainBytes, groupBytes, pathDepthMax, publicKeyBytes } from "@hawser/packet";
import type { BytesBounds, CompiledQuery } from "../types.ts";
import { incremented, keyAfter } from "./place.ts";

/** Whether a key can match, and if not, where the next one that can lies at the earliest. */
export type KeyVerdict =
  | { readonly matches: true }
  | { readonly matches: false; readonly next: Uint8Array | undefined };

/** `undefined` in place of a key: there is none. */
export interface KeySeeker {
  /** Where the first key that can match lies at the earliest. */
  first(): Uint8Array | undefined;
  judge(key: Uint8Array): KeyVerdict;
  /** Where the next key after this one lies at the earliest. */
  after(key: Uint8Array): Uint8Array | undefined;
}

const groupEnd = groupBytes;
const domainEnd = groupBytes + domainBytes;
const pathStart = domainEnd + 1;

/** The parts of one key: views. */
interface KeyParts {
  readonly group: Uint8Array;
  readonly domain: Uint8Array;
  readonly depth: number;
  readonly path: Uint8Array;
  readonly publicKey: Uint8Array;
}

function splitKey(key: Uint8Array): KeyParts {
  const end = key.length - publicKeyBytes;
  return {
    group: key.subarray(0, groupEnd),
    domain: key.subarray(groupEnd, domainEnd),
    depth: key[domainEnd] ?? 0,
    path: key.subarray(pathStart, end),
    publicKey: key.subarray(end),
  };
}

/** The keys of a query. Only keys whose depth is the number of path components are in a tree. */
export function createKeySeeker(query: CompiledQuery): KeySeeker {
  const { group, domain, publicKey } = query.bounds;
  const prefix = query.pathPrefix;
  const prefixDepth = componentCount(prefix);
  const depthLow = Math.max(Number(query.bounds.depth.low), prefixDepth);
  const depthHigh = Math.min(Number(query.bounds.depth.high), pathDepthMax);
  const isEmpty = depthLow > depthHigh || [group, domain, publicKey].some(isEmptyBounds);

  /** The earliest key of a group and domain from `depth` on. */
  const at = (of: Pick<KeyParts, "group" | "domain">, depth: number): Uint8Array => {
    // With the prefix alone as the path, the public key comes next; longer paths come after.
    const author = depth === prefixDepth ? publicKey.low : new Uint8Array(0);
    return concatBytes(of.group, of.domain, Uint8Array.of(depth), prefix, author);
  };

  const nextGroup = (of: KeyParts): Uint8Array | undefined => {
    const next = incremented(of.group);
    if (next === undefined || compareBytes(next, group.high) > 0) return undefined;
    return at({ group: next, domain: domain.low }, depthLow);
  };

  const nextDomain = (of: KeyParts): Uint8Array | undefined => {
    const next = incremented(of.domain);
    if (next === undefined || compareBytes(next, domain.high) > 0) return nextGroup(of);
    return at({ group: of.group, domain: next }, depthLow);
  };

  const nextDepth = (of: KeyParts): Uint8Array | undefined =>
    of.depth < depthHigh ? at(of, of.depth + 1) : nextDomain(of);

  /** All keys of one path begin alike, and no longer path of the same depth begins so. */
  const nextPath = (of: KeyParts): Uint8Array | undefined => {
    const next = incremented(of.path);
    if (of.depth === 0 || next === undefined) return nextDepth(of);
    return concatBytes(of.group, of.domain, Uint8Array.of(of.depth), next);
  };

  const judge = (key: Uint8Array): KeyVerdict => {
    const of = splitKey(key);
    if (compareBytes(of.group, group.low) < 0) {
      return no(at({ group: group.low, domain: domain.low }, depthLow));
    }
    if (compareBytes(of.group, group.high) > 0) return no(undefined);
    if (compareBytes(of.domain, domain.low) < 0) {
      return no(at({ group: of.group, domain: domain.low }, depthLow));
    }
    if (compareBytes(of.domain, domain.high) > 0) return no(nextGroup(of));
    if (of.depth < depthLow) return no(at(of, depthLow));
    if (of.depth > depthHigh) return no(nextDomain(of));
    const order = compareBytes(of.path.subarray(0, prefix.length), prefix);
    if (order !== 0) return no(order < 0 ? at(of, of.depth) : nextDepth(of));
    if (compareBytes(of.publicKey, publicKey.low) < 0) {
      return no(concatBytes(key.subarray(0, pathStart), of.path, publicKey.low));
    }
    if (compareBytes(of.publicKey, publicKey.high) > 0) return no(nextPath(of));
    return { matches: true };
  };

  return {
    first: () => (isEmpty ? undefined : at({ group: group.low, domain: domain.low }, depthLow)),
    judge,
    after(key) {
      const of = splitKey(key);
      return compareBytes(of.publicKey, publicKey.high) < 0 ? keyAfter(key) : nextPath(of);
    },
  };
}

function no(next: Uint8Array | undefined): KeyVerdict {
  return { matches: false, next };
}

function isEmptyBounds({ low, high }: BytesBounds): boolean {
  return compareBytes(low, high) > 0;
}

/** Components of whole, length-prefixed ones. */
function componentCount(unrooted: Uint8Array): number {
  let count = 0;
  for (let offset = 0; offset < unrooted.length; offset += 1 + (unrooted[offset] ?? 0)) count++;
  return count;
}
