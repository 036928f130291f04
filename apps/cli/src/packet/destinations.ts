/** Where packets go: `--write` and `--forward`, each repeatable. */
import { open, type FileHandle } from "node:fs/promises";
import { isPrivate, verifyPacket, type Packet } from "@hawser/packet";
import { CliError } from "../errors.ts";
import { malformedPacket, packetError, usage } from "./errors.ts";
import { evaluateBytes, parseTemplate, type PacketTemplate } from "./expressions.ts";
import { createByteSink } from "./io.ts";
import type { Session } from "./session.ts";

/** A parsed destination. */
export interface DestinationSpec {
  readonly kind: "stdout" | "stderr" | "db" | "null" | "buffer" | "file";
  /** The file's path as written, or as an expression in brackets. */
  readonly path: string | undefined;
  /** Writes this expression's value instead of the packet. */
  readonly expression: string | undefined;
}

const kinds = ["stdout", "stderr", "db", "null", "buffer", "file"] as const;
const destinationHelp =
  "A destination is stdout (or -), stderr, db, null, buffer, file:PATH or <one of them>-expr:EXPR.";

/** Reads `file:PATH`, `stdout-expr:EXPR`, `file-expr:[/:PATH]:EXPR` and so on. */
export function parseDestination(text: string): DestinationSpec {
  if (text === "-") return { kind: "stdout", path: undefined, expression: undefined };
  const [head, tail] = splitTop(text);
  const isExpression = head.endsWith("-expr");
  const name = isExpression ? head.slice(0, -"-expr".length) : head;
  const kind = kinds.find((one) => one === name);
  if (kind === undefined) throw usage(`${text} is no destination`, destinationHelp);
  if (kind !== "file") {
    if (isExpression !== (tail !== undefined)) {
      throw usage(`${text} is no destination`, destinationHelp);
    }
    return { kind, path: undefined, expression: tail };
  }
  if (tail === undefined || tail === "") throw usage(`${text} names no file`, destinationHelp);
  if (!isExpression) return { kind, path: tail, expression: undefined };
  const [path, expression] = splitTop(tail);
  if (expression === undefined || path === "") throw usage(`${text} lacks a part`, destinationHelp);
  return { kind, path, expression };
}

/** Splits at the first `:` outside brackets and escapes. */
function splitTop(text: string): readonly [string, string | undefined] {
  let depth = 0;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (character === "\\") index += 1;
    else if (character === "[") depth += 1;
    else if (character === "]") depth -= 1;
    else if (character === ":" && depth === 0) return [text.slice(0, index), text.slice(index + 1)];
  }
  return [text, undefined];
}

/** Several destinations that get the same packets. */
export interface Destinations {
  write(packet: Packet, recv?: number): Promise<void>;
  /** True when a packet goes nowhere. */
  readonly isEmpty: boolean;
}

export interface DestinationOptions {
  /** Whether this command writes the private group when nobody said. */
  readonly allowPrivate?: boolean;
  /** Where `buffer` goes; without it there is no such destination. */
  readonly buffer?: (bytes: Uint8Array) => void;
}

type Put = (packet: Packet, bytes: Uint8Array) => Promise<void>;

/** Opens destinations. The private group goes to the store always, elsewhere only when allowed. */
export async function openDestinations(
  session: Session,
  texts: readonly string[],
  options: DestinationOptions = {},
): Promise<Destinations> {
  const specs = texts.map(parseDestination).filter(({ kind }) => kind !== "null");
  const outs: {
    readonly spec: DestinationSpec;
    readonly template: PacketTemplate | undefined;
    readonly put: Put;
  }[] = [];
  for (const spec of specs) {
    const template =
      spec.expression === undefined
        ? undefined
        : parseTemplate(spec.expression, { name: "--write", loose: true });
    outs.push({ spec, template, put: await openOne(session, spec, options) });
  }
  const allowed = session.privateWrite ?? (options.allowPrivate === true ? true : undefined);
  return {
    isEmpty: outs.length === 0,
    write: async (packet, recv) => {
      for (const { spec, template, put } of outs) {
        if (spec.kind !== "db" && !mayLeave(packet, allowed)) continue;
        const scope = session.scope(recv === undefined ? {} : { recv });
        await put(packet, template === undefined ? packet.bytes : template(packet, scope));
      }
    },
  };
}

/** False for a packet to leave out. Throws CLI_PRIVATE_GROUP where leaving is forbidden. */
export function mayLeave(packet: Packet, allowed: boolean | undefined): boolean {
  if (allowed === true || !isPrivate(packet)) return true;
  if (allowed === undefined) return false;
  throw packetError(
    "CLI_PRIVATE_GROUP",
    "a packet of the private group [#:0] was to be written",
    "It stays on this device. Drop it with filter, or allow it with --private-write.",
  );
}

async function openOne(
  session: Session,
  spec: DestinationSpec,
  options: DestinationOptions,
): Promise<Put> {
  switch (spec.kind) {
    case "stdout":
      return (_, bytes) => session.stdout.write(bytes);
    case "stderr":
      return (_, bytes) => session.stderr.write(bytes);
    case "null":
      return () => Promise.resolve();
    case "db":
      if (spec.expression !== undefined) {
        throw usage("db-expr: the store keeps packets, not text", destinationHelp);
      }
      return openStoreDestination(session);
    case "buffer": {
      const { buffer } = options;
      if (buffer === undefined) throw usage("buffer is only for collect", destinationHelp);
      return (_, bytes) => Promise.resolve(buffer(bytes));
    }
    case "file":
      return await openFileDestination(session, spec.path ?? "");
  }
}

async function openFileDestination(session: Session, written: string): Promise<Put> {
  const path = written.startsWith("[")
    ? Buffer.from(evaluateBytes(written, session.scope(), { name: "--write" })).toString("utf8")
    : written;
  const file = await openForAppend(path);
  const sink = createByteSink(async (bytes) => await file.writeFile(bytes));
  session.onFlush(sink.flush);
  session.onClose(() => file.close());
  return (_, bytes) => sink.write(bytes);
}

async function openForAppend(path: string): Promise<FileHandle> {
  try {
    return await open(path, "a");
  } catch (cause) {
    const remedy = "Name a file in a folder that exists and that this user may write.";
    throw new CliError("CLI_USAGE", `${path} cannot be written`, remedy, { cause });
  }
}

async function openStoreDestination(session: Session): Promise<Put> {
  // Opened now, so that a store that cannot be opened is told before the first packet.
  await session.store();
  return async (packet) => {
    // Also after --skip-hash: what is in a store is trusted from then on.
    const verdict = verifyPacket(session.io.crypto, packet);
    if (!verdict.ok)
      throw malformedPacket("what is to be stored", { index: 0, offset: 0 }, verdict);
    await session.save(verdict.packet);
  };
}
