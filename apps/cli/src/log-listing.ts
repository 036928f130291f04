/** `hawser log`: the entries of a space in words, oldest first. */
import type { Hawser, HawserSpace } from "@hawser/hawser";
import { decodeOps } from "@hawser/kv";
import type { Entry, LogContext } from "@hawser/log";
import { pathOfKey } from "./folder/manifest.ts";
import type { Output } from "./output.ts";
import { formatBytes, formatCount, plural } from "./table.ts";

/** One entry as the listing shows it. Plain data: it crosses a socket. */
export interface LogLine {
  /** ISO 8601, from the hybrid clock. */
  readonly time: string;
  readonly author: string;
  readonly domain: string;
  readonly seq: number;
  readonly byteCount: number;
  readonly signed: boolean;
  /** What it is, in words: the files it puts or deletes, or why that is not known. */
  readonly what: string;
}

export interface LogListing {
  readonly space: string;
  /** Entries of the space, also those that are not listed. */
  readonly total: number;
  readonly lines: readonly LogLine[];
}

/** Lines of one listing. */
export const logLinesMax = 10_000;

interface Place {
  readonly context: LogContext;
  readonly entry: Entry;
}

/** The newest `limit` entries of a space, oldest first. */
export async function readLog(
  hawser: Hawser,
  space: HawserSpace,
  limit: number,
): Promise<LogListing> {
  const wanted = Math.min(limit, logLinesMax);
  const places: Place[] = [];
  let total = 0;
  for (const { logId, context, height } of await hawser.store.heads(space.space.topic)) {
    total += height;
    const from = Math.max(0, height - wanted);
    for await (const entry of hawser.store.entries(logId, { from }))
      places.push({ context, entry });
  }
  places.sort((a, b) => a.entry.stamp - b.entry.stamp);
  const lines: LogLine[] = [];
  for (const place of places.slice(-wanted)) lines.push(await describe(space, place));
  return { space: space.id, total, lines };
}

async function describe(space: HawserSpace, { context, entry }: Place): Promise<LogLine> {
  return {
    time: new Date(entry.stamp / 1_000).toISOString(),
    author: context.author,
    domain: context.domain,
    seq: entry.seq,
    byteCount: entry.data.length,
    signed: entry.signature !== undefined,
    what: await whatIs(space, context, entry),
  };
}

async function whatIs(space: HawserSpace, context: LogContext, entry: Entry): Promise<string> {
  const ref = { logId: entry.logId, seq: entry.seq };
  const { code, judgement, reason } = await space.space.explain(ref);
  const trouble = reason ?? (code === "PRESENT" ? undefined : code.toLowerCase());
  if (context.domain !== "hawser.data") return trouble ?? "membership or keys";
  if (judgement === undefined || judgement === "reject") return trouble ?? "not readable here";
  try {
    const { type, body } = await space.space.read(ref);
    const note = judgement === "quarantine" ? " (in quarantine: counts for nothing)" : "";
    return contentOf(type, body) + note;
  } catch (error) {
    const isSpaceError = error instanceof Error && "code" in error;
    if (isSpaceError) return `sealed: ${String(error.code)}`;
    throw error;
  }
}

/** Names that a line has room for. */
const namesMax = 3;

/** What an event says, in words. */
function contentOf(type: string, body: Uint8Array | undefined): string {
  const bytes = formatBytes(body?.length ?? 0);
  if (body === undefined) return `${type}, sealed to others`;
  if (type === "file.chunk") return `part of a file, ${bytes}`;
  if (type !== "kv") return `${type}, ${bytes}`;
  const names = decodeOps(body).map(({ key, value, increment }) => {
    const name = pathOfKey(key) ?? key;
    if (increment !== undefined) return `${name} + ${increment.amount}`;
    return value === undefined ? `${name} deleted` : name;
  });
  const shown = names.slice(0, namesMax).join(", ");
  return names.length <= namesMax
    ? shown
    : `${shown} and ${plural(names.length - namesMax, "more", "more")}`;
}

/** Prints a listing. */
export function listLog(listing: LogListing, output: Output): void {
  const lines = listing.lines.map((line) => {
    const mark = line.signed ? "✓" : "·";
    const author = `${line.author.slice(0, 8)}…`;
    const place = `${line.domain.replace("hawser.", "").padEnd(7)} ${String(line.seq).padStart(6)}`;
    const time = line.time.slice(0, 19).replace("T", " ");
    const size = formatBytes(line.byteCount).padStart(7);
    return `${time}  ${mark}  ${author}  ${place}  ${size}  ${line.what}`;
  });
  const shown = formatCount(listing.lines.length);
  const counts = `${shown} of ${plural(listing.total, "entry", "entries")}`;
  const key = "times in UTC; ✓ is signed, · hangs on a later signature";
  const head = `${listing.space}\n${counts}, ${key}`;
  output.event("log", { ...listing }, [head, ...lines].join("\n"));
}
