/** create: makes a new stream. */
import { rm } from "node:fs/promises";
import { Option, type Command } from "commander";
import {
  createStream,
  type ByteStore,
  type CreateStreamOptions,
  type Stream,
  type StreamSuite,
} from "@hawser/stream";
import { codeOf } from "../../errors.ts";
import { plural } from "../../table.ts";
import { explain, streamError, usage } from "../errors.ts";
import type { StreamIo } from "../io.ts";
import { readRecipient, requireKeys, type KeyOptions } from "../keys.ts";
import { addKeyOptions, collect, readMetadata } from "../options.ts";
import { openPlace, parsePlace, type Place } from "../places.ts";
import type { RunWork, Session } from "../session.ts";
import { formatFields } from "../text.ts";

interface CreateOptions extends KeyOptions {
  readonly title?: string;
  readonly meta?: readonly string[];
  readonly to?: readonly string[];
  readonly suite: "1" | "2";
  readonly uuid?: string;
}

export function addCreateCommand(program: Command, run: RunWork): void {
  const command = program
    .command("create")
    .description("make a new stream; its id is the hash of what it says of itself")
    .argument("<stream>", "a file that is not there yet, or s3://BUCKET/NAME")
    .option("--title <text>", "the title; public, as are all metadata here")
    .option("--meta <name=value>", "more metadata; may be repeated", collect)
    .option("--to <reader>", "encrypt every block to NAME.pub or a reader key; repeatable", collect)
    .addOption(
      new Option("--suite <number>", "1: XChaCha20-Poly1305, 2: AES-256-GCM")
        .choices(["1", "2"])
        .default("1"),
    )
    .option("--uuid <hex>", "a label of 32 hex digits (default random)")
    .addHelpText(
      "after",
      '\nExample: hawser stream create log.stream --key ada --title "Logbook" --to ada --to ben',
    );
  addKeyOptions(command, "the key that signs").action((text: string, options: CreateOptions) =>
    run((session) => create(session, text, options)),
  );
}

async function create(session: Session, text: string, options: CreateOptions): Promise<void> {
  const { io, output } = session;
  const metadata = readMetadata(options.meta);
  const { title, uuid } = options;
  if (title !== undefined && "title" in metadata) throw usage("--title and --meta title are one");
  const recipients = await Promise.all((options.to ?? []).map(readRecipient));
  const place = parsePlace(text);
  const keys = await requireKeys(io, options);
  try {
    await using stream = await makeStream(session, place, {
      secret: keys.signing,
      metadata: title === undefined ? metadata : { title, ...metadata },
      suite: suiteOf(options.suite),
      recipients,
      ...(uuid === undefined ? {} : { uuid }),
    });
    const { id, manifest } = stream;
    const shown = formatFields([
      ["stream", place.text],
      ["id", id],
      ["encrypted", recipients.length === 0 ? "no" : `to ${plural(recipients.length, "reader")}`],
    ]);
    const readers = recipients.length;
    output.event("created", { id, author: manifest.author, uuid: manifest.uuid, readers }, shown);
  } catch (error) {
    throw explain(error, place.text);
  } finally {
    keys.drop();
  }
}

function suiteOf(text: "1" | "2"): StreamSuite {
  return text === "1" ? 1 : 2;
}

/** A new stream at a place. A file that was made for one that could not be is removed again. */
export async function makeStream(
  { io, deps }: Session,
  place: Place,
  options: CreateStreamOptions,
): Promise<Stream> {
  const store = await openNew(io, place);
  try {
    return await createStream(deps, store, { ...options, signal: io.signal });
  } catch (error) {
    const isEmpty = (await store.size()) === 0;
    await store.close();
    if (isEmpty && place.kind === "file") {
      await rm(place.text, { force: true });
      await rm(`${place.text}.lock`, { force: true });
    }
    throw error;
  }
}

async function openNew(io: StreamIo, place: Place): Promise<ByteStore> {
  try {
    return await openPlace(io, place, "create");
  } catch (error) {
    if (codeOf(error) !== "BYTES_ABSENT") throw error;
    const remedy = "Make the folder first, or choose another place.";
    throw streamError("CLI_FILE_MISSING", `${place.text}: its folder is not there`, remedy, error);
  }
}
