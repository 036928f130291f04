/** The trace through Yjs: raw, into y-leveldb, and into an encrypted space. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EventDraft } from "@hawser/view";
import { compactYjs, createYjsProvider } from "@hawser/yjs";
// @ts-expect-error -- y-leveldb ships no types where it says it does.
import { LeveldbPersistence as Persistence } from "y-leveldb";
import { Doc, encodeStateAsUpdate } from "yjs";
import { breathe, createScene, random, timers } from "./scene.ts";
import type { Keystroke } from "./trace.ts";

/** What this bench uses of y-leveldb. */
interface Leveldb {
  storeUpdate(name: string, update: Uint8Array): Promise<number>;
  getYDoc(name: string): Promise<Doc>;
  destroy(): Promise<void>;
}

/** What one run found. */
export interface CrdtRun {
  readonly seconds: number;
  /** Until another device, or another process, had the text. */
  readonly loadSeconds: number;
  readonly bytes: number;
  readonly text: string;
}

/** Runs without a break for so many ms at most, as an event loop would. */
const sliceMs = 8;

async function type(doc: Doc, keystrokes: readonly Keystroke[], onKey: () => void): Promise<void> {
  const text = doc.getText("text");
  let sliceEnd = performance.now() + sliceMs;
  for (const [position, deleted, inserted] of keystrokes) {
    onKey();
    if (deleted > 0) text.delete(position, deleted);
    if (inserted !== "") text.insert(position, inserted);
    if (performance.now() < sliceEnd) continue;
    await breathe();
    sliceEnd = performance.now() + sliceMs;
  }
}

function textOf(doc: Doc): string {
  // oxlint-disable-next-line typescript/no-base-to-string -- a text has a toString of its own
  return doc.getText("text").toString();
}

/** Yjs alone, an update per keystroke. `bytes`: the whole state as one update. */
export async function runRaw(keystrokes: readonly Keystroke[]): Promise<CrdtRun> {
  const doc = new Doc();
  let updateBytes = 0;
  doc.on("update", (update: Uint8Array) => (updateBytes += update.length));
  const start = performance.now();
  await type(doc, keystrokes, () => undefined);
  const seconds = (performance.now() - start) / 1_000;
  if (updateBytes === 0) throw new Error("nothing was written");
  return { seconds, loadSeconds: 0, bytes: encodeStateAsUpdate(doc).length, text: textOf(doc) };
}

/** y-leveldb as its own example has it: an update stored per keystroke. */
export async function runLeveldb(keystrokes: readonly Keystroke[]): Promise<CrdtRun> {
  const folder = await mkdtemp(join(tmpdir(), "hawser-bench-"));
  // Safe: the part of its interface that its README describes.
  const database = new Persistence(folder) as Leveldb;
  const doc = new Doc();
  let last: Promise<unknown> = Promise.resolve();
  doc.on("update", (update: Uint8Array) => {
    last = database.storeUpdate("paper", update);
  });
  const start = performance.now();
  await type(doc, keystrokes, () => undefined);
  await last;
  const seconds = (performance.now() - start) / 1_000;
  const before = performance.now();
  const loaded = await database.getYDoc("paper");
  const loadSeconds = (performance.now() - before) / 1_000;
  const text = textOf(loaded);
  await database.destroy();
  await rm(folder, { recursive: true, force: true });
  return { seconds, loadSeconds, bytes: 0, text };
}

/** What a run through a space found beside. */
export interface SpaceRun extends CrdtRun {
  /** From a keystroke until it was durable, the longest. */
  readonly longestWaitMs: number;
  /** Logs and what stands for them, after compaction. */
  readonly compactedBytes: number;
  readonly compactSeconds: number;
  /** Until a document was open again from what was kept on the device. */
  readonly reopenSeconds: number;
}

/** The same into an encrypted space on SQLite, and read on a second device. */
export async function runHawser(keystrokes: readonly Keystroke[]): Promise<SpaceRun> {
  const scene = await createScene();
  const typedAt: number[] = [];
  let durable = 0;
  let longestWaitMs = 0;
  const source = {
    author: scene.space.author,
    batches: scene.space.batches,
    shelf: scene.space.shelf,
    append: async (drafts: readonly EventDraft[]) => {
      // What is appended holds everything that was typed until now.
      const typed = typedAt.length;
      const refs = await scene.space.append(drafts);
      const wait = performance.now() - (typedAt[durable] ?? performance.now());
      longestWaitMs = Math.max(longestWaitMs, wait);
      durable = typed;
      return refs;
    },
  };
  const { crypto } = scene;
  const provider = createYjsProvider({ source, crypto, random, timers });
  await provider.ready;
  const start = performance.now();
  await type(provider.doc, keystrokes, () => void typedAt.push(performance.now()));
  await provider.flush();
  const seconds = (performance.now() - start) / 1_000;
  const bytes = await scene.logBytes();
  const before = performance.now();
  const second = createYjsProvider({ source: await scene.second(), crypto, random, timers });
  await second.ready;
  const loadSeconds = (performance.now() - before) / 1_000;
  const text = textOf(second.doc);
  for (const each of [provider, second]) await each[Symbol.asyncDispose]();

  const reopening = performance.now();
  const again = createYjsProvider({ source: scene.space, crypto, random, timers });
  await again.ready;
  const reopenSeconds = (performance.now() - reopening) / 1_000;
  await again[Symbol.asyncDispose]();
  const compacting = performance.now();
  await compactYjs({ source: scene.space, crypto });
  const compactSeconds = (performance.now() - compacting) / 1_000;
  const compactedBytes = (await scene.logBytes()) + (await scene.keptBytes());
  const kept = createYjsProvider({ source: scene.space, crypto, random, timers });
  await kept.ready;
  if (textOf(kept.doc) !== text) throw new Error("compaction gave another text");
  await kept[Symbol.asyncDispose]();
  await scene.close();
  const more = { longestWaitMs, compactedBytes, compactSeconds, reopenSeconds };
  return { seconds, loadSeconds, bytes, text, ...more };
}
