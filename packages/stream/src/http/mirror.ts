/**
 * Brings one copy of a stream up to another (docs/spec/stream.md, "Mirrors"). Layer 4. Copies are
 * verified where they are read and again where they are written: nobody on the way is trusted.
 */
import type { ForkProof } from "@hawser/log";
import { packetBytesMax, parsePacket } from "@hawser/packet";
import type { ByteStore } from "../byte-store.ts";
import { compareStreams } from "../compare.ts";
import { StreamError, type StreamFault } from "../errors.ts";
import { openStream, recoverStream, type OpenVerdict } from "../open.ts";
import { readFully } from "../packet-io.ts";
import type { Stream } from "../stream.ts";
import type { StreamDeps } from "../types.ts";

/** What came of it. */
export type MirrorOutcome =
  | { readonly ok: true; readonly height: number; readonly addedEntries: number }
  | {
      readonly ok: false;
      readonly fault: StreamFault;
      /** With FORK: that the author signed both; pass it on. */
      readonly proof: ForkProof | undefined;
    };

/**
 * Appends to `target` what `source` has more. What was taken before a cut stays, so the next call
 * goes on there. Another stream is WRONG_STREAM, a source with less than the target ROLLED_BACK, one
 * with another entry at some seq FORK; the target then stays as it is. Throws what the stores throw.
 */
export async function mirrorStream(
  source: Stream,
  target: Stream,
  options: { readonly signal?: AbortSignal } = {},
): Promise<MirrorOutcome> {
  const before = target.height;
  const comparison = await compareStreams(source, target, options.signal);
  switch (comparison.relation) {
    case "same":
      return { ok: true, height: before, addedEntries: 0 };
    case "unrelated":
      return refuse({ code: "WRONG_STREAM", message: "the source is another stream" });
    case "behind": {
      const message = `the source has ${source.height} entries, the target ${before}`;
      return refuse({ code: "ROLLED_BACK", message, seq: source.height });
    }
    case "fork": {
      const { seq, proof } = comparison;
      return refuse({ code: "FORK", message: "source and target differ", seq }, proof);
    }
    case "ahead": {
      const bytes = source.raw({ ...options, fromHeight: before });
      const verdict = await target.accept(bytes, options);
      if (!verdict.ok) return refuse(verdict.fault);
      return { ok: true, height: target.height, addedEntries: target.height - before };
    }
  }
}

function refuse(fault: StreamFault, proof?: ForkProof): MirrorOutcome {
  return { ok: false, fault, proof };
}

/**
 * Opens the copy of `source` in `store`, for `mirrorStream` to write to. An empty store gets the
 * manifest first, and so does one in which a crash left less than that. Whatever else the store holds
 * is a verdict, and stays as it is.
 */
export async function openMirror(
  deps: StreamDeps,
  source: Stream,
  store: ByteStore,
  signal?: AbortSignal,
): Promise<OpenVerdict> {
  const options = signal === undefined ? {} : { signal };
  const manifest = await readManifest(source, options);
  const size = await store.size(signal);
  if (size < manifest.length && isTorn(await readFully(store, 0, size, signal), manifest)) {
    if (size > 0) await store.truncate(0);
    await store.append(0, [manifest], signal);
    await store.flush();
  }
  // What a crash left behind the last signed entry is fetched again; the index after it is not for
  // the source to give, it follows from the entries.
  const recovered = await recoverStream(deps, store, { pin: source.id, ...options });
  if (!recovered.ok) return recovered;
  return openStream(deps, store, { pin: source.id, ...options });
}

/** Whether a crash may have left these bytes of `whole`: its beginning, perhaps zeros behind. */
function isTorn(bytes: Uint8Array, whole: Uint8Array): boolean {
  const parting = bytes.findIndex((byte, index) => byte !== whole[index]);
  return parting < 0 || bytes.subarray(parting).every((byte) => byte === 0);
}

/** The stream's first packet. */
async function readManifest(
  source: Stream,
  options: { readonly signal?: AbortSignal },
): Promise<Uint8Array> {
  let held = new Uint8Array(0);
  for await (const piece of source.raw(options)) {
    const joined = new Uint8Array(held.length + piece.length);
    joined.set(held);
    joined.set(piece, held.length);
    held = joined;
    if (held.length >= packetBytesMax) break;
  }
  const parsed = parsePacket(held);
  if (parsed.ok) return parsed.packet.bytes.slice();
  throw new StreamError("BYTES_MOVED", "the source has lost its manifest");
}
