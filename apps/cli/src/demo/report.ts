/** The tables at the end of the demo. */
import { formatBytes, formatCount, formatTable } from "../table.ts";
import type { Program } from "./processes.ts";

export interface Measured {
  readonly files: number;
  /** Bytes of the files. */
  readonly payload: number;
  /** Bytes that the first copy took on the wire. */
  readonly upload: number;
  /** `upload` by `payload`; `undefined` for a folder without content. */
  readonly ratio: number | undefined;
  readonly timeText: string;
}

export function reportOf(
  programs: { readonly ada: Program; readonly ben: Program; readonly relay: Program },
  measured: Measured,
): string {
  const [ada, ben, relay] = [programs.ada, programs.ben, programs.relay].map(statsOf);
  const count = (stats: Stats | undefined, name: string): string =>
    formatCount(stats?.[name] ?? Number.NaN);
  const bytes = (stats: Stats | undefined, name: string): string =>
    formatBytes(stats?.[name] ?? Number.NaN);
  const pair = (stats: Stats | undefined, names: readonly [string, string]): string =>
    names.map((name) => bytes(stats, name)).join(" / ");
  const signatures = (stats: Stats | undefined): string =>
    `${count(stats, "signed")} / ${count(stats, "checked")}`;
  const happened = formatTable("What happened", [
    ["files shared at the start", formatCount(measured.files)],
    ["payload of these files", formatBytes(measured.payload)],
    ["entries on ada's device", count(ada, "entries")],
    ["on the wire, ada → relay, first copy", formatBytes(measured.upload)],
    ["  that is, times the payload", measured.ratio?.toFixed(3) ?? "–"],
    ["on the wire, ada, all (sent / received)", pair(ada, ["bytesSent", "bytesReceived"])],
    ["on the wire, ben, all (sent / received)", pair(ben, ["bytesSent", "bytesReceived"])],
    ["signatures, ada (made / checked)", signatures(ada)],
    ["signatures, ben (made / checked)", signatures(ben)],
    ["time", measured.timeText],
  ]);
  const held = formatTable("What the relay holds", [
    ["spaces", count(relay, "topics")],
    ["logs", count(relay, "logs")],
    ["entries", count(relay, "entries")],
    ["sealed bytes in them", bytes(relay, "rangeBytes")],
    ["database on disk", bytes(relay, "diskBytes")],
  ]);
  return `${happened}\n\n${held}`;
}

type Stats = Readonly<Record<string, number>>;

/** What a program says of itself when it stops. */
function statsOf(program: Program): Stats | undefined {
  const stopped = program.events.findLast(({ event }) => event === "stopped");
  const stats = stopped?.["stats"];
  // Safe: our own programs print a flat object of numbers.
  return typeof stats === "object" && stats !== null ? (stats as Stats) : undefined;
}
