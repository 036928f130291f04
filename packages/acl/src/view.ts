/**
 * The documents as a view (docs/spec/7-views.md §9.9). Its state is the ledger of edits whose
 * authors had the right; documents are worked out from it.
 */
import { decodeCbor, encodeCbor, type CborValue } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { View, ViewEvent } from "@hawser/view";
import { createLedger, type Ledger } from "./ledger.ts";
import { aclType } from "./ops.ts";
import type { AclRules } from "./types.ts";

/** The state of the view; `createAcl` reads it. */
export type AclState = Ledger;

/** The view of the documents of one space. */
export function createAclView(rules: AclRules): View<AclState> {
  return {
    name: "acl",
    version: 1,
    types: [aclType],
    init: () => createLedger(rules),
    apply: (ledger, event) => {
      ledger.add([event]);
      return ledger;
    },
    encode: encodeLedger,
    decode: (bytes) => decodeLedger(rules, bytes),
  };
}

function encodeLedger(ledger: Ledger): Uint8Array {
  const items = ledger.edits.map(({ event, known }): CborValue => {
    const { author, logId, seq, hash, stamp, body } = event;
    const heights = [...known].sort(([a], [b]) => (a < b ? -1 : 1));
    const past = event.frontier === undefined ? null : heights;
    return [author, logId, seq, hash, stamp, past, body];
  });
  return encodeCbor([1, items]);
}

function decodeLedger(rules: AclRules, bytes: Uint8Array): Ledger | undefined {
  const value = decodeCbor(bytes);
  if (!Array.isArray(value) || value[0] !== 1 || !Array.isArray(value[1])) return undefined;
  const events = (value[1] as readonly CborValue[]).map(eventFromCbor);
  if (!events.every((event) => event !== undefined)) return undefined;
  const ledger = createLedger(rules);
  ledger.add(events);
  return ledger;
}

function eventFromCbor(item: CborValue): ViewEvent | undefined {
  if (!Array.isArray(item) || item.length !== 7) return undefined;
  const [author, logId, seq, hash, stamp, past, body] = item as readonly CborValue[];
  if (typeof author !== "string" || typeof logId !== "string") return undefined;
  if (typeof seq !== "number" || typeof stamp !== "number") return undefined;
  if (!(hash instanceof Uint8Array) || !(body instanceof Uint8Array)) return undefined;
  const frontier = past === null ? undefined : heightsFromCbor(past);
  if (past !== null && frontier === undefined) return undefined;
  return {
    // Safe: only `encodeLedger` makes these bytes, from an AuthorId.
    author: author as AuthorId,
    logId,
    seq,
    hash,
    stamp,
    type: aclType,
    body,
    judgement: "accept",
    frontier,
  };
}

function heightsFromCbor(past: CborValue | undefined): Map<string, number> | undefined {
  if (!Array.isArray(past)) return undefined;
  const heights = new Map<string, number>();
  for (const item of past as readonly CborValue[]) {
    if (!Array.isArray(item)) return undefined;
    const [logId, height] = item as readonly CborValue[];
    if (typeof logId !== "string" || typeof height !== "number") return undefined;
    heights.set(logId, height);
  }
  return heights;
}
