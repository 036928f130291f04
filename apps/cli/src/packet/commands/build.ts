/** datapoint, linkpoint, keypoint, point: packets out of bytes, links and places. */
import type { Command } from "commander";
import { buildDatapoint, datapointDataBytesMax, type LinkDraft } from "@hawser/packet";
import { buildPoint, dataRoom, openSigner, readStamp } from "../build.ts";
import { isRepeated, namesData, openData, type DataReader } from "../data.ts";
import { openDestinations } from "../destinations.ts";
import { packetError, usage } from "../errors.ts";
import { evaluateBytes, evaluateLink, evaluatePlace, toTag } from "../expressions.ts";
import {
  addCreateOptions,
  addDataOptions,
  addKeyOptions,
  addWrite,
  unifyKeyOptions,
  type OutputOptions,
  type PointOptions,
} from "../options.ts";
import type { PacketCall } from "../run.ts";
import type { Session } from "../session.ts";

interface BuildOptions extends PointOptions, OutputOptions {
  readonly multi?: boolean;
  readonly multiLink?: string;
}

export function addBuildCommands(program: Command, call: PacketCall): void {
  const datapoint = program
    .command("datapoint")
    .alias("d")
    .alias("data")
    .description("put bytes into datapoints, as many as it takes")
    .addHelpText("after", "\nExample: echo hello | hawser packet datapoint > hello.lk");
  addWrite(addDataOptions(datapoint, { stdinByDefault: true })).action(
    async (options: BuildOptions) => {
      refuseTrailing(call, "datapoint");
      await call.run((session) => writeDatapoints(session, options));
    },
  );
  addPlaced(program, call, {
    name: "linkpoint",
    aliases: ["l", "link"],
    description: "make a linkpoint; words after -- are its links, TAG:POINTER",
    example: 'hawser packet linkpoint "my_app:[#:pub]:/notes/today" -- "about:[#:test]"',
  });
  addPlaced(program, call, {
    name: "keypoint",
    aliases: ["keyp"],
    description: "make a linkpoint signed with a key",
    example: 'hawser packet keypoint "my_app::/notes" --password secret --data-str hello',
  });
  addPlaced(program, call, {
    name: "point",
    aliases: [],
    description: "make a datapoint without a place, a linkpoint with one, signed with --sign",
    example: "echo hello | hawser packet point my_app::/notes --data-stdin",
  });
}

interface PlacedCommand {
  readonly name: "linkpoint" | "keypoint" | "point";
  readonly aliases: readonly string[];
  readonly description: string;
  readonly example: string;
}

function addPlaced(program: Command, call: PacketCall, about: PlacedCommand): void {
  const isPoint = about.name === "point";
  const command = program
    .command(about.name)
    .description(about.description)
    .argument(isPoint ? "[place]" : "<place>", "DOMAIN:GROUP:SPACE; empty parts have defaults")
    .option("-m, --multi", "one point for each block of data")
    .option("--multi-link <tag>", "the same, each linked to the one before with this tag")
    .addHelpText("after", `\nExample: ${about.example}`);
  for (const alias of about.aliases) command.alias(alias);
  if (about.name !== "keypoint") command.option("--sign", "sign it: a keypoint");
  addWrite(addDataOptions(addKeyOptions(addCreateOptions(command)))).action(
    async (place: string | undefined, given: BuildOptions) => {
      const sign = about.name === "keypoint" || given.sign === true;
      const options = { ...unifyKeyOptions(given), sign };
      await call.run(async (session) => {
        if (place !== undefined) await writePoints(session, place, call.trailing, options);
        else {
          refuseTrailing(call, "point without a place");
          refusePlaced(given);
          await writeDatapoints(session, options);
        }
      });
    },
  );
}

/** Without a place it is a datapoint, which has neither stamp nor signature nor links. */
function refusePlaced(options: BuildOptions): void {
  const names = ["sign", "create", "stamp", "createInt", "multi", "multiLink", "key", "enckey"];
  const given = Object.entries(options).find(([name]) => names.includes(name));
  if (given === undefined) return;
  throw usage(`point without a place has no ${given[0]}`, "Give DOMAIN:GROUP:SPACE as well.");
}

/** For commands that take nothing after `--`. */
export function refuseTrailing(call: PacketCall, name: string): void {
  if (call.trailing.length === 0) return;
  throw usage(`${name} takes no words after --: ${call.trailing.join(" ")}`);
}

async function writeDatapoints(session: Session, options: BuildOptions): Promise<void> {
  const data = openData(session, options, { defaultStdin: true });
  const destinations = await openDestinations(session, options.write);
  const hasData = options.data !== false;
  try {
    for (;;) {
      const block = await data.next(datapointDataBytesMax);
      if (block === undefined) return;
      await destinations.write(buildDatapoint(session.io.crypto, block));
      // No data is one empty datapoint, not as many as there is time for.
      if (!hasData) return;
    }
  } finally {
    await data.close();
  }
}

async function writePoints(
  session: Session,
  placeText: string,
  linkTexts: readonly string[],
  options: BuildOptions,
): Promise<void> {
  const scope = session.scope();
  const place = evaluatePlace(session, placeText, scope);
  const links = linkTexts.map((text) => evaluateLink(text, scope));
  const secret = await openSigner(session, options);
  const chainTag = readChainTag(session, options);
  const isMulti = options.multi === true || chainTag !== undefined;
  if (isMulti && !namesData(options)) {
    throw usage("--multi needs data", "Add --data-stdin, --data <file> or --data-str <text>.");
  }
  const data = openData(session, options, { defaultStdin: false });
  const destinations = await openDestinations(session, options.write, { allowPrivate: true });
  let chain: readonly LinkDraft[] = [];
  try {
    for (;;) {
      const all = [...chain, ...links];
      const room = dataRoom(place, all.length, secret !== undefined);
      const block = await nextBlock(data, room, { isOptional: !isMulti });
      if (block === undefined) return;
      if (!isMulti) await refuseSurplus(data, options);
      const stamp = readStamp(session, options, scope);
      const packet = buildPoint(session, { place, links: all, stamp, data: block }, secret);
      await destinations.write(packet);
      if (!isMulti) return;
      if (chainTag !== undefined) chain = [{ tag: chainTag, pointer: packet.hash }];
    }
  } finally {
    secret?.fill(0);
    await data.close();
  }
}

function readChainTag(session: Session, { multiLink }: BuildOptions): Uint8Array | undefined {
  if (multiLink === undefined) return undefined;
  const name = "--multi-link";
  return toTag(evaluateBytes(multiLink, session.scope(), { name }), name);
}

/** A single point is made even when its source is empty; of several, none is made then. */
async function nextBlock(
  data: DataReader,
  room: number,
  { isOptional }: { readonly isOptional: boolean },
): Promise<Uint8Array | undefined> {
  // The builder says what is too much when there is no room at all.
  const block = await data.next(Math.max(0, room));
  return block ?? (isOptional ? new Uint8Array(0) : undefined);
}

/** Data that would be lost is an error unless the person asked for a first block only. */
async function refuseSurplus(data: DataReader, options: BuildOptions): Promise<void> {
  const isFirstOnly =
    options.dataDelim !== undefined ||
    options.dataBufsize !== undefined ||
    options.dataOverflow === "trim" ||
    isRepeated(options);
  if (isFirstOnly || !(await data.hasMore())) return;
  throw packetError(
    "CLI_DATA_TOO_LARGE",
    "there is more data than fits into one packet",
    "Make several with --multi, cut it with --data-overflow trim, or collect datapoints.",
  );
}
