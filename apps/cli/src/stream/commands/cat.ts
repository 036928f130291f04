/** cat: the content of one block, or a part of it, as it is. */
import type { Command } from "commander";
import type { Stream } from "@hawser/stream";
import { plural } from "../../table.ts";
import { streamError, usage } from "../errors.ts";
import type { KeyOptions } from "../keys.ts";
import { addKeyOptions, addPinOption, readCount } from "../options.ts";
import { withReadableStream, type PinOption, type RunWork, type Session } from "../session.ts";

interface CatOptions extends KeyOptions, PinOption {
  readonly range?: string;
}

export function addCatCommand(program: Command, run: RunWork): void {
  const command = program
    .command("cat")
    .description("write the content of a block to stdout, verified piece by piece")
    .argument("<stream>")
    .argument("<seq>", "the number of the block")
    .option("--range <a-b>", "bytes a to b, counted from 0, both included; a- and -n as in curl")
    .addHelpText("after", "\nExample: hawser stream cat log.stream 3 --range 0-99");
  addKeyOptions(addPinOption(command), "a reader's key, for encrypted blocks").action(
    (text: string, seq: string, options: CatOptions) =>
      run((session) => cat(session, text, seq, options)),
  );
}

async function cat(
  session: Session,
  text: string,
  seqText: string,
  options: CatOptions,
): Promise<void> {
  const seq = readCount("block", seqText);
  await withReadableStream(session, text, options, async (stream) => {
    const byteCount = await contentBytes(stream, seq);
    const { from, to } = readRange(options.range, byteCount);
    const { signal } = session.io;
    for await (const piece of stream.readStream(seq, { from, to, signal })) {
      await session.io.writeBytes(piece);
    }
  });
}

async function contentBytes(stream: Stream, seq: number): Promise<number> {
  const info = await stream.info(seq);
  if (info !== undefined) return info.byteCount;
  const message = `there is no block ${seq}: the stream has ${plural(stream.height, "entry", "entries")}`;
  throw streamError("CLI_USAGE", message, "`hawser stream info` lists them.");
}

/** [from, to) of `a-b`, `a-` or `-n`. */
export function readRange(
  text: string | undefined,
  byteCount: number,
): { readonly from: number; readonly to: number } {
  if (text === undefined) return { from: 0, to: byteCount };
  const [, fromText = "", toText = ""] = /^([0-9]{0,15})-([0-9]{0,15})$/.exec(text) ?? [];
  if (fromText === "" && toText === "") {
    throw usage(`--range ${text} is not understood`, "For example 0-99, 100- or -50.");
  }
  if (fromText === "") return { from: Math.max(0, byteCount - Number(toText)), to: byteCount };
  const from = Number(fromText);
  const to = toText === "" ? byteCount : Number(toText) + 1;
  if (from > byteCount) {
    throw usage(`--range ${text} begins behind the end`, `The block has ${byteCount} bytes.`);
  }
  if (from >= to && from !== byteCount) throw usage(`--range ${text} ends before it begins`);
  return { from, to: Math.min(to, byteCount) };
}
