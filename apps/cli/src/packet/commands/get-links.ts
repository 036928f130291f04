/** get-links: before each packet the packets it links, out of the store. */
import { Argument, type Command } from "commander";
import { toBase64url, toHex } from "@hawser/codec";
import { hashBytes, type Packet } from "@hawser/packet";
import type { PacketStore } from "@hawser/query";
import { openDestinations, type Destinations } from "../destinations.ts";
import { packetError, usage } from "../errors.ts";
import { readPackets } from "../input.ts";
import {
  addForward,
  addPacketInput,
  addWrite,
  wholeNumber,
  type ForwardOptions,
} from "../options.ts";
import type { PacketCall } from "../run.ts";
import type { Session } from "../session.ts";
import { createStoreTail, untilNextLook } from "../tail.ts";
import { refuseTrailing } from "./build.ts";

const modes = ["skip", "pause", "error", "watch"] as const;
type LinkMode = (typeof modes)[number];

interface GetLinksOptions extends ForwardOptions {
  readonly recursive?: number;
  readonly recursiveAll?: boolean;
}

export function addGetLinksCommand(program: Command, call: PacketCall): void {
  const command = program
    .command("get-links")
    .description("write the packets that each packet links, in the order of its links, before it")
    .addArgument(
      new Argument(
        "<mode>",
        "for a link that is not in the store: skip it, pause until it is, end with an error," +
          " or watch for it and write it later",
      ).choices(modes),
    )
    .option(
      "-r, --recursive <levels>",
      "also the links of linked packets",
      wholeNumber(0, 1_000_000),
    )
    .option("-R, --recursive-all", "the same without limit; each packet comes before its links")
    .addHelpText(
      "after",
      "\nExample: hawser packet get-links -R error < last.lk | hawser packet print -d '' '[data]'",
    );
  addPacketInput(addForward(addWrite(command), "stdout")).action(
    async (mode: LinkMode, options: GetLinksOptions) => {
      refuseTrailing(call, "get-links");
      if (options.recursiveAll === true && options.recursive !== undefined) {
        throw usage("--recursive and --recursive-all", "Give one of them.");
      }
      await call.run((session) => getLinks(session, mode, options));
    },
  );
}

/** What the walk needs to know of each link it has not followed yet. */
interface Level {
  /** Pointers of 32 bytes, one after another. */
  readonly pointers: Uint8Array;
  next: number;
  /** How many more levels below these links. */
  readonly levels: number;
}

/** A link that was not there. */
interface MissingLink {
  /** How many levels below it are wanted. */
  readonly levels: number;
}

/** Pointers waiting to be followed take at most so much: a chain of 1,500 full linkpoints. */
const pendingBytesMax = 67_108_864;
/** Links that `watch` waits for at most. */
const missingCountMax = 100_000;
/**
 * Links of packets that one walk followed before already. To follow them again is right, content may
 * repeat; without a bound a few packets that link the next one twice each would never end.
 */
const repeatedLinkCountMax = 262_144;
/** Packets with links that one walk remembers, some 130 bytes each; others count as repeated. */
const walkedCountMax = 1_000_000;

async function getLinks(session: Session, mode: LinkMode, options: GetLinksOptions): Promise<void> {
  const levels =
    options.recursiveAll === true ? Number.POSITIVE_INFINITY : (options.recursive ?? 0);
  const store = await session.store();
  const linked = await openDestinations(session, options.write);
  const forward = await openDestinations(session, options.forward);
  const missing = new Map<string, MissingLink[]>();
  const walk = createWalk(session, { store, linked, mode, missing });
  for await (const packet of readPackets(session, options)) {
    await walk(packet, levels);
    await forward.write(packet);
  }
  if (mode === "watch") await writeLater(session, { store, linked, missing, walk });
}

type Walk = (packet: Packet, levels: number) => Promise<void>;

/** Writes what a packet links, depth first. An explicit stack: chains of packets can be long. */
function createWalk(
  session: Session,
  to: {
    readonly store: PacketStore;
    readonly linked: Destinations;
    readonly mode: LinkMode;
    readonly missing: Map<string, MissingLink[]>;
  },
): Walk {
  let missingCount = 0;
  return async (root, rootLevels) => {
    const stack: Level[] = [];
    const walked = new Set<string>();
    let repeatedLinkCount = 0;
    let pendingBytes = 0;
    const push = (packet: Packet, levels: number): void => {
      if (packet.linkCount === 0) return;
      const key = toHex(packet.hash);
      if (walked.size < walkedCountMax && !walked.has(key)) walked.add(key);
      else repeatedLinkCount += packet.linkCount;
      if (repeatedLinkCount > repeatedLinkCountMax) throw tooManyRepeated();
      const pointers = pointersOf(packet);
      pendingBytes += pointers.length;
      if (pendingBytes > pendingBytesMax) throw tooDeep();
      stack.push({ pointers, next: 0, levels });
    };
    push(root, rootLevels);
    for (let level = stack.at(-1); level !== undefined; level = stack.at(-1)) {
      const pointer = level.pointers.subarray(level.next, level.next + hashBytes);
      level.next += hashBytes;
      // The last link of a packet needs no place to come back to: long chains stay shallow.
      if (level.next >= level.pointers.length) {
        pendingBytes -= level.pointers.length;
        stack.pop();
      }
      if (pointer.every((byte) => byte === 0)) continue;
      const packet = await findLinked(session, to, pointer);
      if (packet !== undefined) {
        await to.linked.write(packet);
        if (level.levels > 0) push(packet, level.levels - 1);
      } else if (to.mode === "watch") {
        if (++missingCount > missingCountMax) throw tooManyMissing();
        const key = toHex(pointer);
        const waiting = to.missing.get(key) ?? [];
        waiting.push({ levels: level.levels });
        to.missing.set(key, waiting);
      }
    }
  };
}

function pointersOf(packet: Packet): Uint8Array {
  const pointers = new Uint8Array(packet.linkCount * hashBytes);
  for (const [index, { pointer }] of packet.links.entries()) {
    pointers.set(pointer, index * hashBytes);
  }
  return pointers;
}

async function findLinked(
  session: Session,
  { store, mode }: { readonly store: PacketStore; readonly mode: LinkMode },
  pointer: Uint8Array,
): Promise<Packet | undefined> {
  for (;;) {
    const stored = await store.get(pointer);
    if (stored !== undefined || mode === "skip" || mode === "watch") return stored?.packet;
    // What was found so far is of use to whoever reads, before waiting or giving up.
    await session.flush();
    if (mode === "error" || !(await untilNextLook(session.io))) throw notFound(pointer);
  }
}

/** Writes what was missing as it is stored, and what it links, until nothing is missing. */
async function writeLater(
  session: Session,
  to: {
    readonly store: PacketStore;
    readonly linked: Destinations;
    readonly missing: Map<string, MissingLink[]>;
    readonly walk: Walk;
  },
): Promise<void> {
  const tail = createStoreTail(to.store, 0);
  while (to.missing.size > 0) {
    const packets = await tail.next();
    for (const { packet } of packets) {
      const entries = to.missing.get(toHex(packet.hash)) ?? [];
      to.missing.delete(toHex(packet.hash));
      for (const { levels } of entries) {
        await to.linked.write(packet);
        if (levels > 0) await to.walk(packet, levels - 1);
      }
    }
    await session.flush();
    if (packets.length === 0 && !(await untilNextLook(session.io))) return;
  }
}

function notFound(pointer: Uint8Array): Error {
  const remedy = "Save the packet first, or use skip, pause or watch.";
  const text = `linked packet ${toBase64url(pointer)} is not in the store`;
  return packetError("CLI_LINK_MISSING", text, remedy);
}

function tooDeep(): Error {
  const remedy = "Limit the levels with --recursive <levels>.";
  return packetError("CLI_LINK_MISSING", "the packets link each other too deeply", remedy);
}

function tooManyRepeated(): Error {
  const remedy = "Limit the levels with --recursive <levels>.";
  const text = `more than ${repeatedLinkCountMax} links repeat`;
  return packetError("CLI_LINK_MISSING", text, remedy);
}

function tooManyMissing(): Error {
  const remedy = "Save the packets first, or use skip.";
  return packetError("CLI_LINK_MISSING", `more than ${missingCountMax} links are missing`, remedy);
}
