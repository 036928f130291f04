/** mirror: brings one copy of a stream up to another. Copies are verified at both ends. */
import type { Command } from "commander";
import { packetBytesMax, parsePacket } from "@hawser/packet";
import {
  compareStreams,
  openStream,
  type ByteStore,
  type Stream,
  type StreamFault,
} from "@hawser/stream";
import { mirrorStream, openMirror } from "@hawser/stream/http";
import { codeOf } from "../../errors.ts";
import { plural } from "../../table.ts";
import { explain, streamError, StreamFaultError, usage } from "../errors.ts";
import { addPinOption } from "../options.ts";
import { openPlace, parsePlace, type Place } from "../places.ts";
import { openRemote, postBytes, putManifest } from "../remote.ts";
import { pinOf, withStream, type PinOption, type RunWork, type Session } from "../session.ts";
import { formatBytes } from "../text.ts";

/** How often a source that grows meanwhile is opened anew. */
const triesMax = 5;

export function addMirrorCommand(program: Command, run: RunWork): void {
  const command = program
    .command("mirror")
    .description("bring a copy up to date; goes on where it was cut; refuses forks and rollbacks")
    .argument("<source>")
    .argument("<target>", "a file, s3://BUCKET/NAME, or the address of it at a server that serves")
    .addHelpText(
      "after",
      "\nTo make a stream at a server put its token into HAWSER_STREAM_TOKEN." +
        "\n\nExample: hawser stream mirror https://example.org/5f1c… copy.stream",
    );
  addPinOption(command).action((source: string, target: string, options: PinOption) =>
    run((session) => mirror(session, parsePlace(source), parsePlace(target), options)),
  );
}

async function mirror(
  session: Session,
  source: Place,
  target: Place,
  options: PinOption,
): Promise<void> {
  const pin = pinOf(source, options);
  for (let tries = 1; ; tries++) {
    try {
      const wrap = (store: ByteStore): ByteStore => withProgress(session, store);
      return await withStream(session, source, { ...pin, wrap }, (stream) =>
        target.kind === "http" ? push(session, stream, target) : pull(session, stream, target),
      );
    } catch (error) {
      // The source became longer while it was read. What was taken stays, so this gets on.
      if (codeOf(error) !== "BYTES_MOVED" || tries === triesMax) throw error;
    }
  }
}

/** Into a file or bucket. */
async function pull(session: Session, source: Stream, target: Place): Promise<void> {
  const { io, deps } = session;
  try {
    await using store = await openTarget(session, target);
    const opened = await openMirror(deps, source, store, io.signal);
    if (!opened.ok) throw targetFault(target, opened.fault);
    await using copy = opened.stream;
    const outcome = await mirrorStream(source, copy, { signal: io.signal });
    if (!outcome.ok) throw targetFault(target, outcome.fault);
    report(session, source, target, outcome.addedEntries);
  } catch (error) {
    throw explain(error, target.text);
  }
}

/** The store there is, or a new one. */
async function openTarget({ io }: Session, target: Place): Promise<ByteStore> {
  try {
    return await openPlace(io, target, "append");
  } catch (error) {
    if (codeOf(error) !== "BYTES_ABSENT") throw error;
    return openPlace(io, target, "create");
  }
}

/** The source's bytes, telling how many of them were read. */
function withProgress({ output }: Session, store: ByteStore): ByteStore {
  let doneBytes = 0;
  return {
    ...store,
    read: async (...given) => {
      const bytes = await store.read(...given);
      doneBytes += bytes.length;
      output.progress({ doneBytes }, `Read ${formatBytes(doneBytes)}`);
      return bytes;
    },
  };
}

function report({ output }: Session, source: Stream, target: Place, added: number): void {
  const { id, height, byteCount } = source;
  const all = plural(height, "entry", "entries");
  const text =
    added === 0
      ? `${target.text} is up to date: ${all}.`
      : `Added ${plural(added, "entry", "entries")} to ${target.text}: now ${all}, ${formatBytes(byteCount)}.`;
  output.event("mirrored", { id, height, added, byteCount, target: target.text }, text);
}

const refusals: Readonly<Partial<Record<StreamFault["code"], readonly [string, string]>>> = {
  WRONG_STREAM: [
    "it holds another stream than the source; nothing was changed",
    "Choose another target, or check the source.",
  ],
  ROLLED_BACK: [
    "the source is behind the target, so it was rolled back or is an old copy; nothing was changed",
    "Mirror in the other direction, if you trust the target.",
  ],
  FORK: [
    "source and target part: the author signed two histories; nothing was changed",
    "Keep both copies as evidence, and ask the author which one holds.",
  ],
};

/** A refusal in clear words. */
function targetFault(target: Place, fault: StreamFault): StreamFaultError {
  const [message, remedy] = refusals[fault.code] ?? [fault.message, undefined];
  return new StreamFaultError(target.text, { ...fault, message }, remedy);
}

/** To a server. */
async function push(
  session: Session,
  source: Stream,
  target: Extract<Place, { kind: "http" }>,
): Promise<void> {
  if (target.pin !== source.id) {
    const remedy = `The address ends in its id: ${new URL(source.id, target.url).href}`;
    throw usage(`${target.text} is not the address of this stream`, remedy);
  }
  const { io, deps } = session;
  try {
    const remote = await openRemote(io, target);
    if (remote === undefined) {
      await putManifest(io, target, await manifestOf(source));
      return await push(session, source, target);
    }
    await using store = remote.store;
    const opened = await openStream(deps, store, { pin: source.id, signal: io.signal });
    if (!opened.ok) throw new StreamFaultError(target.text, opened.fault);
    const there = opened.stream;
    const { relation } = await compareStreams(source, there, io.signal);
    if (relation === "behind") throw targetFault(target, { code: "ROLLED_BACK", message: "" });
    if (relation === "fork") throw targetFault(target, { code: "FORK", message: "" });
    const before = there.height;
    if (relation === "ahead") {
      const bytes = source.raw({ fromHeight: before, signal: io.signal });
      await postBytes(io, target, bytes, remote.etag);
    }
    report(session, source, target, source.height - before);
  } catch (error) {
    throw explain(error, target.text);
  }
}

/** The stream's first packet: all that a server has to take on trust of its token. */
async function manifestOf(source: Stream): Promise<Uint8Array<ArrayBuffer>> {
  let held = Buffer.alloc(0);
  for await (const piece of source.raw()) {
    held = Buffer.concat([held, piece]);
    if (held.length >= packetBytesMax) break;
  }
  const parsed = parsePacket(held);
  if (parsed.ok) return Uint8Array.from(parsed.packet.bytes);
  throw streamError("CLI_FILE_MISSING", "the source has lost its manifest", "Use another copy.");
}
