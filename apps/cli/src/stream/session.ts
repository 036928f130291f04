/** What each stream command gets: the outside world, a place to report to, and opened streams. */
import type { Command } from "commander";
import {
  openStream,
  type ByteStore,
  type OpenStreamOptions,
  type Stream,
  type StreamDeps,
  type StreamId,
} from "@hawser/stream";
import type { Output } from "../output.ts";
import { explain, StreamFaultError, usage } from "./errors.ts";
import type { StreamIo } from "./io.ts";
import { openKeys, type KeyOptions } from "./keys.ts";
import { openPlace, parsePlace, type Place } from "./places.ts";

export interface Session {
  readonly io: StreamIo;
  readonly deps: StreamDeps;
  readonly output: Output;
  readonly isJson: boolean;
}

/** Runs a command's work in a session of its own. */
export type RunWork = (work: (session: Session) => Promise<void>) => Promise<void>;

/** Adds commands to `hawser stream`. */
export type AddCommand = (program: Command, run: RunWork) => void;

/** Which stream must be there. */
export interface PinOption {
  readonly pin?: string;
}

const idPattern = /^[0-9a-f]{64}$/;

/** The id that `--pin` or the address names. */
export function pinOf(place: Place, { pin }: PinOption): { readonly pin?: StreamId } {
  if (pin === undefined) return place.pin === undefined ? {} : { pin: place.pin };
  if (!idPattern.test(pin)) throw usage(`--pin ${pin} is no id`, "An id is 64 hex digits.");
  // Safe: the pattern is what the brand stands for.
  return { pin: pin as StreamId };
}

export interface WithStreamOptions extends Omit<OpenStreamOptions, "signal"> {
  /** Something between stream and store. */
  readonly wrap?: (store: ByteStore) => ByteStore;
}

/** Opens a stream to read, does the work, and closes it. Throws StreamFaultError. */
export async function withStream<Value>(
  session: Session,
  place: Place,
  { wrap, ...options }: WithStreamOptions,
  work: (stream: Stream) => Promise<Value>,
): Promise<Value> {
  const mode = options.secret === undefined ? "read" : "append";
  try {
    await using store = await openPlace(session.io, place, mode);
    const { signal } = session.io;
    const bytes = wrap?.(store) ?? store;
    const opened = await openStream(session.deps, bytes, { ...options, signal });
    if (!opened.ok) throw new StreamFaultError(place.text, opened.fault);
    try {
      return await work(opened.stream);
    } finally {
      await opened.stream.close();
    }
  } catch (error) {
    throw explain(error, place.text);
  }
}

/** The same with the key that is named, to open blocks that are encrypted to it. */
export async function withReadableStream<Value>(
  session: Session,
  streamText: string,
  options: KeyOptions & PinOption,
  work: (stream: Stream) => Promise<Value>,
): Promise<Value> {
  const place = parsePlace(streamText);
  const pin = pinOf(place, options);
  const keys = await openKeys(session.io, options);
  try {
    const decrypt = keys === undefined ? {} : { decrypt: { secrets: [keys.reading] } };
    return await withStream(session, place, { ...pin, ...decrypt }, work);
  } finally {
    keys?.drop();
  }
}
