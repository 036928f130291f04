/** save (write): packets into the store; new ones and known ones may go on to different places. */
import type { Command } from "commander";
import { verifyPacket, type Packet } from "@hawser/packet";
import { openDestinations, parseDestination } from "../destinations.ts";
import { malformedPacket, usage } from "../errors.ts";
import { readPacketGroups, type PacketInputOptions } from "../input.ts";
import { addPacketInput, repeated } from "../options.ts";
import type { PacketCall } from "../run.ts";
import type { Session } from "../session.ts";
import { refuseTrailing } from "./build.ts";

interface SaveOptions extends PacketInputOptions {
  readonly new: readonly string[];
  readonly old: readonly string[];
  readonly forwardStdout?: boolean;
}

export function addSaveCommand(program: Command, call: PacketCall): void {
  const command = program
    .command("save")
    .alias("write")
    .description("put packets into the store; each counts a hop unless --no-hop")
    .option("--new <destination>", "where new packets go besides the store", repeated(), ["db"])
    .option("--old <destination>", "where packets go that the store had", repeated(), ["null"])
    .option("-f, --forward-stdout", "pass all of them on to stdout")
    .addHelpText("after", "\nExample: hawser packet save --db notes.sqlite < in.lk");
  addPacketInput(command).action(async (options: SaveOptions) => {
    refuseTrailing(call, "save");
    await call.run((session) => savePackets(session, options));
  });
}

async function savePackets(session: Session, options: SaveOptions): Promise<void> {
  const extra = options.forwardStdout === true ? ["stdout"] : [];
  const isStore = (text: string): boolean => parseDestination(text).kind === "db";
  if (!options.new.some(isStore)) {
    throw usage("save without --new db", "Add --new db; to pass packets on use filter or dedup.");
  }
  const fresh = await openDestinations(session, [
    ...options.new.filter((text) => !isStore(text)),
    ...extra,
  ]);
  const known = await openDestinations(session, [
    ...options.old.filter((text) => !isStore(text)),
    ...extra,
  ]);
  const store = await session.store();
  for await (const group of readPacketGroups(session, options, { hop: true })) {
    // One transaction a group: durable before anything of it is passed on.
    const { packets } = await store.add(group.map((packet) => toVerified(session, packet)));
    for (const [index, packet] of group.entries()) {
      const place = packets[index];
      await (place?.isNew === true ? fresh : known).write(packet, place?.recv);
    }
  }
}

/** Also after --skip-hash: what is in a store is trusted from then on. */
function toVerified(session: Session, packet: Packet): Packet<"verified"> {
  const verdict = verifyPacket(session.io.crypto, packet);
  if (verdict.ok) return verdict.packet;
  throw malformedPacket("what is to be stored", { index: 0, offset: 0 }, verdict);
}
