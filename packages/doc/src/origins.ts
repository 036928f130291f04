/**
 * Who wrote what of which documents, when, and by what right. Layer 7, internal.
 */
import {
  compareEvents,
  type EventRef,
  type EventSource,
  type ViewDeps,
  type ViewEvent,
} from "@hawser/view";
import { decodeItems, type DocItem } from "./ops.ts";
import { docEventType, type DocState } from "./state.ts";
import { outdoneItems } from "./superseded.ts";

/** Which writes are told of; all without options. */
export interface OriginsOptions<Authority> {
  /** The name of a collection, also of one that is not open here. */
  readonly collection?: string;
  readonly id?: string;
  readonly author?: ViewEvent["author"];
  /**
   * Says by what right an event counts; in a space for instance
   * `(event) => space.why(event.author, "write")`.
   */
  readonly authority?: (event: ViewEvent) => Authority | undefined;
  readonly signal?: AbortSignal;
}

/** What one event says of one document. Its place names the event, for `undo`. */
export interface DocOrigin<Authority> extends EventRef {
  readonly collection: string;
  readonly id: string;
  readonly author: ViewEvent["author"];
  /** µs; when the author wrote it, by the hybrid clock. */
  readonly stamp: number;
  /** `changed`: some fields, of a document that is there. */
  readonly kind: "put" | "deleted" | "changed";
  /** Fields as they are stored, each once. */
  readonly fields: readonly (readonly string[])[];
  /** Does the document as it is rest on it? Not when all of it was changed since. */
  readonly isShown: boolean;
  /** What the caller's `authority` said of the event. */
  readonly authority: Authority | undefined;
}

/** Everything that was written, in total order. Reads the source once, up to what is stored. */
export async function originsOf<Authority>(
  deps: ViewDeps,
  state: () => DocState,
  options: OriginsOptions<Authority>,
): Promise<readonly DocOrigin<Authority>[]> {
  const events = await storedEvents(deps, options);
  const now = state();
  return events.sort(compareEvents).flatMap((event) => {
    const outdone = outdoneItems(now, event);
    const { logId, seq, author, stamp } = event;
    return decodeItems(event.body).flatMap((item, index): readonly DocOrigin<Authority>[] => {
      if (!isWanted(item, options)) return [];
      const place = { logId, seq, author, stamp, collection: item.collection, id: item.id };
      const kind = item.existence === "unsaid" ? "changed" : item.existence;
      const isShown = outdone[index] === false;
      const authority = options.authority?.(event);
      return [{ ...place, kind, fields: fieldsOf(item), isShown, authority }];
    });
  });
}

async function storedEvents<Authority>(
  { source, yieldToHost }: ViewDeps,
  { author, signal }: OriginsOptions<Authority>,
): Promise<ViewEvent[]> {
  const stop = new AbortController();
  const signals = signal === undefined ? [stop.signal] : [signal, stop.signal];
  let found: ViewEvent[] = [];
  for await (const batch of source.batches({ signal: AbortSignal.any(signals) })) {
    if (batch.reset === true) found = [];
    for (const event of batch.events) {
      if (event.judgement !== "accept" || event.type !== docEventType) continue;
      if (author === undefined || event.author === author) found.push(event);
    }
    await yieldToHost?.();
    if (batch.caughtUp) break;
  }
  stop.abort();
  signal?.throwIfAborted();
  return found;
}

function isWanted<Authority>(
  item: DocItem,
  { collection, id }: OriginsOptions<Authority>,
): boolean {
  return (
    (collection === undefined || collection === item.collection) &&
    (id === undefined || id === item.id)
  );
}

function fieldsOf({ ops }: DocItem): readonly (readonly string[])[] {
  const paths = ops.map((op) => ("path" in op ? op.path : [op.field]));
  return [...new Map(paths.map((path) => [JSON.stringify(path), path])).values()];
}

/** The source without events that a gate keeps out. */
export function withoutEvents(
  source: EventSource,
  isOut: (event: ViewEvent) => boolean,
): EventSource {
  return {
    append: (drafts) => source.append(drafts),
    batches: async function* (options) {
      for await (const batch of source.batches(options)) {
        yield { ...batch, events: batch.events.filter((event) => !isOut(event)) };
      }
    },
  };
}
