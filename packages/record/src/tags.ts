/** The built-in smart tags (docs/spec/record.md §9). */
import { createByteWriter, fromHex } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import { identityOf } from "./node-bytes.ts";
import { bytes, int, predicate, valueOf } from "./nodes.ts";
import {
  linkPattern,
  multiaddrPattern,
  pathPattern,
  peerPattern,
  type RoutingPattern,
} from "./patterns.ts";
import type { SmartTag, TagVerdict } from "./registry.ts";
import type { Parsed } from "./select.ts";
import type { PredicateNode, RecordNode } from "./types.ts";

/** A statement and who signed it. */
export interface Signed {
  readonly by: AuthorId;
  readonly statement: RecordNode;
  /** BIP340, 64 bytes. */
  readonly signature: Uint8Array;
}

/** A statement that somebody found to hold, and when. */
export interface Verified extends Signed {
  /** µs. */
  readonly at: number;
}

/** What is to be found out about an address, or was. */
export interface Reachability {
  /** A multiaddr. */
  readonly address: string;
}

const signedLabel = "hawser record signed v1";
const verifiedLabel = "hawser record verified v1";
const signatureBytes = 64;

/** The bytes that a signature is over: equal statements have equal ones. */
function signedBytes(statement: RecordNode, at: number | undefined): Uint8Array {
  const writer = createByteWriter(128);
  if (at !== undefined) writer.u64(at);
  writer.bytes(fromHex(identityOf(statement)) ?? new Uint8Array(0));
  return writer.finish();
}

/** Who signs: the secret of an author's key. */
export interface Signer {
  readonly crypto: Crypto;
  readonly author: AuthorId;
  readonly secret: Uint8Array;
}

/** Signs a statement. */
export function signStatement({ crypto, author, secret }: Signer, statement: RecordNode): Signed {
  const signature = crypto.signTagged(signedLabel, signedBytes(statement, undefined), secret);
  return { by: author, statement, signature };
}

/** Vouches for a statement: the answer to `verify(statement=…)`. */
export function vouch(signer: Signer, statement: RecordNode, at: number): Verified {
  const { crypto, author, secret } = signer;
  const signature = crypto.signTagged(verifiedLabel, signedBytes(statement, at), secret);
  return { by: author, statement, signature, at };
}

function no(reason: string): { readonly ok: false; readonly reason: string } {
  return { ok: false, reason };
}

/** Exactly these named arguments and no positional one. */
function readNamed(
  node: RecordNode,
  tag: string,
  names: readonly string[],
): Parsed<readonly RecordNode[]> {
  if (node.kind !== "predicate" || node.tag !== tag) return no(`no ${tag}(…)`);
  const values = names.flatMap((name) => valueOf(node.named, name) ?? []);
  const isExact = values.length === names.length && node.named.length === names.length;
  return isExact && node.args.length === 0
    ? { ok: true, value: values }
    : no(`${tag} takes ${names.join(", ")} by name`);
}

function textTag(tag: string, pattern: RoutingPattern<string>): SmartTag<string> {
  return {
    tag,
    parse: (node) => pattern.parse(node),
    express: (value) => {
      const node = pattern.express(value);
      return node.kind === "predicate" ? node : predicate(tag);
    },
  };
}

/** `link("<cid>")`. */
export const linkTag: SmartTag<string> = textTag("link", linkPattern);
/** `peer("<id>")`. */
export const peerTag: SmartTag<string> = textTag("peer", peerPattern);
/** `multiaddr("/…")`. */
export const multiaddrTag: SmartTag<string> = textTag("multiaddr", multiaddrPattern);
/** `path("a/b")`. */
export const pathTag: SmartTag<string> = textTag("path", pathPattern);

function readSigned(parts: readonly RecordNode[]): Parsed<Signed> {
  const [by, statement, signature] = parts;
  const peer = by === undefined ? no("nobody") : peerPattern.parse(by);
  if (!peer.ok || peer.value.length !== 64 || fromHex(peer.value) === undefined) {
    return no("by is no author");
  }
  if (signature?.kind !== "bytes" || signature.value.length !== signatureBytes) {
    return no(`a signature has ${signatureBytes} bytes`);
  }
  if (statement === undefined) return no("no statement");
  // Safe: 64 lower-case hex digits, as `peerPattern` demands.
  const author = peer.value as AuthorId;
  return { ok: true, value: { by: author, statement, signature: signature.value } };
}

function signatureVerdict(holds: boolean): TagVerdict {
  return holds ? { ok: true } : no("the signature does not hold");
}

/** `signed(by=peer(…), statement=…, signature=…)`; `check` checks the signature. */
export const signedTag: SmartTag<Signed> = {
  tag: "signed",
  parse: (node) => {
    const parts = readNamed(node, "signed", ["by", "statement", "signature"]);
    return parts.ok ? readSigned(parts.value) : parts;
  },
  express: ({ by, statement, signature }) =>
    predicate("signed", [], {
      by: peerPattern.express(by),
      statement,
      signature: bytes(signature),
    }),
  check: ({ by, statement, signature }, { crypto }) => {
    const key = fromHex(by) ?? new Uint8Array(0);
    const message = signedBytes(statement, undefined);
    return signatureVerdict(crypto.verifyTagged(signedLabel, message, signature, key));
  },
};

/** `verify(statement=…)`: asks others whether the statement holds. */
export const verifyTag: SmartTag<RecordNode> = {
  tag: "verify",
  parse: (node) => {
    const parts = readNamed(node, "verify", ["statement"]);
    if (!parts.ok) return parts;
    const [statement] = parts.value;
    return statement === undefined ? no("no statement") : { ok: true, value: statement };
  },
  express: (statement) => predicate("verify", [], { statement }),
};

/** `verified(by=…, statement=…, signature=…, at=…)`: somebody found that it holds. */
export const verifiedTag: SmartTag<Verified> = {
  tag: "verified",
  parse: (node) => {
    const parts = readNamed(node, "verified", ["by", "statement", "signature", "at"]);
    if (!parts.ok) return parts;
    const signed = readSigned(parts.value);
    const at = parts.value[3];
    if (!signed.ok) return signed;
    const isMoment = at?.kind === "int" && at.value >= 0n && at.value <= Number.MAX_SAFE_INTEGER;
    if (!isMoment) return no("at is no moment in µs");
    return { ok: true, value: { ...signed.value, at: Number(at.value) } };
  },
  express: ({ by, statement, signature, at }) =>
    predicate("verified", [], {
      by: peerPattern.express(by),
      statement,
      signature: bytes(signature),
      at: int(at),
    }),
  check: ({ by, statement, signature, at }, { crypto }) => {
    const key = fromHex(by) ?? new Uint8Array(0);
    const message = signedBytes(statement, at);
    return signatureVerdict(crypto.verifyTagged(verifiedLabel, message, signature, key));
  },
};

/** A request about an address: `tag(address=multiaddr("…"))`. */
function requestTag(tag: string): SmartTag<Reachability> {
  return {
    tag,
    parse: (node) => {
      const parts = readNamed(node, tag, ["address"]);
      if (!parts.ok) return parts;
      const [address] = parts.value;
      const parsed = address === undefined ? no("no address") : multiaddrPattern.parse(address);
      return parsed.ok ? { ok: true, value: { address: parsed.value } } : parsed;
    },
    express: ({ address }) => {
      return predicate(tag, [], { address: multiaddrPattern.express(address) });
    },
  };
}

/** A verdict on an address: `tag(address="…")`, the address as text. */
function verdictTag(tag: string): SmartTag<Reachability> {
  return {
    tag,
    parse: (node) => {
      const parts = readNamed(node, tag, ["address"]);
      if (!parts.ok) return parts;
      const [address] = parts.value;
      const isText = address?.kind === "string";
      return isText ? { ok: true, value: { address: address.value } } : no("no address");
    },
    express: ({ address }): PredicateNode => predicate(tag, [], { address }),
  };
}

/** `connectivity(address=multiaddr(…))`: is the verifier connected to that peer? */
export const connectivityTag: SmartTag<Reachability> = requestTag("connectivity");
/** `dialable(address=multiaddr(…))`: can the verifier dial it? */
export const dialableTag: SmartTag<Reachability> = requestTag("dialable");
/** `connected(address="…")` and its siblings: what a verifier found. */
export const reachabilityVerdictTags: readonly SmartTag<Reachability>[] = [
  "connected",
  "notConnected",
  "dialed",
  "notDialable",
].map(verdictTag);

/** All built-in tags. */
export const smartTags: readonly SmartTag[] = [
  linkTag,
  peerTag,
  multiaddrTag,
  pathTag,
  signedTag,
  verifyTag,
  verifiedTag,
  connectivityTag,
  dialableTag,
  ...reachabilityVerdictTags,
];
