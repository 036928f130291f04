/**
 * Assemblers: from the hashes of chunks to the points above them, in bounded memory. Layer 3; pure.
 * The tree is in docs/spec/blob.md §2, the chain in §3. Hashes are copied when they have to wait:
 * as views they would keep whole packets in memory.
 */
import type { Crypto } from "@hawser/crypto";
import {
  buildLinkpoint,
  publicGroup,
  type BytesOrText,
  type LinkDraft,
  type Packet,
} from "@hawser/packet";
import { chunkBytes, fanOut, subtreeTag, treeDomain } from "./layout.ts";

type HashCrypto = Pick<Crypto, "hash">;

/** Hashes that wait for the point above them, lowest level first, and the linkpoint before. */
export interface AssemblerState {
  readonly levels: readonly (readonly Uint8Array[])[];
  /** Chains only. */
  readonly previous: Uint8Array | undefined;
}

/** Takes the hashes of chunks in order and gives the points above them when they are complete. */
export interface Assembler {
  /** Points completed by this chunk's arrival; it is not in them. Put each before the next. */
  add(hash: Uint8Array): Generator<Packet<"verified">, void, undefined>;
  /**
   * The remaining points, the root last; none when the only chunk is the root. `lastChunkBytes` are
   * the stored bytes of the last chunk.
   */
  finish(lastChunkBytes: number): Generator<Packet<"verified">, void, undefined>;
  state(): AssemblerState;
}

/** Assembles the tree. `header` is the seal header, or empty. */
export function createTreeAssembler(
  crypto: HashCrypto,
  header: Uint8Array,
  start: AssemblerState = { levels: [], previous: undefined },
): Assembler {
  const levels: Uint8Array[][] = start.levels.map((hashes) => [...hashes]);
  const node = (level: number, lastBytes: number, data: Uint8Array): Packet<"verified"> => {
    const hashes = levels[level] ?? [];
    levels[level] = [];
    const full = subtreeTag(chunkBytes * fanOut ** level, level);
    const links = hashes.map((pointer): LinkDraft => ({ tag: full, pointer }));
    const last = links.pop();
    if (last !== undefined) links.push({ ...last, tag: subtreeTag(lastBytes, level) });
    const group = publicGroup();
    return buildLinkpoint(crypto, { group, domain: treeDomain, links, stamp: 0, data });
  };
  /**
   * Puts a hash behind those that wait on `start`. A full level is closed only when one more comes,
   * because it may turn out to be the root.
   */
  function* insert(start: number, hash: Uint8Array): ReturnType<Assembler["add"]> {
    let carried = hash.slice();
    for (let level = start; ; level++) {
      const waiting = (levels[level] ??= []);
      if (waiting.length < fanOut) {
        waiting.push(carried);
        return;
      }
      const closed = node(level, chunkBytes * fanOut ** level, none);
      levels[level] = [carried];
      carried = closed.hash.slice();
      yield closed;
    }
  }
  return {
    add: (hash) => insert(0, hash),
    *finish(lastChunkBytes) {
      if (levels.length === 1 && levels[0]?.length === 1 && header.length === 0) return;
      let lastBytes = lastChunkBytes;
      // The last node of a level may fill the one above, which then grows: `levels` is asked again.
      for (let level = 0; level < levels.length; level++) {
        const isRoot = level + 1 === levels.length;
        const fullBytes = chunkBytes * fanOut ** level;
        const nodeBytes = fullBytes * ((levels[level]?.length ?? 1) - 1) + lastBytes;
        const closed = node(level, lastBytes, isRoot ? header : none);
        lastBytes = nodeBytes;
        yield closed;
        if (isRoot) return;
        yield* insert(level + 1, closed.hash);
      }
    },
    state: () => ({ levels, previous: undefined }),
  };
}

/** What all linkpoints of a chain share. */
export interface ChainPlace {
  readonly group: Uint8Array;
  readonly domain: BytesOrText;
  readonly path: readonly BytesOrText[];
  readonly dataTag: BytesOrText;
  readonly chainTag: BytesOrText;
  readonly stamp: number | bigint;
  readonly linkCountMax: number;
}

/** Assembles the chain: each linkpoint links the one before, then its own chunks. */
export function createChainAssembler(
  crypto: HashCrypto,
  place: ChainPlace,
  start: AssemblerState = { levels: [], previous: undefined },
): Assembler {
  let waiting: Uint8Array[] = [...(start.levels[0] ?? [])];
  let previous = start.previous;
  const close = (): Packet<"verified"> => {
    const links = waiting.map((pointer): LinkDraft => ({ tag: place.dataTag, pointer }));
    if (previous !== undefined) links.unshift({ tag: place.chainTag, pointer: previous });
    const { group, domain, path, stamp } = place;
    const packet = buildLinkpoint(crypto, { group, domain, path, links, stamp });
    waiting = [];
    previous = packet.hash.slice();
    return packet;
  };
  return {
    *add(hash) {
      if (waiting.length === place.linkCountMax) yield close();
      waiting.push(hash.slice());
    },
    *finish() {
      yield close();
    },
    state: () => ({ levels: [waiting], previous }),
  };
}

const none = new Uint8Array(0);
