/** The trace through Yjs: kept nowhere, in y-leveldb, and in an encrypted space. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { textAfter, type Keystroke } from "@hawser-tooling/trace";
import type { EventDraft } from "@hawser/view";
import { compactYjs, createYjsProvider, type YjsProvider } from "@hawser/yjs";
// @ts-expect-error -- y-leveldb ships no types where it says it does.
import { LeveldbPersistence as Persistence } from "y-leveldb";
import { Doc, encodeStateAsUpdate } from "yjs";
import { timed, type CrdtRun } from "./run.ts";
import { createScene, random, timers, type Scene } from "./scene.ts";
import { startMeter, typeAll, watchKeystrokes, type Waiting } from "./typing.ts";

/** What this bench uses of y-leveldb. */
interface Leveldb {
  storeUpdate(name: string, update: Uint8Array): Promise<number>;
  getYDoc(name: string): Promise<Doc>;
  destroy(): Promise<void>;
}

/** Types into a document, and waits until its storage has all of it. */
async function write(
  doc: Doc,
  keystrokes: readonly Keystroke[],
  storage: { readonly waiting?: Waiting; readonly flush: () => Promise<unknown> },
): Promise<CrdtRun> {
  const text = doc.getText("text");
  const spent = startMeter();
  await typeAll(keystrokes, ([position, deleted, inserted]) => {
    storage.waiting?.key();
    if (deleted > 0) text.delete(position, deleted);
    if (inserted !== "") text.insert(position, inserted);
  });
  await storage.flush();
  const run = { ...spent(), ...(storage.waiting && { waits: storage.waiting.waits() }) };
  checkText(doc, keystrokes);
  return { ...run, rawBytes: encodeStateAsUpdate(doc).length };
}

function checkText(doc: Doc, keystrokes: readonly Keystroke[]): void {
  // oxlint-disable-next-line typescript/no-base-to-string -- a text has a toString of its own
  const text = doc.getText("text").toString();
  if (text !== textAfter(keystrokes)) throw new Error("another text than was typed");
}

/** Yjs alone, an update per keystroke. */
export async function runRaw(keystrokes: readonly Keystroke[]): Promise<CrdtRun> {
  const doc = new Doc();
  let updateBytes = 0;
  doc.on("update", (update: Uint8Array) => (updateBytes += update.length));
  const run = await write(doc, keystrokes, { flush: () => Promise.resolve() });
  if (updateBytes === 0) throw new Error("nothing was written");
  return run;
}

/** y-leveldb as its own example has it: an update stored per keystroke. */
export async function runLeveldb(keystrokes: readonly Keystroke[]): Promise<CrdtRun> {
  const folder = await mkdtemp(join(tmpdir(), "hawser-bench-"));
  // Safe: the part of its interface that its README describes.
  const database = new Persistence(folder) as Leveldb;
  const doc = new Doc();
  const waiting = watchKeystrokes(keystrokes.length);
  let last: Promise<unknown> = Promise.resolve();
  doc.on("update", (update: Uint8Array) => {
    last = database.storeUpdate("paper", update).then(waiting.store());
  });
  const run = await write(doc, keystrokes, { waiting, flush: () => last });
  const { result, seconds } = await timed(() => database.getYDoc("paper"));
  checkText(result, keystrokes);
  await database.destroy();
  await rm(folder, { recursive: true, force: true });
  return { ...run, stores: keystrokes.length, loadSeconds: seconds };
}

/** The same into an encrypted space on SQLite, and read on a second device. */
export async function runHawser(keystrokes: readonly Keystroke[]): Promise<CrdtRun> {
  const scene = await createScene();
  const { crypto, space } = scene;
  const waiting = watchKeystrokes(keystrokes.length);
  let stores = 0;
  const source = {
    author: space.author,
    batches: space.batches,
    shelf: space.shelf,
    append: async (drafts: readonly EventDraft[]) => {
      stores += 1;
      // What is appended holds everything that was typed until now.
      const durable = waiting.store();
      const refs = await space.append(drafts);
      durable();
      return refs;
    },
  };
  const provider = createYjsProvider({ source, crypto, random, timers });
  await provider.ready;
  const run = await write(provider.doc, keystrokes, { waiting, flush: () => provider.flush() });
  const bytes = await scene.logBytes();
  const loaded = await timed(async () => open(scene, await scene.second()));
  checkText(loaded.result.doc, keystrokes);
  for (const each of [provider, loaded.result]) await each[Symbol.asyncDispose]();

  const reopened = await timed(() => open(scene, space));
  await reopened.result[Symbol.asyncDispose]();
  const compacted = await timed(() => compactYjs({ source: space, crypto }));
  const compactedBytes = (await scene.logBytes()) + (await scene.keptBytes());
  const kept = await open(scene, space);
  checkText(kept.doc, keystrokes);
  await kept[Symbol.asyncDispose]();
  await scene.close();
  return {
    ...run,
    stores,
    bytes,
    compactedBytes,
    loadSeconds: loaded.seconds,
    compactSeconds: compacted.seconds,
    reopenSeconds: reopened.seconds,
  };
}

async function open({ crypto }: Scene, source: Scene["space"]): Promise<YjsProvider> {
  const provider = createYjsProvider({ source, crypto, random, timers });
  await provider.ready;
  return provider;
}
