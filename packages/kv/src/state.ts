/**
 * The state of the key-value view: for each key the versions that nobody has replaced yet. The
 * visible value is the one with the greatest (stamp, version id); the others are its conflicts.
 * Commutative under causal delivery: an op comes after every version it replaces.
 */
import { compareBytes, equalBytes } from "@hawser/codec";
import type { View, ViewEvent } from "@hawser/view";
import { decodeOps, encodeOps, versionBytes, type KvOp } from "./ops.ts";
import { createSortedKeys, type SortedKeys } from "./sorted-keys.ts";
import { createVersionTable, decodeState, encodeState } from "./state-codec.ts";
import type { KvVersion } from "./types.ts";

export interface HeldVersion extends KvVersion {
  readonly id: Uint8Array;
}

/** Versions of each key ever written, winner first; tombstones stay. */
export interface VersionTable {
  get(key: string): readonly HeldVersion[] | undefined;
  set(key: string, versions: readonly HeldVersion[]): void;
  /** Ascending. */
  keys(): readonly string[];
}

export interface KvState {
  readonly versions: VersionTable;
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
  init: () => ({ versions: createVersionTable(), present: createSortedKeys() }),
  apply: (state, event) => {
    decodeOps(event.body).forEach((op, index) => {
      const { author, stamp } = event;
      applyOp(state, op, { value: op.value, author, stamp, id: versionId(event, index) });
    });
    return state;
  },
  encode: encodeState,
  decode: decodeState,
  // Keys that somebody wrote since are left alone; the others read again as before the event.
  invert: (event, before, now) => {
    const ops = decodeOps(event.body).flatMap((op, index): KvOp[] => {
      const held = now.versions.get(op.key) ?? [];
      const id = versionId(event, index);
      if (!equalBytes(held[0]?.id ?? new Uint8Array(0), id)) return [];
      const value = before.versions.get(op.key)?.[0]?.value;
      return [{ key: op.key, value, replaces: held.map((version) => version.id) }];
    });
    return encodeOps(ops).map((body) => ({ type: "kv", body }));
  },
  // Versions that nobody holds any more leave no trace, tombstones do.
  superseded: (state, event) =>
    decodeOps(event.body).every((op, index) => {
      const id = versionId(event, index);
      const held = state.versions.get(op.key) ?? [];
      return !held.some((version) => equalBytes(version.id, id));
    }),
};
