/** The trace through automerge-repo: kept nowhere, in its own files, and in an encrypted space. */
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { next as A } from "@automerge/automerge";
import { Repo, type AutomergeUrl, type StorageAdapterInterface } from "@automerge/automerge-repo";
import { NodeFSStorageAdapter } from "@automerge/automerge-repo-storage-nodefs";
import { createAutomergeStorage } from "@hawser/automerge";
import { textAfter, type Keystroke } from "@hawser-tooling/trace";
import { timed, type CrdtRun } from "./run.ts";
import { createScene, timers } from "./scene.ts";
import { startMeter, typeAll, watchKeystrokes, type Waiting } from "./typing.ts";

interface Paper {
  text: string;
}

/** How long a repo gathers changes before it stores them, as README of our adapter says. */
export const saveDebounceRate = 50;

/** A storage that notes when it is handed a document, and when it has acknowledged that. */
function watched(
  storage: StorageAdapterInterface,
  waiting: Waiting,
): { readonly storage: StorageAdapterInterface; readonly stores: () => number } {
  let stores = 0;
  return {
    stores: () => stores,
    storage: {
      load: (key) => storage.load(key),
      save: async (key, data) => {
        const isDocument = key[1] === "incremental" || key[1] === "snapshot";
        if (isDocument) stores += 1;
        const durable = isDocument ? waiting.store() : undefined;
        await storage.save(key, data);
        durable?.();
      },
      remove: (key) => storage.remove(key),
      loadRange: (prefix) => storage.loadRange(prefix),
      removeRange: (prefix) => storage.removeRange(prefix),
    },
  };
}

interface Written {
  readonly run: CrdtRun;
  readonly url: AutomergeUrl;
  readonly repo: Repo;
}

async function write(
  keystrokes: readonly Keystroke[],
  storage: StorageAdapterInterface | undefined,
): Promise<Written> {
  const waiting = watchKeystrokes(keystrokes.length);
  const watching = storage && watched(storage, waiting);
  const repo = new Repo({ ...(watching && { storage: watching.storage }), saveDebounceRate });
  const spent = startMeter();
  const handle = repo.create<Paper>({ text: "" });
  await typeAll(keystrokes, ([position, deleted, inserted]) => {
    waiting.key();
    handle.change((doc) => A.splice(doc, ["text"], position, deleted, inserted));
  });
  await repo.flush();
  const run = {
    ...spent(),
    ...(watching && { waits: waiting.waits(), stores: watching.stores() }),
    rawBytes: A.save(handle.doc()).length,
  };
  checkText(handle.doc(), keystrokes);
  return { run, url: handle.url, repo };
}

function checkText({ text }: Paper, keystrokes: readonly Keystroke[]): void {
  if (text !== textAfter(keystrokes)) throw new Error("another text than was typed");
}

async function load(
  storage: StorageAdapterInterface,
  url: AutomergeUrl,
  keystrokes: readonly Keystroke[],
): Promise<void> {
  const handle = await new Repo({ storage }).find<Paper>(url);
  checkText(handle.doc(), keystrokes);
}

/** automerge-repo alone: what both pay whatever their storage costs. */
export async function runRepo(keystrokes: readonly Keystroke[]): Promise<CrdtRun> {
  const { run } = await write(keystrokes, undefined);
  return run;
}

/** automerge-repo on its own files. */
export async function runNodeFs(keystrokes: readonly Keystroke[]): Promise<CrdtRun> {
  const folder = await mkdtemp(join(tmpdir(), "hawser-bench-"));
  const { run, url, repo } = await write(keystrokes, new NodeFSStorageAdapter(folder));
  const fresh = new NodeFSStorageAdapter(folder);
  const { seconds: loadSeconds } = await timed(() => load(fresh, url, keystrokes));
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size;
  }
  await repo.shutdown();
  await rm(folder, { recursive: true, force: true });
  return { ...run, loadSeconds, bytes };
}

/** automerge-repo on an encrypted space, and read on a second device. */
export async function runSpace(keystrokes: readonly Keystroke[]): Promise<CrdtRun> {
  const scene = await createScene();
  const { crypto, space } = scene;
  const storage = createAutomergeStorage({ source: space, crypto, timers });
  const { run, url, repo } = await write(keystrokes, storage);
  await storage.flush();
  const bytes = await scene.logBytes();
  const { result: second, seconds: loadSeconds } = await timed(async () => {
    const other = createAutomergeStorage({ source: await scene.second(), crypto, timers });
    await load(other, url, keystrokes);
    return other;
  });
  await repo.shutdown();
  const { seconds: compactSeconds } = await timed(() => storage.compact());
  const compactedBytes = (await scene.logBytes()) + (await scene.keptBytes());
  await storage[Symbol.asyncDispose]();
  const again = createAutomergeStorage({ source: space, crypto, timers });
  const { seconds: reopenSeconds } = await timed(() => load(again, url, keystrokes));
  for (const each of [second, again]) await each[Symbol.asyncDispose]();
  await scene.close();
  return { ...run, loadSeconds, bytes, compactedBytes, compactSeconds, reopenSeconds };
}
