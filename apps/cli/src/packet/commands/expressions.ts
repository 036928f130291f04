/** eval and encode: expressions to bytes and back. */
import type { Command } from "commander";
import { fromUtf8, utf8 } from "@hawser/codec";
import { tryEncodeAbe, encodeAbe, type AbeList } from "@hawser/query";
import { CliError } from "../../errors.ts";
import { usage } from "../errors.ts";
import { evaluateBytes, evaluateList } from "../expressions.ts";
import type { PacketCall } from "../run.ts";
import type { Session } from "../session.ts";
import { refuseTrailing } from "./build.ts";

interface EvalOptions {
  readonly json?: boolean;
  readonly strict?: boolean;
  readonly loose?: boolean;
}

/** What Linkspace's command tries. */
const encodeDefault = "@/#/b:32:64/";
/** Bytes from stdin that encode takes at most: what an expression may have. */
const encodeBytesMax = 1_048_576;

export function addExpressionCommands(program: Command, call: PacketCall): void {
  program
    .command("eval")
    .alias("e")
    .description("evaluate an expression and write its bytes; words after -- are [0] to [7]")
    .argument("<expression>")
    .option("--json", "the list as JSON: [[separator or null, text], …]")
    .option("--strict", "refuse bytes that are no expression")
    .option("--no-loose", "the same")
    .addHelpText("after", '\nExample: hawser packet eval "[now:str]\\n"')
    .action(async (expression: string, options: EvalOptions) => {
      await call.run((session) => evaluate(session, expression, call.trailing, options));
    });
  program
    .command("encode")
    .alias("n")
    .description("read bytes from stdin and write an expression that evaluates to them")
    .argument("[options]", "encoders to try, separated by /; an empty one is text", encodeDefault)
    .option("-i, --ignore", "where none fits write text, instead of an error")
    .addHelpText("after", '\nExample: hawser packet eval "[#:pub]" | hawser packet encode "@/#/b"')
    .action(async (encoders: string, options: { readonly ignore?: boolean }) => {
      refuseTrailing(call, "encode");
      await call.run((session) => encode(session, encoders, options.ignore === true));
    });
}

async function evaluate(
  session: Session,
  expression: string,
  values: readonly string[],
  options: EvalOptions,
): Promise<void> {
  if (values.length > 8) throw usage(`${values.length} values`, "Give at most 8: [0] to [7].");
  const scope = values.length === 0 ? session.scope() : session.scope({ argv: values.map(utf8) });
  const loose = options.strict !== true && options.loose !== false;
  const use = { name: "expression", loose };
  if (options.json === true) {
    const json = JSON.stringify(evaluateList(expression, scope, use).map(toJson));
    return await session.stdout.write(utf8(`${json}\n`));
  }
  await session.stdout.write(evaluateBytes(expression, scope, use));
}

/** Text where it is UTF-8, else the bytes as numbers. */
function toJson({ separator, bytes }: AbeList[number]): readonly [string | null, unknown] {
  return [separator ?? null, fromUtf8(bytes) ?? [...bytes]];
}

async function encode(session: Session, encoders: string, ignores: boolean): Promise<void> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of session.io.stdin) {
    parts.push(chunk);
    size += chunk.length;
    if (size > encodeBytesMax) {
      throw usage(`more than ${encodeBytesMax} bytes on stdin`, "Put large data into datapoints.");
    }
  }
  const bytes = Buffer.concat(parts);
  await session.stdout.write(utf8(`${encodeBytes(session, bytes, encoders, ignores)}\n`));
}

function encodeBytes(
  session: Session,
  bytes: Uint8Array,
  encoders: string,
  ignores: boolean,
): string {
  if (ignores) return encodeAbe(bytes, encoders, session.scope());
  const verdict = tryEncodeAbe(bytes, encoders, session.scope());
  if (verdict.ok) return verdict.value;
  const remedy = "End the encoders with / for plain text, or use --ignore.";
  throw new CliError(verdict.code, `encode ${encoders}: ${verdict.message}`, remedy);
}
