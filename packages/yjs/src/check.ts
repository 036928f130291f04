/**
 * What an update of another device must be before Yjs gets to see it (docs/spec/yjs.md §4). Yjs
 * trusts updates: some make it throw half way, some wait inside it for ever, some take hours. Layer
 * 7, pure.
 */
import { createByteReader } from "@hawser/codec";
import { decodeUpdate, getState, Skip, type Doc } from "yjs";

/** An update that can be applied whole, once what it needs is there. */
export interface CheckedUpdate {
  readonly bytes: Uint8Array;
  readonly client: number;
  /** Clock of its first struct, and one past its last; equal for deletions alone. */
  readonly from: number;
  readonly to: number;
  /** client → the least state that it builds on. */
  readonly needs: ReadonlyMap<number, number>;
}

/** Why an update counts for nothing. */
export type UpdateFault =
  /** Not an update in the first format of Yjs, or one that Yjs never makes. */
  | "YJS_MALFORMED"
  /** Writes under a client id that is not its author's. */
  | "YJS_FOREIGN_CLIENT"
  /** Values nested deeper than 100. */
  | "YJS_TOO_DEEP";

/** The verdict on an update. */
export type UpdateVerdict =
  | { readonly ok: true; readonly update: CheckedUpdate }
  | { readonly ok: false; readonly reason: UpdateFault };

/** Levels of nesting in a value; deeper ones could not be encoded again. */
const depthMax = 100;

type Decoded = ReturnType<typeof decodeUpdate>;
type Struct = Decoded["structs"][number];
interface Id {
  readonly client: number;
  readonly clock: number;
}

/** Judges an update by itself. It may still need others: `lackedClient` says. */
export function checkUpdate(bytes: Uint8Array, client: number): UpdateVerdict {
  let decoded: Decoded;
  try {
    decoded = decodeUpdate(bytes);
  } catch {
    // Whatever Yjs throws here, it throws for these bytes everywhere.
    return { ok: false, reason: "YJS_MALFORMED" };
  }
  const needs = new Map<number, number>();
  const first = decoded.structs[0]?.id.clock ?? 0;
  let to = first;
  for (const struct of decoded.structs) {
    if (struct.id.client !== client) return { ok: false, reason: "YJS_FOREIGN_CLIENT" };
    if (struct.id.clock !== to || struct.constructor === Skip || struct.length < 1) {
      return { ok: false, reason: "YJS_MALFORMED" };
    }
    const fault = checkStruct(struct, needs);
    if (fault !== undefined) return { ok: false, reason: fault };
    to += struct.length;
  }
  if (!Number.isSafeInteger(to) || !checkDeletions(decoded, needs)) {
    return { ok: false, reason: "YJS_MALFORMED" };
  }
  if (decoded.structs.length > 0) {
    // What it builds on or deletes of its own is in it, or was before.
    if ((needs.get(client) ?? 0) > to) return { ok: false, reason: "YJS_MALFORMED" };
    needs.set(client, first);
  }
  return { ok: true, update: { bytes, client, from: first, to, needs } };
}

function need(needs: Map<number, number>, client: number, state: number): void {
  if (state > (needs.get(client) ?? 0)) needs.set(client, state);
}

function checkStruct(struct: Struct, needs: Map<number, number>): UpdateFault | undefined {
  if (!("content" in struct)) return undefined;
  const { id, origin, rightOrigin, parent } = struct;
  for (const reference of [origin, rightOrigin, idOf(parent)]) {
    if (reference === null || reference === undefined) continue;
    // Yjs throws in the middle of its work when a struct builds on a later one of its own.
    if (reference.client === id.client && reference.clock >= id.clock) return "YJS_MALFORMED";
    need(needs, reference.client, reference.clock + 1);
  }
  return nestsTooDeep(struct.content) ? "YJS_TOO_DEEP" : undefined;
}

/** The id where a struct names its parent by one; roots are named by text. */
function idOf(parent: unknown): Id | undefined {
  if (typeof parent !== "object" || parent === null || !("clock" in parent)) return undefined;
  // Safe: of what a parent can be, only ids have a clock.
  return parent as Id;
}

/** Ranges in order and apart, as Yjs makes them: others cost time without bound. */
function checkDeletions({ ds }: Decoded, needs: Map<number, number>): boolean {
  for (const [client, ranges] of ds.clients) {
    let end = 0;
    for (const { clock, len } of ranges) {
      if (clock < end || len < 1 || !Number.isSafeInteger(clock + len)) return false;
      end = clock + len;
    }
    need(needs, client, end);
  }
  return true;
}

/** Looks through the values in a content, one level after another. */
function nestsTooDeep(content: object): boolean {
  let level: unknown[] = Object.values(content).filter(isNest);
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > depthMax) return true;
    level = level.flatMap((value) =>
      // Bytes, documents and types are no values that nest.
      isPlain(value) ? Object.values(value).filter(isNest) : [],
    );
  }
  return false;
}

function isNest(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

function isPlain(value: unknown): value is object {
  if (Array.isArray(value)) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** A client of whose writing an update needs more than is there; `undefined`: it can be applied. */
export function lackedClient(doc: Doc, update: CheckedUpdate): number | undefined {
  for (const [client, state] of update.needs) {
    if (getState(doc.store, client) < state) return client;
  }
  return undefined;
}

/**
 * The client under which an update in Yjs' first format writes. Reads the first
 * fields only.
 */
export function clientOfUpdate(update: Uint8Array): number | "none" | "several" {
  const reader = createByteReader(update);
  const clientCount = reader.varint();
  if (clientCount === 0) return "none";
  if (clientCount > 1) return "several";
  reader.varint();
  return reader.varint();
}
