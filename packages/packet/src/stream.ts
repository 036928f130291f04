/**
 * Packets out of a byte stream that arrives in chunks of any size (docs/spec/1-packet.md §7.4).
 * Layer 2; pure. Holds at most one incomplete packet, so at most `packetBytesMax` bytes.
 */
import { reject, type PacketRejection } from "./errors.ts";
import { pointTypes } from "./layout.ts";
import { packetBytesMax, packetPrefixBytes } from "./limits.ts";
import type { Packet } from "./packet.ts";
import { checkHeader, parsePacket, type ParseOptions } from "./parse.ts";

/** What one chunk completed. */
export interface SplitResult {
  /**
   * Complete packets in stream order. A packet that lay wholly in the chunk is a view into it, so
   * the chunk's buffer must not be reused while the packet is.
   */
  readonly packets: readonly Packet<"unverified">[];
  /** Why the stream cannot go on. Final: every later result has it again and no packets. */
  readonly rejection: PacketRejection | undefined;
}

export interface PacketSplitter {
  push(chunk: Uint8Array): SplitResult;
  /**
   * The end of the stream: why what is left is no packet (`PACKET_TOO_SHORT`, `PACKET_TRUNCATED` or
   * the earlier rejection), or `undefined` when nothing is left.
   */
  finish(): PacketRejection | undefined;
  /** Bytes of the incomplete packet held back. */
  readonly pendingBytes: number;
}

/** A splitter at the start of a stream. Options as for `parsePacket`. */
export function createPacketSplitter(options: ParseOptions = {}): PacketSplitter {
  const pending = createPending();
  let rejection: PacketRejection | undefined;

  /** Bytes the pending packet needs as far as is known, or the reason it never will be one. */
  const needed = (bytes: Uint8Array): number | PacketRejection => {
    const header = checkHeader(bytes, options.mode ?? "strict", options.types ?? pointTypes);
    if (header.ok) return header.size;
    return isIncomplete(header) ? (header.value ?? packetPrefixBytes) : header;
  };

  /** Moves bytes of `chunk` behind the pending ones until a packet is whole; returns what is left. */
  const completePending = (chunk: Uint8Array): Uint8Array => {
    let rest = chunk;
    while (pending.bytes().length > 0 && rest.length > 0) {
      const target = needed(pending.bytes());
      if (typeof target !== "number") {
        rejection = target;
        return rest;
      }
      const missing = target - pending.bytes().length;
      if (missing <= 0) return rest;
      pending.append(rest.subarray(0, missing));
      rest = rest.subarray(missing);
    }
    return rest;
  };

  const parseAll = (bytes: Uint8Array, packets: Packet<"unverified">[]): Uint8Array => {
    let rest = bytes;
    while (rest.length > 0) {
      const parsed = parsePacket(rest, options);
      if (!parsed.ok) {
        if (!isIncomplete(parsed)) rejection = parsed;
        return rest;
      }
      packets.push(parsed.packet);
      rest = parsed.rest;
    }
    return rest;
  };

  return {
    push(chunk) {
      const packets: Packet<"unverified">[] = [];
      if (rejection !== undefined) return { packets, rejection };
      const rest = completePending(chunk);
      if (rejection === undefined && parseAll(pending.bytes(), packets).length === 0) {
        pending.clear();
        const tail = parseAll(rest, packets);
        if (rejection === undefined) pending.append(tail);
      }
      if (rejection !== undefined) pending.clear();
      return { packets, rejection };
    },
    finish() {
      const left = pending.bytes();
      if (rejection !== undefined || left.length === 0) return rejection;
      const target = needed(left);
      if (typeof target !== "number") return target;
      return target === packetPrefixBytes && left.length < packetPrefixBytes
        ? reject("PACKET_TOO_SHORT", target)
        : reject("PACKET_TRUNCATED", target);
    },
    get pendingBytes() {
      return pending.bytes().length;
    },
  };
}

/** True when more bytes could still make a packet of it. */
function isIncomplete(rejection: PacketRejection): boolean {
  return rejection.reason === "PACKET_TOO_SHORT" || rejection.reason === "PACKET_TRUNCATED";
}

/** A buffer that grows with what has arrived, never ahead of it by more than a factor of two. */
function createPending(): {
  bytes(): Uint8Array;
  append(bytes: Uint8Array): void;
  clear(): void;
} {
  let buffer = new Uint8Array(0);
  let size = 0;
  return {
    bytes: () => buffer.subarray(0, size),
    append(bytes) {
      if (size + bytes.length > buffer.length) {
        const larger = new Uint8Array(
          Math.max(size + bytes.length, Math.min(2 * size, packetBytesMax)),
        );
        larger.set(buffer.subarray(0, size));
        buffer = larger;
      }
      buffer.set(bytes, size);
      size += bytes.length;
    },
    clear() {
      // A packet handed out may be a view into the old buffer: never write into it again.
      buffer = new Uint8Array(0);
      size = 0;
    },
  };
}
