/**
 * By which ways somebody may do something, and which of them edits take away
 * (docs/spec/7-views.md §9.4, §9.6).
 */
import type { ViewEvent } from "@hawser/view";
import type { Documents } from "./documents.ts";
import { isAboutPeers, type Edit, type Way } from "./edit.ts";
import { rulesId } from "./keys.ts";
import { allows, rolesFor } from "./roles.ts";
import type { AclRules, Need } from "./types.ts";

/** Ids of an author that are looked up in documents. */
const keysMax = 257;

/** Who asks: an event's author, by all the ids that documents may name. */
export interface Asker {
  readonly event: ViewEvent;
  readonly keys: readonly string[];
}

/** The author of an event, with its groups. */
export function askerOf(rules: AclRules, event: ViewEvent): Asker {
  const groups = rules.groups?.groupsOf(event.author, event) ?? [];
  const keys = new Set<string>([event.author]);
  for (const group of groups) if (keys.size < keysMax) keys.add(group);
  return { event, keys: [...keys] };
}

/** What is asked: a need, by one document. */
export interface Question {
  readonly documentId: string;
  readonly need: Need;
}

/** All ways; none means no. */
export function waysOf(
  rules: AclRules,
  documents: Documents,
  asker: Asker,
  question: Question,
): readonly Way[] {
  const { documentId, need } = question;
  if (asker.keys.some((key) => documents.isDenied(documentId, key))) return [];
  const ways: Way[] = [];
  for (const key of asker.keys) {
    for (const role of rolesFor[need]) {
      const grants = documents.grantsOf(documentId, key, role);
      if (grants.length > 0) ways.push({ kind: "peer", documentId, key, role, grants });
    }
  }
  const standard = documents.standardOf(documentId);
  if (allows(standard.role, need)) {
    ways.push({ kind: "default", documentId, grants: standard.grants });
  }
  const isOfSpace = documentId === rules.id || documentId === rulesId(rules.id);
  if (!isOfSpace && !documents.has(documentId)) {
    ways.push({ kind: "open", documentId, grants: [] });
  }
  if (!documents.hasWriter(rulesId(rules.id))) {
    const { author } = asker.event;
    if (rules.isFounder(author, asker.event)) {
      ways.push({ kind: "founder", documentId, grants: [] });
    }
  }
  return ways;
}

/** Does the edit, made without the asker knowing, take this way away? */
export function takes(edit: Edit, way: Way, asker: Asker, need: Need): boolean {
  if (edit.documentId !== way.documentId) return false;
  if (asker.keys.some((key) => edit.grants.get(key)?.has("no-access"))) return true;
  switch (way.kind) {
    case "peer":
      return edit.revokes.get(way.key)?.has(way.role) === true;
    case "default":
      return edit.default !== undefined && !leaves(edit, asker, need);
    case "open":
      return isAboutPeers(edit) && !leaves(edit, asker, need);
    case "founder":
      return false;
  }
}

/** Does the edit itself let the asker go on? */
function leaves(edit: Edit, asker: Asker, need: Need): boolean {
  if (edit.default !== undefined && allows(edit.default, need)) return true;
  return asker.keys.some((key) => {
    const given = edit.grants.get(key);
    return given !== undefined && [...given].some((role) => allows(role, need));
  });
}
