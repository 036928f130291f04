/** filter and ignore choose packets of a stream; query shows what would be chosen. */
import type { Command } from "commander";
import { compileQuery, createMatcher } from "@hawser/query";
import { openDestinations } from "../destinations.ts";
import { readPackets, type PacketInputOptions } from "../input.ts";
import { addPacketInput, addWrite, repeated, type OutputOptions } from "../options.ts";
import {
  addQueryOptions,
  printInstead,
  queryOfOptions,
  type QueryOptions,
} from "../query-options.ts";
import type { PacketCall } from "../run.ts";
import type { Session } from "../session.ts";

interface FilterOptions extends QueryOptions, OutputOptions, PacketInputOptions {
  readonly allowDatapoint?: boolean;
  readonly writeFalse: readonly string[];
}

export function addFilterCommands(program: Command, call: PacketCall): void {
  const filters = [
    {
      name: "filter",
      description: "pass the packets that match; words after -- are statements",
      example: 'hawser packet filter "my_app:[#:pub]:/notes:**" --signed < in.lk',
      keeps: true,
    },
    {
      name: "ignore",
      description: "pass the packets that do not match",
      example: 'hawser packet ignore --bare -- "data_size:>:[u16:1000]" < in.lk',
      keeps: false,
    },
  ] as const;
  for (const { name, description, example, keeps } of filters) {
    const command = program
      .command(name)
      .description(description)
      .option("--allow-datapoint", "pass datapoints and error points whatever the query says")
      .option("-f, --write-false <destination>", "where the others go; repeatable", repeated(), [
        "null",
      ])
      .addHelpText("after", `\nExample: ${example}`);
    addQueryOptions(addWrite(addPacketInput(command)), "stream").action(
      async (selector: string | undefined, options: FilterOptions) => {
        const given = { selector, statements: call.trailing, keeps };
        await call.run((session) => filterPackets(session, given, options));
      },
    );
  }
  addQueryCommand(program, call);
}

async function filterPackets(
  session: Session,
  given: {
    readonly selector: string | undefined;
    readonly statements: readonly string[];
    readonly keeps: boolean;
  },
  options: FilterOptions,
): Promise<void> {
  const query = queryOfOptions(session, given.selector, options, given.statements);
  if (await printInstead(session, query, options)) return;
  const matcher = createMatcher(compileQuery(query));
  const passed = await openDestinations(session, options.write);
  const others = await openDestinations(session, options.writeFalse);
  // A filter that can pass nothing more ends, so that whoever feeds it ends too.
  const canEnd = given.keeps && others.isEmpty && options.allowDatapoint !== true;
  for await (const packet of readPackets(session, options)) {
    const isContent = packet.kind === "datapoint" || packet.kind === "errorpoint";
    if (options.allowDatapoint === true && isContent) {
      await passed.write(packet);
      continue;
    }
    const verdict = matcher.test(packet, session.io.nowMicros(), "fresh");
    if (verdict === "finished" && canEnd) return;
    // What ignore has finished counting it no longer drops.
    await ((verdict === "match") === given.keeps ? passed : others).write(packet);
    if (canEnd && matcher.isFinished("fresh")) return;
  }
}

function addQueryCommand(program: Command, call: PacketCall): void {
  const command = program
    .command("query")
    .alias("q")
    .alias("print-query")
    .description("print the query that selector, options and the words after -- stand for")
    .addHelpText("after", '\nExample: hawser packet query "my:[#:pub]:/hello:*" --signed');
  addQueryOptions(command, "text").action(
    async (selector: string | undefined, options: QueryOptions) => {
      await call.run(async (session) => {
        const query = queryOfOptions(session, selector, options, call.trailing);
        const isText = options.printText === true;
        await printInstead(session, query, { ...options, printExpr: !isText });
      });
    },
  );
}
