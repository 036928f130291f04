/** print (pktf): packets as text, by templates. */
import type { Command } from "commander";
import { isPrivate, printPacket, type Packet } from "@hawser/packet";
import { defaultPacketTemplate } from "@hawser/query";
import { CliError } from "../../errors.ts";
import { openDestinations } from "../destinations.ts";
import { usage } from "../errors.ts";
import { evaluateBytes } from "../expressions.ts";
import { readPackets, type PacketInputOptions } from "../input.ts";
import { addForward, addPacketInput } from "../options.ts";
import type { PacketCall } from "../run.ts";
import type { Session } from "../session.ts";
import { refuseTrailing } from "./build.ts";

interface PrintOptions extends PacketInputOptions {
  readonly inspect?: boolean;
  readonly error?: string;
  readonly forward: readonly string[];
  readonly joinDelimiter?: boolean;
  readonly delimiter: string;
  readonly strict?: boolean;
  readonly fast?: boolean;
}

export function addPrintCommand(program: Command, call: PacketCall): void {
  const command = program
    .command("print")
    .alias("p")
    .alias("pktf")
    .description("print packets by a template; a second and third are for linkpoints and keypoints")
    .argument("[templates...]", "expressions with the packet in scope (or LK_PKTF)")
    .option("--inspect", "print to stderr and pass the packets on to stdout")
    .option("-e, --error <expr>", "what to print where the template fails, instead of ending")
    .option("-j, --join-delimiter", "no delimiter after the last packet")
    .option("-d, --delimiter <expr>", "what follows each packet", "\\n")
    .option("--strict", "refuse templates with bytes that are no expression")
    .option("--fast", "the default form without names and templates")
    .addHelpText("after", '\nExample: hawser packet print "[hash:str] [data]" < hello.lk');
  addPacketInput(addForward(command, "null")).action(
    async (templates: string[], options: PrintOptions) => {
      refuseTrailing(call, "print");
      await call.run((session) => printPackets(session, templates, options));
    },
  );
}

async function printPackets(
  session: Session,
  given: readonly string[],
  options: PrintOptions,
): Promise<void> {
  if (given.length > 3) throw usage(`${given.length} templates`, "Give at most three.");
  if (options.fast === true && given.length > 0) throw usage("--fast goes with no template");
  const { LK_PKTF } = session.io.env;
  const fromEnv = LK_PKTF === undefined || LK_PKTF === "" ? [] : [LK_PKTF];
  const templates = given.length > 0 || options.fast === true ? given : fromEnv;
  const scope = session.scope();
  const delimiter = evaluateBytes(options.delimiter, scope, { name: "--delimiter" });
  const inspects = options.inspect === true;
  const forward = await openDestinations(
    session,
    inspects ? [...options.forward, "stdout"] : options.forward,
  );
  const sink = inspects ? session.stderr : session.stdout;
  const joins = options.joinDelimiter === true;
  let isFirst = true;
  for await (const packet of readPackets(session, options, { allowPrivate: true })) {
    // Text on a terminal crosses no boundary: it is left out only where that was asked for.
    if (session.privateWrite === false && isPrivate(packet)) continue;
    if (joins && !isFirst) await sink.write(delimiter);
    await sink.write(formatPacket(session, packet, templates, options));
    if (!joins) await sink.write(delimiter);
    isFirst = false;
    await forward.write(packet);
  }
}

function formatPacket(
  session: Session,
  packet: Packet,
  templates: readonly string[],
  options: PrintOptions,
): Uint8Array {
  if (options.fast === true) return Buffer.from(printPacket(packet));
  const [first = defaultPacketTemplate, second = first, third = second] = templates;
  const template =
    packet.kind === "keypoint" ? third : packet.kind === "linkpoint" ? second : first;
  const scope = session.scope({ packet, recv: session.io.nowMicros() });
  try {
    return evaluateBytes(template, scope, { name: "template", loose: options.strict !== true });
  } catch (error) {
    if (options.error === undefined || !(error instanceof CliError)) throw error;
    return evaluateBytes(options.error, scope, { name: "--error", loose: true });
  }
}
