/**
 * An archive of spaces that it cannot read: a follower with the follow key alone, which writes every
 * entry as a packet into a file for each log. Anybody can verify the files with Linkspace's tools or
 * ours; nobody can read them without the space's keys. Layer 9.
 */
import { mkdir, open, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { decodeCbor, encodeCbor, toHex } from "@hawser/codec";
import type { AuthorId, Crypto, Random } from "@hawser/crypto";
import { encodeBundle } from "@hawser/keys";
import {
  createChainCursor,
  createPointWriter,
  emptyChain,
  entryPacket,
  type Clock,
  type LogHead,
  type LogStore,
  type Topic,
} from "@hawser/log";
import { createSpaces } from "@hawser/space";
import { createSyncPeer, type Connection, type SyncSession } from "@hawser/sync";
import { platformTimers } from "@hawser/transport-ws";
import { BotError } from "./errors.ts";

export interface ArchiveBotDeps {
  /** Where the bot keeps what it follows; a file of SQLite for one that is to last. */
  readonly store: LogStore;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly random: Random;
}

export interface ArchiveBotOptions {
  /** 32 bytes: the bot's key. */
  readonly secret: Uint8Array;
  /** Files are `<folder>/<topic>/<log id>.lk`. */
  readonly folder: string;
}

/** What a round of saving wrote. */
export interface Saved {
  readonly logs: number;
  readonly packets: number;
  readonly bytes: number;
}

/** A running archive. */
export interface ArchiveBot extends AsyncDisposable {
  /** Add this key to a space with level `pull`. */
  readonly author: AuthorId;
  /** Encoded: what hosting requests are sealed to. */
  bundle(): Promise<Uint8Array>;
  /** Follows a space by a hosting request. Throws the codes of `spaces.follow`. */
  follow(hosting: Uint8Array): Promise<Topic>;
  /** Syncs over a connection: to a relay, to a member, or to somebody who fetches from the archive. */
  attach(connection: Connection): SyncSession;
  /**
   * Writes everything that is signed and not saved yet. A round that was cut off is taken up again.
   * Throws `BOT_ARCHIVE_DAMAGED` for a file that has lost what was saved.
   */
  save(): Promise<Saved>;
}

/** What of a log is in its file. */
interface Mark {
  readonly height: number;
  readonly bytes: number;
}

const nothing: Mark = { height: 0, bytes: 0 };
/** Bytes written at once. */
const chunkBytes = 1024 * 1024;

/** Opens the archive in `deps.store`. */
export async function createArchiveBot(
  deps: ArchiveBotDeps,
  options: ArchiveBotOptions,
): Promise<ArchiveBot> {
  const { store, crypto, random } = deps;
  const { secret, folder } = options;
  const timers = platformTimers;
  // Safe: 32 bytes in hex name an author.
  const author = toHex(crypto.publicKey(secret)) as AuthorId;
  const spaces = await createSpaces({ ...deps, timers, identity: { author, secret } });
  const peer = createSyncPeer({
    store,
    crypto,
    random,
    timers,
    ingest: (range) => spaces.ingest(range),
    onFork: (topic) => spaces.recheck(topic),
    onSessionChange: (session) => spaces.compare(session),
    identities: () => spaces.identities(),
    topics: () => spaces.topics(),
  });
  spaces.onTopicsChanged(() => peer.topicsChanged());
  let saving: Promise<unknown> = Promise.resolve();

  const saveAll = async (): Promise<Saved> => {
    let saved: Saved = { logs: 0, packets: 0, bytes: 0 };
    for (const { topic } of spaces.list()) {
      for (const head of await store.heads(topic)) {
        const { packets, bytes } = await saveLog(deps, join(folder, topic), head);
        if (packets === 0) continue;
        saved = {
          logs: saved.logs + 1,
          packets: saved.packets + packets,
          bytes: saved.bytes + bytes,
        };
      }
    }
    return saved;
  };
  return {
    author,
    bundle: async () => encodeBundle(await spaces.bundle()),
    follow: async (hosting) => (await spaces.follow(hosting)).topic,
    attach: (connection) => peer.attach(connection),
    save: () => {
      // One after another: two rounds at once would write everything twice.
      const round = saving.then(saveAll);
      saving = round.catch(() => undefined);
      return round;
    },
    [Symbol.asyncDispose]: async () => {
      await saving;
      await peer[Symbol.asyncDispose]();
      await spaces.close();
    },
  };
}

/** Appends what is new of one log to its file, then remembers how far it is. */
async function saveLog(
  { store, crypto }: ArchiveBotDeps,
  folder: string,
  head: LogHead,
): Promise<{ readonly packets: number; readonly bytes: number }> {
  const { logId, context, signedHeight } = head;
  const key = `archive/${logId}`;
  const mark = readMark(await store.get(key));
  if (signedHeight <= mark.height) return { packets: 0, bytes: 0 };
  const before =
    mark.height === 0 ? emptyChain(crypto, context) : await store.stateAt(logId, mark.height);
  if (before === undefined) throw damaged(`${logId} is pruned beyond what was saved`);
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${logId}.lk`);
  await cutTo(path, mark.bytes);
  const cursor = createChainCursor(before);
  const points = createPointWriter(context);
  const file = await open(path, "a");
  let bytes = mark.bytes;
  try {
    let pending: Uint8Array[] = [];
    let pendingBytes = 0;
    const flush = async (): Promise<void> => {
      if (pendingBytes > 0) await file.appendFile(Buffer.concat(pending));
      bytes += pendingBytes;
      pending = [];
      pendingBytes = 0;
    };
    const range = { from: mark.height, to: signedHeight };
    for await (const entry of store.entries(logId, range)) {
      const packet = entryPacket(cursor.state(), entry, points);
      cursor.advance(entry.hash, entry.stamp);
      pending.push(packet);
      pendingBytes += packet.length;
      if (pendingBytes >= chunkBytes) await flush();
    }
    await flush();
    await file.datasync();
  } finally {
    await file.close();
  }
  // Only now: a file that is ahead of its mark is cut back, one behind it would have lost entries.
  const value = encodeCbor([signedHeight, bytes]);
  await store.commit({ writes: [{ key, value }] });
  return { packets: signedHeight - mark.height, bytes: bytes - mark.bytes };
}

/** Takes away what a round that was cut off left behind its mark. */
async function cutTo(path: string, byteCount: number): Promise<void> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size < byteCount) throw damaged(`${path} has ${size} bytes of ${byteCount}`);
  if (size > byteCount) await truncate(path, byteCount);
}

function readMark(bytes: Uint8Array | undefined): Mark {
  const value = bytes === undefined ? undefined : decodeCbor(bytes);
  if (!Array.isArray(value)) return nothing;
  const [height, byteCount] = value;
  if (typeof height !== "number" || typeof byteCount !== "number") return nothing;
  return { height, bytes: byteCount };
}

function damaged(message: string): BotError {
  return new BotError("BOT_ARCHIVE_DAMAGED", message);
}
