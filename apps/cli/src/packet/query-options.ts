/** Options that say which packets are meant, and the query they stand for. */
import { Option, type Command } from "commander";
import {
  findOption,
  parseQuery,
  printQuery,
  selectorStatements,
  type AbeContext,
  type Query,
  type QueryFailure,
  type QueryFlags,
  type QueryMode,
} from "@hawser/query";
import { CliError } from "../errors.ts";
import { usage } from "./errors.ts";
import { defaultPlace, evaluateBytes } from "./expressions.ts";
import { wholeNumber } from "./options.ts";
import type { Session } from "./session.ts";

export interface QueryOptions {
  readonly bare?: boolean;
  readonly dbOnly?: boolean;
  readonly newOnly?: boolean;
  readonly max?: number;
  readonly maxBranch?: number;
  readonly maxIndex?: number;
  readonly maxNew?: number;
  readonly signed?: boolean;
  readonly unsigned?: boolean;
  readonly watch?: boolean;
  readonly qid?: string;
  readonly follow?: boolean;
  readonly until?: string;
  readonly mode?: QueryMode;
  readonly printExpr?: boolean;
  readonly printText?: boolean;
}

const modes: readonly QueryMode[] = [
  "tree-desc",
  "tree-asc",
  "hash-asc",
  "hash-desc",
  "log-asc",
  "log-desc",
];

const u32Max = 0xffff_ffff;

/**
 * What a query is for, which says what options it has: the text of any query; a stream of packets,
 * which has no order and no store behind it; a store, in an order of choice or in a fixed one.
 */
export type QueryPurpose = "text" | "stream" | "store" | "order";

export function addQueryOptions(command: Command, purpose: QueryPurpose): Command {
  command
    .argument("[selector]", "DOMAIN:GROUP:SPACE[:DEPTH]; DEPTH is 0–8, * for 1, ** for any")
    .option("-b, --bare", "no selector: only what the options and the words after -- say")
    .option("--max <count>", "at most so many", wholeNumber(0, u32Max))
    .option("--signed", "only keypoints")
    .option("--unsigned", "no keypoints")
    .option("--until <duration>", "nothing later than this from now, e.g. 1m");
  if (purpose !== "stream") addStoreOptions(command);
  if (purpose === "text" || purpose === "store") {
    command.addOption(new Option("--mode <order>", "the order to read a store in").choices(modes));
  }
  if (purpose === "text") {
    command
      .option("--watch", "give the query the name `default` (:qid)")
      .option("--qid <expr>", "give the query this name")
      .option("--print-text", "print values as text, not as expressions");
    return command;
  }
  return command
    .option("-p, --print-expr", "print the query, and do nothing else")
    .option("--print-text", "the same, with values as text");
}

function addStoreOptions(command: Command): void {
  command
    .option("--db-only", "only what the store has now")
    .option("--new-only", "only what comes later")
    .option("--max-branch <count>", "at most so many a place and key", wholeNumber(0, u32Max))
    .option("--max-index <count>", "at most so many from the store", wholeNumber(0, u32Max))
    .option("--max-new <count>", "at most so many that come later", wholeNumber(0, u32Max))
    .option("--follow", "also the packets that matches link, as far as they are in the store");
}

/** The query of a selector, options and statements. Throws CliError with the failure's code. */
export function queryOfOptions(
  session: Session,
  selector: string | undefined,
  options: QueryOptions,
  statements: readonly string[],
): Query {
  if (options.bare === true ? selector !== undefined : selector === undefined) {
    throw usage(
      options.bare === true ? `--bare and ${selector}` : "no selector",
      'Give one, e.g. "my_app:[#:pub]:/notes:**", or --bare with statements after --.',
    );
  }
  const scope = session.scope();
  const { group, domain } = defaultPlace(session, scope);
  const made = selectorStatements(selector, toFlags(options, scope), scope, { group, domain });
  if (!made.ok) throw queryError(made, `selector ${selector ?? ""}`);
  const lines = [...made.statements, ...statements];
  const parsed = parseQuery(lines, scope);
  if (!parsed.ok) throw queryError(parsed, lines[parsed.statement] ?? "query");
  if (findOption(parsed.query, "mode") !== undefined) return parsed.query;
  const moded = parsed.query.withOption("mode", Buffer.from("tree-desc"));
  if (!moded.ok) throw queryError(moded, "query");
  return moded.query;
}

function toFlags(options: QueryOptions, scope: AbeContext): QueryFlags {
  const { qid, bare: _bare, printExpr: _expr, printText: _text, ...flags } = options;
  if (options.signed === true && options.unsigned === true) {
    throw usage("--signed and --unsigned: no packet is both");
  }
  return qid === undefined
    ? flags
    : { ...flags, qid: evaluateBytes(qid, scope, { name: "--qid" }) };
}

function queryError(failure: QueryFailure, text: string): Error {
  const { code, message, expected, index } = failure;
  const where = index > 0 ? ` at character ${index + 1}` : "";
  return new CliError(code, `${text}: ${message}`, `Expected${where}: ${expected}.`);
}

/** Prints the query where that is all that was asked for; says whether it did. */
export async function printInstead(
  session: Session,
  query: Query,
  options: QueryOptions,
): Promise<boolean> {
  if (options.printExpr !== true && options.printText !== true) return false;
  const text = printQuery(query, { expressions: options.printText !== true });
  await session.stdout.write(Buffer.from(text));
  return true;
}
