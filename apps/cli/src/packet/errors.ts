/** What can go wrong in packet commands, as errors that say what to do. */
import type { PacketRejection } from "@hawser/packet";
import { CliError, codeOf, messageOf } from "../errors.ts";

/** Codes of the packet commands. Those of packets, expressions and the system stay as they are. */
export type PacketCliErrorCode =
  /** Options that do not go together, or a value that is not understood. */
  | "CLI_USAGE"
  /** A packet in `[#:0]` was about to leave while `--no-private` forbids it. */
  | "CLI_PRIVATE_GROUP"
  /** Data does not fit into one packet. */
  | "CLI_DATA_TOO_LARGE"
  /** A linked packet is not in the store. */
  | "CLI_LINK_MISSING"
  /** There is no key of that name. */
  | "CLI_KEY_MISSING"
  /** There is a key of that name already. */
  | "CLI_KEY_EXISTS"
  /** The password does not open the key. */
  | "CLI_KEY_PASSWORD"
  /** The text is no enckey. */
  | "CLI_KEY_FORMAT";

/** An error with its remedy; `cause` is kept for programs. */
export function packetError(
  code: PacketCliErrorCode,
  message: string,
  remedy: string,
  cause?: unknown,
): CliError {
  return new CliError(code, message, remedy, cause === undefined ? {} : { cause });
}

/** Options or words that are not understood. */
export function usage(message: string, remedy = "See --help of the command."): CliError {
  return packetError("CLI_USAGE", message, remedy);
}

const rejectionTexts: Readonly<Partial<Record<PacketRejection["reason"], string>>> = {
  PACKET_TOO_SHORT: "the input ends in the middle of a packet",
  PACKET_TRUNCATED: "the input ends in the middle of a packet",
  PACKET_TYPE_UNKNOWN: "no such point type",
  PACKET_SIGNATURE: "the signature does not hold",
  PACKET_HASH: "the hash does not belong to these bytes",
  PACKET_GROUP_PRIVATE: "it is in the private group [#:0], which is not read here",
};

const rejectionRemedies: Readonly<Partial<Record<PacketRejection["reason"], string>>> = {
  PACKET_TOO_SHORT: "The sender was cut off: get the rest, or cut the input at that byte.",
  PACKET_TRUNCATED: "The sender was cut off: get the rest, or cut the input at that byte.",
  PACKET_GROUP_PRIVATE: "Add --private if these packets may cross this pipe.",
  PACKET_HASH: "The bytes were changed on the way: get them again (--skip-hash reads them anyway).",
  PACKET_SIGNATURE: "The packet was changed or forged: drop it (--skip-hash reads it anyway).",
};

/** A packet that cannot be read: which one, where, why. */
export function malformedPacket(
  source: string,
  place: { readonly index: number; readonly offset: number },
  rejection: PacketRejection,
): CliError {
  const { reason, value } = rejection;
  const isCut = reason === "PACKET_TOO_SHORT" || reason === "PACKET_TRUNCATED";
  const number = isCut ? `; the packet needs ${value} bytes` : ` (${value})`;
  const detail = value === undefined ? "" : number;
  const why = rejectionTexts[reason] ?? "it is malformed";
  return new CliError(
    reason,
    `packet ${place.index + 1} of ${source}, at byte ${place.offset}: ${why}${detail}`,
    rejectionRemedies[reason] ?? "Only packets belong on this pipe; for bytes use datapoint.",
  );
}

/** Adds a remedy to errors of the packet builder, which are about what the person asked for. */
export function explainBuild(error: unknown): unknown {
  const code = codeOf(error);
  if (error instanceof CliError || !code.startsWith("PACKET_")) return error;
  const remedy =
    code === "PACKET_TOO_LARGE"
      ? "A packet holds 65020 bytes, less 60, 48 for each link, the path and 96 for a signature."
      : "Paths have 8 parts of 1–200 bytes, 242 together; domains and tags at most 16 bytes.";
  return new CliError(code, messageOf(error), remedy, { cause: error });
}
