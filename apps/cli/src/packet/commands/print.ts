/** print (pktf): packets as text, by templates. */
import type { Command } from "commander";
import { isPrivate, printPacket, type Packet } from "@hawser/packet";
import { defaultPacketTemplate } from "@hawser/query";
import { CliError } from "../../errors.ts";
import { openDestinations } from "../destinations.ts";
import { usage } from "../errors.ts";
import { evaluateBytes, parseTemplate } from "../expressions.ts";
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
  const written = given.length > 0 || options.fast === true ? given : fromEnv;
  const format = createFormat(session, written, options);
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
    await sink.write(format(packet));
    if (!joins) await sink.write(delimiter);
    isFirst = false;
    await forward.write(packet);
  }
}

/** What the packets are printed as. Malformed templates are told before the first packet. */
function createFormat(
  session: Session,
  written: readonly string[],
  options: PrintOptions,
): (packet: Packet) => Uint8Array {
  if (options.fast === true) return (packet) => Buffer.from(printPacket(packet));
  const [first = defaultPacketTemplate, second = first, third = second] = written;
  const use = { name: "template", loose: options.strict !== true };
  const content = parseTemplate(first, use);
  const templates = {
    datapoint: content,
    errorpoint: content,
    linkpoint: parseTemplate(second, use),
    keypoint: parseTemplate(third, use),
  };
  const fallback =
    options.error === undefined
      ? undefined
      : parseTemplate(options.error, { name: "--error", loose: true });
  return (packet) => {
    const scope = session.scope({ recv: session.io.nowMicros() });
    try {
      return templates[packet.kind](packet, scope);
    } catch (error) {
      if (fallback === undefined || !(error instanceof CliError)) throw error;
      return fallback(packet, scope);
    }
  };
}
