/** Which events a key's value rests on: who wrote it, when, and by what right. Layer 7, internal. */
import { equalBytes } from "@hawser/codec";
import { compareEvents, type ViewDeps, type ViewEvent } from "@hawser/view";
import type { KvState } from "./held.ts";
import { decodeOps, type KvOp } from "./ops.ts";
import { isHeld, kvView, versionId } from "./state.ts";
import type { KvOrigin } from "./types.ts";

/** How a key is explained. */
export interface KvExplainOptions<Authority> {
  /**
   * Says by what right an event counts; in a space for instance
   * `(event) => space.why(event.author, "write")`.
   */
  readonly authority?: (event: ViewEvent) => Authority | undefined;
  readonly signal?: AbortSignal;
}

/** Origins of a key in total order. Reads the source once, up to what is stored. */
export async function originsOf<Authority>(
  { source, yieldToHost }: ViewDeps,
  key: string,
  reader: {
    readonly state: () => KvState;
    readonly isWithheld: (event: ViewEvent) => boolean;
  },
  options: KvExplainOptions<Authority>,
): Promise<readonly KvOrigin<Authority>[]> {
  const stop = new AbortController();
  const signals = options.signal === undefined ? [stop.signal] : [options.signal, stop.signal];
  let found: { readonly event: ViewEvent; readonly op: KvOp; readonly id: Uint8Array }[] = [];
  for await (const batch of source.batches({ signal: AbortSignal.any(signals) })) {
    if (batch.reset === true) found = [];
    for (const event of batch.events) {
      if (event.judgement !== "accept" || !kvView.types.includes(event.type)) continue;
      decodeOps(event.body).forEach((op, index) => {
        if (op.key === key) found.push({ event, op, id: versionId(event, index) });
      });
    }
    await yieldToHost?.();
    if (batch.caughtUp) break;
  }
  stop.abort();
  options.signal?.throwIfAborted();
  const state = reader.state();
  const winner = state.versions.get(key)?.[0]?.id;
  return found
    .filter(({ event, op, id }) => isHeld(state, op, id) && !reader.isWithheld(event))
    .sort((a, b) => compareEvents(a.event, b.event))
    .map(({ event, op, id }) => {
      const isShown = winner !== undefined && equalBytes(op.increment?.base ?? id, winner);
      return { ...originOf(event, op), isShown, authority: options.authority?.(event) };
    });
}

function originOf(
  { logId, seq, author, stamp }: ViewEvent,
  { value, ttlMs, increment }: KvOp,
): Omit<KvOrigin<never>, "isShown" | "authority"> {
  const expiresAt = ttlMs === undefined ? undefined : stamp + ttlMs * 1_000;
  const place = { logId, seq, author, stamp, expiresAt };
  if (increment !== undefined) return { ...place, kind: "increment", value: increment.amount };
  return { ...place, kind: value === undefined ? "delete" : "put", value };
}
