/**
 * Compaction (docs/spec/yjs.md §9): the updates of a session become few, cut where others build on
 * them, in the place of its last events. What stays is folded before anything is dropped. Layer 7.
 */
import { equalBytes } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import {
  foldAll,
  readStored,
  ViewError,
  type CompactionResult,
  type EventSource,
  type ViewEvent,
} from "@hawser/view";
import { encodeBodies, eventType, parseBody, updateBytesMax } from "./body.ts";
import { condense, type SessionWriting } from "./condense.ts";
import { canonicalUpdate, createYjsView, type DocState, type YjsState } from "./state.ts";

/** What compaction takes. */
export interface YjsCompactDeps {
  /** A space. No provider on it may have a gate. */
  readonly source: EventSource;
  readonly crypto: Pick<Crypto, "deriveKey">;
  /** Called between slices of work; resolve it in a later task so that a browser can paint. */
  readonly yieldToHost?: () => Promise<void>;
}

/** How documents are compacted. */
export interface YjsCompactOptions {
  /** False keeps what was deleted, for documents with `gc: false`; default true. */
  readonly gc?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Frees disk: all documents of a space are kept as they are now, without the events that made them.
 * Other devices notice nothing; open providers go on. What an open provider has not made durable is
 * not touched. Time travel to before this moment ends here. Throws ViewError
 * VIEW_SNAPSHOT_UNAVAILABLE where the source cannot, VIEW_COMPACTION_UNSOUND where what stays would
 * not give the same documents, and what the source throws.
 */
export async function compactYjs(
  deps: YjsCompactDeps,
  options: YjsCompactOptions = {},
): Promise<CompactionResult> {
  const { source } = deps;
  if (source.compact === undefined) {
    throw new ViewError("VIEW_SNAPSHOT_UNAVAILABLE", "the source cannot be compacted");
  }
  const stored = await readStored(deps, "yjs", () => true, options.signal);
  const mark = stored.mark();
  if (mark === undefined) {
    throw new ViewError("VIEW_SNAPSHOT_UNAVAILABLE", "the source cannot tell where it stands");
  }
  const view = createYjsView(deps, { gc: options.gc ?? true });
  const whole = await foldAll(deps, view, stored.events.filter(isCounted));
  const keep = await condensedEvents(deps, whole, stored.events);
  const again = await foldAll(deps, view, keep.filter(isCounted));
  if (!equalBytes(view.encode(whole), view.encode(again))) {
    throw new ViewError("VIEW_COMPACTION_UNSOUND", "documents would not be the same afterwards");
  }
  return await source.compact(mark, keep);
}

function isCounted(event: ViewEvent): boolean {
  return event.type === eventType && event.judgement === "accept";
}

/** The events of one session of one document, in order. */
interface SessionEvents {
  readonly key: string;
  readonly session: number;
  readonly client: number;
  readonly events: ViewEvent[];
}

/** What stays of all events: those of other types, and of each document as little as can be. */
async function condensedEvents(
  deps: YjsCompactDeps,
  state: YjsState,
  events: readonly ViewEvent[],
): Promise<readonly ViewEvent[]> {
  const byDoc = new Map<string, Map<string, SessionEvents>>();
  for (const event of events) {
    const body = isCounted(event) ? parseBody(event.body) : undefined;
    const doc = body && state.get(body.name);
    if (body === undefined || doc === undefined) continue;
    const key = `${event.logId}/${body.session}`;
    const client = doc.sessions.get(key)?.client;
    if (client === undefined) continue;
    const sessions = byDoc.get(body.name) ?? new Map<string, SessionEvents>();
    byDoc.set(body.name, sessions);
    const known = sessions.get(key) ?? { key, session: body.session, client, events: [] };
    sessions.set(key, known);
    known.events.push(event);
  }
  const changed = new Map<ViewEvent, ViewEvent | undefined>();
  for (const [name, sessions] of byDoc) {
    const doc = state.get(name);
    if (doc === undefined) continue;
    const found = await condensedDoc(deps, name, doc, [...sessions.values()]);
    for (const [from, to] of found ?? []) changed.set(from, to);
  }
  return exchanged(events, changed);
}

/** Event → what stands in its place; `undefined`: nothing. */
type Places = ReadonlyMap<ViewEvent, ViewEvent | undefined>;

function exchanged(events: readonly ViewEvent[], places: Places): readonly ViewEvent[] {
  return events.flatMap((event) => (places.has(event) ? (places.get(event) ?? []) : [event]));
}

/** What changes of one document; `undefined`: nothing, since it cannot be had soundly. */
async function condensedDoc(
  deps: YjsCompactDeps,
  name: string,
  doc: DocState,
  sessions: readonly SessionEvents[],
): Promise<Places | undefined> {
  const update = canonicalUpdate(doc.doc);
  // What waits or was refused stays as it came.
  const faulted = new Set(doc.faults.map(({ logId, seq }) => `${logId}/${seq}`));
  const raw = new Set(sessions.filter((each) => isUnfinished(doc, each, faulted)));
  let changed: Places | undefined;
  for (let tries = 0; tries < 2 && changed === undefined; tries++) {
    const clean = sessions.filter((each) => !raw.has(each));
    const writing = condense(update, new Set(clean.map(({ client }) => client)));
    const crowded = clean.filter((each) => bodiesOf(name, each, writing) === undefined);
    for (const each of crowded) raw.add(each);
    if (crowded.length === 0) changed = placed(name, clean, writing);
    else if (tries > 0) return undefined;
  }
  if (changed === undefined) return undefined;
  const stays = exchanged(
    sessions.flatMap(({ events }) => events),
    changed,
  );
  const again = await foldAll(deps, createYjsView(deps, { gc: doc.doc.gc }), stays);
  const found = again.get(name);
  return found !== undefined && equalBytes(canonicalUpdate(found.doc), update)
    ? changed
    : undefined;
}

function isUnfinished(
  doc: DocState,
  { key, events }: SessionEvents,
  faulted: ReadonlySet<string>,
): boolean {
  const session = doc.sessions.get(key);
  if (session === undefined || session.waiting.length > 0 || session.pieces.length > 0) return true;
  return events.some(({ logId, seq }) => faulted.has(`${logId}/${seq}`));
}

/** The bodies of a session; `undefined` where there are fewer places than that. */
function bodiesOf(
  name: string,
  { client, session, events }: SessionEvents,
  { updates }: SessionWriting,
): readonly Uint8Array[] | undefined {
  const own = updates.get(client) ?? [];
  if (own.some(({ length }) => length > updateBytesMax)) return undefined;
  const bodies = own.flatMap((update) => encodeBodies(name, session, update));
  return bodies.length > events.length ? undefined : bodies;
}

/** Puts bodies into the last places of their sessions, and deletions where a place is left. */
function placed(
  name: string,
  sessions: readonly SessionEvents[],
  writing: SessionWriting,
): Places | undefined {
  const changed = new Map<ViewEvent, ViewEvent | undefined>();
  let { deletions } = writing;
  for (const each of sessions) {
    let bodies = bodiesOf(name, each, writing) ?? [];
    const more = deletions === undefined ? [] : encodeBodies(name, each.session, deletions);
    if (bodies.length + more.length <= each.events.length) {
      bodies = [...bodies, ...more];
      deletions = undefined;
    }
    const first = each.events.length - bodies.length;
    for (const [index, event] of each.events.entries()) {
      const body = bodies[index - first];
      changed.set(event, body === undefined ? undefined : { ...event, body });
    }
  }
  return deletions === undefined ? changed : undefined;
}
