/**
 * Time travel (docs/spec/7-views.md §8): the state of a view as of a past frontier, folded from the
 * source from its first event.
 */
import { asViewError, ViewError } from "./errors.ts";
import { createGatedFold, createOpenFold } from "./gated.ts";
import type { ViewDeps } from "./open.ts";
import { sliceEventsMax } from "./stored.ts";
import type { Gate, View } from "./types.ts";

export interface ReadViewOptions {
  /** `logId → height`: entries before these heights count, logs it does not name are empty. */
  readonly at: ReadonlyMap<string, number>;
  /** Judges events as it would have with the events of `at` alone. */
  readonly gate?: Gate;
  readonly signal?: AbortSignal;
}

/**
 * The state after exactly the events inside a frontier, whatever has come since. Reads the source
 * once. Throws ViewError VIEW_REDUCER_FAILED, VIEW_SOURCE_FAILED; VIEW_HISTORY_GONE where the frontier
 * lies before what this device compacted; VIEW_CLOSED when the source ends or the signal aborts
 * before everything stored was read.
 */
export async function readViewAt<State>(
  deps: ViewDeps,
  view: View<State>,
  options: ReadViewOptions,
): Promise<State> {
  const { at, gate, signal } = options;
  const begin = () => (gate === undefined ? createOpenFold(view) : createGatedFold(view, gate));
  const controller = new AbortController();
  const onAbort = (): void => controller.abort();
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted === true) controller.abort();
  let fold = begin();
  try {
    for await (const batch of deps.source.batches({ signal: controller.signal })) {
      if (batch.reset === true) fold = begin();
      for (const [logId, height] of batch.gone ?? []) {
        if ((at.get(logId) ?? 0) >= height) continue;
        const message = `the past of view ${view.name} was compacted away here`;
        throw new ViewError("VIEW_HISTORY_GONE", message);
      }
      fold.add(
        batch.events.filter(
          (event) => event.judgement === "accept" && event.seq < (at.get(event.logId) ?? 0),
        ),
      );
      await deps.yieldToHost?.();
      if (!batch.caughtUp) continue;
      while (fold.isStale) {
        fold.rebuild(sliceEventsMax);
        await deps.yieldToHost?.();
      }
      return fold.state;
    }
  } catch (cause) {
    throw asViewError(cause, view.name);
  } finally {
    controller.abort();
    signal?.removeEventListener("abort", onAbort);
  }
  throw new ViewError("VIEW_CLOSED", `view ${view.name} ended before the frontier was read`);
}
