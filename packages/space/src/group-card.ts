/**
 * Group cards (docs/spec/6-space.md §16.2): a group as somebody outside it can be shown it: its
 * operations and the key bundles of whoever they let in. A card proves itself. Layer 5, pure.
 *
 *   card = CBOR [1, create op id, [[op, signature], …], [bundle, …]]
 */
import {
  createAuthGraph,
  encodeOp,
  groupIdOf,
  parseOp,
  verifyOpSignature,
  type AuthGraph,
  type AuthOp,
  type GroupId,
  type OpId,
} from "@hawser/auth";
import { decodeCbor, encodeCbor, type CborValue } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import {
  encodeBundle,
  latestBundle,
  parseBundle,
  suiteHybrid,
  suiteX25519,
  verifyBundle,
  type Suite,
  type VerifiedBundle,
} from "@hawser/keys";
import { carriedOpsMax, type ControlContent, type SignedOp } from "./control.ts";
import type { ControlFold } from "./fold.ts";
import { newcomersOf } from "./grants.ts";
import { hexBytes } from "./place.ts";
import { toOpId } from "./words.ts";

/** An operation with what proves it. */
export interface ProvenOp {
  readonly op: AuthOp;
  readonly signed: SignedOp;
}

/** What a card says. */
export interface GroupCard {
  readonly group: GroupId;
  /** Causes first, those of groups inside it among them. */
  readonly ops: readonly ProvenOp[];
  readonly bundles: readonly VerifiedBundle[];
}

/** Bytes of the longest card that is read. */
export const cardBytesMax: number = 16 * 1024 * 1024;
const cardItemsMax = 65_536;
const suites: readonly Suite[] = [suiteX25519, suiteHybrid];
const carryBytes: number = 40 * 1024;

/** Everything a fold holds about its own group and groups inside it. */
export function cardOf(fold: ControlFold): GroupCard {
  const ops = provenOps(fold, () => true);
  const bundles = bundlesFor(fold, ops);
  return { group: fold.group, ops, bundles };
}

/** Operations of a fold with their signatures, causes first. */
export function provenOps(fold: ControlFold, isOf: (op: OpId) => boolean): readonly ProvenOp[] {
  return (fold.graph.ops() ?? []).flatMap((op) => {
    const signature = isOf(op.id) ? fold.signatureOf(op.id) : undefined;
    return signature === undefined ? [] : [{ op, signed: { op: encodeOp(op), signature } }];
  });
}

/** The newest bundles, of every suite, of whoever the operations let in. */
export function bundlesFor(fold: ControlFold, ops: readonly ProvenOp[]): readonly VerifiedBundle[] {
  const authors = new Set(ops.flatMap(({ op }) => newcomersOf(op)));
  return [...authors]
    .sort()
    .flatMap((author) =>
      suites.flatMap((suite) => latestBundle(fold.bundles, author, suite) ?? []),
    );
}

/** The card as bytes. */
export function encodeCard(card: GroupCard, createOp: OpId): Uint8Array {
  return encodeCbor([
    1,
    hexBytes(createOp),
    card.ops.map(({ signed }) => [signed.op, signed.signature]),
    card.bundles.map(encodeBundle),
  ]);
}

/** The card in untrusted bytes; `undefined` unless everything in it proves itself. */
export function parseCard(crypto: Crypto, bytes: Uint8Array): GroupCard | undefined {
  const value = bytes.length > cardBytesMax ? undefined : decodeCbor(bytes);
  if (!Array.isArray(value) || value.length !== 4 || value[0] !== 1) return undefined;
  const [, createBytes, opList, bundleList]: readonly CborValue[] = value;
  if (!(createBytes instanceof Uint8Array) || createBytes.length !== 32) return undefined;
  if (!isList(opList) || !isList(bundleList)) return undefined;
  const bundles = bundleList.map((item) => bundleOf(crypto, item)).filter((b) => b !== undefined);
  const graph = createAuthGraph({ crypto });
  const ops = proveOps({ crypto, graph, reachable: reachableBy(bundles) }, opList);
  if (ops === undefined) return undefined;
  const createOp = toOpId(createBytes);
  if (graph.get(createOp)?.action.type !== "create") return undefined;
  return { group: groupIdOf(crypto, createOp), ops, bundles };
}

/** Operations as a joining log brings them; `undefined`: one is unsigned, or lets in the unreachable. */
export function proveJoining(
  crypto: Crypto,
  signed: readonly SignedOp[],
  isReachable: (author: AuthorId) => boolean,
): readonly AuthOp[] | undefined {
  const ops: AuthOp[] = [];
  for (const { op, signature } of signed) {
    const proven = provenOp(crypto, [op, signature]);
    if (proven === undefined || !newcomersOf(proven.op).every(isReachable)) return undefined;
    ops.push(proven.op);
  }
  return ops;
}

/** Authors of bundles in bytes that every device can send keys to. */
export function reachableIn(crypto: Crypto, bundles: readonly Uint8Array[]): ReadonlySet<AuthorId> {
  return reachableBy(bundles.map((item) => bundleOf(crypto, item)).filter((b) => b !== undefined));
}

/** Authors whom every device can send keys to. */
function reachableBy(bundles: readonly VerifiedBundle[]): ReadonlySet<AuthorId> {
  const usable = bundles.filter(({ suite }) => suite === suiteX25519);
  return new Set(usable.map(({ author }) => author));
}

interface ProvingRules {
  readonly crypto: Crypto;
  readonly graph: AuthGraph;
  readonly reachable: ReadonlySet<AuthorId>;
}

/** Every op signed, accepted after those before it, and of reachable newcomers; or `undefined`. */
function proveOps(
  { crypto, graph, reachable }: ProvingRules,
  items: readonly CborValue[],
): readonly ProvenOp[] | undefined {
  const ops: ProvenOp[] = [];
  for (const item of items) {
    const proven = provenOp(crypto, item);
    if (proven === undefined || !isIn(graph, proven.op, reachable)) return undefined;
    ops.push(proven);
  }
  return ops;
}

/**
 * Contents that bring operations of nested groups into a space: first the bundles, then the
 * operations, cut so that an entry holds each part.
 */
export function carryContents(
  ops: readonly SignedOp[],
  bundles: readonly VerifiedBundle[],
): readonly ControlContent[] {
  const contents: ControlContent[] = bundles.map((bundle) => ({
    kind: "bundle",
    bundle: encodeBundle(bundle),
  }));
  let part: SignedOp[] = [];
  let byteCount = 0;
  for (const signed of ops) {
    const size = signed.op.length + signed.signature.length;
    if (part.length > 0 && (byteCount + size > carryBytes || part.length === carriedOpsMax)) {
      contents.push({ kind: "carry", ops: part });
      part = [];
      byteCount = 0;
    }
    part.push(signed);
    byteCount += size;
  }
  if (part.length > 0) contents.push({ kind: "carry", ops: part });
  return contents;
}

function isIn(graph: AuthGraph, op: AuthOp, reachable: ReadonlySet<AuthorId>): boolean {
  if (!newcomersOf(op).every((author) => reachable.has(author))) return false;
  return graph.add(op).status === "accepted";
}

function isList(value: CborValue | undefined): value is readonly CborValue[] {
  return Array.isArray(value) && value.length <= cardItemsMax;
}

function provenOp(crypto: Crypto, item: CborValue): ProvenOp | undefined {
  if (!Array.isArray(item) || item.length !== 2) return undefined;
  const [bytes, signature]: readonly CborValue[] = item;
  if (!(bytes instanceof Uint8Array) || !(signature instanceof Uint8Array)) return undefined;
  const parsed = parseOp(crypto, bytes);
  if (!parsed.ok || !verifyOpSignature(crypto, parsed.op, signature)) return undefined;
  return { op: parsed.op, signed: { op: bytes, signature } };
}

function bundleOf(crypto: Crypto, item: CborValue): VerifiedBundle | undefined {
  const parsed = item instanceof Uint8Array ? parseBundle(item) : undefined;
  if (parsed?.ok !== true) return undefined;
  const verified = verifyBundle(crypto, parsed.bundle, parsed.bundle.author);
  return verified.ok ? verified.bundle : undefined;
}
