/** What the long-running commands tell of passes, transfers and relays. */
import type { HawserSpace } from "@hawser/hawser";
import type { PassProgress, PassResult } from "./folder/mirror.ts";
import type { Output } from "./output.ts";
import { formatBytes, formatCount, plural } from "./table.ts";

/** Tells when the relay goes and comes; that it is there at the start is no news to a person. */
export function createRelayReport(output: Output): (kind: "none" | "connected" | "away") => void {
  let wasAway = false;
  return (kind) => {
    if (kind === "connected") {
      output.event("online", {}, wasAway ? "The relay is back." : undefined);
    } else {
      const text =
        kind === "none"
          ? "There is no relay: changes stay on this device."
          : "The relay is away. Changes are kept here and go out when it is back.";
      output.event("offline", { reason: kind }, text);
    }
    wasAway = kind === "away";
  };
}

/** A person is shown so many paths of one pass. */
const linesMax = 40;

/** Tells what a pass took over, in either direction. */
export function reportPass(output: Output, result: PassResult): void {
  const { uploaded, downloaded, removedHere, removedThere, conflicts, waiting } = result;
  const lines = [
    ...uploaded.map((path) => `↑ ${path}`),
    ...removedThere.map((path) => `↑ ${path} (deleted)`),
    ...downloaded.map((path) => `↓ ${path}`),
    ...removedHere.map((path) => `↓ ${path} (deleted)`),
    ...conflicts.map((path) => `! ${path}: both sides changed it; both versions are kept`),
  ];
  if (lines.length === 0) return;
  const fields = { uploaded, downloaded, removedHere, removedThere, conflicts, waiting };
  const hidden = lines.length - linesMax;
  const shown =
    hidden > 0 ? [...lines.slice(0, linesMax), `… and ${plural(hidden, "file")} more`] : lines;
  output.event("pass", fields, shown.join("\n"));
}

/** Tells what stays out or cannot be taken over: each path once, and again when it changes. */
export function createTroubleReport(output: Output): (result: PassResult) => void {
  const told = new Map<string, string>();
  return ({ failed, skipped }) => {
    const isNews = ([path, reason]: readonly [string, string]): boolean =>
      told.get(path) !== reason;
    const news = {
      failed: [...failed].filter(isNews),
      skipped: [...skipped].filter(isNews),
    };
    told.clear();
    for (const [path, reason] of [...failed, ...skipped]) told.set(path, reason);
    const lines = [
      ...news.failed.map(([path, reason]) => `✗ ${path}: ${reason}`),
      ...news.skipped.map(([path, reason]) => `– ${path} stays out: it ${reason}`),
    ];
    if (lines.length === 0) return;
    const fields = {
      failed: Object.fromEntries(news.failed),
      skipped: Object.fromEntries(news.skipped),
    };
    output.event("trouble", fields, lines.join("\n"));
  };
}

const stepWords: { readonly [Step in PassProgress["step"]]: string } = {
  reading: "Reading",
  encrypting: "Encrypting",
  writing: "Writing",
};

/** Tells how far a step of a pass is. */
export function reportProgress(output: Output, progress: PassProgress): void {
  const { step, files, filesTotal, bytes, bytesTotal } = progress;
  const text =
    `${stepWords[step]}: ${formatCount(files)} of ${plural(filesTotal, "file")}, ` +
    `${formatBytes(bytes)} of ${formatBytes(bytesTotal)}`;
  output.progress({ ...progress }, text);
}

/** Tells how far entries are on their way from and to the relay. */
export function reportTransfer(output: Output, space: HawserSpace): void {
  const {
    entriesSent,
    entriesToSend,
    entriesReceived,
    entriesToReceive,
    bytesSent,
    bytesReceived,
  } = space.progress();
  if (entriesToSend + entriesToReceive === 0) return;
  const parts = [
    entriesToSend === 0
      ? []
      : [`sent ${formatBytes(bytesSent)}, ${formatCount(entriesToSend)} entries to go`],
    entriesToReceive === 0
      ? []
      : [`received ${formatBytes(bytesReceived)}, ${formatCount(entriesToReceive)} entries to go`],
  ];
  const fields = { entriesSent, entriesToSend, entriesReceived, entriesToReceive };
  output.progress(
    { step: "transfer", ...fields, bytesSent, bytesReceived },
    `Relay: ${parts.flat().join("; ")}`,
  );
}
