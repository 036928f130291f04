/** Packets from stdin or a file: split, checked, counted, as they arrive. */
import { createReadStream } from "node:fs";
import {
  createPacketSplitter,
  hop,
  isPrivate,
  verifyPacket,
  withNetHeader,
  type Packet,
} from "@hawser/packet";
import { CliError } from "../errors.ts";
import { malformedPacket, usage } from "./errors.ts";
import type { Session } from "./session.ts";

/** Where packets come from: `pkts` is a path, or false for nowhere; by default stdin. */
export interface PacketInputOptions {
  readonly pkts?: string | boolean;
}

export interface ReadDefaults {
  /** Whether this command reads the private group when nobody said. */
  readonly allowPrivate?: boolean;
  /** Whether this command counts a hop when nobody said. */
  readonly hop?: boolean;
}

/** True when these packets are read from stdin, so that nothing else can be. */
export function readsStdin({ pkts }: PacketInputOptions): boolean {
  return pkts === undefined || pkts === true || pkts === "-";
}

/**
 * Packets in groups as they arrived: at most one packet's bytes are held back, and output is
 * flushed before each wait. Hash and signature were checked unless `--skip-hash`. Throws CliError
 * with the rejection's code, after the packets before it were given.
 */
export async function* readPacketGroups(
  session: Session,
  options: PacketInputOptions,
  defaults: ReadDefaults = {},
): AsyncGenerator<readonly Packet[], void, undefined> {
  if (options.pkts === false) return;
  const path = typeof options.pkts === "string" && options.pkts !== "-" ? options.pkts : undefined;
  const source = path ?? "stdin";
  const chunks: AsyncIterable<Uint8Array> =
    path === undefined ? session.io.stdin : createReadStream(path);
  const accept = createAcceptor(session, source, defaults);
  const splitter = createPacketSplitter({ mode: "reference", allowPrivate: true });
  for await (const chunk of chunks) {
    const { packets, rejection } = splitter.push(chunk);
    const group: Packet[] = [];
    let failure: CliError | undefined;
    for (const packet of packets) {
      const accepted = accept.packet(packet);
      if (accepted instanceof CliError) {
        failure = accepted;
        break;
      }
      group.push(accepted);
    }
    if (failure === undefined && rejection !== undefined) {
      failure = malformedPacket(source, accept.place(), rejection);
    }
    if (group.length > 0) yield group;
    await session.flush();
    if (failure !== undefined) throw failure;
  }
  const rejection = splitter.finish();
  if (rejection !== undefined) throw malformedPacket(source, accept.place(), rejection);
}

/** The same packets one by one. */
export async function* readPackets(
  session: Session,
  options: PacketInputOptions,
  defaults: ReadDefaults = {},
): AsyncGenerator<Packet, void, undefined> {
  for await (const group of readPacketGroups(session, options, defaults)) yield* group;
}

/** Checks in the reference's order (signature, hash, private group), and the hop count. */
function createAcceptor(
  session: Session,
  source: string,
  defaults: ReadDefaults,
): {
  /** The packet, or why it is none. */
  packet(packet: Packet): Packet | CliError;
  place(): { readonly index: number; readonly offset: number };
} {
  const allowPrivate = session.privateRead ?? defaults.allowPrivate ?? false;
  const countsHop = session.hop ?? defaults.hop ?? false;
  let index = 0;
  let offset = 0;
  return {
    packet: (packet) => {
      const verdict = session.skipHash ? undefined : verifyPacket(session.io.crypto, packet);
      if (verdict?.ok === false) return malformedPacket(source, { index, offset }, verdict);
      if (!allowPrivate && isPrivate(packet)) {
        const reason = { ok: false, reason: "PACKET_GROUP_PRIVATE", value: undefined } as const;
        return malformedPacket(source, { index, offset }, reason);
      }
      index += 1;
      offset += packet.bytes.length;
      return countsHop ? withNetHeader(packet, hop(packet.netHeader)) : packet;
    },
    place: () => ({ index, offset }),
  };
}

/** One use of stdin only. */
export function assertOneStdin(packets: PacketInputOptions, dataFromStdin: boolean): void {
  if (readsStdin(packets) && packets.pkts !== false && dataFromStdin) {
    const remedy = "Read one of them from a file: --pkts <file> or --data <file>.";
    throw usage("both packets and data are to come from stdin", remedy);
  }
}
