/**
 * Documents as edits make them (docs/spec/7-views.md §9.5). Edits are applied in total order; each
 * register keeps the edits that hold, so that of concurrent ones the taking one wins.
 */
import { isAboutPeers, knows, type Edit } from "./edit.ts";
import { allows, lesserRole, roles } from "./roles.ts";
import type { AclDocument, Role } from "./types.ts";

/** One role of one peer. */
interface Register {
  /** Edits that give it and hold; of `no-access`: edits that impose it and are not lifted. */
  readonly live: readonly Edit[];
  /** Edits that took it, less those that later ones had seen. */
  readonly against: readonly Edit[];
}

interface Standard {
  readonly edit: Edit;
  readonly role: Role;
}

interface DocumentState {
  readonly peers: Map<string, Map<Role, Register>>;
  /** Defaults that no later one had seen. */
  standards: readonly Standard[];
  /** Peers that hold `write`. */
  readonly writers: Set<string>;
}

/** All documents of a space, after some edits. */
export interface Documents {
  apply(edit: Edit): void;
  has(documentId: string): boolean;
  /** Edits by which a peer holds a role; none when it does not. */
  grantsOf(documentId: string, peer: string, role: Role): readonly Edit[];
  isDenied(documentId: string, peer: string): boolean;
  /** The default, and the edits that set it. */
  standardOf(documentId: string): { readonly role: Role; readonly grants: readonly Edit[] };
  /** Does anybody hold `write`? */
  hasWriter(documentId: string): boolean;
  ids(): readonly string[];
  read(documentId: string): AclDocument | undefined;
}

const nothing: Register = { live: [], against: [] };

/** No documents. */
export function createDocuments(): Documents {
  const documents = new Map<string, DocumentState>();

  const register = (documentId: string, peer: string, role: Role): Register =>
    documents.get(documentId)?.peers.get(peer)?.get(role) ?? nothing;
  const isDenied = (documentId: string, peer: string): boolean =>
    register(documentId, peer, "no-access").live.length > 0;
  const standardOf = (documentId: string): ReturnType<Documents["standardOf"]> => {
    const standards = documents.get(documentId)?.standards ?? [];
    return { role: standardRole(standards), grants: standards.map(({ edit }) => edit) };
  };

  return {
    apply: (edit) => {
      // An edit that only accepts events makes no document.
      if (!isAboutPeers(edit)) return;
      const document = documents.get(edit.documentId) ?? emptyDocument();
      documents.set(edit.documentId, document);
      applyTo(document, edit);
    },
    has: (documentId) => documents.has(documentId),
    grantsOf: (documentId, peer, role) => register(documentId, peer, role).live,
    isDenied,
    standardOf,
    hasWriter: (documentId) => {
      if (allows(standardOf(documentId).role, "write")) return true;
      for (const peer of documents.get(documentId)?.writers ?? []) {
        if (!isDenied(documentId, peer)) return true;
      }
      return false;
    },
    ids: () => [...documents.keys()].sort(),
    read: (documentId) => {
      const document = documents.get(documentId);
      return document === undefined ? undefined : render(documentId, document);
    },
  };
}

function applyTo(document: DocumentState, edit: Edit): void {
  const update = (peer: string, role: Role, change: (old: Register) => Register): void => {
    const held = document.peers.get(peer) ?? new Map<Role, Register>();
    document.peers.set(peer, held);
    const next = change(held.get(role) ?? nothing);
    held.set(role, next);
    if (role !== "write") return;
    if (next.live.length > 0) document.writers.add(peer);
    else document.writers.delete(peer);
  };
  for (const [peer, given] of edit.grants) {
    for (const role of given)
      update(peer, role, (old) => (isDenial(role) ? impose : grant)(old, edit));
  }
  for (const [peer, taken] of edit.revokes) {
    for (const role of taken)
      update(peer, role, (old) => (isDenial(role) ? lift : revoke)(old, edit));
  }
  if (edit.default === undefined) return;
  const unseen = document.standards.filter((old) => !knows(edit, old.edit));
  document.standards = [...unseen, { edit, role: edit.default }];
}

function emptyDocument(): DocumentState {
  return { peers: new Map(), standards: [], writers: new Set() };
}

function isDenial(role: Role): boolean {
  return role === "no-access";
}

/** Holds unless somebody took the role without its author knowing. */
function grant(old: Register, edit: Edit): Register {
  const isKnown = old.against.every((taking) => knows(edit, taking));
  return isKnown ? { ...old, live: [...old.live, edit] } : old;
}

/** Ends all grants before it in total order, seen or not. */
function revoke(old: Register, edit: Edit): Register {
  const unseen = old.against.filter((taking) => !knows(edit, taking));
  return { live: [], against: [...unseen, edit] };
}

function impose(old: Register, edit: Edit): Register {
  return { ...old, live: [...old.live, edit] };
}

/** Lifts what its author knew of. */
function lift(old: Register, edit: Edit): Register {
  return { ...old, live: old.live.filter((denial) => !knows(edit, denial)) };
}

/** What all of them allow. */
function standardRole(standards: readonly Standard[]): Role {
  const [first, ...rest] = standards.map(({ role }) => role);
  return first === undefined ? "no-access" : rest.reduce(lesserRole, first);
}

function render(id: string, document: DocumentState): AclDocument {
  const peers = new Map<string, readonly Role[]>();
  for (const peer of [...document.peers.keys()].sort()) {
    const registers = document.peers.get(peer);
    const held = roles.filter((role) => (registers?.get(role)?.live.length ?? 0) > 0);
    // Whoever is denied has nothing, whatever else stands there.
    if (held.length > 0) peers.set(peer, held[0] === "no-access" ? ["no-access"] : held);
  }
  return { id, default: standardRole(document.standards), peers };
}
