/**
 * From packets to those they link to (docs/spec/query.md §7.7). Layer 3; pure.
 */
import { toHex } from "@hawser/codec";
import { netFlags, withNetHeader, type Packet } from "@hawser/packet";
import { QueryError } from "../errors.ts";
import type { PacketStore, StoredPacket } from "./types.ts";

/**
 * The packets of the store that `packet` links to, in link order, each once: copies with the flag
 * `linkedInFuture` set. What the store does not have is left out. One packet is held at a time.
 */
export async function* linkedPackets(
  store: PacketStore,
  packet: Packet,
  check: () => void = () => undefined,
): AsyncGenerator<StoredPacket> {
  for (const hash of pointers(packet)) {
    check();
    const linked = await store.get(hash);
    if (linked !== undefined) yield flagged(linked);
  }
}

/** What a pointer leads to. */
export interface LinkedPacket {
  /** The pointer of a link: usually a hash, but free. */
  readonly pointer: Uint8Array;
  /** The packet of that hash with `linkedInFuture` set; `undefined`: the store has none. */
  readonly stored: StoredPacket | undefined;
}

export interface GetLinksOptions {
  /** How many links to go at most; default 1: what the packet itself links to. */
  readonly depth?: number;
  /** How many different pointers to go by at most; default 65,536. */
  readonly pointersMax?: number;
  readonly signal?: AbortSignal;
}

/**
 * What `packet` leads to within `depth` links, every pointer once, and each packet after those that
 * it links to: in this order a reader meets nothing before what it refers to. Memory grows with the
 * pointers, not with the packets. Throws QueryError LINKS_TOO_MANY before anything is given.
 */
export async function* getLinks(
  store: PacketStore,
  packet: Packet,
  options: GetLinksOptions = {},
): AsyncGenerator<LinkedPacket> {
  const { depth = 1, pointersMax = 65_536, signal } = options;
  const waiting = await reachable(store, packet, { depth, pointersMax, signal });
  // A frame keeps a hash and a place and loads the packet again when needed, so that a long chain
  // of large packets needs little memory.
  const frames: Frame[] = [];
  let current: Frame | undefined = { hash: undefined, nextLink: 0 };
  while (current !== undefined) {
    signal?.throwIfAborted();
    const stored: StoredPacket | undefined =
      current.hash === undefined ? undefined : await store.get(current.hash);
    const owner: Packet | undefined = current.hash === undefined ? packet : stored?.packet;
    const child: Uint8Array | undefined =
      owner === undefined ? undefined : nextPointer(owner, current, waiting);
    if (child !== undefined) {
      waiting.delete(toHex(child));
      frames.push(current);
      current = { hash: child.slice(), nextLink: 0 };
      continue;
    }
    if (current.hash !== undefined) {
      yield {
        pointer: current.hash,
        stored: stored === undefined ? undefined : flagged(stored),
      };
    }
    current = frames.pop();
  }
}

interface Frame {
  /** `undefined`: the packet at which the walk began. */
  readonly hash: Uint8Array | undefined;
  nextLink: number;
}

/** The next link of a frame to something that still waits. */
function nextPointer(
  owner: Packet,
  frame: Frame,
  waiting: ReadonlySet<string>,
): Uint8Array | undefined {
  for (; frame.nextLink < owner.linkCount; frame.nextLink++) {
    const pointer = owner.link(frame.nextLink)?.pointer;
    if (pointer !== undefined && waiting.has(toHex(pointer))) return pointer;
  }
  return undefined;
}

/** All pointers within `depth` links, in hex: breadth first, so that the nearest way counts. */
async function reachable(
  store: PacketStore,
  packet: Packet,
  options: {
    readonly depth: number;
    readonly pointersMax: number;
    readonly signal: AbortSignal | undefined;
  },
): Promise<Set<string>> {
  const found = new Set<string>();
  let level: readonly Uint8Array[] = [];
  const collect = (of: Packet, into: Uint8Array[]): void => {
    for (const pointer of pointers(of)) {
      if (found.has(toHex(pointer))) continue;
      if (found.size >= options.pointersMax) {
        throw new QueryError("LINKS_TOO_MANY", `more than ${options.pointersMax} pointers`);
      }
      found.add(toHex(pointer));
      into.push(pointer.slice());
    }
  };
  for (let step = 0; step < options.depth; step++) {
    const next: Uint8Array[] = [];
    if (step === 0) collect(packet, next);
    for (const hash of level) {
      options.signal?.throwIfAborted();
      const stored = await store.get(hash);
      if (stored !== undefined) collect(stored.packet, next);
    }
    if (next.length === 0) break;
    level = next;
  }
  return found;
}

/** The pointers of a packet in link order, each once. */
function pointers(packet: Packet): readonly Uint8Array[] {
  const seen = new Set<string>();
  return packet.links.flatMap(({ pointer }) => {
    const id = toHex(pointer);
    if (seen.has(id)) return [];
    seen.add(id);
    return [pointer];
  });
}

function flagged({ packet, recv }: StoredPacket): StoredPacket {
  const header = packet.netHeader;
  const flags = header.flags | netFlags.linkedInFuture;
  return { packet: withNetHeader(packet, { ...header, flags }), recv };
}
