/**
 * Documents as events make them (docs/spec/yjs.md §4, §5): what counts is the set of events, whatever
 * causal order they come in. Updates of one session are applied in their order; one that lacks
 * something waits, and those behind it with it. Layer 7.
 */
import { concatBytes, decodeCbor, encodeCbor, type CborValue } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import type { EventRef, View, ViewEvent } from "@hawser/view";
import { applyUpdate, Doc, encodeStateAsUpdate, getState } from "yjs";
import { clientIdOf, eventType, isDocName, parseBody, type YjsBody } from "./body.ts";
import { checkUpdate, lackedClient, type CheckedUpdate, type UpdateFault } from "./check.ts";

/** An event that is here and not in the document. */
export interface WithheldUpdate extends EventRef {
  readonly author: AuthorId;
  /** `YJS_WAITS`: for writing that is not here or does not count. Others count for nothing. */
  readonly reason: UpdateFault | "YJS_WAITS" | "YJS_APPLY_FAILED";
}

interface Waiting extends EventRef {
  readonly update: CheckedUpdate;
}

/** One session of one author. */
interface Session {
  readonly author: AuthorId;
  readonly logId: string;
  readonly session: number;
  readonly client: number;
  /** Updates in their order; the first lacks something. */
  readonly waiting: Waiting[];
  /** Pieces of an update that is not whole yet. */
  pieces: Uint8Array[];
}

/** One document. */
export interface DocState {
  readonly doc: Doc;
  /** `logId/session` → session. */
  readonly sessions: Map<string, Session>;
  /** Events that count for nothing, oldest first; the newest 1,000. */
  readonly faults: WithheldUpdate[];
  /** Client → sessions that wait for more of its writing; each waits for one client at a time. */
  readonly stuck: Map<number, Set<Session>>;
}

/** Documents by name. */
export type YjsState = Map<string, DocState>;

const faultCountMax = 1_000;
const version = 1;

/** A document nothing was applied to. */
export function newDocState(doc: Doc): DocState {
  return { doc, sessions: new Map(), faults: [], stuck: new Map() };
}

/** What applying takes beside the state. */
export interface ApplyDeps {
  readonly crypto: Pick<Crypto, "deriveKey">;
  /** The origin of transactions. */
  readonly origin: unknown;
  /** Whether the document has the update already, since it was made here. */
  readonly isOwn?: (author: AuthorId, session: number) => boolean;
  /** Told of what observers of the document throw. */
  readonly onObserverError?: (error: unknown) => void;
}

/** Takes one event into its document. */
export function applyBody(
  deps: ApplyDeps,
  state: DocState,
  event: Pick<ViewEvent, "author" | "logId" | "seq">,
  body: YjsBody,
): void {
  const { author, logId, seq } = event;
  const session = sessionOf(deps, state, event, body.session);
  const bytes = joinPieces(session, body);
  if (bytes === undefined || deps.isOwn?.(author, body.session) === true) return;
  const verdict = checkUpdate(bytes, session.client);
  if (!verdict.ok) {
    noteFault(state, { logId, seq, author, reason: verdict.reason });
    return;
  }
  session.waiting.push({ logId, seq, update: verdict.update });
  if (session.waiting.length === 1) advance(deps, state, session);
}

function sessionOf(
  { crypto }: ApplyDeps,
  { sessions }: DocState,
  { author, logId }: Pick<ViewEvent, "author" | "logId">,
  number: number,
): Session {
  const key = `${logId}/${number}`;
  const known = sessions.get(key);
  if (known !== undefined) return known;
  const client = clientIdOf(crypto, author, number);
  const session = { author, logId, session: number, client, waiting: [], pieces: [] };
  sessions.set(key, session);
  return session;
}

/** The update, once it is whole. Pieces come one after another; others are dropped. */
function joinPieces(session: Session, { bytes, index, count }: YjsBody): Uint8Array | undefined {
  if (index !== session.pieces.length) session.pieces = [];
  if (index !== session.pieces.length) return undefined;
  if (count === 1) return bytes;
  session.pieces.push(bytes);
  if (session.pieces.length < count) return undefined;
  const whole = concatBytes(...session.pieces);
  session.pieces = [];
  return whole;
}

/** Applies what a session has, as far as it goes, and what that sets free. */
function advance(deps: ApplyDeps, state: DocState, first: Session): void {
  const ready = [first];
  for (let session = ready.pop(); session !== undefined; session = ready.pop()) {
    let lacked: number | undefined;
    let moved = false;
    for (let next = session.waiting[0]; next !== undefined; next = session.waiting[0]) {
      lacked = lackedClient(state.doc, next.update);
      if (lacked !== undefined) break;
      session.waiting.shift();
      applyOne(deps, state, session, next);
      moved = true;
    }
    if (moved) {
      // Only writing under its own client id is new.
      ready.push(...(state.stuck.get(session.client) ?? []));
      state.stuck.delete(session.client);
    }
    if (lacked !== undefined) wait(state, session, lacked);
  }
}

function wait({ stuck }: DocState, session: Session, lacked: number): void {
  stuck.set(lacked, (stuck.get(lacked) ?? new Set()).add(session));
}

function applyOne(deps: ApplyDeps, state: DocState, session: Session, next: Waiting): void {
  const { update, logId, seq } = next;
  try {
    applyUpdate(state.doc, update.bytes, deps.origin);
  } catch (cause) {
    // An observer that throws does so when the update is in: that is the application's to hear of.
    if (getState(state.doc.store, session.client) >= update.to) {
      deps.onObserverError?.(cause);
      return;
    }
    const { author } = session;
    noteFault(state, { logId, seq, author, reason: "YJS_APPLY_FAILED" });
  }
}

function noteFault(state: DocState, fault: WithheldUpdate): void {
  state.faults.push(fault);
  if (state.faults.length > faultCountMax) state.faults.shift();
}

/** What is here and not in the document, in order of logs. */
export function withheldIn(state: DocState): readonly WithheldUpdate[] {
  const stuck = [...state.stuck.values()].flatMap((sessions) => [...sessions]);
  const waiting = stuck.flatMap(({ author, waiting: updates }) =>
    updates.map(({ logId, seq }): WithheldUpdate => ({ author, logId, seq, reason: "YJS_WAITS" })),
  );
  return [...state.faults, ...waiting].sort((a, b) =>
    a.logId === b.logId ? a.seq - b.seq : a.logId < b.logId ? -1 : 1,
  );
}

/** How the reducer of one document gets at it. */
export interface DocViewOptions {
  readonly name: string;
  readonly newDoc: () => Doc;
  /** The document of `newDoc` is written to from now on. */
  readonly onApply: () => void;
  /**
   * A snapshot was read: `fill` brings it into the document. Only once the source goes on from it,
   * since nothing can be taken out of a document again.
   */
  readonly hold: (fill: () => void) => void;
}

/** The reducer of one document: what `createYjsProvider` folds into the document it was given. */
export function docView(deps: ApplyDeps, options: DocViewOptions): View<DocState> {
  const { name, newDoc, onApply, hold } = options;
  return {
    name: "yjs",
    version,
    types: [eventType],
    commutative: true,
    init: () => newDocState(newDoc()),
    apply: (state, event) => {
      const body = parseBody(event.body);
      if (body?.name !== name) return state;
      onApply();
      applyBody(deps, state, event, body);
      return state;
    },
    encode: (state) => encodeCbor(docToCbor(state)),
    decode: (bytes) => {
      const stored = parseDoc(decodeCbor(bytes));
      if (stored === undefined) return undefined;
      const state = newDocState(newDoc());
      hold(() => void fill(deps, state, stored));
      return state;
    },
  };
}

/**
 * The reducer of all documents of a source: for reading a past state, and for snapshots. `gc` false:
 * with what was deleted, as in a `Doc` with that option.
 */
export function createYjsView(
  deps: { readonly crypto: Pick<Crypto, "deriveKey"> },
  { gc = true }: { readonly gc?: boolean } = {},
): View<YjsState> {
  const applyDeps: ApplyDeps = { crypto: deps.crypto, origin: undefined };
  const newDoc = (): Doc => new Doc({ gc });
  return {
    name: "yjs",
    version,
    types: [eventType],
    commutative: true,
    init: () => new Map(),
    apply: (state, event) => {
      const body = parseBody(event.body);
      if (body === undefined) return state;
      const doc = state.get(body.name) ?? newDocState(newDoc());
      state.set(body.name, doc);
      applyBody(applyDeps, doc, event, body);
      return state;
    },
    encode: (state) => {
      const names = [...state.keys()].sort();
      return encodeCbor([
        version,
        names.flatMap((name): CborValue[] => {
          const doc = state.get(name);
          return doc === undefined ? [] : [[name, docToCbor(doc)]];
        }),
      ]);
    },
    decode: (bytes) => decodeState(applyDeps, bytes, newDoc),
  };
}

/**
 * One update with all of a document, in one form for equal documents: how Yjs has cut runs of text
 * depends on how they came, and reading them in one go joins them.
 */
export function canonicalUpdate(doc: Doc): Uint8Array {
  const joined = new Doc({ gc: doc.gc });
  applyUpdate(joined, encodeStateAsUpdate(doc));
  const update = encodeStateAsUpdate(joined);
  joined.destroy();
  return update;
}

/** Update ‖ sessions with something unfinished ‖ faults, each in order. */
function docToCbor(state: DocState): CborValue {
  const open = [...state.sessions.values()]
    .filter(({ waiting, pieces }) => waiting.length > 0 || pieces.length > 0)
    .sort((a, b) => (a.logId === b.logId ? a.session - b.session : a.logId < b.logId ? -1 : 1));
  const faults = [...state.faults].sort((a, b) =>
    a.logId === b.logId ? a.seq - b.seq : a.logId < b.logId ? -1 : 1,
  );
  return [
    canonicalUpdate(state.doc),
    open.map(({ author, logId, session, waiting, pieces }): CborValue => {
      const updates = waiting.map(({ seq, update }): CborValue => [seq, update.bytes]);
      return [author, logId, session, updates, pieces];
    }),
    faults.map(({ author, logId, seq, reason }): CborValue => [author, logId, seq, reason]),
  ];
}

function decodeState(deps: ApplyDeps, bytes: Uint8Array, newDoc: () => Doc): YjsState | undefined {
  const fields = decodeCbor(bytes);
  if (!Array.isArray(fields) || fields[0] !== version || !Array.isArray(fields[1])) {
    return undefined;
  }
  const state: YjsState = new Map();
  for (const item of fields[1] as readonly CborValue[]) {
    if (!Array.isArray(item) || !isDocName(item[0])) return undefined;
    const stored = parseDoc(item[1]);
    const doc = newDocState(newDoc());
    if (stored === undefined || !fill(deps, doc, stored)) return undefined;
    state.set(item[0], doc);
  }
  return state;
}

/** A document as it is encoded, apart. */
interface StoredDoc {
  readonly update: Uint8Array;
  readonly open: readonly CborValue[];
  readonly faults: readonly CborValue[];
}

function parseDoc(value: CborValue | undefined): StoredDoc | undefined {
  if (!Array.isArray(value) || value.length !== 3) return undefined;
  const [update, open, faults]: readonly CborValue[] = value;
  if (!(update instanceof Uint8Array) || !Array.isArray(open) || !Array.isArray(faults)) {
    return undefined;
  }
  return { update, open, faults };
}

/** Only `encode` makes these bytes, so they are trusted as far as their form goes. */
function fill(deps: ApplyDeps, state: DocState, { update, open, faults }: StoredDoc): boolean {
  try {
    applyUpdate(state.doc, update, deps.origin);
  } catch (cause) {
    if (deps.onObserverError === undefined) return false;
    deps.onObserverError(cause);
  }
  for (const fault of faults) {
    if (!Array.isArray(fault)) return false;
    const [author, logId, seq, reason] = fault as readonly unknown[];
    // Safe: written by `docToCbor`.
    state.faults.push({ author, logId, seq, reason } as WithheldUpdate);
  }
  return open.every((each) => restore(deps, state, each));
}

function restore(deps: ApplyDeps, state: DocState, value: CborValue): boolean {
  if (!Array.isArray(value) || value.length !== 5) return false;
  const [author, logId, number, updates, pieces]: readonly CborValue[] = value;
  if (typeof logId !== "string" || typeof number !== "number") return false;
  if (!Array.isArray(updates) || !Array.isArray(pieces)) return false;
  // Safe: written by `docToCbor` from an author id.
  const session = sessionOf(deps, state, { author: author as AuthorId, logId }, number);
  // Safe: as above.
  session.pieces = [...pieces] as Uint8Array[];
  for (const item of updates as readonly (readonly [number, Uint8Array])[]) {
    const verdict = checkUpdate(item[1], session.client);
    if (!verdict.ok) return false;
    session.waiting.push({ logId, seq: item[0], update: verdict.update });
  }
  const [next] = session.waiting;
  const lacked = next === undefined ? undefined : lackedClient(state.doc, next.update);
  if (lacked !== undefined) wait(state, session, lacked);
  return true;
}
