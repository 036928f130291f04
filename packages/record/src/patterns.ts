/**
 * The patterns of the routing language (docs/spec/record.md §7.3): each expresses a meaning as a
 * value, and parses it back.
 */
import { CID } from "multiformats/cid";
import { list, predicate, text, valueOf } from "./nodes.ts";
import { isPeerId, parseAddress } from "./multiaddr.ts";
import type { Parsed, Pattern } from "./select.ts";
import type { ListNode, PredicateNode, RecordNode } from "./types.ts";

/** A pattern that also expresses: `parse(express(x))` is `x`. */
export interface RoutingPattern<T> extends Pattern<T> {
  /** The value that means it. Throws RECORD_BAD_NODE for what cannot be meant. */
  express(value: T): RecordNode;
}

/** Who has something: somebody by address, or by name. */
export type Provider = { readonly multiaddr: string } | { readonly peer: string };

/** Fetch a CID from providers. */
export interface FetchCid {
  readonly cid: string;
  readonly providers: readonly Provider[];
}

/** Tell that a CID can be had by such a fetch. */
export interface ProvideCid {
  readonly cid: string;
  readonly fetch: FetchCid;
}

function no(reason: string): { readonly ok: false; readonly reason: string } {
  return { ok: false, reason };
}

/** `tag("…")` with exactly one argument, a text that `accepts` takes. */
function textPattern(tag: string, accepts: (text: string) => boolean): RoutingPattern<string> {
  return {
    express: (value) => {
      return predicate(tag, [text(value)]);
    },
    parse: (node) => {
      if (node.kind !== "predicate" || node.tag !== tag) return no(`no ${tag}(…)`);
      const [only] = node.args;
      const isAlone = node.args.length === 1 && node.named.length === 0;
      if (!isAlone || only?.kind !== "string") return no(`${tag} takes one text`);
      return accepts(only.value) ? { ok: true, value: only.value } : no(`no valid ${tag}`);
    },
  };
}

/** UTF-16 code units of a CID as text. */
const cidTextMax = 256;
/** UTF-16 code units of a path. */
const pathTextMax = 1_024;

function isCid(value: string): boolean {
  if (value.length > cidTextMax) return false;
  try {
    CID.parse(value);
    return true;
  } catch {
    return false;
  }
}

/** Components between single slashes, none of them empty, "." or "..". */
function isPath(value: string): boolean {
  if (value.length > pathTextMax || value.includes("\0")) return false;
  const components = value.replace(/^\//, "").split("/");
  return components.every((component) => !["", ".", ".."].includes(component));
}

/** `link("<cid>")`. */
export const linkPattern: RoutingPattern<string> = textPattern("link", isCid);
/** `peer("<id>")`: an author id in hex, or a libp2p peer id. */
export const peerPattern: RoutingPattern<string> = textPattern("peer", isPeerId);
/** `multiaddr("/…")`. */
export const multiaddrPattern: RoutingPattern<string> = textPattern(
  "multiaddr",
  (value) => parseAddress(value) !== undefined,
);
/** `path("a/b")`. */
export const pathPattern: RoutingPattern<string> = textPattern("path", isPath);

/** A multiaddr or a peer. */
export const providerPattern: RoutingPattern<Provider> = {
  express: (value) =>
    "peer" in value ? peerPattern.express(value.peer) : multiaddrPattern.express(value.multiaddr),
  parse: (node) => {
    const address = multiaddrPattern.parse(node);
    if (address.ok) return { ok: true, value: { multiaddr: address.value } };
    const peer = peerPattern.parse(node);
    return peer.ok ? { ok: true, value: { peer: peer.value } } : no("no recognisable provider");
  },
};

/** A list of providers; elements that are none are left out. */
export const providersPattern: RoutingPattern<readonly Provider[]> = {
  express: (value): ListNode => list(value.map(providerPattern.express)),
  parse: (node) => {
    if (node.kind !== "list") return no("no list of providers");
    const value = node.items.flatMap((item) => {
      const provider = providerPattern.parse(item);
      return provider.ok ? [provider.value] : [];
    });
    return { ok: true, value };
  },
};

/** `find(…)` of one thing. */
function findPattern(target: RoutingPattern<string>): RoutingPattern<string> {
  return {
    express: (value) => predicate("find", [target.express(value)]),
    parse: (node) => {
      if (node.kind !== "predicate" || node.tag !== "find") return no("no find(…)");
      const [only] = node.args;
      if (node.args.length !== 1 || node.named.length > 0 || only === undefined) {
        return no("find takes one argument");
      }
      return target.parse(only);
    },
  };
}

/** `find(link("<cid>"))`. */
export const findCidPattern: RoutingPattern<string> = findPattern(linkPattern);
/** `find(path("<path>"))`. */
export const findPathPattern: RoutingPattern<string> = findPattern(pathPattern);

function namedArg<T>(node: PredicateNode, name: string, pattern: Pattern<T>): Parsed<T> {
  const value = valueOf(node.named, name);
  return value === undefined ? no(`${node.tag} needs ${name}`) : pattern.parse(value);
}

/** `fetch(cid=link(…), providers=[…])`. */
export const fetchCidPattern: RoutingPattern<FetchCid> = {
  express: ({ cid, providers }) =>
    predicate("fetch", [], {
      cid: linkPattern.express(cid),
      providers: providersPattern.express(providers),
    }),
  parse: (node) => {
    if (node.kind !== "predicate" || node.tag !== "fetch") return no("no fetch(…)");
    const cid = namedArg(node, "cid", linkPattern);
    if (!cid.ok) return cid;
    const providers = namedArg(node, "providers", providersPattern);
    if (!providers.ok) return providers;
    return { ok: true, value: { cid: cid.value, providers: providers.value } };
  },
};

/** `provide(cid=link(…), fetch=fetch(…))`. */
export const provideCidPattern: RoutingPattern<ProvideCid> = {
  express: ({ cid, fetch }) =>
    predicate("provide", [], {
      cid: linkPattern.express(cid),
      fetch: fetchCidPattern.express(fetch),
    }),
  parse: (node) => {
    if (node.kind !== "predicate" || node.tag !== "provide") return no("no provide(…)");
    const cid = namedArg(node, "cid", linkPattern);
    if (!cid.ok) return cid;
    const fetch = namedArg(node, "fetch", fetchCidPattern);
    if (!fetch.ok) return fetch;
    return { ok: true, value: { cid: cid.value, fetch: fetch.value } };
  },
};
