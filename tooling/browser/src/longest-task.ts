/** For tests: whether work in a page leaves the main thread room to paint. */
import type { Watched } from "./main-thread.ts";

/**
 * The share of the whole that its longest task took, at best. A task also takes long when other programs take
 * the processor from it, and so does everything then: hence a share, and the best of five runs.
 */
export async function leastTaskShare(run: () => Promise<Watched>): Promise<number> {
  let least = 1;
  for (let count = 0; count < 5 && least > 0; count++) {
    const { ms, longestMs } = await run();
    least = Math.min(least, longestMs / ms);
  }
  return least;
}
