/** import: an ImmutableWeb `.iw` file into a new stream. */
import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { importLegacyStream, openLegacyStream } from "@hawser/stream/legacy";
import { openFileBytes } from "@hawser/stream/node";
import { plural } from "../../table.ts";
import { explain, legacyFaultError } from "../errors.ts";
import { readRecipient, requireKeys, type KeyOptions, type StreamKeys } from "../keys.ts";
import { addKeyOptions, collect } from "../options.ts";
import { parsePlace } from "../places.ts";
import { makeStream } from "./create.ts";
import type { RunWork, Session } from "../session.ts";
import { formatFields } from "../text.ts";

interface ImportOptions extends KeyOptions {
  readonly contentKey?: string;
  readonly to?: readonly string[];
}

export function addImportCommand(program: Command, run: RunWork): void {
  const command = program
    .command("import")
    .description("take an ImmutableWeb .iw file into a new stream, every block checked")
    .argument("<file>", "the .iw file; it is not changed")
    .argument("<stream>", "a file that is not there yet")
    .option("--content-key <file>", "its private content key (PKCS #8 PEM), to take it decrypted")
    .option("--to <reader>", "encrypt the new stream to NAME.pub or a reader key", collect)
    .addHelpText("after", "\nExample: hawser stream import old.iw new.stream --key ada");
  addKeyOptions(command, "the key that signs the new stream").action(
    (file: string, text: string, options: ImportOptions) =>
      run((session) => importFile(session, file, text, options)),
  );
}

async function importFile(
  session: Session,
  file: string,
  text: string,
  options: ImportOptions,
): Promise<void> {
  const recipients = await Promise.all((options.to ?? []).map(readRecipient));
  const keys = await requireKeys(session.io, options);
  try {
    await importInto(session, { file, text, keys, recipients, contentKey: options.contentKey });
  } finally {
    keys.drop();
  }
}

interface ImportJob {
  readonly file: string;
  readonly text: string;
  readonly keys: StreamKeys;
  readonly recipients: readonly Uint8Array[];
  readonly contentKey: string | undefined;
}

async function importInto(session: Session, job: ImportJob): Promise<void> {
  const { io, output } = session;
  const { file, text, keys, recipients } = job;
  const { signal } = io;
  try {
    const pem = job.contentKey === undefined ? undefined : await readFile(job.contentKey, "utf8");
    await using bytes = await openFileBytes(file, { mode: "read" });
    const { subtle } = globalThis.crypto;
    const options = pem === undefined ? {} : { contentKey: pem };
    const legacy = await openLegacyStream({ subtle }, bytes, options);
    if (!legacy.ok) throw legacyFaultError(file, legacy);
    // Made only now: a file that is none leaves no stream behind.
    const make = { secret: keys.signing, recipients };
    await using stream = await makeStream(session, parsePlace(text), make);
    const imported = await importLegacyStream(legacy, stream, { signal });
    if (!imported.ok) throw legacyFaultError(file, imported.fault);
    const { blockCount } = imported;
    const shown = formatFields([
      ["stream", text],
      ["id", stream.id],
      ["from", `${legacy.uuid}, ${plural(blockCount, "block")} with the manifest`],
    ]);
    output.event("imported", { id: stream.id, uuid: legacy.uuid, blocks: blockCount }, shown);
  } catch (error) {
    throw explain(error, file);
  }
}
