/** append: files to blocks, one each, in bounded memory. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { Option, type Command } from "commander";
import { toHex } from "@hawser/codec";
import type { AppendOptions, Directive, DirectiveType, Metadata, Stream } from "@hawser/stream";
import { formatBytes, plural } from "../../table.ts";
import { explain, usage } from "../errors.ts";
import { readRecipient, requireKeys, type KeyOptions } from "../keys.ts";
import { addKeyOptions, addPinOption, collect, readMetadata } from "../options.ts";
import { parsePlace } from "../places.ts";
import { pinOf, withStream, type PinOption, type RunWork, type Session } from "../session.ts";

interface AppendCommandOptions extends KeyOptions, PinOption {
  readonly meta?: readonly string[];
  readonly name?: string;
  readonly to?: readonly string[];
  readonly plain?: boolean;
  readonly plainMeta?: boolean;
  readonly directive?: DirectiveType;
  readonly target?: readonly string[];
}

/** What one block is made from. */
interface Source {
  /** How messages call it. */
  readonly label: string;
  readonly metadata: Metadata;
  readonly totalBytes: number | undefined;
  readonly content: () => AsyncIterable<Uint8Array> | undefined;
}

/** How much of a file is read at once. */
const pieceBytes = 1 << 20;
const directiveTypes = ["end", "fork", "merge", "redirect", "related-to", "replay"];

export function addAppendCommand(program: Command, run: RunWork): void {
  const command = program
    .command("append")
    .description("append files, one block each, named by their metadata; - is stdin")
    .argument("<stream>")
    .argument("[files...]")
    .option("--meta <name=value>", "metadata of every block; may be repeated", collect)
    .option("--name <text>", "the name kept with the block, in place of the file's")
    .option("--to <reader>", "only to these readers instead of the stream's; repeatable", collect)
    .option("--plain", "leave the blocks readable in an encrypted stream")
    .option("--plain-meta", "leave the metadata readable where the content is encrypted")
    .addOption(
      new Option(
        "--directive <type>",
        "what the stream says of itself; end: nothing may follow",
      ).choices(directiveTypes),
    )
    .option("--target <address>", "the directive's target, iw://…; may be repeated", collect)
    .addHelpText("after", "\nExample: hawser stream append log.stream photo.jpg --key ada");
  addKeyOptions(addPinOption(command), "the key the stream was made with").action(
    (text: string, files: string[], options: AppendCommandOptions) =>
      run((session) => append(session, text, files, options)),
  );
}

async function append(
  session: Session,
  text: string,
  files: readonly string[],
  options: AppendCommandOptions,
): Promise<void> {
  const { io } = session;
  const place = parsePlace(text);
  const pin = pinOf(place, options);
  const sources = await readSources(session, files, options);
  const given = await readAppendOptions(options);
  const keys = await requireKeys(io, options);
  try {
    await withStream(session, place, { ...pin, secret: keys.signing }, async (stream) => {
      reportRecovery(session, stream);
      for (const source of sources) await appendOne(session, stream, source, given);
    });
  } finally {
    keys.drop();
  }
}

/** Everything is looked at before anything is written. */
async function readSources(
  { io }: Session,
  files: readonly string[],
  options: AppendCommandOptions,
): Promise<readonly Source[]> {
  const { directive, name } = options;
  const meta = readMetadata(options.meta);
  if (files.length === 0) {
    if (directive === undefined && options.meta === undefined) {
      throw usage("nothing to append", "Name files, - for stdin, or give --meta or --directive.");
    }
    return [
      { label: directive ?? "metadata", metadata: meta, totalBytes: 0, content: () => undefined },
    ];
  }
  if (name !== undefined && files.length > 1) throw usage("--name is for one file");
  if (directive !== undefined && files.length > 1) throw usage("--directive is for one block");
  if (files.filter((file) => file === "-").length > 1) throw usage("stdin can be read once");
  return Promise.all(
    files.map(async (file): Promise<Source> => {
      const named = name ?? (file === "-" ? undefined : basename(file));
      const metadata = named === undefined ? meta : { name: named, ...meta };
      if (file === "-") {
        return { label: "stdin", metadata, totalBytes: undefined, content: () => io.stdin };
      }
      const totalBytes = await fileBytes(file);
      const content = (): AsyncIterable<Uint8Array> =>
        createReadStream(file, { highWaterMark: pieceBytes });
      return { label: file, metadata, totalBytes, content };
    }),
  );
}

/** Size of a file; `undefined` for pipes and devices, which have none. */
async function fileBytes(file: string): Promise<number | undefined> {
  try {
    const found = await stat(file);
    if (found.isDirectory()) throw usage(`${file} is a folder`, "Name the files in it.");
    return found.isFile() ? found.size : undefined;
  } catch (error) {
    throw explain(error, file);
  }
}

async function readAppendOptions(options: AppendCommandOptions): Promise<AppendOptions> {
  const { to, plain, plainMeta, directive, target } = options;
  if (to !== undefined && plain === true) throw usage("--to and --plain do not go together");
  if (target !== undefined && directive === undefined) throw usage("--target needs --directive");
  const recipients = await Promise.all((to ?? []).map(readRecipient));
  const given: Directive | undefined =
    directive === undefined ? undefined : { type: directive, targets: target ?? [] };
  return {
    ...(recipients.length === 0 ? {} : { recipients }),
    ...(plain === true ? { encryption: "plain" } : {}),
    ...(plainMeta === true ? { metadataEncryption: "plain" } : {}),
    ...(given === undefined ? {} : { directive: given }),
  };
}

function reportRecovery({ output }: Session, { recovery }: Stream): void {
  const { recoveredBytes } = recovery;
  if (recoveredBytes === 0) return;
  const text = `Cut off ${plural(recoveredBytes, "byte")} left by an append that did not finish.`;
  output.event("recovered", { recoveredBytes }, text);
}

async function appendOne(
  { io, output }: Session,
  stream: Stream,
  { label, metadata, totalBytes, content }: Source,
  given: AppendOptions,
): Promise<void> {
  const all = totalBytes === undefined ? "" : ` of ${formatBytes(totalBytes)}`;
  try {
    const appended = await stream.append(metadata, content(), {
      ...given,
      signal: io.signal,
      onProgress: ({ doneBytes }) => {
        const fields = { file: label, doneBytes, totalBytes };
        output.progress(fields, `${label}: ${formatBytes(doneBytes)}${all}`);
      },
    });
    const { seq } = appended;
    const byteCount = (await stream.info(seq))?.byteCount ?? 0;
    const fields = { seq, file: label, byteCount, hash: toHex(appended.hash) };
    output.event("appended", fields, `${seq}  ${label}  ${formatBytes(byteCount)}`);
  } catch (error) {
    throw explain(error, label);
  }
}
