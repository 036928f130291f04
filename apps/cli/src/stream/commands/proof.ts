/** proof, verify-proof, checkpoint: what can be shown to those who do not have the stream. */
import type { Command } from "commander";
import { toHex } from "@hawser/codec";
import { verifyStreamProof, type StreamFault } from "@hawser/stream";
import { plural } from "../../table.ts";
import { StreamFaultError, usage } from "../errors.ts";
import { requireKeys, type KeyOptions } from "../keys.ts";
import { addKeyOptions, addPinOption, readCount } from "../options.ts";
import { parsePlace } from "../places.ts";
import { pinOf, withStream, type PinOption, type RunWork, type Session } from "../session.ts";
import { formatFields, formatTime } from "../text.ts";
import { printCheckpoint, printMark, printProof, readProof, writeLine } from "../tokens.ts";

interface ProofOptions extends PinOption {
  readonly out?: string;
}

interface CheckpointOptions extends ProofOptions, KeyOptions {
  readonly unsigned?: boolean;
}

const outOption = ["--out <file>", "write it to a new file instead of stdout"] as const;

export function addProofCommands(program: Command, run: RunWork): void {
  const prove = program
    .command("proof")
    .description("print a proof that an entry is in the stream, for who does not have it")
    .argument("<stream>")
    .argument("<seq>")
    .option(...outOption)
    .addHelpText("after", "\nExample: hawser stream proof log.stream 3 --out third.proof");
  addPinOption(prove).action((text: string, seq: string, options: ProofOptions) =>
    run((session) => proof(session, text, seq, options)),
  );
  const check = program
    .command("verify-proof")
    .description("check a proof with nothing else at hand; tells stream, entry and hash")
    .argument("<file>")
    .addHelpText("after", "\nExample: hawser stream verify-proof third.proof --pin 5f1c…");
  addPinOption(check).action((file: string, options: PinOption) =>
    run((session) => verifyProof(session, file, options)),
  );
  const mark = program
    .command("checkpoint")
    .description("print the author's word on how far the stream is; verify --against it later")
    .argument("<stream>")
    .option(...outOption)
    .option("--unsigned", "what this copy has now, for yourself: needs no key")
    .addHelpText("after", "\nExample: hawser stream checkpoint log.stream --key ada");
  addKeyOptions(addPinOption(mark), "the key the stream was made with").action(
    (text: string, options: CheckpointOptions) =>
      run((session) => checkpoint(session, text, options)),
  );
}

async function proof(
  session: Session,
  text: string,
  seqText: string,
  options: ProofOptions,
): Promise<void> {
  const seq = readCount("entry", seqText);
  const place = parsePlace(text);
  await withStream(session, place, pinOf(place, options), async (stream) => {
    if (seq >= stream.height) {
      const entries = plural(stream.height, "entry", "entries");
      throw usage(`there is no entry ${seq}: the stream has ${entries}`, "Count from 0.");
    }
    const line = printProof(await stream.proof(seq, session.io.signal));
    await print(session, "proof", line, { id: stream.id, seq }, options.out);
  });
}

async function print(
  { output }: Session,
  event: "proof" | "checkpoint",
  line: string,
  fields: Readonly<Record<string, unknown>>,
  out: string | undefined,
): Promise<void> {
  if (out === undefined) return output.event(event, { ...fields, [event]: line }, line);
  await writeLine(out, line);
  output.event(event, { ...fields, file: out }, `Wrote ${out}.`);
}

async function verifyProof(
  { io, output }: Session,
  file: string,
  options: PinOption,
): Promise<void> {
  const { pin } = pinOf({ kind: "file", text: file }, options);
  const verdict = verifyStreamProof({ crypto: io.crypto }, await readProof(file));
  if (!verdict.ok) {
    // Safe: only printed; proofs of logs have reasons of their own.
    const code = verdict.reason as StreamFault["code"];
    const fault = { code, message: `the proof does not hold: ${verdict.reason}` };
    throw new StreamFaultError(file, fault, "Get the proof again from who made it.");
  }
  const { streamId, entry } = verdict;
  if (pin !== undefined && pin !== streamId) {
    throw new StreamFaultError(file, { code: "WRONG_STREAM", message: `about stream ${streamId}` });
  }
  const fields = { id: streamId, seq: entry.seq, hash: toHex(entry.hash) };
  const time = formatTime(entry.stamp);
  const shown = formatFields([
    ["proven", `entry ${entry.seq}, signed by the author`],
    ["id", streamId],
    ["hash", fields.hash],
    ["time", time],
  ]);
  output.event("proven", { ...fields, time }, shown);
}

async function checkpoint(
  session: Session,
  text: string,
  options: CheckpointOptions,
): Promise<void> {
  const place = parsePlace(text);
  const pin = pinOf(place, options);
  if (options.unsigned === true) {
    return withStream(session, place, pin, async (stream) => {
      const fields = { id: stream.id, height: stream.height, signed: false };
      await print(session, "checkpoint", printMark(stream.mark()), fields, options.out);
    });
  }
  const keys = await requireKeys(session.io, options);
  try {
    await withStream(session, place, { ...pin, secret: keys.signing }, async (stream) => {
      const fields = { id: stream.id, height: stream.height, signed: true };
      const line = printCheckpoint(stream.checkpoint());
      await print(session, "checkpoint", line, fields, options.out);
    });
  } finally {
    keys.drop();
  }
}
