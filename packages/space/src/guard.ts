/**
 * Whether this device may write in a space (docs/spec/archive.md §6): not after its store came back
 * from an archive, until a peer has said how far its own logs go; and never again once it was retired.
 * Layer 5, internal.
 */
import { decodeCbor, encodeCbor, toHex, type CborValue } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { KvWrite, LogId, LogStore, Topic } from "@hawser/log";
import { SpaceError, type SpaceErrorCode } from "./errors.ts";
import { hexBytes } from "./place.ts";
import type { Vault } from "./vault.ts";

/** How far an own log went when the store was written into the archive. */
export interface OwnHeight {
  readonly logId: LogId;
  readonly height: number;
}

/** A space that came out of an archive and was not compared with a peer since. */
export interface RestoredMark {
  readonly topic: Topic;
  /** Sorted by log id; logs without entries are not named. */
  readonly heights: readonly OwnHeight[];
  /** Peers that held less of the own logs than the archive: their word never counts. */
  readonly behind: readonly AuthorId[];
}

/** Marks of one store, and what follows from them. */
export interface Guard {
  /** Throws `SPACE_RETIRED`, `SPACE_RESTORED`, `SPACE_STANDBY`. */
  assertMayWrite(topic: Topic): void;
  mayWrite(topic: Topic): boolean;
  /** Why not, or `undefined`. */
  problem(topic: Topic): SpaceErrorCode | undefined;
  readonly isRetired: boolean;
  /** Spaces that wait for a peer. */
  waiting(): readonly RestoredMark[];
  /** A space begins to wait; the write makes that last. */
  begin(mark: RestoredMark): KvWrite;
  /** Its peer held less than the archive. */
  dismiss(topic: Topic, peer: AuthorId): Promise<void>;
  /** The wait is over. */
  end(topic: Topic): Promise<void>;
  retire(): Promise<void>;
  /** The writes that remember that a space was taken off this device on purpose. */
  forget(topic: Topic): readonly KvWrite[];
  isForgotten(topic: Topic): Promise<boolean>;
  /** The write that takes that back. */
  welcome(topic: Topic): KvWrite;
  /** Reads the marks again: another process of this device may have changed them. */
  reload(): Promise<void>;
}

/** Values behind it say what became of this store; they are never archived. */
export const archivePrefix = "archive/";
const restoredPrefix = `${archivePrefix}restored/`;
const forgottenPrefix = `${archivePrefix}forgotten/`;
const retiredKey = `${archivePrefix}retired`;

const version = 1;
const behindMax = 64;

/** Name of the mark in the store. */
export function restoredKey(topic: Topic): string {
  return restoredPrefix + topic;
}

/** Name of the sign that a space was removed on purpose. */
export function forgottenKey(topic: Topic): string {
  return forgottenPrefix + topic;
}

/** Canonical bytes of a mark. */
export function encodeMark({ heights, behind }: RestoredMark): Uint8Array {
  const rows = [...heights].sort((a, b) => (a.logId < b.logId ? -1 : 1));
  return encodeCbor([
    version,
    rows.map(({ logId, height }) => [hexBytes(logId), height]),
    [...behind].sort().map(hexBytes),
  ]);
}

/** Reads the marks of a store. Throws `SPACE_STATE_CORRUPT`, and what the store throws. */
export async function openGuard(
  store: LogStore,
  vault: Vault,
  isWriter: () => boolean = () => true,
): Promise<Guard> {
  let marks = new Map<Topic, RestoredMark>();
  let isRetired = false;
  const reload = async (): Promise<void> => {
    const read = new Map<Topic, RestoredMark>();
    for (const { key, plaintext } of await vault.list(restoredPrefix)) {
      // Safe: only topics are written behind this prefix.
      const topic = key.slice(restoredPrefix.length) as Topic;
      read.set(topic, decodeMark(topic, plaintext));
    }
    marks = read;
    isRetired = (await store.get(retiredKey)) !== undefined;
  };
  await reload();

  const writeOf = (mark: RestoredMark): KvWrite =>
    vault.write(restoredKey(mark.topic), encodeMark(mark));

  return {
    assertMayWrite: (topic) => {
      if (isRetired) throw retiredError();
      if (marks.has(topic)) throw restoredError();
      if (!isWriter()) throw standbyError();
    },
    mayWrite: (topic) => !isRetired && !marks.has(topic) && isWriter(),
    problem: (topic) => {
      if (isRetired) return "SPACE_RETIRED";
      if (marks.has(topic)) return "SPACE_RESTORED";
      return isWriter() ? undefined : "SPACE_STANDBY";
    },
    get isRetired() {
      return isRetired;
    },
    waiting: () => [...marks.values()],
    begin: (mark) => {
      marks.set(mark.topic, mark);
      return writeOf(mark);
    },
    dismiss: async (topic, peer) => {
      const mark = marks.get(topic);
      if (mark === undefined || mark.behind.includes(peer)) return;
      const behind = [...mark.behind, peer].slice(-behindMax);
      const next = { ...mark, behind };
      marks.set(topic, next);
      await store.commit({ writes: [writeOf(next)] });
    },
    end: async (topic) => {
      if (!marks.has(topic)) return;
      // Durable first: a mark that comes back only asks once more.
      await store.commit({ writes: [{ key: restoredKey(topic), value: undefined }] });
      marks.delete(topic);
    },
    retire: async () => {
      isRetired = true;
      await store.commit({ writes: [{ key: retiredKey, value: new Uint8Array([version]) }] });
    },
    forget: (topic) => {
      marks.delete(topic);
      return [
        { key: restoredKey(topic), value: undefined },
        { key: forgottenKey(topic), value: new Uint8Array([version]) },
      ];
    },
    isForgotten: async (topic) => (await store.get(forgottenKey(topic))) !== undefined,
    welcome: (topic) => ({ key: forgottenKey(topic), value: undefined }),
    reload,
  };
}

function decodeMark(topic: Topic, bytes: Uint8Array): RestoredMark {
  const value = decodeCbor(bytes);
  if (!Array.isArray(value)) throw corrupt();
  const [found, heights, behind]: readonly CborValue[] = value;
  if (found !== version || !Array.isArray(heights) || !Array.isArray(behind)) throw corrupt();
  return {
    topic,
    heights: heights.map((row: CborValue) => {
      const [logId, height]: readonly CborValue[] = Array.isArray(row) ? row : [];
      if (!(logId instanceof Uint8Array) || typeof height !== "number") throw corrupt();
      // Safe: hex of what was a log id when the mark was written; the vault vouches for the bytes.
      return { logId: toHex(logId) as LogId, height };
    }),
    behind: behind.map((peer: CborValue) => {
      if (!(peer instanceof Uint8Array)) throw corrupt();
      // Safe: as above.
      return toHex(peer) as AuthorId;
    }),
  };
}

function corrupt(): SpaceError {
  return new SpaceError("SPACE_STATE_CORRUPT", "the mark of a restored space does not parse");
}

function restoredError(): SpaceError {
  const message =
    "this device came back from an archive: sync with a peer that knows its logs before writing, " +
    "or, if there is none, say that this is the only copy";
  return new SpaceError("SPACE_RESTORED", message);
}

function standbyError(): SpaceError {
  return new SpaceError("SPACE_STANDBY", "another process writes for this device now");
}

function retiredError(): SpaceError {
  const message = "this device was moved to another store and writes no more here";
  return new SpaceError("SPACE_RETIRED", message);
}
