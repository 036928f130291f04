/** For pages: how long work holds up the main thread at a time. */

export interface Watched {
  /** What the work says of its size. */
  readonly size: number;
  readonly ms: number;
  /** Its longest task, in ms; 0 when none took 50. */
  readonly longestMs: number;
}

/** Does work, which gives its size, and watches. */
export async function watchMainThread(work: () => Promise<number>): Promise<Watched> {
  let longestMs = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longestMs = Math.max(longestMs, duration);
  });
  observer.observe({ type: "longtask" as "function" });
  const start = performance.now();
  const size = await work();
  const ms = performance.now() - start;
  // The observer hears of a task after its end.
  await new Promise((resolve) => setTimeout(resolve, 100));
  observer.disconnect();
  return { size, ms, longestMs };
}

/** What the watch must notice: a task of 80 ms. */
export async function blockMainThread(): Promise<Watched> {
  return await watchMainThread(async () => {
    await new Promise((resolve) => setTimeout(resolve, 0));
    const end = performance.now() + 80;
    while (performance.now() < end);
    return 1;
  });
}
