/**
 * The rules of docs/spec/7-views.md §9 as they are written, by sets and without any order of
 * arrival: slow and obvious.
 */
import { equalBytes, toHex } from "@hawser/codec";
import type { AclRules, Need, Role } from "@hawser/acl";
import { compareEvents, type ViewEvent } from "@hawser/view";
import { decodeEdit, decodeTombstone, type DecodedEdit } from "../src/ops.ts";

const needs: Record<Role, readonly Need[]> = {
  "no-access": [],
  follow: ["follow"],
  read: ["follow", "read"],
  write: ["follow", "read", "write"],
  delete: ["follow", "delete"],
};
const allRoles: readonly Role[] = ["no-access", "follow", "read", "write", "delete"];

interface Edit extends DecodedEdit {
  readonly event: ViewEvent;
}

interface Way {
  readonly documentId: string;
  readonly key: string;
  readonly role: Role | undefined;
  readonly kind: "peer" | "default" | "open" | "founder";
  readonly grants: readonly Edit[];
}

type Status = "effective" | "struck" | "overruled";

function sees(a: ViewEvent, b: ViewEvent): boolean {
  if (a.logId === b.logId) return a.seq > b.seq;
  if (a.frontier === undefined) return compareEvents(b, a) < 0;
  return (a.frontier.get(b.logId) ?? 0) > b.seq;
}

/** Answers for a fixed set of events. */
export function createOracle(rules: AclRules, events: readonly ViewEvent[]) {
  const all: readonly Edit[] = events.flatMap((event) => {
    const decoded = event.type === "acl" ? decodeEdit(event.body) : undefined;
    return decoded === undefined ? [] : [{ ...decoded, event }];
  });
  const editorsId = `${rules.id}-acl`;
  const admittedMemo = new Map<Edit, boolean>();
  const knowsMemo = new Map<string, boolean>();
  const statusMemo = new Map<string, Status>();
  const overruledMemo = new Map<string, boolean>();

  const keyOf = (edits: readonly Edit[]): string => edits.map((edit) => all.indexOf(edit)).join();
  const pastOf = (event: ViewEvent): readonly Edit[] =>
    all.filter((edit) => knows(event, edit) && isAdmitted(edit));
  function knows(event: ViewEvent, edit: Edit): boolean {
    const key = `${all.indexOf(edit)}/${event.logId}/${event.seq}`;
    const known = knowsMemo.get(key);
    if (known !== undefined) return known;
    const answer =
      sees(event, edit.event) ||
      all.some(
        (between) =>
          sees(event, between.event) && isAdmitted(between) && knows(between.event, edit),
      );
    knowsMemo.set(key, answer);
    return answer;
  }
  const concurrent = (a: Edit, b: Edit): boolean =>
    a !== b && !knows(a.event, b) && !knows(b.event, a);
  const keysOf = (event: ViewEvent): readonly string[] => [
    event.author,
    ...(rules.groups?.groupsOf(event.author, event) ?? []),
  ];

  function isAdmitted(edit: Edit): boolean {
    const known = admittedMemo.get(edit);
    if (known !== undefined) return known;
    const answer = waysOf(pastOf(edit.event), edit.event, editorsId, "write").length > 0;
    admittedMemo.set(edit, answer);
    return answer;
  }

  const effective = (set: readonly Edit[]) =>
    set.filter((edit) => status(set, edit) === "effective");

  function grantsIn(set: readonly Edit[], id: string, peer: string, role: Role): readonly Edit[] {
    const takers = effective(set).filter(
      (edit) => edit.documentId === id && edit.revokes.get(peer)?.has(role),
    );
    return effective(set).filter(
      (edit) =>
        edit.documentId === id &&
        edit.grants.get(peer)?.has(role) &&
        takers.every((taker) => knows(edit.event, taker)),
    );
  }

  function isDenied(set: readonly Edit[], id: string, peer: string): boolean {
    const denials = effective(set).filter(
      (edit) => edit.documentId === id && edit.grants.get(peer)?.has("no-access"),
    );
    const lifts = effective(set).filter(
      (edit) => edit.documentId === id && edit.revokes.get(peer)?.has("no-access"),
    );
    return denials.some((denial) => !lifts.some((lift) => knows(lift.event, denial)));
  }

  function standardIn(set: readonly Edit[], id: string) {
    const said = effective(set).filter((e) => e.documentId === id && e.default !== undefined);
    const grants = said.filter((edit) => !said.some((later) => knows(later.event, edit)));
    const isAllowed = (need: Need): boolean =>
      grants.length > 0 &&
      grants.every((edit) => needs[edit.default ?? "no-access"].includes(need));
    return { grants, isAllowed };
  }

  function isMade(set: readonly Edit[], id: string): boolean {
    return effective(set).some(
      (edit) =>
        edit.documentId === id &&
        (edit.default !== undefined || edit.grants.size > 0 || edit.revokes.size > 0),
    );
  }

  function hasWriter(set: readonly Edit[]): boolean {
    if (standardIn(set, editorsId).isAllowed("write")) return true;
    const peers = new Set(set.flatMap((edit) => [...edit.grants.keys()]));
    return [...peers].some(
      (peer) =>
        grantsIn(set, editorsId, peer, "write").length > 0 && !isDenied(set, editorsId, peer),
    );
  }

  function waysOf(set: readonly Edit[], event: ViewEvent, id: string, need: Need): readonly Way[] {
    const keys = keysOf(event);
    if (keys.some((key) => isDenied(set, id, key))) return [];
    const ways: Way[] = [];
    for (const key of keys) {
      for (const role of allRoles.filter((other) => needs[other].includes(need))) {
        const grants = grantsIn(set, id, key, role);
        if (grants.length > 0) ways.push({ documentId: id, key, role, kind: "peer", grants });
      }
    }
    const base = { documentId: id, key: "", role: undefined };
    const { grants, isAllowed } = standardIn(set, id);
    if (isAllowed(need)) ways.push({ ...base, kind: "default", grants });
    if (id !== rules.id && id !== editorsId && !isMade(set, id)) {
      ways.push({ ...base, kind: "open", grants: [] });
    }
    if (rules.isFounder(event.author, event) && !hasWriter(set)) {
      ways.push({ ...base, kind: "founder", grants: [] });
    }
    return ways;
  }

  function takes(edit: Edit, way: Way, event: ViewEvent, need: Need): boolean {
    if (edit.documentId !== way.documentId) return false;
    const keys = keysOf(event);
    if (keys.some((key) => edit.grants.get(key)?.has("no-access"))) return true;
    if (way.kind === "founder") return false;
    if (way.kind === "peer") {
      return way.role !== undefined && edit.revokes.get(way.key)?.has(way.role) === true;
    }
    const saysNothing =
      edit.default === undefined && edit.grants.size === 0 && edit.revokes.size === 0;
    if (saysNothing || (way.kind === "default" && edit.default === undefined)) return false;
    const given = keys.flatMap((key) => [...(edit.grants.get(key) ?? [])]);
    return ![...given, edit.default ?? "no-access"].some((role) => needs[role].includes(need));
  }

  const waysOfEdit = (edit: Edit): readonly Way[] =>
    waysOf(pastOf(edit.event), edit.event, editorsId, "write");

  /** Numbers and texts that order edits by seniority when compared one by one. */
  function rankOf(edit: Edit): readonly (number | string)[] {
    const ways = waysOfEdit(edit);
    if (ways.some((way) => way.kind === "founder")) return [0, 0, "", 0, edit.event.author];
    const [oldest] = ways
      .flatMap((way) => way.grants.map(({ event }) => event))
      .sort(compareEvents);
    if (oldest === undefined) throw new Error("not admitted");
    const isOther = oldest.author === edit.event.author ? 0 : 1;
    return [1, oldest.stamp, toHex(oldest.hash), isOther, edit.event.author];
  }

  function isSenior(a: Edit, b: Edit): boolean {
    const [left, right] = [rankOf(a), rankOf(b)];
    const index = left.findIndex((part, at) => part !== right[at]);
    const [x, y] = [left[index], right[index]];
    return index >= 0 && x !== undefined && y !== undefined && x < y;
  }

  function isOverruled(set: readonly Edit[], edit: Edit): boolean {
    const key = `${keyOf(set)}:${all.indexOf(edit)}`;
    const known = overruledMemo.get(key);
    if (known !== undefined) return known;
    const seniors = set.filter(
      (other) => concurrent(other, edit) && isSenior(other, edit) && !isOverruled(set, other),
    );
    // Of one rank are edits of one author: the earlier of them comes first.
    const answer = waysOfEdit(edit).every(
      (way) =>
        (way.grants.length > 0 &&
          way.grants.every((given) => !isSenior(edit, given) && isOverruled(set, given))) ||
        seniors.some((senior) => takes(senior, way, edit.event, "write")),
    );
    overruledMemo.set(key, answer);
    return answer;
  }

  function status(set: readonly Edit[], edit: Edit): Status {
    const key = `${keyOf(set)}:${all.indexOf(edit)}`;
    const known = statusMemo.get(key);
    if (known !== undefined) return known;
    const answer = work(set, edit);
    statusMemo.set(key, answer);
    return answer;
  }

  function work(set: readonly Edit[], edit: Edit): Status {
    if (isOverruled(set, edit)) return "overruled";
    const against = set.filter((other) => concurrent(other, edit) && !isOverruled(set, other));
    const isStruck = waysOf(pastOf(edit.event), edit.event, editorsId, "write").every(
      (way) =>
        (way.grants.length > 0 &&
          way.grants.every((given) => status(set, given) !== "effective")) ||
        against.some((other) => takes(other, way, edit.event, "write")),
    );
    return isStruck ? "struck" : "effective";
  }

  const whole = all.filter(isAdmitted);

  function judge(event: ViewEvent, need: Need, sequence: string | undefined): string {
    const accepts = effective(whole).filter((edit) =>
      edit.accepts.some(
        (name) =>
          name.logId === event.logId && name.seq === event.seq && equalBytes(name.hash, event.hash),
      ),
    );
    const against = effective(whole).filter(
      (edit) =>
        !knows(event, edit) &&
        !sees(edit.event, event) &&
        !accepts.some((accept) => accept === edit || knows(accept.event, edit)),
    );
    const ids = sequence === undefined ? [rules.id] : [rules.id, sequence];
    const verdicts = ids.map((id) => {
      const ways = waysOf(pastOf(event), event, id, need);
      if (ways.length === 0) return "refuse";
      const left = ways.filter((way) => {
        const isHollow =
          way.grants.length > 0 &&
          way.grants.every((given) => status(whole, given) !== "effective");
        if (isHollow && accepts.length === 0) return false;
        return !against.some((edit) => takes(edit, way, event, need));
      });
      return left.length === 0 ? "quarantine" : "admit";
    });
    return verdicts.find((verdict) => verdict !== "admit") ?? "admit";
  }

  return {
    verdictOn: (event: ViewEvent): string => {
      const verdict = judge(event, "write", event.sequence);
      if (verdict !== "admit") return verdict;
      const isDeleted = events.some(
        (mark) =>
          mark.type === "tombstone" &&
          sees(mark, event) &&
          decodeTombstone(mark.body).some(
            (name) =>
              name.logId === event.logId &&
              name.seq === event.seq &&
              equalBytes(name.hash, event.hash),
          ) &&
          judge(mark, "delete", event.sequence) === "admit",
      );
      return isDeleted ? "deleted" : "admit";
    },
    holds: (id: string, peer: string, role: Role): boolean =>
      grantsIn(whole, id, peer, role).length > 0,
    isMade: (id: string): boolean => isMade(whole, id),
    statusOf: (event: ViewEvent): string => {
      const edit = whole.find((other) => other.event === event);
      return edit === undefined ? "refused" : status(whole, edit);
    },
  };
}
