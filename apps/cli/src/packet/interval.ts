/** Durations, and work that happens when packets come or when time has passed. */
import type { AbeContext } from "@hawser/query";
import { usage } from "./errors.ts";
import { evaluateStamp } from "./expressions.ts";
import type { PacketIo } from "./io.ts";

/** µs of a duration as expressions write it: units Y M W D h m s l u in this order. */
export function readDuration(text: string, scope: AbeContext, name: string): number {
  if (!/^[0-9YMWDhmslu]+$/.test(text)) {
    throw usage(`${name} ${text} is no duration`, "Write for example 10s, 1m30s or 250l (ms).");
  }
  const micros = Number(evaluateStamp(`[us:+${text}]`, scope, name));
  if (micros > 0 && micros <= Number.MAX_SAFE_INTEGER) return micros;
  throw usage(`${name} ${text} is out of range`, "Give more than nothing and less than 280 years.");
}

/** The longest time a timer of the platform can wait. */
const waitMsMax = 2_147_483_647;

function toWaitMs(micros: number): number {
  return Math.min(waitMsMax, Math.max(0, Math.ceil(micros / 1_000)));
}

/**
 * Takes items as they come, and calls `idle` each time the interval has passed since the first item
 * or the last call. Both run one after the other, never at once.
 */
export async function withInterval<Item>(
  io: Pick<PacketIo, "wait">,
  items: AsyncIterable<Item>,
  intervalMicros: number,
  work: {
    readonly take: (item: Item) => Promise<void>;
    readonly idle: () => Promise<void>;
  },
): Promise<void> {
  const iterator = items[Symbol.asyncIterator]();
  const stopped = new AbortController();
  const tick = (): Promise<"tick"> =>
    io.wait(toWaitMs(intervalMicros), stopped.signal).then(() => "tick" as const);
  let timer: Promise<"tick"> | undefined;
  let next = iterator.next();
  try {
    for (;;) {
      const event = await (timer === undefined ? next : Promise.race([next, timer]));
      if (event === "tick") {
        await work.idle();
        timer = tick();
        continue;
      }
      if (event.done === true) return;
      timer ??= tick();
      await work.take(event.value);
      next = iterator.next();
    }
  } finally {
    stopped.abort();
    // Not awaited: an item that is being waited for may never come. Its failure is nobody's then.
    next.catch(() => undefined);
    iterator.return?.().catch(() => undefined);
  }
}
