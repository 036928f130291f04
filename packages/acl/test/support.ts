/** Writers of one space, who see of each other what a test says, and readers of what they wrote. */
import { fromUtf8, toHex, utf8 } from "@hawser/codec";
import {
  encodeEdits,
  encodeTombstones,
  tombstoneType,
  type AclOp,
  type AclRules,
  type Role,
} from "@hawser/acl";
import type { AuthorId } from "@hawser/crypto";
import { openView, type Gate, type View, type ViewEvent } from "@hawser/view";
import { createMemorySource, fakeEvent } from "@hawser/view/testing";

export const spaceId = "bafyspace";
export const editorsId: string = `${spaceId}-acl`;

/** The author of writer 0, 1, … */
export function authorOf(writer: number): AuthorId {
  return toHex(new Uint8Array(32).fill(writer + 1)) as AuthorId; // Safe: 64 hex characters.
}

/** Writer 0 founded the space. */
export const rules: AclRules = {
  id: spaceId,
  isFounder: (author: AuthorId): boolean => author === authorOf(0),
};

export function grant(peer: number | string, role: Role): AclOp {
  return { type: "grant", peer: typeof peer === "number" ? authorOf(peer) : peer, role };
}

export function revoke(peer: number | string, role: Role): AclOp {
  return { type: "revoke", peer: typeof peer === "number" ? authorOf(peer) : peer, role };
}

export function standard(role: Role): AclOp {
  return { type: "default", role };
}

export interface WriteOptions {
  readonly sequence?: string;
  /** µs; default: just after everything the writer has seen. */
  readonly stamp?: number;
}

export interface History {
  readonly events: readonly ViewEvent[];
  /** The writer now sees everything that was written. */
  sync(...writers: readonly number[]): void;
  /** The writer now sees what those others wrote, and not what they had seen. */
  learn(writer: number, others: readonly number[]): void;
  write(writer: number, type: string, body: Uint8Array, options?: WriteOptions): ViewEvent;
  say(writer: number, text: string, options?: WriteOptions): ViewEvent;
  edit(
    writer: number,
    documentId: string,
    ops: readonly AclOp[],
    options?: WriteOptions,
  ): ViewEvent;
  mark(writer: number, target: ViewEvent, options?: WriteOptions): ViewEvent;
}

/** `blind`: events do not tell what their authors had seen. */
export function createHistory(options: { readonly blind?: boolean } = {}): History {
  const events: ViewEvent[] = [];
  const known = new Map<number, Map<string, number>>();
  const stamps = new Map<number, number>();
  const knownOf = (writer: number): Map<string, number> => {
    const heights = known.get(writer) ?? new Map<string, number>();
    known.set(writer, heights);
    return heights;
  };
  const see = (writer: number, isSeen: (event: ViewEvent) => boolean): void => {
    const heights = knownOf(writer);
    for (const event of events.filter(isSeen)) {
      heights.set(event.logId, Math.max(heights.get(event.logId) ?? 0, event.seq + 1));
      stamps.set(writer, Math.max(stamps.get(writer) ?? 1_000, event.stamp));
    }
  };
  const write: History["write"] = (writer, type, body, { sequence, stamp } = {}) => {
    const heights = knownOf(writer);
    const seq = heights.get(authorOf(writer)) ?? 0;
    const after = (stamps.get(writer) ?? 1_000) + 1;
    const draft = { type, body, ...(sequence === undefined ? {} : { sequence }) };
    const event = {
      ...fakeEvent(writer, seq, draft, stamp ?? after),
      ...(options.blind === true ? {} : { frontier: new Map(heights) }),
    };
    events.push(event);
    heights.set(authorOf(writer), seq + 1);
    stamps.set(writer, Math.max(event.stamp, after - 1));
    return event;
  };
  return {
    events,
    sync: (...writers) => {
      for (const writer of writers) see(writer, () => true);
    },
    learn: (writer, others) => {
      const logIds = new Set<string>(others.map(authorOf));
      see(writer, ({ logId }) => logIds.has(logId));
    },
    write,
    say: (writer, text, given) => write(writer, "say", utf8(text), given),
    edit: (writer, documentId, ops, given) => {
      const [body] = encodeEdits(documentId, ops);
      if (body === undefined) throw new Error("no ops");
      return write(writer, "acl", body, given);
    },
    mark: (writer, target, given) => {
      const [body] = encodeTombstones([target]);
      if (body === undefined) throw new Error("no target");
      return write(writer, tombstoneType, body, given);
    },
  };
}

/** A space that founder 0 gave to editors: 1 may edit; `writers` may write. */
export function foundedHistory(...writers: readonly number[]): History {
  const history = createHistory();
  history.edit(0, editorsId, [standard("no-access"), grant(0, "write"), grant(1, "write")]);
  history.edit(0, spaceId, [
    standard("no-access"),
    ...writers.map((writer) => grant(writer, "write")),
  ]);
  history.sync(0, 1, 2, 3, 4, 5);
  return history;
}

/** Not commutative: texts in total order. */
export const transcript: View<readonly string[]> = {
  name: "transcript",
  version: 1,
  types: ["say"],
  init: () => [],
  apply: (state, event) => [...state, fromUtf8(event.body) ?? "?"],
  encode: (state) => utf8(JSON.stringify(state)),
  decode: (bytes) => JSON.parse(fromUtf8(bytes) ?? "[]") as string[], // Safe: `encode` made them.
};

/** The same, as a set that calls itself commutative. */
export const sayings: View<ReadonlySet<string>> = {
  name: "sayings",
  version: 1,
  types: ["say"],
  commutative: true,
  init: () => new Set(),
  apply: (state, event) => new Set(state).add(fromUtf8(event.body) ?? "?"),
  encode: (state) => utf8(JSON.stringify([...state].sort())),
  decode: (bytes) => new Set(JSON.parse(fromUtf8(bytes) ?? "[]") as string[]), // Safe: as above.
};

export interface Reading {
  readonly texts: readonly string[];
  /** `text: verdict reason` of what is withheld. */
  readonly withheld: readonly string[];
}

/** What a reader sees who is handed these events one by one. */
export async function readWith(gate: Gate, events: readonly ViewEvent[]): Promise<Reading> {
  const source = createMemorySource(9);
  await using view = openView({ source }, transcript, { gate });
  await view.ready;
  for (const event of events) {
    source.deliver([event]);
    await view.applied(event);
  }
  return {
    texts: view.state,
    withheld: view
      .withheld()
      .map(({ event, verdict, reason }) => `${fromUtf8(event.body)}: ${verdict} ${reason}`),
  };
}
