/** The trace through automerge-repo: on its own files, and on an encrypted space. */
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { next as A } from "@automerge/automerge";
import { Repo, type AutomergeUrl, type StorageAdapterInterface } from "@automerge/automerge-repo";
import { NodeFSStorageAdapter } from "@automerge/automerge-repo-storage-nodefs";
import { createAutomergeStorage } from "@hawser/automerge";
import { breathe, createScene, timers } from "./scene.ts";
import type { Keystroke } from "./trace.ts";
import type { CrdtRun } from "./yjs.ts";

interface Paper {
  text: string;
}

/** As README and docs of the adapters say: each change durable within 100 ms. */
const saveDebounceRate = 50;
const sliceMs = 8;

async function type(repo: Repo, keystrokes: readonly Keystroke[]): Promise<AutomergeUrl> {
  const handle = repo.create<Paper>({ text: "" });
  let sliceEnd = performance.now() + sliceMs;
  for (const [position, deleted, inserted] of keystrokes) {
    handle.change((doc) => A.splice(doc, ["text"], position, deleted, inserted));
    if (performance.now() < sliceEnd) continue;
    await breathe();
    sliceEnd = performance.now() + sliceMs;
  }
  await repo.flush();
  return handle.url;
}

async function load(
  storage: StorageAdapterInterface,
  url: AutomergeUrl,
): Promise<{ readonly text: string; readonly saved: number; readonly seconds: number }> {
  const start = performance.now();
  const handle = await new Repo({ storage }).find<Paper>(url);
  const seconds = (performance.now() - start) / 1_000;
  return { text: handle.doc().text, saved: A.save(handle.doc()).length, seconds };
}

/** automerge-repo on its own files. */
export async function runNodeFs(
  keystrokes: readonly Keystroke[],
): Promise<CrdtRun & { readonly saved: number }> {
  const folder = await mkdtemp(join(tmpdir(), "hawser-bench-"));
  const repo = new Repo({ storage: new NodeFSStorageAdapter(folder), saveDebounceRate });
  const start = performance.now();
  const url = await type(repo, keystrokes);
  const seconds = (performance.now() - start) / 1_000;
  const loaded = await load(new NodeFSStorageAdapter(folder), url);
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size;
  }
  await repo.shutdown();
  await rm(folder, { recursive: true, force: true });
  const { text, saved } = loaded;
  return { seconds, loadSeconds: loaded.seconds, bytes, text, saved };
}

/** What a run through a space found beside. */
export interface AutomergeRun extends CrdtRun {
  /** Logs and what stands for them, after compaction. */
  readonly compactedBytes: number;
  readonly compactSeconds: number;
}

/** automerge-repo on an encrypted space, and read on a second device. */
export async function runSpace(keystrokes: readonly Keystroke[]): Promise<AutomergeRun> {
  const scene = await createScene();
  const { crypto, space } = scene;
  const storage = createAutomergeStorage({ source: space, crypto, timers });
  const repo = new Repo({ storage, saveDebounceRate });
  const start = performance.now();
  const url = await type(repo, keystrokes);
  await storage.flush();
  const seconds = (performance.now() - start) / 1_000;
  const bytes = await scene.logBytes();
  const before = performance.now();
  const second = createAutomergeStorage({ source: await scene.second(), crypto, timers });
  const { text } = await load(second, url);
  const loadSeconds = (performance.now() - before) / 1_000;
  await repo.shutdown();
  const compacting = performance.now();
  await storage.compact();
  const compactSeconds = (performance.now() - compacting) / 1_000;
  const compactedBytes = (await scene.logBytes()) + (await scene.keptBytes());
  for (const each of [storage, second]) await each[Symbol.asyncDispose]();
  await scene.close();
  return { seconds, loadSeconds, bytes, text, compactedBytes, compactSeconds };
}
