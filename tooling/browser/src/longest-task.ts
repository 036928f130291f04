/** For tests: whether work in a page leaves its main thread room to paint. */
import type { Browser } from "./browser.ts";

interface TraceEvent {
  readonly name: string;
  /** Processor time of its thread meanwhile, in µs. */
  readonly tdur?: number;
}

/**
 * The longest task of a page's main thread while work goes on, in ms of processor time: what other
 * programs take in between does not count.
 */
export async function longestTaskMs(
  { context }: Browser,
  work: () => Promise<unknown>,
): Promise<number> {
  const browser = context.browser();
  if (browser === null) throw new Error("the browser cannot be traced");
  await browser.startTracing(undefined, {
    categories: ["disabled-by-default-devtools.timeline"],
  });
  await work();
  const trace = await browser.stopTracing();
  // Safe: the browser's own form.
  const { traceEvents } = JSON.parse(trace.toString()) as {
    readonly traceEvents: readonly TraceEvent[];
  };
  const times = traceEvents.flatMap(({ name, tdur }) =>
    name === "RunTask" && tdur !== undefined ? [tdur / 1_000] : [],
  );
  if (times.length === 0) throw new Error("the trace has no task");
  return times.reduce((most, time) => Math.max(most, time));
}

/**
 * The same at best: of five runs, or of fewer once one stays below `goodMs`. Into any one may fall a
 * collection of garbage, or code that is compiled for the first time.
 */
export async function leastLongestTaskMs(
  browser: Browser,
  work: () => Promise<unknown>,
  goodMs: number,
): Promise<number> {
  let least = Infinity;
  for (let run = 0; run < 5 && least >= goodMs; run++) {
    least = Math.min(least, await longestTaskMs(browser, work));
  }
  return least;
}
