/**
 * Places: where a convention's packets lie in the tree order of a store, and how the newest of them
 * are found without reading the others (docs/spec/conventions.md §1). Layer 4.
 */
import { compareBytes, concatBytes, equalBytes, utf8 } from "@hawser/codec";
import {
  encodePath,
  hashBytes,
  publicKeyBytes,
  tagBytes,
  type BytesOrText,
  type Packet,
  type Path,
} from "@hawser/packet";
import type { PacketStore, TreeRow } from "@hawser/query";

/** Group, domain and path: what packets of one kind about one thing have in common. */
export interface Place {
  /** 32 bytes. */
  readonly group: Uint8Array;
  /** 16 bytes. */
  readonly domain: Uint8Array;
  readonly path: Path;
}

/**
 * µs that a stamp may lie ahead of our clock. All writers share the clock of the device, but one
 * that writes twice in a microsecond counts on, and a clock may be set back a little.
 */
const stampAheadMicrosMax = 1_000_000;

/** The newest stamp that counts when the clock says `nowMicros`. */
export function newestStamp(nowMicros: number): bigint {
  return BigInt(nowMicros) + BigInt(stampAheadMicrosMax);
}

/** A stamp of now, and in any case after that of what it replaces. */
export function stampAfter(nowMicros: number, previous: Packet | undefined): bigint {
  const now = BigInt(nowMicros);
  return previous === undefined || previous.stamp < now ? now : previous.stamp + 1n;
}

/** The UTF-8 of a string; bytes as they are. */
export function toBytes(value: BytesOrText): Uint8Array {
  return typeof value === "string" ? utf8(value) : value;
}

/** 16 bytes with zeros on the left, or `undefined` when `value` is longer. */
export function padLeft(value: BytesOrText): Uint8Array | undefined {
  const bytes = toBytes(value);
  if (bytes.length > tagBytes) return undefined;
  const padded = new Uint8Array(tagBytes);
  padded.set(bytes, tagBytes - bytes.length);
  return padded;
}

/** True when a tag is exactly `label`, zeros on the left. */
export function isTag(tag: Uint8Array, label: string): boolean {
  const padded = padLeft(label);
  return padded !== undefined && equalBytes(tag, padded);
}

/** True when a packet lies exactly at a place. */
export function isAt(packet: Packet, place: Place): boolean {
  return (
    equalBytes(packet.group, place.group) &&
    equalBytes(packet.domain, place.domain) &&
    equalBytes(packet.unrootedPath, encodePath(place.path))
  );
}

/** What to look for at a place. */
export interface NewestQuery {
  /** 32 bytes of the author; default: unsigned packets. */
  readonly publicKey?: Uint8Array;
  /** Newer stamps are passed over. */
  readonly notAfter: bigint;
  readonly max: number;
}

/** Up to `max` packets of one place and author, the newest (by stamp, then hash) first. */
export async function newestAt(
  store: PacketStore,
  place: Place,
  query: NewestQuery,
): Promise<readonly Packet<"verified">[]> {
  const author = query.publicKey ?? new Uint8Array(publicKeyBytes);
  const key = concatBytes(placeKey(place, place.path.length), author);
  return newestOfKey(store, key, query);
}

/**
 * The newest packets of every author below a path prefix at one depth, branch by branch: each
 * branch costs one look-up, however many older packets it has.
 */
export async function* newestBelow(
  store: PacketStore,
  place: Place,
  query: { readonly depth: number; readonly notAfter: bigint; readonly max: number },
): AsyncGenerator<readonly Packet<"verified">[], void, undefined> {
  const prefix = placeKey(place, query.depth);
  let key = prefix;
  for (;;) {
    const [row] = await store.treeRows(startOf(key), { max: 1 });
    if (row === undefined || !startsWith(row.key, prefix)) return;
    yield await newestOfKey(store, row.key, query);
    // No key lies between one key and the same key with a zero behind it.
    key = concatBytes(row.key, Uint8Array.of(0));
  }
}

async function newestOfKey(
  store: PacketStore,
  key: Uint8Array,
  query: { readonly notAfter: bigint; readonly max: number },
): Promise<readonly Packet<"verified">[]> {
  const rows = await store.treeRows(
    { key, stamp: query.notAfter + 1n, hash: new Uint8Array(hashBytes) },
    { max: query.max, descending: true },
  );
  const packets: Packet<"verified">[] = [];
  for (const row of rows) {
    if (compareBytes(row.key, key) !== 0) break;
    const stored = await store.get(row.hash);
    if (stored !== undefined) packets.push(stored.packet);
  }
  return packets;
}

/** group ‖ domain ‖ depth ‖ unrooted path: every tree key of the place starts so. */
function placeKey(place: Place, depth: number): Uint8Array {
  return concatBytes(place.group, place.domain, Uint8Array.of(depth), encodePath(place.path));
}

function startOf(key: Uint8Array): Pick<TreeRow, "key" | "stamp" | "hash"> {
  return { key, stamp: 0n, hash: new Uint8Array(hashBytes) };
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytes.length >= prefix.length && equalBytes(bytes.subarray(0, prefix.length), prefix);
}
