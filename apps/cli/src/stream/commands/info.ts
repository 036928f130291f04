/** info: what a stream is and what is in it. */
import type { Command } from "commander";
import { toHex } from "@hawser/codec";
import type { BlockInfo, Metadata, Stream } from "@hawser/stream";
import { codeOf } from "../../errors.ts";
import { formatCount, plural } from "../../table.ts";
import type { KeyOptions } from "../keys.ts";
import { addKeyOptions, addPinOption, readCount } from "../options.ts";
import { withReadableStream, type PinOption, type RunWork, type Session } from "../session.ts";
import {
  blockFields,
  formatBytes,
  formatFields,
  formatHeight,
  formatRecovery,
  formatRows,
  formatTime,
  formatValue,
  toJson,
} from "../text.ts";

interface InfoOptions extends KeyOptions, PinOption {
  readonly limit: string;
}

/** Block lines at most; more would be a listing for a program. */
const linesMax = 100_000;

export function addInfoCommand(program: Command, run: RunWork): void {
  const command = program
    .command("info")
    .description("tell what a stream is, where it stands, and its last blocks")
    .argument("<stream>")
    .option("--limit <count>", "list at most so many blocks, the newest", "10")
    .addHelpText("after", "\nExample: hawser stream info log.stream");
  addKeyOptions(addPinOption(command), "a key to read metadata with").action(
    (text: string, options: InfoOptions) => run((session) => info(session, text, options)),
  );
}

/** A block and its metadata; `undefined` where no key opens them. */
interface Listed {
  readonly info: BlockInfo;
  readonly metadata: Metadata | undefined;
}

async function info(session: Session, text: string, options: InfoOptions): Promise<void> {
  const limit = readCount("--limit", options.limit, linesMax);
  await withReadableStream(session, text, options, async (stream) => {
    const { signal } = session.io;
    const from = Math.max(1, stream.height - limit);
    const listed: Listed[] = [];
    for await (const found of stream.blocks({ from, signal })) {
      listed.push({ info: found, metadata: await readableMetadata(stream, found.seq) });
    }
    const last = await stream.info(stream.height - 1, signal);
    session.output.event("info", infoFields(stream, listed), infoText(stream, listed, last));
  });
}

async function readableMetadata(stream: Stream, seq: number): Promise<Metadata | undefined> {
  try {
    return await stream.metadata(seq);
  } catch (error) {
    if (codeOf(error) === "STREAM_NO_KEY") return undefined;
    throw error;
  }
}

function infoFields(stream: Stream, listed: readonly Listed[]): Readonly<Record<string, unknown>> {
  const { id, manifest, height, byteCount, isEnded, recovery } = stream;
  const { author, uuid, suite, software, created, metadata, recipients, streamKeyId } = manifest;
  const { recoveredBytes, damage } = recovery;
  return {
    id,
    author,
    uuid,
    suite,
    software,
    created: formatTime(created),
    metadata: toJson(metadata),
    recipients: recipients.map(toHex),
    hasStreamKey: streamKeyId !== undefined,
    height,
    headHash: toHex(stream.headHash),
    byteCount,
    ended: isEnded,
    behindEnd: { bytes: recoveredBytes, damage: damage ?? null },
    blocks: listed.map((block) => ({
      ...blockFields(block.info),
      metadata: block.metadata === undefined ? null : toJson(block.metadata),
    })),
  };
}

function infoText(stream: Stream, listed: readonly Listed[], last: BlockInfo | undefined): string {
  const { id, manifest, byteCount, isEnded, recovery } = stream;
  const { author, suite, software, created, metadata, recipients } = manifest;
  const readers =
    recipients.length === 0 ? "no" : `to ${plural(recipients.length, "reader")}, suite ${suite}`;
  const behind = formatRecovery(recovery);
  const fields = formatFields([
    ["id", id],
    ["author", author],
    ...Object.entries(metadata).map(
      ([name, value]) => [formatValue(name), formatValue(value)] as const,
    ),
    ["created", `${formatTime(created)} by ${formatValue(software)}`],
    ["encrypted", readers],
    ["height", `${formatHeight(stream)}, ${formatBytes(byteCount)}${isEnded ? ", ended" : ""}`],
    ["last", last === undefined ? undefined : formatTime(last.stamp)],
    ["behind", behind === undefined ? undefined : behind],
  ]);
  if (listed.length === 0) return fields;
  const left = stream.height - 1 - listed.length;
  const rows = listed.map((block) => blockRow(block));
  const table = formatRows(["seq", "bytes", "time", "", "about"], rows, [0, 1]);
  const more = left > 0 ? `\n… and ${formatCount(left)} before (--limit)` : "";
  return `${fields}\n\n${table}${more}`;
}

function blockRow({ info, metadata }: Listed): readonly string[] {
  const { seq, byteCount, stamp, isEncrypted } = info;
  return [
    String(seq),
    formatCount(byteCount),
    formatTime(stamp),
    isEncrypted ? "sealed" : "",
    aboutBlock(info, metadata),
  ];
}

function aboutBlock(info: BlockInfo, metadata: Metadata | undefined): string {
  const { kind, directive, target } = info;
  if (kind === "rewrap") return `opens block ${target ?? "?"} to more readers`;
  const words: string[] = [];
  if (directive !== undefined) {
    words.push([`[${directive.type}]`, ...directive.targets.map(formatValue)].join(" "));
  }
  if (metadata === undefined) return [...words, "(metadata sealed)"].join(" ");
  const { name, ...others } = metadata;
  if (name !== undefined) words.push(formatValue(name));
  for (const [key, value] of Object.entries(others)) {
    words.push(`${formatValue(key)}=${formatValue(value)}`);
  }
  return words.join(" ");
}
