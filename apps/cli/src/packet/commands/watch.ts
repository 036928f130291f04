/** watch and multi-watch: packets out of the store, and those that come later. */
import { Option, type Command } from "commander";
import { fromUtf8, toHex } from "@hawser/codec";
import type { Packet } from "@hawser/packet";
import {
  compileQuery,
  linkedPackets,
  parseQuery,
  type PacketStore,
  type Query,
  type StoredPacket,
} from "@hawser/query";
import { printable } from "../../output.ts";
import { openDestinations, type Destinations } from "../destinations.ts";
import { usage } from "../errors.ts";
import { readPacketGroups, type PacketInputOptions } from "../input.ts";
import { withInterval } from "../interval.ts";
import { addPacketInput, addWrite, repeated, type OutputOptions } from "../options.ts";
import {
  addQueryOptions,
  printInstead,
  queryOfOptions,
  type QueryOptions,
} from "../query-options.ts";
import type { PacketCall } from "../run.ts";
import type { Session } from "../session.ts";
import { createStoreTail, pollMs, untilNextLook } from "../tail.ts";
import { createWatch, type Watch } from "../watching.ts";

interface WatchOptions extends QueryOptions, OutputOptions {
  readonly asc?: boolean;
  readonly desc?: boolean;
}

export function addWatchCommands(program: Command, call: PacketCall): void {
  addWatch(program, call, {
    name: "watch",
    order: undefined,
    description: "write the packets of the store that match, then those that come, until ended",
    example: 'hawser packet watch "my_app:[#:pub]:/notes:**" --db-only > notes.lk',
  });
  addWatch(program, call, {
    name: "watch-tree",
    order: "tree",
    description: "watch in tree order; without a depth, any depth",
    example: "hawser packet watch-tree my_app --asc --db-only > all.lk",
  });
  addWatch(program, call, {
    name: "watch-log",
    order: "log",
    description: "watch in the order of receipt",
    example: 'hawser packet watch-log --bare --asc -- "recv:>:[now:-1D]"',
  });
  const watchHash = program
    .command("watch-hash")
    .description("write the packet with this hash, now or when it comes")
    .argument("<hash>", "43 characters of base64url, or an expression")
    .option("--db-only", "only if the store has it now")
    .addHelpText(
      "after",
      "\nExample: hawser packet watch-hash Yrs7iz3VznXh-ogv4aM62VmMNxXFiT4P24tIfVz9sTk --db-only",
    );
  addWrite(watchHash).action(async (hash: string, options: OutputOptions & QueryOptions) => {
    const statements = [`hash:=:${hash}`, "i:=:[u32:0]", ...call.trailing];
    const given: WatchOptions = { ...options, bare: true, mode: "hash-asc" };
    await call.run((session) => watch(session, undefined, given, statements));
  });
  addMultiWatch(program, call);
}

function addWatch(
  program: Command,
  call: PacketCall,
  about: {
    readonly name: string;
    readonly order: "tree" | "log" | undefined;
    readonly description: string;
    readonly example: string;
  },
): void {
  const command = program.command(about.name).description(about.description);
  if (about.order !== undefined) {
    command
      .addOption(new Option("-a, --asc", "ascending"))
      .addOption(new Option("--desc", "descending (default)").conflicts("asc"));
  }
  command.addHelpText("after", `\nExample: ${about.example}`);
  addQueryOptions(addWrite(command), about.order === undefined ? "store" : "order").action(
    async (selector: string | undefined, given: WatchOptions) => {
      const { asc, desc: _, ...options } = given;
      const direction = asc === true ? "asc" : "desc";
      const mode =
        about.order === undefined ? {} : { mode: `${about.order}-${direction}` as const };
      const place = about.order === "tree" ? anyDepth(selector) : selector;
      await call.run((session) => watch(session, place, { ...options, ...mode }, call.trailing));
    },
  );
}

/** A selector with `**` where it says no depth. */
function anyDepth(selector: string | undefined): string | undefined {
  if (selector === undefined) return undefined;
  const colons = selector.replaceAll(/\\.|\[[^\]]*\]/g, "").split(":").length - 1;
  return colons >= 3 ? selector : `${selector}${":".repeat(3 - colons)}**`;
}

async function watch(
  session: Session,
  selector: string | undefined,
  options: WatchOptions,
  statements: readonly string[],
): Promise<void> {
  const query = queryOfOptions(session, selector, options, statements);
  if (await printInstead(session, query, options)) return;
  refuseStore(options.write);
  const destinations = await openDestinations(session, options.write);
  const store = await session.store();
  const last = await store.lastRecv();
  const watched = createWatch(store, compileQuery(query), last);
  await writeStored(session, watched, { store, destinations });
  const tail = createStoreTail(store, last);
  while (!watched.isFinished(session.io.nowMicros())) {
    await session.flush();
    const packets = await tail.next();
    for (const stored of packets) await writeFresh(watched, stored, { store, destinations });
    if (packets.length === 0 && !(await untilNextLook(session.io))) return;
  }
}

interface Out {
  readonly store: PacketStore;
  readonly destinations: Destinations;
}

/** What comes out of the store would go in again for ever. */
function refuseStore(write: readonly string[]): void {
  if (!write.includes("db")) return;
  throw usage("a watch does not write into the store it reads", "Name another --write.");
}

async function writeStored(session: Session, watched: Watch, out: Out): Promise<void> {
  for await (const stored of watched.stored()) await writeMatch(watched, stored, out);
  await session.flush();
}

async function writeFresh(watched: Watch, stored: StoredPacket, out: Out): Promise<void> {
  if (watched.takes(stored)) await writeMatch(watched, stored, out);
}

async function writeMatch(watched: Watch, stored: StoredPacket, out: Out): Promise<void> {
  await out.destinations.write(stored.packet, stored.recv);
  if (!watched.query.follow) return;
  for await (const linked of linkedPackets(out.store, stored.packet)) {
    await out.destinations.write(linked.packet, linked.recv);
  }
}

interface MultiWatchOptions extends OutputOptions, PacketInputOptions {
  readonly linger?: boolean;
  readonly or: readonly string[];
}

/** Queries that run at once. */
const watchCountMax = 1_000;

function addMultiWatch(program: Command, call: PacketCall): void {
  const command = program
    .command("multi-watch")
    .description("take the data of each incoming packet as a query, and watch all of them")
    .option("-l, --linger", "go on when the input ends")
    .option(
      "--or <constraint>",
      "a query must also satisfy one of these statements; the first that fits is added",
      repeated(),
      [],
    )
    .addHelpText(
      "after",
      '\nExample: hawser packet datapoint --data-str ":qid:a" | hawser packet multi-watch --linger',
    );
  addWrite(addPacketInput(command)).action(async (options: MultiWatchOptions) => {
    const constraints = [...options.or, ...call.trailing];
    await call.run((session) => multiWatch(session, constraints, options));
  });
}

async function multiWatch(
  session: Session,
  constraints: readonly string[],
  options: MultiWatchOptions,
): Promise<void> {
  refuseStore(options.write);
  const destinations = await openDestinations(session, options.write);
  const store = await session.store();
  const out = { store, destinations };
  const start = await store.lastRecv();
  const tail = createStoreTail(store, start);
  const watches = new Map<string, Watch & { readonly last: number; readonly request: Packet }>();

  const take = async (packets: readonly Packet[]): Promise<void> => {
    for (const request of packets) {
      const query = await acceptQuery(session, request, constraints);
      if (query === undefined) continue;
      const compiled = compileQuery(query);
      const last = await store.lastRecv();
      const watched = createWatch(store, compiled, last);
      const name = toHex(compiled.qid ?? request.hash);
      watches.delete(name);
      if (watches.size >= watchCountMax) {
        await refuse(session, request, `${watchCountMax} queries run already`);
        continue;
      }
      watches.set(name, { ...watched, last, request });
      await writeStored(session, watched, out);
    }
    await drop();
  };
  const look = async (): Promise<number> => {
    const packets = await tail.next();
    for (const stored of packets) {
      for (const watched of watches.values()) {
        if (stored.recv > watched.last) await writeFresh(watched, stored, out);
      }
    }
    await drop();
    await session.flush();
    return packets.length;
  };
  const drop = async (): Promise<void> => {
    for (const [name, watched] of watches) {
      if (!watched.isFinished(session.io.nowMicros())) continue;
      watches.delete(name);
      if (watched.query.notifyClose) await destinations.write(watched.request);
    }
  };
  const idle = async (): Promise<void> => void (await look());
  await withInterval(session.io, readPacketGroups(session, options), pollMs * 1_000, {
    take,
    idle,
  });
  await look();
  while (options.linger === true && watches.size > 0) {
    if ((await look()) === 0 && !(await untilNextLook(session.io))) return;
  }
}

/**
 * The query in a packet's data, narrowed by a constraint; a refused one is told on stderr. Whoever
 * asks sees the packet and the time: what comes out would tell of key names and the environment.
 */
async function acceptQuery(
  session: Session,
  request: Packet,
  constraints: readonly string[],
): Promise<Query | undefined> {
  const text = fromUtf8(request.data) ?? "";
  const read = parseQuery(text, { nowMicros: session.io.nowMicros, packet: request });
  if (!read.ok) return await refuse(session, request, read.message);
  if (constraints.length === 0) return read.query;
  const scope = session.scope({ packet: request });
  for (const constraint of constraints) {
    const narrowed = read.query.withStatement(constraint, scope);
    if (narrowed.ok) return narrowed.query;
  }
  return await refuse(session, request, "it fits none of the constraints");
}

async function refuse(session: Session, request: Packet, why: string): Promise<undefined> {
  const name = Buffer.from(request.hash).toString("base64url");
  await session.stderr.write(Buffer.from(`hawser: query ${name} is refused: ${printable(why)}\n`));
  return undefined;
}
