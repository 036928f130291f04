/**
 * createAcl: the documents of a space, open for reading and editing, and the gate for every other
 * view of it. Layer 7.
 */
import type { AuthorId } from "@hawser/crypto";
import {
  openView,
  type EventRef,
  type EventSource,
  type Gate,
  type ViewDeps,
  type ViewEvent,
} from "@hawser/view";
import { AclError } from "./errors.ts";
import { createAclGate } from "./gate.ts";
import { parseAclDocument, printAclDocument } from "./json.ts";
import { isKey, rulesId } from "./keys.ts";
import { aclType, encodeEdits, encodeTombstones, tombstoneType } from "./ops.ts";
import { roles } from "./roles.ts";
import type { AclDocument, AclOp, AclRules, EditStatus, EventName, Need, Role } from "./types.ts";
import { createAclView } from "./view.ts";
import { askerOf, waysOf } from "./ways.ts";

/** A change of one document; what it does not name stays. */
export interface AclEdit {
  readonly default?: Role;
  /** Roles that a peer or group gets. */
  readonly grant?: ReadonlyMap<string, readonly Role[]>;
  /** Roles that it loses. */
  readonly revoke?: ReadonlyMap<string, readonly Role[]>;
}

/** An edit and what became of it. */
export interface ListedEdit {
  readonly event: ViewEvent;
  readonly documentId: string;
  readonly status: Exclude<EditStatus, "refused">;
}

export interface Acl extends AsyncDisposable {
  /** For `openView` and `createKv`: lets in what the documents allow. */
  readonly gate: Gate;
  /** Resolves when everything stored at opening time is read. */
  readonly ready: Promise<void>;
  /** The document with that id, or `undefined` when nobody made one. */
  document(id: string): AclDocument | undefined;
  /** All documents, by id. */
  documents(): readonly AclDocument[];
  /** The paper's JSON text of a document, or `undefined`. */
  print(id: string): string | undefined;
  /**
   * May the author do that now, in the space or in one of its sequences? Groups and founders are
   * asked about an event after all others: empty log id, seq and stamp 2^53 − 1.
   */
  may(author: AuthorId, need: Need, sequence?: string): boolean;
  /** May the author edit documents now? */
  mayEdit(author: AuthorId): boolean;
  /** Edits whose authors had the right when they wrote, in total order. */
  edits(): readonly ListedEdit[];
  /**
   * Writes an edit and tells what becomes of it: `refused` when this device's author may not edit.
   * Throws AclError ACL_KEY_INVALID, ACL_EDIT_INVALID.
   */
  edit(documentId: string, edit: AclEdit): Promise<EditStatus>;
  /**
   * Writes what makes the document read like the JSON text. Throws AclError with the codes of
   * `parseAclDocument`.
   */
  importJson(text: string): Promise<EditStatus>;
  /** Lets events count that are in quarantine. */
  accept(targets: readonly EventName[]): Promise<EditStatus>;
  /** Marks older events as deleted; it counts for readers by whose documents the author may. */
  markDeleted(targets: readonly EventName[]): Promise<readonly EventRef[]>;
  /** Called after each change; returns the unsubscribe function. */
  subscribe(listener: () => void): () => void;
}

/** Opens the documents of a space. Throws AclError ACL_KEY_INVALID for an id that is none. */
export function createAcl(deps: ViewDeps, rules: AclRules): Acl {
  if (!isKey(rulesId(rules.id))) {
    throw new AclError("ACL_KEY_INVALID", "the space id cannot be the id of a document");
  }
  const view = openView(deps, createAclView(rules));
  const read = (id: string): AclDocument | undefined => view.state.now().documents.read(id);

  const mayNow = (author: AuthorId, need: Need, documentId: string): boolean => {
    const asker = askerOf(rules, probeOf(author));
    const { documents } = view.state.now();
    return waysOf(rules, documents, asker, { documentId, need }).length > 0;
  };

  const write = async (documentId: string, ops: readonly AclOp[]): Promise<EditStatus> => {
    if (ops.length === 0) return "effective";
    const bodies = encodeEdits(documentId, ops);
    const refs = await view.write(bodies.map((body) => ({ type: aclType, body })));
    return worstOf(refs.map((ref) => view.state.statusOf(ref)));
  };

  return {
    gate: createAclGate(rules),
    ready: view.ready,
    document: read,
    documents: () =>
      view.state
        .now()
        .documents.ids()
        .flatMap((id) => read(id) ?? []),
    print: (id) => {
      const document = read(id);
      return document === undefined ? undefined : printAclDocument(document);
    },
    may: (author, need, sequence) =>
      mayNow(author, need, rules.id) && (sequence === undefined || mayNow(author, need, sequence)),
    mayEdit: (author) => mayNow(author, "write", rulesId(rules.id)),
    edits: () =>
      view.state.edits.map((edit) => ({
        event: edit.event,
        documentId: edit.documentId,
        // Safe: the ledger holds no refused edit.
        status: view.state.statusOf(edit.event) as ListedEdit["status"],
      })),
    edit: (documentId, edit) => write(documentId, opsOf(edit)),
    importJson: (text) => {
      const verdict = parseAclDocument(text);
      if (!verdict.ok) {
        const { code, offset } = verdict;
        return Promise.reject(new AclError(code, `no such document, see offset ${offset}`));
      }
      return write(verdict.document.id, difference(read(verdict.document.id), verdict.document));
    },
    accept: (targets) =>
      write(
        rulesId(rules.id),
        targets.map((target) => ({ type: "accept", target })),
      ),
    markDeleted: (targets) => appendMarks(deps.source, targets),
    subscribe: (listener) => view.subscribe(() => listener()),
    [Symbol.asyncDispose]: () => view[Symbol.asyncDispose](),
  };
}

/** An event that comes after all others. */
function probeOf(author: AuthorId): ViewEvent {
  const last = Number.MAX_SAFE_INTEGER;
  const empty = new Uint8Array(0);
  const place = { logId: "", seq: last, stamp: last, hash: new Uint8Array(32) };
  return { ...place, author, type: "", body: empty, judgement: "accept" };
}

function opsOf(edit: AclEdit): readonly AclOp[] {
  const list = (
    type: "grant" | "revoke",
    rolesByPeer: ReadonlyMap<string, readonly Role[]> | undefined,
  ): readonly AclOp[] =>
    [...(rolesByPeer ?? [])].flatMap(([peer, held]) =>
      held.map((role): AclOp => ({ type, peer, role })),
    );
  const standard: readonly AclOp[] =
    edit.default === undefined ? [] : [{ type: "default", role: edit.default }];
  return [...standard, ...list("revoke", edit.revoke), ...list("grant", edit.grant)];
}

/** Ops that make `before` read like `after`. */
function difference(before: AclDocument | undefined, after: AclDocument): readonly AclOp[] {
  const ops: AclOp[] = [];
  // A document that nobody made yet is made by its default.
  if (before?.default !== after.default) ops.push({ type: "default", role: after.default });
  const peers = new Set([...(before?.peers.keys() ?? []), ...after.peers.keys()]);
  for (const peer of [...peers].sort()) {
    for (const role of roles) {
      const held = before?.peers.get(peer)?.includes(role) === true;
      const wanted = after.peers.get(peer)?.includes(role) === true;
      if (held !== wanted) ops.push({ type: wanted ? "grant" : "revoke", peer, role });
    }
  }
  return ops;
}

const worstFirst: readonly EditStatus[] = ["refused", "overruled", "struck"];

function worstOf(statuses: readonly EditStatus[]): EditStatus {
  return worstFirst.find((status) => statuses.includes(status)) ?? "effective";
}

async function appendMarks(
  source: EventSource,
  targets: readonly EventName[],
): Promise<readonly EventRef[]> {
  if (targets.length === 0) return [];
  const bodies = encodeTombstones(targets);
  return source.append(bodies.map((body) => ({ type: tombstoneType, body })));
}
