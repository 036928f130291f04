/** collect: linkpoints that link the packets passing by. */
import type { Command } from "commander";
import type { LinkDraft, Packet } from "@hawser/packet";
import { buildPoint, dataRoom, openSigner, readStamp } from "../build.ts";
import { openData } from "../data.ts";
import { openDestinations } from "../destinations.ts";
import { usage } from "../errors.ts";
import {
  evaluateBytes,
  evaluateLink,
  evaluatePlace,
  parseTemplate,
  toTag,
} from "../expressions.ts";
import { readDuration, withInterval } from "../interval.ts";
import { assertOneStdin, readPacketGroups } from "../input.ts";
import {
  addCreateOptions,
  addDataOptions,
  addForward,
  addKeyOptions,
  addPacketInput,
  addWrite,
  repeated,
  unifyKeyOptions,
  wholeNumber,
  type ForwardOptions,
  type PointOptions,
} from "../options.ts";
import type { PacketCall } from "../run.ts";
import type { Session } from "../session.ts";

interface CollectOptions extends PointOptions, ForwardOptions {
  readonly collectTag: string;
  readonly chainTag?: string;
  readonly allowEmpty?: boolean;
  readonly initLink: readonly string[];
  readonly maxLinks: number;
  readonly minInterval?: string;
}

/** What Linkspace uses: its own link limit, less 16. */
const maxLinksDefault = 1_333;

export function addCollectCommand(program: Command, call: PacketCall): void {
  const command = program
    .command("collect")
    .description("pass packets on and add linkpoints that link them; words after -- are more links")
    .argument("<place>", "DOMAIN:GROUP:SPACE of the linkpoints")
    .option("--collect-tag <expr>", "tag of each link; may name the packet's fields", "[now]")
    .option(
      "--chain-tag <expr>",
      "link each linkpoint to the one before with this tag, first of all",
    )
    .option("--allow-empty", "make a linkpoint also when nothing was collected")
    .option(
      "--init-link <tag:pointer>",
      "a link for the first linkpoint; repeatable",
      repeated(),
      [],
    )
    .option(
      "--max-links <count>",
      "a linkpoint after so many packets",
      wholeNumber(1, 1_353),
      maxLinksDefault,
    )
    .option("--min-interval <duration>", "a linkpoint also after this time, e.g. 10s")
    .option("--sign", "sign them: keypoints")
    .addHelpText(
      "after",
      "\nThe incoming packets go to --forward, the linkpoints to --write. With --forward buffer" +
        " packets\ncome after the linkpoint that links them.\n\nExample: hawser packet datapoint" +
        " < film.mp4 | hawser packet collect my_app::/film \\\n" +
        "           --collect-tag data --chain-tag continue > film.lk",
    );
  const withInput = addPacketInput(addForward(addWrite(command), "stdout"));
  addDataOptions(addKeyOptions(addCreateOptions(withInput))).action(
    async (place: string, given: CollectOptions) => {
      const options = unifyKeyOptions(given);
      await call.run((session) => collect(session, place, call.trailing, options));
    },
  );
}

async function collect(
  session: Session,
  place: string,
  linkTexts: readonly string[],
  options: CollectOptions,
): Promise<void> {
  const collector = await createCollector(session, place, linkTexts, options);
  try {
    const groups = readPacketGroups(session, options);
    if (options.minInterval === undefined) {
      for await (const group of groups) await collector.take(group);
    } else {
      const interval = readDuration(options.minInterval, session.scope(), "--min-interval");
      const idle = (): Promise<void> => collector.emit({ isEnd: false }).then(session.flush);
      await withInterval(session.io, groups, interval, { take: collector.take, idle });
    }
    await collector.emit({ isEnd: true });
  } finally {
    await collector.close();
  }
}

interface Collector {
  take(packets: readonly Packet[]): Promise<void>;
  /** Makes a linkpoint if there is something to link. */
  emit(when: { readonly isEnd: boolean }): Promise<void>;
  close(): Promise<void>;
}

async function createCollector(
  session: Session,
  placeText: string,
  linkTexts: readonly string[],
  options: CollectOptions,
): Promise<Collector> {
  const scope = session.scope();
  const place = evaluatePlace(session, placeText, scope);
  const fixed = linkTexts.map((text) => evaluateLink(text, scope));
  const initial = options.initLink.map((text) => evaluateLink(text, scope));
  const chainTag =
    options.chainTag === undefined
      ? undefined
      : toTag(evaluateBytes(options.chainTag, scope, { name: "--chain-tag" }), "--chain-tag");
  const collectTag = parseTemplate(options.collectTag, { name: "--collect-tag" });
  const secret = await openSigner(session, options);
  const data = openData(session, options, { defaultStdin: false });
  assertOneStdin(options, data.usesStdin);
  const leadMax = Math.max(initial.length, chainTag === undefined ? 0 : 1) + fixed.length;
  refuseTooMany(dataRoom(place, options.maxLinks + leadMax, secret !== undefined), options);

  let buffered: Uint8Array[] = [];
  const destinations = await openDestinations(session, options.write);
  const forward = await openDestinations(session, options.forward, {
    // A copy, as it may be kept long: the chunk it is a view into need not be.
    buffer: (bytes) => void buffered.push(Uint8Array.from(bytes)),
  });
  let links: LinkDraft[] = [];
  let lead: readonly LinkDraft[] = initial;
  let madeCount = 0;

  const make = async (): Promise<void> => {
    const all = [...lead, ...fixed, ...links];
    const block = await data.next(dataRoom(place, all.length, secret !== undefined), scope);
    const stamp = readStamp(session, options, session.scope());
    const content = { place, links: all, stamp, data: block ?? new Uint8Array(0) };
    const packet = buildPoint(session, content, secret);
    links = [];
    madeCount += 1;
    lead = chainTag === undefined ? [] : [{ tag: chainTag, pointer: Uint8Array.from(packet.hash) }];
    await destinations.write(packet);
    const parts = buffered;
    buffered = [];
    for (const bytes of parts) await session.stdout.write(bytes);
  };
  return {
    take: async (packets) => {
      for (const packet of packets) {
        const tag = collectTag(packet, session.scope());
        // Copies: a view, which a Buffer's slice is as well, would keep its whole chunk in memory
        // until the linkpoint is made.
        const pointer = Uint8Array.from(packet.hash);
        links.push({ tag: Uint8Array.from(toTag(tag, "--collect-tag")), pointer });
        await forward.write(packet);
        if (links.length >= options.maxLinks) await make();
      }
    },
    emit: async ({ isEnd }) => {
      const isWanted = options.allowEmpty === true && (!isEnd || madeCount === 0);
      if (links.length > 0 || isWanted) await make();
    },
    close: async () => {
      secret?.fill(0);
      await data.close();
    },
  };
}

function refuseTooMany(room: number, { maxLinks }: CollectOptions): void {
  if (room >= 0) return;
  const remedy = "Lower --max-links: a packet has 65020 bytes, and each link takes 48 of them.";
  throw usage(
    `--max-links ${maxLinks}: so many links do not fit beside path and signature`,
    remedy,
  );
}
