/**
 * Gates by rules from elsewhere: a document that never changes, or a program
 * (docs/spec/7-views.md §9.10).
 */
import type { AuthorId } from "@hawser/crypto";
import type { Gate, ViewEvent } from "@hawser/view";
import { AclError } from "./errors.ts";
import { aclType, tombstoneType } from "./ops.ts";
import { allows } from "./roles.ts";
import { createTombstones } from "./tombstones.ts";
import type { AclDocument, GroupSource, Need } from "./types.ts";

/** One thing that wants to be decided. */
export interface AclQuestion {
  readonly author: AuthorId;
  readonly need: Need;
  /** The sequence of the event that is written or marked as deleted. */
  readonly sequence: string | undefined;
  /** The event by which the author does it. */
  readonly event: ViewEvent;
}

/** Where decisions come from. */
export interface ExternalAcl {
  /**
   * May it be done? Must depend on the question's contents alone: not on time, place, what was
   * asked before, or anything else that may differ between readers. Otherwise readers differ.
   */
  readonly decide: (question: AclQuestion) => boolean;
}

/** A gate that asks a program. */
export function createExternalAcl(external: ExternalAcl): Gate {
  const may = (event: ViewEvent, need: Need, sequence: string | undefined): boolean =>
    external.decide({ author: event.author, need, sequence, event });
  return {
    start: () => {
      const tombstones = createTombstones();
      return {
        add: (events) => {
          const marked = tombstones.add(events.filter((event) => event.type === tombstoneType));
          return marked.length === 0 ? "none" : marked;
        },
        judge: (event) => {
          const need = event.type === tombstoneType ? "delete" : "write";
          if (event.type === aclType || !may(event, need, event.sequence)) {
            return { verdict: "refuse", reason: "NO_ROLE", by: [] };
          }
          if (event.type === tombstoneType) return { verdict: "admit" };
          return tombstones.verdictOn(event, (mark) => may(mark, "delete", event.sequence));
        },
      };
    },
  };
}

/** Documents that never change, and groups. */
export interface StaticAcl {
  /** The document of the space. */
  readonly document: AclDocument;
  /** Documents of sequences. */
  readonly sequences?: readonly AclDocument[];
  readonly groups?: GroupSource;
}

/** A gate by documents that never change. Throws AclError ACL_KEY_DUPLICATE. */
export function createStaticAcl(rules: StaticAcl): Gate {
  const documents = new Map([[rules.document.id, rules.document]]);
  for (const document of rules.sequences ?? []) {
    if (documents.has(document.id)) {
      throw new AclError("ACL_KEY_DUPLICATE", "two documents have one id");
    }
    documents.set(document.id, document);
  }
  return createExternalAcl({
    decide: ({ author, need, sequence, event }) => {
      const keys = [author, ...(rules.groups?.groupsOf(author, event) ?? [])];
      const sequenceDocument = sequence === undefined ? undefined : documents.get(sequence);
      return [rules.document, sequenceDocument].every(
        (document) => document === undefined || documentAllows(document, keys, need),
      );
    },
  });
}

/** Does a document allow a need to somebody whom any of these keys names? */
export function documentAllows(
  document: AclDocument,
  keys: readonly string[],
  need: Need,
): boolean {
  const held = keys.flatMap((key) => document.peers.get(key) ?? []);
  if (held.includes("no-access")) return false;
  return allows(document.default, need) || held.some((role) => allows(role, need));
}

/** The gate of a raw space: it has no access control, everybody's events count (TH-195). */
export function createRawAcl(): Gate {
  return { start: () => ({ add: () => "none", judge: () => ({ verdict: "admit" }) }) };
}
