/**
 * The state of the key-value view: for each key the versions that nobody has replaced yet. The
 * visible value is the one with the greatest (stamp, version id); the others are its conflicts.
 * Commutative under causal delivery: an op comes after every version it replaces or adds to. No clock
 * is read: that a version has expired is for whoever reads the state to say.
 */
import { compareBytes, equalBytes } from "@hawser/codec";
import type { View, ViewEvent } from "@hawser/view";
import { expiryKey, isCountable, valueOf, type HeldVersion, type KvState } from "./held.ts";
import {
  decodeOps,
  encodeOps,
  isNoVersion,
  noVersion,
  versionBytes,
  type KvIncrement,
  type KvOp,
} from "./ops.ts";
import { createSortedKeys } from "./sorted-keys.ts";
import { createVersionTable, decodeState, encodeState } from "./state-codec.ts";

/** Winner first. */
function compareVersions(a: HeldVersion, b: HeldVersion): number {
  return b.stamp - a.stamp || compareBytes(b.id, a.id);
}

/** The id of the version that an op makes. */
export function versionId(event: ViewEvent, index: number): Uint8Array {
  const id = new Uint8Array(versionBytes);
  id.set(event.hash.subarray(0, versionBytes - 4));
  new DataView(id.buffer).setUint32(versionBytes - 4, index);
  return id;
}

function setVersions(state: KvState, key: string, versions: readonly HeldVersion[]): void {
  const before = state.versions.get(key)?.[0]?.expiresAt;
  const expiresAt = versions[0]?.expiresAt;
  state.versions.set(key, versions);
  if (valueOf(versions[0]) === undefined) state.present.delete(key);
  else state.present.add(key);
  if (before === expiresAt) return;
  if (before !== undefined) state.expiring.delete(expiryKey(before, key));
  if (expiresAt !== undefined) state.expiring.add(expiryKey(expiresAt, key));
}

function applyOp(state: KvState, op: KvOp, added: HeldVersion): void {
  const current = state.versions.get(op.key);
  if (current === undefined) {
    setVersions(state, op.key, [added]);
    return;
  }
  // An author's own earlier versions are always in its past: one log, one order. What was added to
  // nothing goes with the first version there is, whichever of them comes first.
  const kept = current.filter(
    (version) =>
      version.author !== added.author &&
      !isNoVersion(version.id) &&
      !op.replaces.some((id) => equalBytes(id, version.id)),
  );
  setVersions(state, op.key, [...kept, added].sort(compareVersions));
}

/** Adds to a version that is still held; what was replaced meanwhile takes its increments along. */
function applyIncrement(
  state: KvState,
  key: string,
  { amount, base }: KvIncrement,
  { author, stamp }: ViewEvent,
): void {
  const current = state.versions.get(key) ?? [];
  if (current.length === 0 && isNoVersion(base)) {
    const added = BigInt(amount);
    const first = { id: noVersion, author, stamp, value: undefined, expiresAt: undefined, added };
    setVersions(state, key, [first]);
    return;
  }
  const index = current.findIndex((version) => equalBytes(version.id, base));
  const held = current[index];
  if (held === undefined || !isCountable(held)) return;
  const added = BigInt.asIntN(64, (held.added ?? 0n) + BigInt(amount));
  const isLater = stamp > held.stamp || (stamp === held.stamp && author > held.author);
  const latest = isNoVersion(base) && isLater ? { author, stamp } : {};
  setVersions(state, key, current.with(index, { ...held, ...latest, added }));
}

/** Is what the op made, or what it added to, held still? */
export function isHeld(state: KvState, op: KvOp, id: Uint8Array): boolean {
  const made = op.increment?.base ?? id;
  const held = state.versions.get(op.key) ?? [];
  return held.some((version) => equalBytes(version.id, made));
}

/** What takes an op back; `undefined` where somebody wrote since. */
function inverseOf(
  event: ViewEvent,
  { op, id }: { readonly op: KvOp; readonly id: Uint8Array },
  before: KvState,
  now: KvState,
): KvOp | undefined {
  const { key, increment } = op;
  if (increment !== undefined) {
    const taken = { ...increment, amount: -increment.amount };
    return isHeld(now, op, id)
      ? { key, value: undefined, replaces: [], increment: taken }
      : undefined;
  }
  const held = now.versions.get(key) ?? [];
  if (!equalBytes(held[0]?.id ?? noVersion, id)) return undefined;
  const old = before.versions.get(key)?.[0];
  const back = { key, value: valueOf(old), replaces: held.map((version) => version.id) };
  if (old?.expiresAt === undefined) return back;
  // As long as it had left to live when it was replaced.
  return { ...back, ttlMs: Math.max(1, Math.ceil((old.expiresAt - event.stamp) / 1_000)) };
}

/** The reducer. */
export const kvView: View<KvState> = {
  name: "kv",
  version: 2,
  types: ["kv"],
  commutative: true,
  init: () => ({
    versions: createVersionTable(),
    present: createSortedKeys(),
    expiring: createSortedKeys(),
  }),
  apply: (state, event) => {
    decodeOps(event.body).forEach((op, index) => {
      const { author, stamp } = event;
      if (op.increment !== undefined) return applyIncrement(state, op.key, op.increment, event);
      const { value, ttlMs } = op;
      const expiresAt =
        ttlMs === undefined ? undefined : Math.min(stamp + ttlMs * 1_000, Number.MAX_SAFE_INTEGER);
      const id = versionId(event, index);
      applyOp(state, op, { value, author, stamp, id, expiresAt, added: undefined });
    });
    return state;
  },
  encode: encodeState,
  decode: decodeState,
  // Keys that somebody wrote since are left alone; the others read again as before the event.
  invert: (event, before, now) => {
    const ops = decodeOps(event.body).flatMap((op, index): KvOp[] => {
      const back = inverseOf(event, { op, id: versionId(event, index) }, before, now);
      return back === undefined ? [] : [back];
    });
    return encodeOps(ops).map((body) => ({ type: "kv", body }));
  },
  // Versions that nobody holds any more leave no trace, nor what was added to them; tombstones do.
  superseded: (state, event) =>
    decodeOps(event.body).every((op, index) => !isHeld(state, op, versionId(event, index))),
};
