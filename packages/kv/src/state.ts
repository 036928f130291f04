/**
 * The state of the key-value view: for each key the versions that nobody has replaced yet. The
 * visible value is the one with the greatest (stamp, version id); the others are its conflicts.
 * Commutative under causal delivery: an op comes after every version it replaces.
 */
import { compareBytes, decodeCbor, encodeCbor, equalBytes, type CborValue } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { View, ViewEvent } from "@hawser/view";
import { decodeOps, versionBytes, type KvOp } from "./ops.ts";
import { createSortedKeys, type SortedKeys } from "./sorted-keys.ts";
import type { KvVersion } from "./types.ts";

export interface HeldVersion extends KvVersion {
  readonly id: Uint8Array;
}

export interface KvState {
  /** Versions of each key ever written, winner first; tombstones stay. */
  readonly versions: Map<string, readonly HeldVersion[]>;
  /** Keys whose winner is a value. */
  readonly present: SortedKeys;
}

/** Winner first. */
function compareVersions(a: HeldVersion, b: HeldVersion): number {
  return b.stamp - a.stamp || compareBytes(b.id, a.id);
}

function versionId(event: ViewEvent, index: number): Uint8Array {
  const id = new Uint8Array(versionBytes);
  id.set(event.hash.subarray(0, versionBytes - 4));
  new DataView(id.buffer).setUint32(versionBytes - 4, index);
  return id;
}

function setVersions(state: KvState, key: string, versions: readonly HeldVersion[]): void {
  state.versions.set(key, versions);
  if (versions[0]?.value === undefined) state.present.delete(key);
  else state.present.add(key);
}

function applyOp(state: KvState, op: KvOp, added: HeldVersion): void {
  const current = state.versions.get(op.key);
  if (current === undefined) {
    setVersions(state, op.key, [added]);
    return;
  }
  // An author's own earlier versions are always in its past: one log, one order.
  const kept = current.filter(
    (version) =>
      version.author !== added.author && !op.replaces.some((id) => equalBytes(id, version.id)),
  );
  setVersions(state, op.key, [...kept, added].sort(compareVersions));
}

/** The reducer. */
export const kvView: View<KvState> = {
  name: "kv",
  version: 1,
  types: ["kv"],
  commutative: true,
  init: () => ({ versions: new Map(), present: createSortedKeys() }),
  apply: (state, event) => {
    decodeOps(event.body).forEach((op, index) => {
      const { author, stamp } = event;
      applyOp(state, op, { value: op.value, author, stamp, id: versionId(event, index) });
    });
    return state;
  },
  encode: encodeState,
  decode: decodeState,
};

function encodeState(state: KvState): Uint8Array {
  const keys = [...state.versions.keys()].sort();
  const items = keys.map((key): CborValue => {
    const versions = state.versions.get(key) ?? [];
    const list = versions.map((version): CborValue => {
      const head = [version.id, version.stamp, version.author];
      return version.value === undefined ? head : [...head, version.value];
    });
    return [key, list];
  });
  return encodeCbor([1, items]);
}

function decodeState(bytes: Uint8Array): KvState | undefined {
  const value = decodeCbor(bytes);
  if (!Array.isArray(value) || value[0] !== 1 || !Array.isArray(value[1])) return undefined;
  const state = kvView.init();
  for (const item of value[1] as readonly CborValue[]) {
    if (!Array.isArray(item) || typeof item[0] !== "string" || !Array.isArray(item[1])) {
      return undefined;
    }
    const versions = (item[1] as readonly CborValue[]).map(versionFromCbor);
    if (!versions.every((version) => version !== undefined)) return undefined;
    setVersions(state, item[0], versions);
  }
  return state;
}

function versionFromCbor(item: CborValue): HeldVersion | undefined {
  if (!Array.isArray(item) || item.length < 3 || item.length > 4) return undefined;
  const [id, stamp, author, value] = item as readonly CborValue[];
  const isId = id instanceof Uint8Array && id.length === versionBytes;
  if (!isId || typeof stamp !== "number" || typeof author !== "string") return undefined;
  // Safe: only `encodeState` makes these bytes, from an AuthorId.
  return { id, stamp, author: author as AuthorId, value };
}
