/** rewrite: new points with changed fields; the incoming packets stay as they are. */
import { Argument, type Command } from "commander";
import type { Packet } from "@hawser/packet";
import type { AbeContext } from "@hawser/query";
import { buildPoint, dataRoom } from "../build.ts";
import { namesData, openData, type DataReader } from "../data.ts";
import { openDestinations } from "../destinations.ts";
import { usage } from "../errors.ts";
import { evaluateBytes, evaluateList, evaluateStamp, toHash, toPath } from "../expressions.ts";
import { assertOneStdin, readPackets } from "../input.ts";
import { openKey } from "../keys.ts";
import {
  addDataOptions,
  addForward,
  addKeyOptions,
  addPacketInput,
  addWrite,
  unifyKeyOptions,
  type ForwardOptions,
  type PointOptions,
} from "../options.ts";
import type { PacketCall } from "../run.ts";
import type { Session } from "../session.ts";
import { refuseTrailing } from "./build.ts";

const modes = ["sign-all", "unsign", "skip", "resign"] as const;
type RewriteMode = (typeof modes)[number];

interface RewriteOptions extends PointOptions, ForwardOptions {
  readonly group?: string;
  readonly domain?: string;
  readonly space?: string;
  readonly path?: string;
  readonly interpretData?: boolean;
}

export function addRewriteCommand(program: Command, call: PacketCall): void {
  const command = program
    .command("rewrite")
    .description("make new points with other fields; expressions see the packet; datapoints pass")
    .addArgument(
      new Argument(
        "<mode>",
        "sign-all: sign everything; resign: sign what was signed; unsign: sign nothing;" +
          " skip: let keypoints pass as they are",
      ).choices(modes),
    )
    .option("-g, --group <expr>", "another group")
    .option("--domain <expr>", "another domain")
    .option("--space <expr>", "another path, e.g. /old/[comp0]")
    .option("--create <expr>", "another stamp, e.g. [create/us:+1D]; otherwise it stays")
    .option("-i, --interpret-data", "evaluate the packet's data as an expression with it in scope")
    .addHelpText(
      "after",
      '\nExample: hawser packet rewrite --group "[#:test]" unsign < in.lk > out.lk',
    );
  const withInput = addPacketInput(addForward(addWrite(command), "null"));
  addDataOptions(addKeyOptions(withInput)).action(
    async (mode: RewriteMode, given: RewriteOptions) => {
      refuseTrailing(call, "rewrite");
      const options = unifyKeyOptions(given);
      await call.run((session) => rewrite(session, mode, options));
    },
  );
}

async function rewrite(
  session: Session,
  mode: RewriteMode,
  options: RewriteOptions,
): Promise<void> {
  if (options.interpretData === true && namesData(options)) {
    throw usage("--interpret-data takes the packet's own data, and another source was named");
  }
  const needsKey = mode === "sign-all" || mode === "resign";
  const secret = needsKey ? await openKey(session, options) : undefined;
  const data = openData(session, options, { defaultStdin: false });
  assertOneStdin(options, data.usesStdin);
  const destinations = await openDestinations(session, options.write);
  const forward = await openDestinations(session, options.forward);
  try {
    for await (const packet of readPackets(session, options)) {
      const isUntouched =
        packet.kind === "datapoint" ||
        packet.kind === "errorpoint" ||
        (mode === "skip" && packet.kind === "keypoint");
      const isSigned = mode === "sign-all" || (mode === "resign" && packet.kind === "keypoint");
      const key = isSigned ? secret : undefined;
      const result = isUntouched ? packet : await rewriteOne(session, packet, options, data, key);
      await destinations.write(result);
      await forward.write(packet);
    }
  } finally {
    secret?.fill(0);
    await data.close();
  }
}

async function rewriteOne(
  session: Session,
  packet: Packet,
  options: RewriteOptions,
  data: DataReader,
  secret: Uint8Array | undefined,
): Promise<Packet> {
  const scope = session.scope({ packet, recv: session.io.nowMicros() });
  const place = {
    group: options.group === undefined ? packet.group : readGroup(options.group, scope),
    domain: options.domain === undefined ? packet.domain : readDomain(options.domain, scope),
    path: options.space === undefined ? packet.path : readPath(options.space, scope),
  };
  const { links } = packet;
  const room = Math.max(0, dataRoom(place, links.length, secret !== undefined));
  const content = {
    place,
    links,
    stamp:
      options.create === undefined
        ? packet.stamp
        : evaluateStamp(options.create, scope, "--create"),
    data: await readData(packet, options, { data, room, scope }),
  };
  return buildPoint(session, content, secret);
}

function readGroup(expression: string, scope: AbeContext): Uint8Array {
  return toHash(evaluateBytes(expression, scope, { name: "--group" }), "--group");
}

function readDomain(expression: string, scope: AbeContext): Uint8Array {
  return evaluateBytes(expression, scope, { name: "--domain" });
}

function readPath(expression: string, scope: AbeContext): readonly Uint8Array[] {
  return toPath(evaluateList(expression, scope, { name: "--space" }), `--space ${expression}`);
}

async function readData(
  packet: Packet,
  options: RewriteOptions,
  source: { readonly data: DataReader; readonly room: number; readonly scope: AbeContext },
): Promise<Uint8Array> {
  if (options.interpretData === true) {
    return evaluateBytes(packet.data, source.scope, { name: "data of the packet" });
  }
  if (options.data === false) return new Uint8Array(0);
  if (!namesData(options)) return packet.data;
  const block = await source.data.next(source.room, source.scope);
  if (block !== undefined) return block;
  const remedy = "Give more of it, repeat it with --data-repeat, or leave the data as it is.";
  throw usage("no data is left for the next packet", remedy);
}
