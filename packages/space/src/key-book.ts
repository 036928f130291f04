/**
 * Keys by log, as the paper's KeyBook gives them (docs/spec/6-space.md §4; TH-059): what is absent
 * gives nothing, not an error. Layer 5, internal but for the type.
 */
import type { AuthorId } from "@hawser/crypto";
import type { LogId } from "@hawser/log";
import type { Core } from "./core.ts";

/** The keys this device has for one log. */
export interface LogKeys {
  /** Of the log's author; `undefined` while the log is unknown. */
  readonly publicKey: AuthorId | undefined;
  /** 32 bytes; own logs only. */
  readonly privateKey: Uint8Array | undefined;
  /** Of the newest epoch this device can read in; for members let in. */
  readonly readKey: Uint8Array | undefined;
  /** Of the newest epoch this device can follow in. */
  readonly followKey: Uint8Array | undefined;
}

/** Keys of a log of this space. Nobody's private key but our own is ever at hand. */
export async function keysOfLog(core: Core, logId: LogId): Promise<LogKeys> {
  const head = await core.deps.store.head(logId);
  const isHere = head !== undefined && head.context.topic === core.syncTopic.topic;
  if (!isHere) {
    return {
      publicKey: undefined,
      privateKey: undefined,
      readKey: undefined,
      followKey: undefined,
    };
  }
  const { author } = head.context;
  const { ring, keyState } = core.fold();
  const epochs = ring.epochs(keyState);
  const readable = epochs.find(({ id }) => ring.readKey(keyState, id) !== undefined);
  return {
    publicKey: author,
    privateKey: author === core.device.author ? core.device.secret.slice() : undefined,
    readKey: readable === undefined ? undefined : ring.readKey(keyState, readable.id),
    followKey: core.syncTopic.followKeys()[0],
  };
}
