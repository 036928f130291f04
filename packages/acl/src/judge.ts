/**
 * What documents say of one event (docs/spec/7-views.md §9.6): its author needs the right by all it
 * had seen, and nobody may have taken it away concurrently.
 */
import { equalBytes } from "@hawser/codec";
import type { EventRef, GateVerdict, ViewEvent } from "@hawser/view";
import { knows, type Edit, type Way } from "./edit.ts";
import { rulesId } from "./keys.ts";
import type { Ledger, LedgerChange, Vantage } from "./ledger.ts";
import { placeOf } from "./place.ts";
import type { Outcome } from "./resolve.ts";
import type { AclRules, Need } from "./types.ts";
import { createVerdicts } from "./verdicts.ts";
import { askerOf, takes, waysOf, type Asker } from "./ways.ts";

const admit: GateVerdict = { verdict: "admit" };

export interface Judge {
  /** Learns of edits that were added to the ledger. */
  take(change: LedgerChange): void;
  /** May the event's author do that, in this sequence of the space? */
  event(event: ViewEvent, need: Need, sequence: string | undefined): GateVerdict;
  /** How an edit stands itself. */
  edit(event: ViewEvent): GateVerdict;
}

/** A judge by what is in the ledger. */
export function createJudge(rules: AclRules, ledger: Ledger): Judge {
  // Edits that accept an event, by its place.
  let accepting = new Map<string, Edit[]>();
  const verdicts = createVerdicts();

  const note = (edit: Edit): void => {
    for (const target of edit.accepts) {
      const place = placeOf(target);
      const known = accepting.get(place) ?? [];
      accepting.set(place, known);
      known.push(edit);
    }
  };

  const acceptsOf = (event: ViewEvent, now: Outcome): readonly Edit[] =>
    (accepting.get(placeOf(event)) ?? []).filter(
      (edit) => now.statuses.get(edit) === "effective" && namesExactly(edit, event),
    );

  const judgeFrom = (
    asker: Asker,
    vantage: Vantage,
    need: Need,
    sequence: string | undefined,
  ): GateVerdict => {
    const past = ledger.knownAt(vantage);
    const now = ledger.now();
    let found: Doubts | undefined;
    for (const documentId of documentsOf(rules, sequence)) {
      const ways = waysOf(rules, past.documents, asker, { documentId, need });
      if (ways.length === 0) return { verdict: "refuse", reason: "NO_ROLE", by: [] };
      if (past === now) continue;
      const edits = ledger.concurrentAt(vantage);
      const doubts = (found ??= doubtsOn(edits, now, acceptsOf(asker.event, now)));
      if (!ways.some((way) => isLeft(way, asker, need, doubts, now))) {
        return quarantined(ways, asker, need, doubts);
      }
    }
    return admit;
  };

  const judgeEvent: Judge["event"] = (event, need, sequence) => {
    const asker = askerOf(rules, event);
    const vantage = ledger.vantageOf(event);
    const isAccepted = accepting.has(placeOf(event));
    // What founders may do can differ from event to event.
    const hasEditor = ledger.knownAt(vantage).documents.hasWriter(rulesId(rules.id));
    if (isAccepted || !hasEditor) return judgeFrom(asker, vantage, need, sequence);
    const place = { event, keys: asker.keys, vantage, need, sequence };
    const known = verdicts.find(place);
    if (known !== undefined) return known;
    const verdict = judgeFrom(asker, vantage, need, sequence);
    verdicts.keep(place, verdict);
    return verdict;
  };

  return {
    take: (change) => {
      if (change.isRebuilt || change.admitted.length > 0) verdicts.clear();
      if (change.isRebuilt) {
        accepting = new Map();
        for (const edit of ledger.edits) note(edit);
      } else {
        for (const edit of change.admitted) note(edit);
      }
    },
    event: judgeEvent,
    edit: (event) => {
      const status = ledger.statusOf(event);
      if (status === "effective") return admit;
      if (status === "refused") return { verdict: "refuse", reason: "NO_ROLE", by: [] };
      const reason = status === "overruled" ? "OVERRULED" : "TAKEN_CONCURRENTLY";
      return { verdict: "quarantine", reason, by: [] };
    },
  };
}

/** Documents that all have to allow what is done. */
function documentsOf(rules: AclRules, sequence: string | undefined): readonly string[] {
  return sequence === undefined || sequence === rules.id ? [rules.id] : [rules.id, sequence];
}

function namesExactly(edit: Edit, event: ViewEvent): boolean {
  return edit.accepts.some(
    (target) =>
      target.logId === event.logId &&
      target.seq === event.seq &&
      equalBytes(target.hash, event.hash),
  );
}

/** What stands against an event whose author had the right by all it had seen. */
interface Doubts {
  /** Concurrent edits that count and that nobody who accepted the event knew of. */
  readonly edits: readonly Edit[];
  readonly isAccepted: boolean;
}

function doubtsOn(concurrent: readonly Edit[], now: Outcome, accepts: readonly Edit[]): Doubts {
  const edits = concurrent
    .filter((edit) => now.statuses.get(edit) === "effective")
    .filter((edit) => !accepts.some((accepting) => knew(accepting, edit)));
  return { edits, isAccepted: accepts.length > 0 };
}

function knew(later: Edit, earlier: Edit): boolean {
  return later === earlier || knows(later, earlier);
}

function isLeft(way: Way, asker: Asker, need: Need, doubts: Doubts, now: Outcome): boolean {
  const isHollow =
    !doubts.isAccepted &&
    way.grants.length > 0 &&
    way.grants.every((grant) => now.statuses.get(grant) !== "effective");
  return !isHollow && !doubts.edits.some((edit) => takes(edit, way, asker, need));
}

function quarantined(ways: readonly Way[], asker: Asker, need: Need, doubts: Doubts): GateVerdict {
  const taking = doubts.edits.filter((edit) => ways.some((way) => takes(edit, way, asker, need)));
  const by = taking.map(({ event: { logId, seq } }): EventRef => ({ logId, seq }));
  const reason = taking.length > 0 ? "TAKEN_CONCURRENTLY" : "GRANT_VOID";
  return { verdict: "quarantine", reason, by };
}
