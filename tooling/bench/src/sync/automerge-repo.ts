/**
 * automerge-repo: one document a log, a change an entry, in memory; messages as CBOR, as its
 * WebSocket adapter sends them. Unsigned, unencrypted.
 */
import {
  cbor,
  type DocHandle,
  type DocumentId,
  type Message,
  NetworkAdapter,
  type PeerId,
  Repo,
} from "@automerge/automerge-repo";
import { entryBytes, entryText } from "./data.ts";
import { startStopwatch, until, untilQuiet } from "./stopwatch.ts";
import { freshCount, type SyncRun, type SyncSystem } from "./types.ts";

type Measured = Pick<SyncRun, "seconds" | "cpuSeconds" | "wireBytes">;

interface Log {
  readonly entries: string[];
}

/** One end of a connection between two repos of this process. */
class PairAdapter extends NetworkAdapter {
  #other: PairAdapter | undefined;
  readonly #onBytes: (byteCount: number) => void;

  constructor(onBytes: (byteCount: number) => void) {
    super();
    this.#onBytes = onBytes;
  }

  /** Ties two ends together; they meet once `meet` is called. */
  static pair(onBytes: (byteCount: number) => void): readonly [PairAdapter, PairAdapter] {
    const [one, two] = [new PairAdapter(onBytes), new PairAdapter(onBytes)];
    one.#other = two;
    two.#other = one;
    return [one, two];
  }

  override isReady(): boolean {
    return true;
  }

  override whenReady(): Promise<void> {
    return Promise.resolve();
  }

  override connect(peerId: PeerId): void {
    this.peerId = peerId;
  }

  /** Tells the repo of the peer. */
  meet(): void {
    const peerId = this.#other?.peerId;
    if (peerId !== undefined) this.emit("peer-candidate", { peerId, peerMetadata: {} });
  }

  override send(message: Message): void {
    const bytes = cbor.encode(message);
    this.#onBytes(bytes.length);
    setImmediate(() => {
      this.#other?.emit("message", cbor.decode(bytes));
    });
  }

  override disconnect(): void {
    const peerId = this.#other?.peerId;
    this.#other = undefined;
    if (peerId !== undefined) this.emit("peer-disconnected", { peerId });
  }
}

function createLog(repo: Repo, from: number, count: number): DocHandle<Log> {
  const handle = repo.create<Log>({ entries: [] });
  fill(handle, from, count);
  return handle;
}

function fill(handle: DocHandle<Log>, from: number, count: number): void {
  for (let n = from; n < from + count; n++) {
    handle.change((log) => {
      log.entries.push(entryText(n));
    });
  }
}

function lengthIn(repo: Repo, id: DocumentId): number {
  const handle = repo.handles[id];
  return handle?.isReady() === true ? (handle.doc() as Log).entries.length : -1;
}

/** Connects two repos until the second has of each document as much as the first. */
async function sync(from: Repo, to: Repo, handles: readonly DocHandle<Log>[]): Promise<Measured> {
  let wireBytes = 0;
  const ends = PairAdapter.pair((byteCount) => {
    wireBytes += byteCount;
  });
  const wanted = handles.map((handle) => ({
    id: handle.documentId,
    count: handle.doc().entries.length,
  }));
  const watch = startStopwatch();
  from.networkSubsystem.addNetworkAdapter(ends[0]);
  to.networkSubsystem.addNetworkAdapter(ends[1]);
  await until(() => ends.every((end) => end.peerId !== undefined));
  for (const end of ends) end.meet();
  await until(() => wanted.every(({ id, count }) => lengthIn(to, id) >= count));
  const run = { seconds: watch.seconds(), cpuSeconds: watch.cpuSeconds() };
  await untilQuiet(() => wireBytes);
  for (const end of ends) end.disconnect();
  return { ...run, wireBytes };
}

export function createAutomergeRepoSystem(): Promise<SyncSystem> {
  // Safe: any text names a peer.
  const openRepo = (name: string): Repo => new Repo({ peerId: name as PeerId, network: [] });
  return Promise.resolve({
    initial: async (entries) => {
      const from = openRepo("from");
      const log = createLog(from, 0, entries);
      return async () => {
        const run = await sync(from, openRepo("to"), [log]);
        return { ...run, entries, logs: 1, payloadBytes: entries * entryBytes };
      };
    },
    incremental: async ({ logs, entriesPerLog }) => {
      const [from, to] = [openRepo("from"), openRepo("to")];
      const handles = Array.from({ length: logs }, (_, log) =>
        createLog(from, log * entriesPerLog, entriesPerLog),
      );
      await sync(from, to, handles);
      for (const handle of handles.slice(0, freshCount)) fill(handle, logs * entriesPerLog, 1);
      const run = await sync(from, to, handles);
      return { ...run, entries: freshCount, logs, payloadBytes: freshCount * entryBytes };
    },
  });
}
