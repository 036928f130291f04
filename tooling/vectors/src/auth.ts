/**
 * Membership histories: random ops of one group and the members they come to. `hardened` runs
 * through the membership graph under both of its policies; `p2panda` through the model of the
 * original's resolver. Histories name ops and members by labels, and arrive in any causal order.
 */
import { toHex, utf8 } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import {
  type AuthAction,
  type AuthOp,
  createAuthGraph,
  encodeOp,
  type Grant,
  groupIdOf,
  type Level,
  levels,
  type Member,
  type MemberId,
  type MutualRemovalPolicy,
  type OpId,
  parseOp,
} from "@hawser/auth";
import { causalOrder, type P2pandaOp, resolveByP2panda } from "@hawser/auth/testing";
import {
  type Claims,
  isObject,
  type Json,
  type JsonObject,
  readClaims,
  VectorShapeError,
} from "./claims.ts";
import { type CaseCheck, checkNothingLeft } from "./report.ts";
import type { RunContext, SectionRunner, VectorSystem } from "./system.ts";

/** An op of a vector, its labels not yet turned into keys. */
interface LabelOp {
  readonly id: string;
  readonly author: string;
  readonly deps: readonly string[];
  readonly action: P2pandaOp["action"];
}

const policies: readonly (readonly [string, MutualRemovalPolicy])[] = [
  ["removeAll", "remove-all"],
  ["seniorWins", "senior-wins"],
];

/** `hardened`: expected members by policy. */
const hardened = eachHistory((check, ops, expected, { crypto }) => {
  for (const [name, policy] of policies) {
    if (!expected.has(name)) continue;
    const want = showMembers(readMembers(expected.take(name)));
    const made = toAuthOps(crypto, ops, policy);
    // The order of the file, and three others.
    const orders = [1, 2, 3].map((seed) => causalOrder(made, seed));
    for (const order of [made, ...orders]) {
      check.equal(name, want, membersOf(check, crypto, order));
    }
  }
});

/** `p2panda`: what the original resolver comes to, back-dated ops included. */
const p2panda = eachHistory((check, ops, expected) => {
  const want = showMembers(readMembers(expected.take("p2panda")));
  check.equal("p2panda", want, showMembers(resolveByP2panda(ops)));
});

/** `ops`: bytes ↔ ops, and bytes that are none. */
const opBytes: SectionRunner = async (section, report, { crypto }) => {
  const claims = readClaims(section, "section");
  for (const [index, item] of claims.list("vectors").entries()) {
    const name = isObject(item) && typeof item["name"] === "string" ? item["name"] : "";
    await report.check(`#${index} ${name}`.trim(), (check) => {
      const vector = readClaims(item);
      checkOpBytes(check, crypto, vector);
      checkNothingLeft(check, vector);
    });
  }
};

function checkOpBytes(check: CaseCheck, crypto: Crypto, vector: Claims): void {
  const bytes = vector.bytes("bytes");
  const parsed = parseOp(crypto, bytes);
  if (vector.has("reason")) {
    check.equal("reason", vector.text("reason"), parsed.ok ? "no refusal" : parsed.reason);
    return;
  }
  if (!parsed.ok) {
    check.fail("op", "an op", parsed.reason);
    return;
  }
  const { op } = parsed;
  check.equal("op_id", vector.text("op_id"), op.id);
  check.equal("author", vector.text("author"), op.author);
  check.equal("group", vector.text("group"), op.group);
  check.equal("deps", vector.list("deps").map(readText).join(), op.deps.join());
  check.equal("action", JSON.stringify(vector.take("action")), JSON.stringify(jsonOf(op.action)));
  check.equal("bytes", bytes, encodeOp(op));
}

/** An action as vectors write it: bytes in hex, what is absent left out. */
export function jsonOf(action: AuthAction): JsonObject {
  const text = JSON.stringify(action, (_key, value: unknown) =>
    value instanceof Uint8Array ? toHex(value) : value,
  );
  // Safe: an action is a plain object of texts, numbers, booleans and bytes.
  return JSON.parse(text) as JsonObject;
}

export const auth: VectorSystem = {
  name: "auth",
  sections: new Map<string, SectionRunner>([
    ["hardened", hardened],
    ["p2panda", p2panda],
    ["ops", opBytes],
  ]),
  recognises: (section, value) => section === "ops" || Array.isArray(value),
};

function eachHistory(
  run: (check: CaseCheck, ops: readonly LabelOp[], expected: Claims, context: RunContext) => void,
): SectionRunner {
  return async (section, report, context) => {
    if (!Array.isArray(section)) throw new VectorShapeError("a section is a list of histories");
    for (const [index, item] of (section as readonly Json[]).entries()) {
      const name = isObject(item) && typeof item["name"] === "string" ? item["name"] : "";
      await report.check(`#${index} ${name}`.trim(), (check) => {
        const claims = readClaims(item);
        const ops = claims.list("ops").map(readOp);
        run(check, ops, claims.object("expect"), context);
        checkNothingLeft(check, claims);
      });
    }
  };
}

function readOp(item: Json): LabelOp {
  const claims = readClaims(item, "op");
  const op = {
    id: claims.text("id"),
    author: claims.text("author"),
    deps: claims.list("deps").map(readText),
    action: readAction(claims),
  };
  const left = claims.unchecked();
  if (left.length > 0) throw new VectorShapeError(`an op with ${left.join()}`);
  return op;
}

function readAction(claims: Claims): LabelOp["action"] {
  const type = claims.text("action");
  switch (type) {
    case "create":
      return { type, members: claims.list("members").map(readMember) };
    case "remove":
      return { type, member: claims.text("member") };
    case "add":
    case "promote":
    case "demote":
      return { type, member: claims.text("member"), level: readLevel(claims.take("access")) };
    default:
      throw new VectorShapeError(`no action is called “${type}”`);
  }
}

function readMember(item: Json): readonly [string, Level] {
  const pair: readonly Json[] = Array.isArray(item) ? item : [];
  if (pair.length !== 2) throw new VectorShapeError("a member is a label and a level");
  return [readText(pair[0]), readLevel(pair[1])];
}

function readMembers(value: Json | undefined): ReadonlyMap<string, Level> {
  if (!isObject(value)) throw new VectorShapeError("expected members are an object");
  return new Map(Object.entries(value).map(([label, level]) => [label, readLevel(level)]));
}

function readText(value: Json | undefined): string {
  if (typeof value !== "string") throw new VectorShapeError("a label is text");
  return value;
}

function readLevel(value: Json | undefined): Level {
  const level = levels.find((known) => known === value);
  if (level === undefined)
    throw new VectorShapeError(`no level is called “${JSON.stringify(value)}”`);
  return level;
}

function showMembers(members: ReadonlyMap<string, Level>): string {
  return [...members]
    .map(([label, level]) => `${label}:${level}`)
    .sort()
    .join(" ");
}

/** Ids that sort as the labels do, by length and then by letters, because ids break ties. */
function idOf(label: string): string {
  const id = toHex(utf8(label)).padStart(64, "0");
  if (id.length !== 64) throw new VectorShapeError("a label has at most 32 bytes");
  return id;
}

function labelOf(id: string): string {
  const digits = id.replace(/^(?:00)+/, "");
  const codes = digits.match(/../g) ?? [];
  return String.fromCharCode(...codes.map((code) => Number.parseInt(code, 16)));
}

function individual(label: string): Member {
  // Safe: 64 hex characters.
  return { kind: "individual", id: idOf(label) as MemberId };
}

function grantOf(label: string, level: Level): Grant {
  return { member: individual(label), access: { level, mayDelete: false } };
}

function toAuthOps(
  crypto: Crypto,
  ops: readonly LabelOp[],
  policy: MutualRemovalPolicy,
): readonly AuthOp[] {
  const first = ops.find((op) => op.action.type === "create");
  if (first === undefined) throw new VectorShapeError("a history begins with a create");
  // Safe, as below: 64 hex characters.
  const group = groupIdOf(crypto, idOf(first.id) as OpId);
  return ops.map((op) => ({
    id: idOf(op.id) as OpId,
    author: idOf(op.author) as AuthorId,
    group,
    deps: op.deps.map((dep) => idOf(dep) as OpId).sort(),
    action: toAuthAction(op, policy),
  }));
}

function toAuthAction({ action, author }: LabelOp, policy: MutualRemovalPolicy): AuthAction {
  switch (action.type) {
    case "create": {
      const grants = action.members.map(([label, level]) => grantOf(label, level));
      return { type: "create", nonce: new Uint8Array(16), policy, grants };
    }
    case "remove":
      return action.member === author
        ? { type: "leave", successor: undefined }
        : { type: "remove", member: individual(action.member) };
    case "add":
      return { type: "add", grant: grantOf(action.member, action.level) };
    case "promote":
    case "demote":
      return { type: "set", grant: grantOf(action.member, action.level) };
  }
}

function membersOf(check: CaseCheck, crypto: Crypto, ops: readonly AuthOp[]): string {
  const graph = createAuthGraph({ crypto });
  for (const op of ops) {
    const verdict = graph.add(op);
    if (verdict.status === "accepted") continue;
    check.fail(`op ${labelOf(op.id)}`, "accepted", JSON.stringify(verdict));
  }
  const group = ops[0]?.group;
  const members = group === undefined ? [] : [...graph.members(group)];
  return showMembers(new Map(members.map(([id, { level }]) => [labelOf(id), level])));
}
