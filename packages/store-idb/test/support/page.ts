/** What runs in the tabs: everything a test asks of a page, as functions of `hawser`. */
import { toHex } from "@hawser/codec";
import { createCrypto } from "@hawser/crypto";
import type { ChainState, LogStore, StoredRange } from "@hawser/log";
import { extendLog, logStoreCases, testCrypto, testDrafts, testLog } from "@hawser/log/testing";
import { createIdbStore, deleteIdbStore, type IdbStore } from "@hawser/store-idb";

const names = new Map<LogStore, string>();
let count = 0;
declare const indexedDB: {
  open(
    name: string,
    version?: number,
  ): {
    readonly result: { close(): void };
    onblocked: (() => void) | null;
    onerror: (() => void) | null;
    onsuccess: (() => void) | null;
  };
};
let store: IdbStore | undefined;
const reports: string[] = [];
const heard: string[] = [];
let lastMessage = "";
let held: { close(): void } | undefined;

/** The browser's way to the test while the page goes on. */
function tellTest(line: string): void {
  // Safe: `onLine` of the tab put it there.
  (globalThis as unknown as { hawserLine(line: string): void }).hawserLine(line);
}

function codeOf(error: unknown): string {
  if (typeof error === "object" && error !== null && "code" in error) return String(error.code);
  return String(error);
}

/** The outcome of work as text: its value, or the code it failed with. */
async function told<Value>(work: Promise<Value>): Promise<Value | string> {
  return await work.catch((error: unknown) => {
    lastMessage = String(error);
    return codeOf(error);
  });
}

async function openCase(name = `case ${count++}`): Promise<LogStore> {
  const options = { name, durability: "normal" } as const;
  const opened = await createIdbStore({ crypto: testCrypto }, options);
  names.set(opened, name);
  return opened;
}

/** Runs the conformance cases; the names of those that failed, with the reason. */
async function conformance(): Promise<{ passed: number; failed: readonly string[] }> {
  const failed: string[] = [];
  for (const { name, run } of logStoreCases) {
    const reopen = async (old: LogStore): Promise<LogStore> => {
      await old.close();
      return await openCase(names.get(old));
    };
    await run({ open: () => openCase(), reopen }).catch((error: unknown) => {
      failed.push(`${name}: ${String(error)}`);
    });
  }
  return { passed: logStoreCases.length - failed.length, failed };
}

function current(): IdbStore {
  if (store === undefined) throw new Error("no store is open");
  return store;
}

/** Opens the tab's store. "open", or the code of the error. */
async function open(
  name: string,
  options: Partial<Parameters<typeof createIdbStore>[1]> = {},
): Promise<string> {
  const report = (error: unknown): void => void reports.push(codeOf(error));
  return await told(
    createIdbStore({ crypto: testCrypto, report }, { name, ...options }).then((opened) => {
      store = opened;
      opened.onCommit((ranges: readonly StoredRange[]) => {
        for (const { logId, from, count: size, cursor } of ranges) {
          heard.push(`${logId.slice(0, 4)} ${from}+${size} @${cursor}`);
        }
      });
      return "open";
    }),
  );
}

/** Appends entries to a log of the test's; "cursor n", "moved n" (the height there), or a code. */
async function append(log: number, size: number, dataBytes = 3): Promise<string> {
  const { start } = testLog(log);
  return await told(
    (async () => {
      const before = (await current().head(start.logId)) ?? start;
      return await appendAt(log, before, size, dataBytes);
    })(),
  );
}

/** Bytes that the browser cannot compress. */
function noise(byteCount: number, seed: number): Uint8Array {
  let state = seed + 1;
  return new Uint8Array(byteCount).map(() => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
}

async function appendAt(
  log: number,
  before: ChainState,
  size: number,
  dataBytes = 3,
): Promise<string> {
  const drafts = testDrafts(size).map((draft) =>
    dataBytes === 3 ? draft : { data: noise(dataBytes, before.height) },
  );
  const range = extendLog(testLog(log), before, drafts);
  const outcome = await current().commit({ ranges: [range] });
  return outcome.ok ? `cursor ${outcome.cursor}` : `moved ${outcome.head?.height ?? 0}`;
}

/** Appends without looking at the head again: what a tab does that was overtaken. */
async function appendStale(log: number): Promise<string> {
  return await told(appendAt(log, testLog(log).start, 2));
}

async function height(log: number): Promise<number | string> {
  return await told(
    current()
      .head(testLog(log).start.logId)
      .then((head) => head?.height ?? 0),
  );
}

/** Appends one by one to a log for ever; tells "seq hash" after each acknowledgement. */
async function appendForEver(log: number): Promise<void> {
  let state: ChainState = (await current().head(testLog(log).start.logId)) ?? testLog(log).start;
  for (;;) {
    const range = extendLog(testLog(log), state, testDrafts(1 + (state.height % 5)));
    const outcome = await current().commit({ ranges: [range] });
    if (!outcome.ok) throw new Error("the head moved");
    state = range.after;
    tellTest(`${state.height - 1} ${toHex(state.hash ?? new Uint8Array(0))}`);
  }
}

async function hashAt(log: number, seq: number): Promise<string> {
  for await (const entry of current().entries(testLog(log).start.logId, { from: seq })) {
    return toHex(entry.hash);
  }
  return "none";
}

/** Writes `entries` entries of 200 bytes in ranges of `size` each; ms. */
async function writeMany(name: string, entries: number, size: number): Promise<number> {
  const crypto = await createCrypto();
  const log = testLog(1, { crypto });
  let state: ChainState = log.start;
  await open(name, { persistence: "leave" });
  const start = performance.now();
  while (state.height < entries) {
    const { height: first } = state;
    const drafts = Array.from({ length: size }, (_, at) => ({ data: noise(200, first + at) }));
    const range = extendLog(log, state, drafts, { crypto });
    const outcome = await current().commit({ ranges: [range] });
    if (!outcome.ok) throw new Error("refused");
    state = range.after;
  }
  return performance.now() - start;
}

/** Opens the database anew and reads a log from its start, with the crypto that is slowest. */
async function load(name: string): Promise<number> {
  await open(name, { persistence: "leave" });
  return await readAll(1);
}

/** A task that takes far more than 50 ms: so many hashes at once. */
function hashMany(): number {
  const bytes = new Uint8Array(1_000_000);
  for (let count = 0; count < 100; count++) testCrypto.hash(bytes);
  return bytes.length;
}

/** Reads all of the log that `writeMany` left, with fast crypto; the entries. */
async function readFast(name: string): Promise<number> {
  const opened = await createIdbStore({ crypto: await createCrypto() }, { name });
  let entries = 0;
  for await (const _ of opened.entries(testLog(1).start.logId)) entries += 1;
  await opened.close();
  return entries;
}

/** What a list holds once it has `size` items; whatever it holds after two seconds. */
async function filled(list: readonly string[], size: number): Promise<readonly string[]> {
  const end = performance.now() + 2_000;
  while (list.length < size && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return list;
}

async function readAll(log: number): Promise<number> {
  let entries = 0;
  for await (const _ of current().entries(testLog(log).start.logId)) entries += 1;
  return entries;
}

/** What a newer version of an application does. */
async function upgrade(name: string, version: number): Promise<string> {
  return await new Promise((resolve) => {
    const request = indexedDB.open(name, version);
    request.onblocked = () => resolve("blocked");
    request.onerror = () => resolve("failed");
    request.onsuccess = () => {
      request.result.close();
      resolve("upgraded");
    };
  });
}

/** A program that never lets go by itself. */
async function holdOpen(name: string): Promise<string> {
  return await new Promise((resolve) => {
    const request = indexedDB.open(name);
    request.onsuccess = () => {
      held = request.result;
      resolve("held");
    };
  });
}

Object.assign(globalThis, {
  hawser: {
    conformance,
    open,
    append,
    appendStale,
    appendForEver,
    height,
    hashAt,
    writeMany,
    readFast,
    load,
    told,
    store: current,
    close: async () => await current().close(),
    remove: async (name: string) => await told(deleteIdbStore(name).then(() => "deleted")),
    reported: async (size: number) => await filled(reports, size),
    heardAll: async (size: number) => await filled(heard, size),
    lastMessage: () => lastMessage,
    readAll,
    upgrade,
    usage: async () => (await current().storage()).usageBytes,
    hashMany,
    holdOpen,
    letGo: () => held?.close(),
  },
});
