/** What can go wrong in stream commands, as errors that say what to do, and their exit codes. */
import { StreamError, type StreamFault } from "@hawser/stream";
import type { LegacyFault } from "@hawser/stream/legacy";
import { CliError, codeOf, messageOf } from "../errors.ts";
import { formatCount } from "../table.ts";

/** Codes of the stream commands; those of the layers below stay as they are. */
export type StreamCliErrorCode =
  /** Words or options that are not understood, or do not go together. */
  | "CLI_USAGE"
  /** A key file is not there. */
  | "CLI_KEY_MISSING"
  /** A key file is there already. */
  | "CLI_KEY_EXISTS"
  /** The password does not open the key. */
  | "CLI_KEY_PASSWORD"
  /** A file or text holds no key. */
  | "CLI_KEY_FORMAT"
  /** A file that was to be made is there already. */
  | "CLI_FILE_EXISTS"
  /** A file or folder that is needed is not there. */
  | "CLI_FILE_MISSING"
  /** Some blocks of a dump were left out. */
  | "CLI_DUMP_INCOMPLETE"
  /** A server refused, or does not speak this protocol. */
  | "CLI_SERVER_REFUSED";

export function streamError(
  code: StreamCliErrorCode,
  message: string,
  remedy: string,
  cause?: unknown,
): CliError {
  return new CliError(code, message, remedy, cause === undefined ? {} : { cause });
}

/** Words or options that are not understood. */
export function usage(message: string, remedy = "See --help of the command."): CliError {
  return streamError("CLI_USAGE", message, remedy);
}

/** Bytes of a stream that do not verify: exit code 2. */
export class StreamFaultError extends CliError {
  /** The entry it is about. */
  readonly seq: number | undefined;
  /** Where in the bytes. */
  readonly offset: number | undefined;

  constructor(subject: string, fault: StreamFault, remedy?: string) {
    super(
      fault.code,
      `${subject}: ${fault.message}${placeOf(fault)}`,
      remedy ?? faultRemedies[fault.code],
    );
    this.seq = fault.seq;
    this.offset = fault.offset;
  }
}

/** The same for a file of ImmutableWeb. */
export function legacyFaultError(subject: string, fault: LegacyFault): StreamFaultError {
  const { index: seq, offset, message, code } = fault;
  const error = new StreamFaultError(
    subject,
    // Safe: only printed; the codes of both formats are told apart by their `IW_`.
    { code: code as unknown as StreamFault["code"], message, seq, offset },
    "Get the file again from its author. Blocks before that place are good.",
  );
  return error;
}

/** ", at entry 3, byte 1,234". */
function placeOf({ seq, offset }: StreamFault): string {
  const places = [
    ...(seq === undefined ? [] : [`entry ${formatCount(seq)}`]),
    ...(offset === undefined ? [] : [`byte ${formatCount(offset)}`]),
  ];
  return places.length === 0 ? "" : ` (at ${places.join(", ")})`;
}

const otherCopy = "Take the stream from another copy; do not trust this one from that place on.";
const faultRemedies: Readonly<Record<StreamFault["code"], string>> = {
  NO_STREAM: "Check the path; old ImmutableWeb files are read by `hawser stream import`.",
  WRONG_STREAM: "Check the address, and with whoever gave you the id which stream they meant.",
  CORRUPT: "Look with `hawser stream recover`, or take the stream from another copy.",
  CHAIN_BROKEN: otherCopy,
  HASH_MISMATCH: otherCopy,
  BAD_SIGNATURE: otherCopy,
  CLOSED: otherCopy,
  ROLLED_BACK: "This copy has less than was there before: take the stream from another copy.",
  FORK: "The author signed two histories: ask them which one holds, and keep both copies.",
  BAD_CHECKPOINT: "Get the checkpoint again, from the author.",
};

/** What to do about codes that come from the packages below and the system. */
const remedies: Readonly<Record<string, string>> = {
  BYTES_LOCKED: "Another program is writing to this stream: wait until it is done.",
  BYTES_MOVED: "Somebody else wrote to it meanwhile: run the command again.",
  BYTES_FULL: "Free some space, then run the command again; what was there is unharmed.",
  BYTES_ABSENT: "Check the path or address; `hawser stream create` makes a new stream.",
  BYTES_EXISTS: "Choose another name: streams are never overwritten.",
  BYTES_IO: "Check the disk or the connection, then run the command again.",
  BYTES_MISUSE: "Use a server that answers range requests, or copy the file here first.",
  STREAM_EXISTS: "Choose another name: streams are never overwritten.",
  STREAM_NOT_OWNER: "Give the key the stream was made with (--key).",
  STREAM_READ_ONLY: "Give the key the stream was made with (--key), and a file as the stream.",
  STREAM_ENDED: "Its author ended it. Make a new stream; a `fork` directive can name this one.",
  STREAM_NO_KEY: "Give the key file of one of the block's recipients (--key).",
  STREAM_KEY: "Check the key files and recipients.",
  STREAM_METADATA: "Metadata hold 16 KiB: names and values as --meta name=value.",
  STREAM_DIRECTIVE: "Types: end, fork, merge, redirect, related-to, replay; up to 16 targets.",
  STREAM_RANGE: "`hawser stream info` tells which entries there are and how large they are.",
  STREAM_BROKEN: "Run `hawser stream recover` on it, then the command again.",
  ENOENT: "Check the path.",
  EEXIST: "Something else stands there: choose another name.",
  ENOTDIR: "Check the path: a part of it is a file.",
  EISDIR: "That is a folder; name a file.",
  EACCES: "Give this user the right to read and write there.",
  EPERM: "Give this user the right to read and write there.",
  EROFS: "The disk is read only: choose another place.",
  ECONNREFUSED: "Nothing answers there: check the address and whether the server runs.",
  ECONNRESET: "The connection broke: run the command again.",
  ENOTFOUND: "There is no such host: check the address.",
  EADDRINUSE: "Another program has that port: choose another one (--port).",
};

/** How deep a system's own error lies in those that were made of it. */
const causesMax = 4;

/** The code by which the system said what is wrong, such as EACCES. */
function systemCodeOf(error: unknown): string | undefined {
  let inner = error;
  for (let count = 0; count < causesMax && inner instanceof Error; count++) {
    const code = codeOf(inner);
    if (/^E[A-Z0-9]+$/.test(code)) return code;
    inner = inner.cause;
  }
  return undefined;
}

/** An error with the place it is about, and a remedy that fits here. */
export function explain(error: unknown, subject: string): unknown {
  if (error instanceof CliError) return error;
  if (error instanceof StreamError && error.fault !== undefined) {
    return new StreamFaultError(subject, error.fault);
  }
  const code = codeOf(error);
  const system = code === "BYTES_IO" ? systemCodeOf(error) : undefined;
  const remedy = remedies[system ?? code] ?? remedies[code];
  if (remedy === undefined) return error;
  const message = system === undefined ? messageOf(error) : `${messageOf(error)}: ${system}`;
  const cause = { cause: error };
  return new CliError(code, subject === "" ? message : `${subject}: ${message}`, remedy, cause);
}
