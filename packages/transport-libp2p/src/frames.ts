/**
 * Frames on a stream of bytes (docs/spec/transport-libp2p.md §2): a varint length, then that many
 * bytes. Layer 5, pure.
 */
import { frameBytesMax } from "@hawser/sync";

/** Allocated for a frame at first, whatever length it claims; grows with what comes. */
const firstBytes = 4_096;
/** A length of three bytes covers every frame. */
const lengthShiftMax = 14;

/** The length and the frame, which has at most 262,144 bytes, in a buffer of their own. */
export function encodeFrame(frame: Uint8Array): Uint8Array {
  const head: number[] = [];
  let rest = frame.length;
  for (; rest >= 0x80; rest >>>= 7) head.push((rest & 0x7f) | 0x80);
  head.push(rest);
  const bytes = new Uint8Array(head.length + frame.length);
  bytes.set(head);
  bytes.set(frame, head.length);
  return bytes;
}

/** Puts frames together from chunks that are cut anywhere. */
export interface FrameDecoder {
  /** The frames that this chunk completes; `undefined` when the stream is broken for good. */
  push(chunk: Uint8Array): readonly Uint8Array[] | undefined;
}

/** A decoder at the start of a stream. */
export function createFrameDecoder(): FrameDecoder {
  let length = 0;
  let shift = 0;
  let body: Uint8Array | undefined;
  let filled = 0;

  /** Whether the byte may stand in a length. */
  const takeLength = (byte: number): boolean => {
    length |= (byte & 0x7f) << shift;
    if (byte >= 0x80) {
      shift += 7;
      return shift <= lengthShiftMax;
    }
    // Shortest form only: no zero byte behind another one.
    if (length > frameBytesMax || (byte === 0 && shift > 0)) return false;
    body = new Uint8Array(Math.min(length, firstBytes));
    filled = 0;
    return true;
  };
  /** Copies what belongs to the frame; how much that was. */
  const takeBody = (into: Uint8Array, chunk: Uint8Array, at: number): number => {
    const count = Math.min(length - filled, chunk.length - at);
    let target = into;
    if (filled + count > into.length) {
      target = new Uint8Array(Math.min(length, Math.max(into.length * 2, filled + count)));
      target.set(into.subarray(0, filled));
    }
    target.set(chunk.subarray(at, at + count), filled);
    filled += count;
    body = target;
    return count;
  };
  return {
    push: (chunk) => {
      const frames: Uint8Array[] = [];
      for (let at = 0; at < chunk.length;) {
        if (body === undefined) {
          if (!takeLength(chunk[at] ?? 0)) return undefined;
          at++;
        } else {
          at += takeBody(body, chunk, at);
        }
        if (body === undefined || filled < length) continue;
        frames.push(body);
        body = undefined;
        length = 0;
        shift = 0;
      }
      return frames;
    },
  };
}
