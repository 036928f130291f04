/**
 * Explanations (docs/spec/4-auth.md §6.5): the ops that grant an access, from the group's create
 * down, or the ops that deny it. Layer 4.
 */
import { allows } from "./access.ts";
import type { GroupHistory } from "./history.ts";
import { intEntries, intGet } from "./int-map.ts";
import { accessThrough, pathOf, plainEdge, type Reach, type Reader } from "./membership.ts";
import { compareOverall, type OpNode, type Position } from "./node.ts";
import { activeOf, isActive, type Standing } from "./state.ts";
import type { GroupId, Need, Why, WhyStep } from "./types.ts";

/** What is to be explained. */
export interface Question {
  /** The actor's member number. */
  readonly actor: number;
  readonly need: Need;
  readonly position: Position;
}

/** Explains; `reached` is the reach of the group at the position. */
export function explain(
  reader: Reader,
  reached: ReadonlyMap<GroupId, Reach>,
  question: Question,
): Why {
  const found = accessThrough(reached, question.actor, plainEdge);
  const allowed = allows(found?.access, question.need);
  const steps = createSteps(reader);
  if (found !== undefined && allowed) {
    for (const { history, member, standing } of waysTo(
      reader,
      reached,
      pathOf(found.via.way),
      question,
    )) {
      steps.grant(history, member, standing);
    }
  } else {
    for (const { history, state } of reached.values()) {
      steps.denial(history, question.actor, intGet(state.individuals, question.actor));
      if (question.position === "now") steps.voids(history, question.actor);
      for (const [number, standing] of intEntries(state.groups)) {
        if (isActive(standing) || !isListedIn(reader, number, question)) continue;
        steps.denial(history, number, standing);
      }
    }
  }
  return { allowed, access: found?.access, chain: steps.inOrder() };
}

interface Listing {
  readonly history: GroupHistory;
  readonly member: number;
  readonly standing: Standing;
}

/** Who is listed where along a path: each next group in the one before, the actor in the last. */
function waysTo(
  reader: Reader,
  reached: ReadonlyMap<GroupId, Reach>,
  path: readonly GroupId[],
  { actor }: Question,
): readonly Listing[] {
  const ways: Listing[] = [];
  for (const [index, group] of path.entries()) {
    const reach = reached.get(group);
    if (reach === undefined) continue;
    const next = path[index + 1];
    const number = next === undefined ? actor : reader.numberOf({ kind: "group", id: next });
    const standing = intGet(
      next === undefined ? reach.state.individuals : reach.state.groups,
      number,
    );
    if (standing !== undefined) ways.push({ history: reach.history, member: number, standing });
  }
  return ways;
}

/** Is the actor a direct member of a group that was taken out of this one? */
function isListedIn(reader: Reader, group: number, { actor, position }: Question): boolean {
  // Safe: the number is of a member of kind "group".
  const history = reader.historyOf(reader.memberOf(group).id as GroupId);
  if (history === undefined) return false;
  return isActive(intGet(reader.stateOf(history, position).individuals, actor));
}

interface Steps {
  /** The ops that made `member` what it is, and those that entitled their authors. */
  grant(history: GroupHistory, member: number, standing: Standing): void;
  /** The op that ended a membership or gave too little. */
  denial(history: GroupHistory, member: number, standing: Standing | undefined): void;
  /** Ops that would have admitted or raised `member` but are void. */
  voids(history: GroupHistory, member: number): void;
  inOrder(): readonly WhyStep[];
}

function createSteps(reader: Reader): Steps {
  const steps = new Map<string, { readonly node: OpNode; readonly step: WhyStep }>();
  const put = (
    node: OpNode,
    member: number,
    effect: WhyStep["effect"],
    access: WhyStep["access"],
    cause?: { readonly reason: WhyStep["reason"]; readonly by: OpNode | undefined },
  ): boolean => {
    const key = `${node.op.id} ${member}`;
    if (steps.has(key)) return false;
    const { id, author, group } = node.op;
    const named = reader.memberOf(member).id;
    const step: WhyStep = {
      op: id,
      author,
      group,
      member: named,
      effect,
      access,
      reason: cause?.reason,
      causedBy: cause?.by?.op.id,
    };
    steps.set(key, { node, step });
    return true;
  };

  const grant = (history: GroupHistory, member: number, standing: Standing): void => {
    const open: { readonly member: number; readonly standing: Standing }[] = [{ member, standing }];
    // Ends: every author's standing is looked up before his own op, and a step is put only once.
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { by, accessBy } = next.standing;
      for (const node of new Set([by, accessBy])) {
        const effect = effectName(node, node === by);
        if (!put(node, next.member, effect, node === accessBy ? next.standing.access : undefined)) {
          continue;
        }
        const patron = node.effect.inviter ?? node.names.author;
        const authority = intGet(node.stateBefore.individuals, patron);
        if (isActive(authority)) open.push({ member: patron, standing: authority });
      }
    }
  };

  const denial = (_: GroupHistory, member: number, standing: Standing | undefined): void => {
    if (standing === undefined) return;
    const { by, accessBy, access } = standing;
    if (activeOf(standing) === undefined) put(by, member, "ended", undefined);
    else put(accessBy, member, effectName(accessBy, accessBy === by), access);
  };

  const voids = (history: GroupHistory, member: number): void => {
    for (const node of history.grantsTo(member)) {
      const cause = history.voidCause(node);
      if (cause !== undefined) put(node, member, "void", undefined, cause);
    }
  };

  const inOrder = (): readonly WhyStep[] =>
    [...steps.values()].sort((a, b) => compareOverall(a.node, b.node)).map(({ step }) => step);

  return { grant, denial, voids, inOrder };
}

function effectName(node: OpNode, isAdmission: boolean): WhyStep["effect"] {
  if (node.op.action.type === "create") return "created";
  return isAdmission ? "admitted" : "changed";
}
