/** verify: whether a stream is what its author signed. */
import type { Command } from "commander";
import type { Stream, VerifyLevel } from "@hawser/stream";
import { formatCount, plural } from "../../table.ts";
import { StreamFaultError, usage } from "../errors.ts";
import { addPinOption, readCount } from "../options.ts";
import { parsePlace } from "../places.ts";
import { pinOf, withStream, type PinOption, type RunWork, type Session } from "../session.ts";
import { formatBytes } from "../text.ts";
import { readCheckpoint } from "../tokens.ts";

interface VerifyOptions extends PinOption {
  readonly against?: string;
  readonly from?: string;
  readonly to?: string;
  readonly full?: boolean;
  readonly head?: boolean;
}

export function addVerifyCommand(program: Command, run: RunWork): void {
  const command = program
    .command("verify")
    .description("check hashes, order, signatures and contents; needs no key")
    .argument("<stream>")
    .option("--full", "everything, which is the default")
    .option("--head", "only the last entry: quick, whatever the size")
    .option("--from <seq>", "only from this entry on")
    .option("--to <seq>", "only up to this entry, itself not included")
    .option("--against <file>", "also that nothing of this checkpoint is gone or changed")
    .addHelpText("after", "\nExample: hawser stream verify log.stream --against log.checkpoint");
  addPinOption(command).action((text: string, options: VerifyOptions) =>
    run((session) => verify(session, text, options)),
  );
}

async function verify(session: Session, text: string, options: VerifyOptions): Promise<void> {
  const level = levelOf(options);
  const { against } = options;
  const checkpoint = against === undefined ? undefined : await readCheckpoint(against);
  const place = parsePlace(text);
  await withStream(session, place, pinOf(place, options), async (stream) => {
    if (checkpoint !== undefined) await verifyLevel(session, place.text, stream, { checkpoint });
    await verifyLevel(session, place.text, stream, level);
    report(session, stream, level, checkpoint?.height);
  });
}

function levelOf({ from, to, head, full }: VerifyOptions): VerifyLevel {
  const isRange = from !== undefined || to !== undefined;
  if ([isRange, head === true, full === true].filter(Boolean).length > 1) {
    throw usage("--full, --head and --from/--to exclude each other");
  }
  if (head === true) return "head";
  if (!isRange) return "full";
  return {
    ...(from === undefined ? {} : { from: readCount("--from", from) }),
    ...(to === undefined ? {} : { to: readCount("--to", to) }),
  };
}

async function verifyLevel(
  { io, output }: Session,
  subject: string,
  stream: Stream,
  level: VerifyLevel,
): Promise<void> {
  const total = stream.byteCount;
  const verdict = await stream.verify(level, {
    signal: io.signal,
    onProgress: (offset) => {
      const text = `Verifying: ${formatBytes(offset)} of ${formatBytes(total)}`;
      output.progress({ doneBytes: offset, totalBytes: total }, text);
    },
  });
  if (!verdict.ok) throw new StreamFaultError(subject, verdict.fault);
  // Opening passes over bytes that do not verify; here they are what was asked about.
  const { damage } = stream.recovery;
  if (damage !== undefined) throw new StreamFaultError(subject, damage);
  if (verdict.indexFaultCount > 0) {
    const { indexFaultCount, indexFaults } = verdict;
    const sentence = `${plural(indexFaultCount, "index packet")} damaged: it is slower, not wrong.`;
    output.event("index-damaged", { indexFaultCount, indexFaults }, sentence);
  }
}

function report(
  { output }: Session,
  stream: Stream,
  level: VerifyLevel,
  checkpointHeight: number | undefined,
): void {
  const { id, height, byteCount, recovery } = stream;
  const { recoveredBytes } = recovery;
  const lines = [`Verified ${levelText(level, height)} of ${id}.`];
  if (checkpointHeight !== undefined) {
    lines.push(`It holds all ${plural(checkpointHeight, "entry", "entries")} of the checkpoint.`);
  }
  if (recoveredBytes > 0) {
    const rest = plural(recoveredBytes, "byte");
    lines.push(`${rest} behind it are left of an append that was cut off: hawser stream recover.`);
  }
  const range = typeof level === "object" && !("checkpoint" in level) ? level : {};
  const fields = {
    id,
    height,
    byteCount,
    level: typeof level === "string" ? level : "range",
    ...range,
    checkpointHeight: checkpointHeight ?? null,
    tornBytes: recoveredBytes,
  };
  output.event("verified", fields, lines.join("\n"));
}

function levelText(level: VerifyLevel, height: number): string {
  if (level === "full") return `all ${plural(height, "entry", "entries")}`;
  if (level === "head") return `the head at height ${formatCount(height)}`;
  const { from = 0, to = height } = "checkpoint" in level ? {} : level;
  return `entries ${formatCount(from)} to ${formatCount(to - 1)}`;
}
