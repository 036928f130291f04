/**
 * Receive stamps (docs/spec/query.md §7.1). Layer 3; pure. For every adapter of PacketStore.
 */
import { QueryError } from "../errors.ts";
import type { Clock } from "./types.ts";

/**
 * The receive stamps of the next `count` packets: consecutive, from the clock's time on, or from
 * right after `last` where the clock has not passed it. Throws STORE_CLOCK when the clock gives no
 * unsigned safe integer or stamps would leave that range.
 */
export function receiveStamps(clock: Clock, last: number, count: number): readonly number[] {
  if (count === 0) return [];
  const now = clock.nowMicros();
  const first = Math.max(now, last + 1);
  if (!Number.isSafeInteger(now) || now < 0 || !Number.isSafeInteger(first + count)) {
    throw new QueryError("STORE_CLOCK", `${now} µs after ${last} gives no receive stamp`);
  }
  return Array.from({ length: count }, (_, index) => first + index);
}
