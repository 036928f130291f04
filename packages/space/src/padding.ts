/**
 * PADMÉ (docs/spec/6-space.md §4): lengths are rounded so that at most O(log log n) bits of them
 * show, at a cost of 12 % at most. Pure.
 */

/** The padded size of `byteCount` bytes, ≥ `byteCount`. */
export function padmeSize(byteCount: number): number {
  if (byteCount < 2) return byteCount;
  const exponent = exponentOf(byteCount);
  const mantissaBits = 32 - Math.clz32(exponent);
  const step = 2 ** Math.max(0, exponent - mantissaBits);
  return Math.ceil(byteCount / step) * step;
}

/** ⌊log2⌋ of a size up to 2^53. */
function exponentOf(byteCount: number): number {
  const high = Math.floor(byteCount / 2 ** 31);
  return high === 0 ? 31 - Math.clz32(byteCount) : 62 - Math.clz32(high);
}

/** The greatest size ≤ `limit` that is its own padded size: room a plaintext can have. */
export function padmeFloor(limit: number): number {
  if (limit < 2) return limit;
  const exponent = 31 - Math.clz32(limit);
  const mantissaBits = 32 - Math.clz32(exponent);
  const step = 2 ** Math.max(0, exponent - mantissaBits);
  return Math.floor(limit / step) * step;
}
