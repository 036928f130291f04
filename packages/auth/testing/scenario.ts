/**
 * Membership histories as short text, for table tests. One op a line:
 *
 *     0: A create{A:m,B:w}        create; a group member is written #G2
 *     1: A add C:r+d [0]          levels p r w m, +d = may delete; deps in brackets, default: heads
 *     2: A rm B   3: A set B:w   4: B leave   5: A leave>B
 *     6: A invite i:r*2<500       two uses, not after 500     7: A revoke i     8: J join i@400
 *
 * A line may start with the name of its group: `G2/1: …`; default `G`. `senior` after the braces of
 * a create chooses that policy. Labels become keys by hashing.
 */
import { toHex, utf8 } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import {
  type Access,
  type AddContext,
  type AddVerdict,
  type AuthAction,
  type AuthGraph,
  type AuthOp,
  createAuthGraph,
  createOp,
  type Grant,
  type GroupId,
  type Level,
  type Member,
  type MemberId,
  type OpId,
  proveJoin,
} from "@hawser/auth";

/** A history under construction. */
export interface Scenario {
  readonly graph: AuthGraph;
  /** Makes the op of a line, without handing it to the graph. */
  make(line: string): AuthOp;
  /** Makes the op of a line and adds it. */
  add(line: string, context?: AddContext): AddVerdict;
  /** `add` for each line; throws on the first that is not accepted. */
  play(...lines: readonly string[]): void;
  author(label: string): AuthorId;
  group(label?: string): GroupId;
  op(label: string): OpId;
  /** All ops made so far. */
  readonly made: readonly AuthOp[];
  /** Members of a group as text: `{A:m,B:r}`, sorted by label. */
  show(group?: string, at?: readonly string[]): string;
  /** The label of an op, author or group id. */
  labelOf(id: OpId | MemberId | undefined): string | undefined;
}

const levelOf: Readonly<Record<string, Level>> = { p: "pull", r: "read", w: "write", m: "manage" };
const lineForm = /^(?:(\w+)\/)?(\w+): (\w+) (\w+)(.*?)(?: \[([^\]]*)\])?$/;

/** A new scenario over an empty graph. */
export function createScenario(crypto: Crypto): Scenario {
  const graph = createAuthGraph({ crypto });
  const ops = new Map<string, AuthOp>();
  const groups = new Map<string, GroupId>();
  const labels = new Map<string, string>();
  const secretOf = (label: string): Uint8Array =>
    crypto.deriveKey("hawser test invite v1", utf8(label));
  const author = (label: string): AuthorId => {
    // Safe: 32 bytes in hex; the graph never checks signatures of authors.
    const id = toHex(crypto.deriveKey("hawser test author v1", utf8(label))) as AuthorId;
    labels.set(id, label);
    return id;
  };
  const group = (label = "G"): GroupId => {
    const id = groups.get(label);
    if (id === undefined) throw new RangeError(`no group ${label}`);
    return id;
  };
  const op = (label: string): OpId => {
    const made = ops.get(label);
    if (made === undefined) throw new RangeError(`no op ${label}`);
    return made.id;
  };
  const member = (text: string): Member =>
    text.startsWith("#")
      ? { kind: "group", id: group(text.slice(1)) }
      : { kind: "individual", id: author(text) };
  const grant = (text: string): Grant => {
    const [who = "", access = ""] = text.split(":");
    return { member: member(who), access: accessFrom(access) };
  };

  const actionFrom = (verb: string, rest: string, by: string, groupLabel: string): AuthAction => {
    switch (verb) {
      case "create": {
        const [, list = "", policy = ""] = /^\{(.*)\}\s*(\w*)$/.exec(rest) ?? [];
        return {
          type: "create",
          nonce: crypto.deriveKey("hawser test nonce v1", utf8(groupLabel), 16),
          policy: policy === "senior" ? "senior-wins" : "remove-all",
          grants: list.split(",").map(grant),
        };
      }
      case "add":
        return { type: "add", grant: grant(rest) };
      case "set":
        return { type: "set", grant: grant(rest) };
      case "rm":
        return { type: "remove", member: member(rest) };
      case "leave":
        return { type: "leave", successor: rest === "" ? undefined : member(rest.slice(1)) };
      case "invite": {
        const [, name = "", access = "", uses, notAfter] =
          /^(\w+):([^*<]+)(?:\*(\d+))?(?:<(\d+))?$/.exec(rest) ?? [];
        return {
          type: "invite",
          invite: inviteKey(name),
          access: accessFrom(access),
          uses: Number(uses ?? 1),
          notAfter: notAfter === undefined ? undefined : Number(notAfter),
        };
      }
      case "revoke":
        return { type: "revoke", invite: inviteKey(rest) };
      case "rule": {
        const [, verdict = "", from, to] = /^(accept|reject)\((\d+),(\d+)\)$/.exec(rest) ?? [];
        return {
          type: "rule",
          log: "ab".repeat(32),
          from: Number(from),
          to: Number(to),
          hash: new Uint8Array(32),
          verdict: verdict === "accept" ? "accept" : "reject",
        };
      }
      case "raise":
        return { type: "raise", suite: Number(rest) };
      case "join": {
        const [name = "", time = "0"] = rest.split("@");
        const binding = new Uint8Array(32);
        const claim = { group: group(groupLabel), author: author(by), binding, time: Number(time) };
        return proveJoin(crypto, claim, secretOf(name));
      }
      default:
        throw new RangeError(`no verb ${verb}`);
    }
  };
  const inviteKey = (label: string): AuthorId =>
    // Safe: a public key in hex.
    toHex(crypto.publicKey(secretOf(label))) as AuthorId;

  const make = (line: string): AuthOp => {
    const [, groupLabel = "G", label, by, verb, rest = "", deps] = lineForm.exec(line) ?? [];
    if (label === undefined || by === undefined || verb === undefined) {
      throw new RangeError(`not a line: ${line}`);
    }
    const action = actionFrom(verb, rest.trim(), by, groupLabel);
    const isCreate = action.type === "create";
    const heads = isCreate ? [] : graph.heads(group(groupLabel));
    const named =
      deps === undefined
        ? heads
        : deps
            .split(",")
            .filter((d) => d !== "")
            .map(op);
    const target = isCreate ? undefined : group(groupLabel);
    const made = createOp(crypto, { author: author(by), group: target, deps: named, action }).op;
    ops.set(label, made);
    labels.set(made.id, label);
    if (isCreate) {
      groups.set(groupLabel, made.group);
      labels.set(made.group, `#${groupLabel}`);
    }
    return made;
  };
  const add = (line: string, context?: AddContext): AddVerdict => graph.add(make(line), context);
  return {
    graph,
    make,
    add,
    play: (...lines) => {
      for (const line of lines) {
        const verdict = add(line);
        if (verdict.status !== "accepted") {
          throw new Error(`${line}: ${JSON.stringify(verdict)}`);
        }
      }
    },
    author,
    group,
    op,
    get made() {
      return [...ops.values()];
    },
    show: (label, at) => {
      const members = graph.members(group(label), at?.map(op)) ?? new Map();
      return showAccesses([...members].map(([id, access]) => [labels.get(id) ?? id, access]));
    },
    labelOf: (id) => (id === undefined ? undefined : labels.get(id)),
  };
}

/** `{A:m,B:r+d}`, sorted by label. */
export function showAccesses(entries: readonly (readonly [string, Access])[]): string {
  const shown = entries.map(
    ([label, { level, mayDelete }]) => `${label}:${level[0]}${mayDelete ? "+d" : ""}`,
  );
  return `{${shown.sort().join()}}`;
}

function accessFrom(text: string): Access {
  const level = levelOf[text[0] ?? ""];
  if (level === undefined) throw new RangeError(`no level ${text}`);
  return { level, mayDelete: text.endsWith("+d") };
}
