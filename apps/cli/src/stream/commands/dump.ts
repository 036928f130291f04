/**
 * dump: every block to a file of its own. Names are made safe, the folder is resolved once, and files
 * are made exclusively: nothing outside the folder and nothing that is there is ever touched.
 */
import { mkdir, open, realpath, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import type { BlockInfo, Stream } from "@hawser/stream";
import { codeOf } from "../../errors.ts";
import { plural } from "../../table.ts";
import { explain, streamError } from "../errors.ts";
import type { KeyOptions } from "../keys.ts";
import { blockFileName, numberedName } from "../names.ts";
import { addKeyOptions, addPinOption, readCount } from "../options.ts";
import { withReadableStream, type PinOption, type RunWork, type Session } from "../session.ts";
import { formatBytes } from "../text.ts";

interface DumpOptions extends KeyOptions, PinOption {
  readonly from?: string;
  readonly to?: string;
}

/** Files of one name at most. */
const sameNameMax = 1_000_000;

export function addDumpCommand(program: Command, run: RunWork): void {
  const command = program
    .command("dump")
    .description("write every block to a file in a folder; never outside it, never over a file")
    .argument("<stream>")
    .argument("<folder>", "is made when it is not there")
    .option("--from <seq>", "only from this block on")
    .option("--to <seq>", "only up to this block, itself not included")
    .addHelpText("after", "\nExample: hawser stream dump log.stream ./photos");
  addKeyOptions(addPinOption(command), "a reader's key, for encrypted blocks").action(
    (text: string, folder: string, options: DumpOptions) =>
      run((session) => dump(session, text, folder, options)),
  );
}

interface Count {
  files: number;
  bytes: number;
  readonly sealed: number[];
}

async function dump(
  session: Session,
  text: string,
  folder: string,
  options: DumpOptions,
): Promise<void> {
  const from = readCount("--from", options.from ?? "1");
  const to = options.to === undefined ? {} : { to: readCount("--to", options.to) };
  const { signal } = session.io;
  const count: Count = { files: 0, bytes: 0, sealed: [] };
  await withReadableStream(session, text, options, async (stream) => {
    const place = await openFolder(folder);
    for await (const info of stream.blocks({ from: Math.max(1, from), ...to, signal })) {
      // A block without content says something about the stream, and has no file to be.
      if (info.kind === "block" && !(info.byteCount === 0 && info.directive !== undefined)) {
        await dumpBlock(session, stream, place, info, count);
      }
    }
  });
  const { files, bytes, sealed } = count;
  const summary = `${plural(files, "file")}, ${formatBytes(bytes)}, in ${folder}.`;
  session.output.event("done", { files, bytes, sealed }, summary);
  if (sealed.length === 0) return;
  const listed = sealed.slice(0, 10).join(", ") + (sealed.length > 10 ? ", …" : "");
  throw streamError(
    "CLI_DUMP_INCOMPLETE",
    `${plural(sealed.length, "block")} left out, for want of a key: ${listed}`,
    "Give the key file of one of their readers (--key).",
  );
}

interface Folder {
  readonly path: string;
  /** The number to try next for a name, so that many files of one name cost no search. */
  readonly nextNumber: Map<string, number>;
}

async function openFolder(folder: string): Promise<Folder> {
  try {
    await mkdir(folder, { recursive: true });
    return { path: await realpath(folder), nextNumber: new Map() };
  } catch (error) {
    throw explain(error, folder);
  }
}

async function dumpBlock(
  { io, output }: Session,
  stream: Stream,
  folder: Folder,
  info: BlockInfo,
  count: Count,
): Promise<void> {
  const { seq, byteCount } = info;
  let target: { readonly name: string; readonly file: FileHandle } | undefined;
  try {
    const metadata = (await stream.metadata(seq, io.signal)) ?? {};
    const pieces = stream.readStream(seq, { signal: io.signal })[Symbol.asyncIterator]();
    // The first piece is read before a file is made: a block that no key opens leaves none.
    let piece = await pieces.next();
    target = await createFile(folder, blockFileName(seq, metadata));
    for (let done = 0; piece.done !== true; piece = await pieces.next()) {
      await writeAll(target.file, piece.value);
      done += piece.value.length;
      const text = `${target.name}: ${formatBytes(done)} of ${formatBytes(byteCount)}`;
      output.progress({ seq, file: target.name, doneBytes: done, totalBytes: byteCount }, text);
    }
    await target.file.close();
    count.files += 1;
    count.bytes += byteCount;
    const line = `${seq}  ${target.name}  ${formatBytes(byteCount)}`;
    output.event("file", { seq, file: target.name, byteCount }, line);
  } catch (error) {
    if (target !== undefined) {
      await target.file.close().catch(() => undefined);
      // Ours: it was made exclusively a moment ago. Half a file would look like a whole one.
      await rm(join(folder.path, target.name), { force: true });
    }
    if (codeOf(error) !== "STREAM_NO_KEY") throw explain(error, target?.name ?? `block ${seq}`);
    count.sealed.push(seq);
  }
}

/** A new file of that name, or of that name with a number. Never follows a link, never overwrites. */
async function createFile(
  { path, nextNumber }: Folder,
  wanted: string,
): Promise<{ readonly name: string; readonly file: FileHandle }> {
  for (let number = nextNumber.get(wanted) ?? 1; number <= sameNameMax; number++) {
    const name = numberedName(wanted, number);
    nextNumber.set(wanted, number + 1);
    try {
      return { name, file: await open(join(path, name), "wx", 0o666) };
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
    }
  }
  throw streamError("CLI_FILE_EXISTS", `${wanted} is there too often`, "Dump into a new folder.");
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done);
    done += bytesWritten;
  }
}
