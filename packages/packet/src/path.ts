/**
 * Paths (Linkspace: spacenames): 0–8 binary components (docs/spec/1-packet.md §5). Layer 2; pure.
 *
 *   unrooted = (length u8 ‖ bytes)*            the form of queries and index keys
 *   rooted   = "" | depth u8 ‖ end offset u8 × 7 ‖ unrooted      the form inside a packet
 *
 * The end offsets make every component readable without walking over the ones before it.
 */
import { PacketError, type PacketRejectionCode } from "./errors.ts";
import {
  pathBytesMax,
  pathComponentBytesMax,
  pathDepthMax,
  pathPrefixBytes,
  rootedPathBytesMax,
} from "./limits.ts";

/** Components of a path, outermost first. */
export type Path = readonly Uint8Array[];

/**
 * Bytes `path` takes in a packet: 0 without components. Throws PacketError PACKET_PATH_DEPTH,
 * PACKET_PATH_COMPONENT_EMPTY, PACKET_PATH_COMPONENT_BYTES or PACKET_PATH_BYTES.
 */
export function rootedPathBytes(path: Path): number {
  if (path.length === 0) return 0;
  if (path.length > pathDepthMax) {
    throw new PacketError("PACKET_PATH_DEPTH", `path has ${path.length} components, not 8 at most`);
  }
  let byteCount = 0;
  for (const component of path) {
    if (component.length === 0) {
      throw new PacketError("PACKET_PATH_COMPONENT_EMPTY", "path component has no bytes");
    }
    if (component.length > pathComponentBytesMax) {
      throw new PacketError(
        "PACKET_PATH_COMPONENT_BYTES",
        `path component has ${component.length} bytes, not ${pathComponentBytesMax} at most`,
      );
    }
    byteCount += component.length + 1;
  }
  if (byteCount > pathBytesMax) {
    throw new PacketError(
      "PACKET_PATH_BYTES",
      `path has ${byteCount} bytes, not ${pathBytesMax} at most`,
    );
  }
  return pathPrefixBytes + byteCount;
}

/**
 * Writes the rooted form at `offset` and returns the offset after it. `path` must have passed
 * `rootedPathBytes`, and `target` must have room.
 */
export function writeRootedPath(target: Uint8Array, offset: number, path: Path): number {
  if (path.length === 0) return offset;
  target[offset] = path.length;
  const start = offset + pathPrefixBytes;
  let end = start;
  for (let index = 0; index < pathDepthMax; index++) {
    const component = path[index];
    if (component !== undefined) {
      target[end] = component.length;
      target.set(component, end + 1);
      end += component.length + 1;
    }
    // The end of component 8 is the end of the path; it has no place in the table.
    if (index < pathDepthMax - 1) target[offset + 1 + index] = end - start;
  }
  return end;
}

/** The rooted form. Errors as `rootedPathBytes`. */
export function encodeRootedPath(path: Path): Uint8Array {
  const bytes = new Uint8Array(rootedPathBytes(path));
  writeRootedPath(bytes, 0, path);
  return bytes;
}

/** The unrooted form. Errors as `rootedPathBytes`. */
export function encodePath(path: Path): Uint8Array {
  return encodeRootedPath(path).subarray(path.length === 0 ? 0 : pathPrefixBytes);
}

/**
 * Why `rooted` is no rooted path, or `undefined` when it is one: the reference's checks in its
 * order. `strict` also refuses its two second spellings: a depth byte other than 8 before eight
 * components, and eight zero bytes for "no path".
 */
export function checkRootedPath(
  rooted: Uint8Array,
  mode: "strict" | "reference",
): PacketRejectionCode | undefined {
  if (rooted.length === 0) return undefined;
  if (rooted.length < pathPrefixBytes) return "PACKET_PATH_PREFIX";
  if (rooted.length > rootedPathBytesMax) return "PACKET_PATH_BYTES";
  const depth = rooted[0] ?? 0;
  let count = 0;
  let end = pathPrefixBytes;
  for (let index = 0; index < pathDepthMax; index++) {
    if (end < rooted.length) {
      const reason = checkComponent(rooted, end);
      if (reason !== undefined) return reason;
      end += 1 + (rooted[end] ?? 0);
      count++;
    } else if (depth !== count) {
      return "PACKET_PATH_DEPTH";
    }
    const stated =
      index < pathDepthMax - 1 ? (rooted[index + 1] ?? 0) : rooted.length - pathPrefixBytes;
    if (stated !== end - pathPrefixBytes) return "PACKET_PATH_INDEX";
  }
  if (mode === "strict" && depth !== count) return "PACKET_PATH_DEPTH";
  if (mode === "strict" && count === 0) return "PACKET_PATH_EMPTY_FORM";
  return undefined;
}

function checkComponent(rooted: Uint8Array, offset: number): PacketRejectionCode | undefined {
  const byteCount = rooted[offset] ?? 0;
  if (byteCount > pathComponentBytesMax) return "PACKET_PATH_COMPONENT_BYTES";
  if (byteCount === 0) return "PACKET_PATH_COMPONENT_EMPTY";
  if (byteCount >= rooted.length - offset) return "PACKET_PATH_TAIL";
  return undefined;
}

/** Component `index` (0-based) of a checked rooted path in O(1), or `undefined` past its end. */
export function rootedPathComponent(rooted: Uint8Array, index: number): Uint8Array | undefined {
  if (rooted.length === 0 || index < 0 || index >= pathDepthMax) return undefined;
  const start = pathPrefixBytes + (index === 0 ? 0 : (rooted[index] ?? 0));
  const end =
    index === pathDepthMax - 1 ? rooted.length : pathPrefixBytes + (rooted[index + 1] ?? 0);
  return start < end ? rooted.subarray(start + 1, end) : undefined;
}

/** Components of a checked rooted path: views into `rooted`. */
export function rootedPathComponents(rooted: Uint8Array): Uint8Array[] {
  const components: Uint8Array[] = [];
  for (let index = 0; index < pathDepthMax; index++) {
    const component = rootedPathComponent(rooted, index);
    if (component === undefined) break;
    components.push(component);
  }
  return components;
}

/**
 * Components of an unrooted path, or the reason it is none. Views into `unrooted`; at most 8.
 */
export function decodePath(
  unrooted: Uint8Array,
):
  | { readonly ok: true; readonly path: Path }
  | { readonly ok: false; readonly reason: PacketRejectionCode } {
  if (unrooted.length > pathBytesMax) return { ok: false, reason: "PACKET_PATH_BYTES" };
  const path: Uint8Array[] = [];
  let offset = 0;
  while (offset < unrooted.length) {
    const reason = checkComponent(unrooted, offset);
    if (reason !== undefined) return { ok: false, reason };
    if (path.length === pathDepthMax) return { ok: false, reason: "PACKET_PATH_DEPTH" };
    const end = offset + 1 + (unrooted[offset] ?? 0);
    path.push(unrooted.subarray(offset + 1, end));
    offset = end;
  }
  return { ok: true, path };
}
