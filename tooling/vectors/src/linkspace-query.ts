/**
 * Linkspace: queries, as printed and as they behave.
 */
import { compareBytes, fromHex, fromUtf8, utf8 } from "@hawser/codec";
import {
  buildDatapoint,
  buildLinkpoint,
  comparePackets,
  privateGroup,
  treeKey,
  type Packet,
} from "@hawser/packet";
import type { Crypto } from "@hawser/crypto";
import {
  compileQuery,
  createMatcher,
  createQuery,
  parseQuery,
  printQuery,
  queryMode,
  referenceQueryError,
  selectorStatements,
  type AbeContext,
  type CompiledQuery,
  type Query,
  type QueryFailure,
  type QueryFlags,
  type QueryVerdict,
} from "@hawser/query";
import {
  hexBytes,
  jsonText,
  readClaims,
  VectorShapeError,
  type Claims,
  type Json,
} from "./claims.ts";
import { checkNothingLeft, type CaseCheck } from "./report.ts";
import type { SectionRunner } from "./system.ts";

/** Receive stamps of the packets of a behaviour vector: this, and one µs more for each next. */
const recvStart = 1_700_000_000_000_000;

function contextOf(argv: readonly Uint8Array[]): AbeContext {
  return { nowMicros: () => recvStart, argv };
}

/** `query`: commands and statements with their printed query, or their error. */
export const query: SectionRunner = async (section, report) => {
  const earlier: Earlier = { last: createQuery(), pushed: undefined };
  for (const [index, item] of readClaims(section, "query").list("vectors").entries()) {
    const claims = readClaims(item);
    await report.check(caseName(claims, index), (check) => {
      const isPush = claims.has("push") || claims.has("after_previous_push");
      const verdict = readQuery(claims, earlier, (statement) => statement);
      checkAccepted(check, claims, verdict);
      checkPrinted(check, claims, verdict);
      // A refused push leaves the query as it was, for the pushes after it.
      if (verdict.ok) earlier.last = verdict.query;
      if (verdict.ok && isPush) earlier.pushed = verdict.query;
      checkNothingLeft(check, claims);
    });
  }
};

/** What the vectors before one came to, for those that go on from there. */
interface Earlier {
  last: Query;
  pushed: Query | undefined;
}

function caseName(claims: Claims, index: number): string {
  const name = ["name", "cmd"].find((key) => claims.has(key));
  return name === undefined ? `#${index}` : jsonText(claims.take(name));
}

/** Keys that state text of a query, or lists of it, in the order in which they are added. */
const textKeys: readonly string[] = ["query", "statements", "then", "add"];

/** The query a vector describes by a command, texts, pushes, or several of them. */
function readQuery(
  claims: Claims,
  earlier: Earlier,
  resolve: (statement: string) => string,
): QueryVerdict {
  const context = contextOf(readArgv(claims));
  let verdict: QueryVerdict = { ok: true, query: createQuery() };
  if (claims.has("after_previous_push")) {
    verdict = { ok: true, query: earlier.pushed ?? earlier.last };
  }
  if (claims.has("cmd")) verdict = readCommand(claims.text("cmd"), context);
  for (const key of textKeys) {
    if (!claims.has(key) || !verdict.ok) continue;
    const stated = claims.take(key);
    const texts = Array.isArray(stated) ? stated.map(jsonText) : [jsonText(stated)];
    const added = parseQuery(texts.map(resolve), context);
    verdict = added.ok ? verdict.query.concat([added.query]) : added;
  }
  for (const key of ["push", "after_previous_push"]) {
    if (claims.has(key)) verdict = pushAll(verdict, claims.take(key));
  }
  return verdict;
}

function readArgv(claims: Claims): readonly Uint8Array[] {
  if (claims.has("argv")) return claims.list("argv").map(hexBytes);
  if (claims.has("argv_utf8")) return claims.list("argv_utf8").map((each) => utf8(jsonText(each)));
  return [];
}

/** One push `[field, operator, hex]` or several; without a field it is an option, its value text. */
function pushAll(start: QueryVerdict, stated: Json | undefined): QueryVerdict {
  if (!Array.isArray(stated)) throw new VectorShapeError("push is no list");
  const pushes: readonly Json[] = Array.isArray(stated[0]) ? stated : [stated];
  let verdict = start;
  for (const push of pushes) {
    if (!Array.isArray(push) || !verdict.ok) return verdict;
    const [field = "", operator = "", value = ""] = (push as readonly Json[]).map(jsonText);
    verdict =
      field === ""
        ? verdict.query.withOption(operator, utf8(value))
        : verdict.query.with(field, operator, fromHex(value) ?? utf8(value));
  }
  return verdict;
}

/** `lk COMMAND SELECTOR [flags] [-- statements]`, up to a pipe. */
function readCommand(command: string, context: AbeContext): QueryVerdict {
  const line = shellWords(command);
  const pipe = line.indexOf("|");
  // The program and its command say nothing about the query.
  const words = line.slice(2, pipe < 0 ? undefined : pipe);
  const end = words.indexOf("--");
  const { flags, selector } = readFlags(end < 0 ? words : words.slice(0, end));
  const stated = selectorStatements(selector, flags, context);
  if (!stated.ok) return stated;
  const more = end < 0 ? [] : words.slice(end + 1);
  return parseQuery([...stated.statements, ...more], context);
}

/** Words of a shell line: blanks separate, both quotes keep together. */
function shellWords(line: string): readonly string[] {
  const words = line.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'])+/gu);
  return Array.from(words, ([word]) => word.replaceAll(/"([^"]*)"|'([^']*)'/gu, "$1$2"));
}

/** Flags of the command, by name, and how their value is read. */
const flagReaders: { readonly [name: string]: (flags: QueryFlags, value: string) => QueryFlags } = {
  "--mode": (flags, value) => ({ ...flags, mode: value as NonNullable<QueryFlags["mode"]> }),
  "--qid": (flags, value) => ({ ...flags, qid: utf8(value) }),
  "--until": (flags, value) => ({ ...flags, until: value }),
  "--max": (flags, value) => ({ ...flags, max: Number(value) }),
  "--max-new": (flags, value) => ({ ...flags, maxNew: Number(value) }),
  "--max-index": (flags, value) => ({ ...flags, maxIndex: Number(value) }),
  "--max-branch": (flags, value) => ({ ...flags, maxBranch: Number(value) }),
};

/** Flags about what is done with the packets. */
const ignoredFlags: ReadonlySet<string> = new Set(["--write", "--dir", "-w", "-d"]);

const switchReaders: { readonly [name: string]: (flags: QueryFlags) => QueryFlags } = {
  "--signed": (flags) => ({ ...flags, signed: true }),
  "--unsigned": (flags) => ({ ...flags, unsigned: true }),
  "--watch": (flags) => ({ ...flags, watch: true }),
  "--follow": (flags) => ({ ...flags, follow: true }),
  "--db-only": (flags) => ({ ...flags, dbOnly: true }),
  "--new-only": (flags) => ({ ...flags, newOnly: true }),
  "--print-expr": (flags) => flags,
  "-p": (flags) => flags,
  "--print-text": (flags) => flags,
  "--bare": (flags) => flags,
  "-b": (flags) => flags,
};

function readFlags(words: readonly string[]): {
  readonly flags: QueryFlags;
  readonly selector: string | undefined;
} {
  let flags: QueryFlags = { mode: "tree-desc" };
  let selector: string | undefined;
  for (let index = 0; index < words.length; index++) {
    const [name, inline] = splitFlag(words[index] ?? "");
    const reader = flagReaders[name];
    if (ignoredFlags.has(name)) index += inline === undefined ? 1 : 0;
    else if (reader !== undefined) flags = reader(flags, inline ?? words[++index] ?? "");
    else if (switchReaders[name] !== undefined) flags = switchReaders[name](flags);
    else if (selector === undefined && !name.startsWith("-")) selector = words[index];
    else throw new VectorShapeError(`unknown argument ${name}`);
  }
  return { flags, selector };
}

/** `--flag=value` in its two parts; other words are whole. */
function splitFlag(word: string): readonly [string, string?] {
  const match = /^(--[^=]+)=(.*)$/su.exec(word);
  return match === null ? [word] : [match[1] ?? "", match[2] ?? ""];
}

/** Keys that state a printed query: in one form by their name, else in either. */
const printKeys: readonly (readonly [string, readonly boolean[]])[] = [
  ["output", [true, false]],
  ["print", [true, false]],
  ["print_expr", [true]],
  ["print_text", [false]],
  ["text", [false, true]],
];

function checkPrinted(check: CaseCheck, claims: Claims, verdict: QueryVerdict): void {
  for (const [key, forms] of printKeys) {
    if (!claims.has(key)) continue;
    const expected = withoutEdges(claims.text(key));
    const printed = forms.map((expressions) =>
      verdict.ok ? withoutEdges(printQuery(verdict.query, { expressions })) : verdict.message,
    );
    check.equal(key, expected, printed.find((text) => text === expected) ?? printed[0]);
    for (const expressions of forms) {
      if (verdict.ok) checkReadsBack(check, verdict.query, expressions);
    }
  }
}

/** A vector states an error, or whether there is one, or means that there is none. */
function checkAccepted(check: CaseCheck, claims: Claims, verdict: QueryVerdict): void {
  const expected = claims.has("ok") ? claims.take("ok") === true : !claims.has("error");
  const said = verdict.ok ? "" : verdict.message;
  if (expected !== verdict.ok) check.fail("accepted", String(expected), `${verdict.ok} ${said}`);
  const error = claims.take("error");
  // An error may be stated in words, or only be there.
  if (typeof error === "string") checkError(check, error, verdict);
}

/** Empty first and last lines belong to what surrounds a recorded output. */
function withoutEdges(text: string): string {
  return text.replace(/^\n+/u, "").replace(/\n+$/u, "");
}

function checkReadsBack(check: CaseCheck, printed: Query, expressions: boolean): void {
  const text = printQuery(printed, { expressions });
  const again = parseQuery(text, contextOf([]));
  const got = again.ok ? printQuery(again.query, { expressions }) : again.message;
  check.equal("printed, parsed and printed again", text, got);
}

/** Errors are recorded whole, or with their causes on one line. */
function checkError(check: CaseCheck, expected: string, verdict: QueryVerdict): void {
  if (verdict.ok) {
    check.fail("error", expected, "a query");
    return;
  }
  const forms = errorForms(verdict);
  const got = forms.find((form) => form === expected.trim()) ?? forms[0];
  check.equal("error", expected.trim(), got);
}

function errorForms(failure: QueryFailure): readonly string[] {
  const reference = referenceQueryError(failure);
  if (reference === undefined) return [failure.message];
  const { text, chain } = reference;
  return [text, chain.join(" / "), chain.join(": "), ...chain].map((form) => form.trim());
}

/** `query_behaviour`: which packets match, which comes first, which option counts. */
export const queryBehaviour: SectionRunner = async (section, report, { crypto }) => {
  for (const [index, item] of readClaims(section, "query_behaviour").list("vectors").entries()) {
    const claims = readClaims(item);
    await report.check(caseName(claims, index), (check) => {
      const packets = readPoints(claims, crypto);
      const verdict = readBehaviour(claims, packets);
      checkBehaviour(check, claims, verdict, packets);
      checkNothingLeft(check, claims);
    });
  }
};

/** The vector's packets, in the order in which they are received. */
function readPoints(claims: Claims, crypto: Crypto): readonly Packet[] {
  const list = (key: string): readonly Json[] => (claims.has(key) ? claims.list(key) : []);
  return [
    ...list("datapoints").map((data) => buildDatapoint(crypto, utf8(jsonText(data)))),
    ...list("linkpoints").map((item) => readLinkpoint(item, crypto)),
  ];
}

/** `{data, create, domain?, space?}`, or `[data, create]`, in the private group. */
function readLinkpoint(item: Json, crypto: Crypto): Packet {
  const [data, create] = Array.isArray(item) ? (item as readonly Json[]) : [];
  const claims = readClaims(Array.isArray(item) ? { data: data ?? "", create: create ?? 0 } : item);
  const path = claims.has("space") ? claims.text("space").split("/").filter(Boolean) : [];
  const packet = buildLinkpoint(crypto, {
    group: privateGroup(),
    domain: claims.has("domain") ? claims.text("domain") : "",
    path,
    stamp: claims.number("create"),
    data: utf8(claims.text("data")),
  });
  const [unknown] = claims.unchecked();
  if (unknown !== undefined) throw new VectorShapeError(`a linkpoint's “${unknown}” is not known`);
  return packet;
}

/** The vector's query; `<recv of "1">`, or of `first`, stands for a packet's receive stamp. */
function readBehaviour(claims: Claims, packets: readonly Packet[]): QueryVerdict {
  const earlier: Earlier = { last: createQuery(), pushed: undefined };
  const places = packets.map((packet) => fromUtf8(packet.data));
  return readQuery(claims, earlier, (statement) =>
    statement.replaceAll(/<recv of (?:"([^"]*)"|first)>/gu, (_, data?: string) => {
      return `[u64:${recvStart + (data === undefined ? 0 : places.indexOf(data))}]`;
    }),
  );
}

function checkBehaviour(
  check: CaseCheck,
  claims: Claims,
  verdict: QueryVerdict,
  packets: readonly Packet[],
): void {
  checkAccepted(check, claims, verdict);
  checkPrinted(check, claims, verdict);
  if (!verdict.ok) return;
  const compiled = compileQuery(verdict.query);
  if (claims.has("matches")) {
    const expected = claims.list("matches").map((each) => each === true);
    check.equal("matches", expected.join(), packets.map((packet) => compiled.test(packet)).join());
  }
  if (claims.has("effective_mode")) {
    check.equal("effective_mode", claims.text("effective_mode"), queryMode(verdict.query));
  }
  const found = readPass(compiled, packets).map((packet) => fromUtf8(packet.data));
  if (claims.has("first")) check.equal("first", jsonText(claims.take("first")), found[0]);
  if (claims.has("last")) check.equal("last", jsonText(claims.take("last")), found.at(-1));
  for (const key of ["count", "total"]) {
    if (claims.has(key)) check.equal(key, claims.number(key), found.length);
  }
  for (const key of ["order", "results"]) {
    if (!claims.has(key)) continue;
    check.equal(key, claims.list(key).map(jsonText).join("\n"), found.join("\n"));
  }
}

/** What a pass over a store of these packets gives, received in this order: the obvious way. */
function readPass(compiled: CompiledQuery, packets: readonly Packet[]): readonly Packet[] {
  const { mode, recv } = compiled;
  const rows = packets.map((packet, index) => ({ packet, recv: recvStart + index }));
  const ordered = inOrder(rows, mode);
  const matcher = createMatcher(compiled);
  return ordered
    .filter((row) => BigInt(row.recv) >= recv.low && BigInt(row.recv) <= recv.high)
    .filter((row) => matcher.test(row.packet, row.recv, "stored") === "match")
    .map(({ packet }) => packet);
}

interface Row {
  readonly packet: Packet;
  readonly recv: number;
}

/** Rows as a mode gives them: branches of the tree ascend always, only their stamps turn round. */
function inOrder(rows: readonly Row[], mode: string): readonly Row[] {
  const sign = mode.endsWith("desc") ? -1 : 1;
  const sorted = [...rows];
  if (mode.startsWith("log")) return sorted.sort((a, b) => sign * (a.recv - b.recv));
  if (mode.startsWith("hash")) {
    return sorted.sort((a, b) => sign * compareBytes(a.packet.hash, b.packet.hash));
  }
  const none = new Uint8Array(0);
  return sorted
    .filter(({ packet }) => treeKey(packet) !== undefined)
    .sort(
      (a, b) =>
        compareBytes(treeKey(a.packet) ?? none, treeKey(b.packet) ?? none) ||
        sign * comparePackets(a.packet, b.packet),
    );
}
