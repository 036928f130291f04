/**
 * How a paper was written, keystroke by keystroke, into an encrypted space on SQLite, and read on a
 * second device. 20,000 keystrokes; `HAWSER_FULL=1`: all 259,778.
 */
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { createWorld } from "@hawser/space/testing";
import { createSqliteStore } from "@hawser/store-sqlite";
import { compactYjs } from "@hawser/yjs";
import { expect, test } from "vitest";
import { createStage, crypto, textOf } from "./help.ts";

const path = fileURLToPath(
  new URL("../../../../shared/data/automerge-paper.json.gz", import.meta.url),
);
const isFull = process.env["HAWSER_FULL"] === "1";
const count = isFull ? Infinity : 20_000;
/** Between two flushes, more than the fastest typist by far. */
const keysPerFlush = 100;

interface Trace {
  readonly endContent: string;
  readonly txns: readonly {
    readonly patches: readonly (readonly [number, number, string])[];
  }[];
}

test.skipIf(!existsSync(path))(
  "the editing trace is on a second device as it was written",
  { timeout: isFull ? 600_000 : 60_000 },
  async () => {
    // Safe: the file's form is fixed.
    const trace = JSON.parse(gunzipSync(readFileSync(path)).toString()) as Trace;
    const patches = trace.txns.slice(0, count).flatMap((step) => step.patches);
    const folder = await mkdtemp(join(tmpdir(), "hawser-trace-"));
    const stores = ["ada", "ben"].map((name) =>
      createSqliteStore({ crypto }, { path: join(folder, `${name}.sqlite`), durability: "normal" }),
    );
    const [first, second] = stores;
    if (first === undefined || second === undefined) throw new Error("no stores");
    const world = await createWorld();
    const ada = await world.device("ada", { store: first });
    const ben = await world.device("ben", { store: second });
    const space = await ada.spaces.create();
    const joined = await ben.spaces.join(await space.invite({ level: "write" }));
    await world.settle(ada, ben);

    const stage = createStage();
    const writer = stage.open(space);
    await writer.ready;
    const text = writer.doc.getText("text");
    const characters: string[] = [];
    for (const [index, [position, deleted, inserted]] of patches.entries()) {
      characters.splice(position, deleted, ...inserted.split(""));
      if (deleted > 0) text.delete(position, deleted);
      if (inserted !== "") text.insert(position, inserted);
      if (index % keysPerFlush === 0) await stage.timers.advance(30);
    }
    await writer.flush();
    expect(writer.status()).toEqual({ state: "ready", unsavedBytes: 0, problem: undefined });

    await world.carry(ada, ben);
    const reader = stage.open(joined);
    await reader.ready;
    expect(textOf(reader)).toBe(characters.join(""));
    if (isFull) expect(textOf(reader)).toBe(trace.endContent);
    expect(reader.snapshot()).toEqual(writer.snapshot());

    // What is stored behind it is little more than the document.
    await compactYjs({ source: space, crypto });
    const { rangeBytes } = await first.stats();
    const kept = await first.get(`cache/${space.topic}/compacted`);
    expect(rangeBytes + (kept?.length ?? 0)).toBeLessThan(2 * writer.snapshot().length);
    const again = stage.open(space, { snapshots: false });
    await again.ready;
    expect(again.snapshot()).toEqual(reader.snapshot());
    await stage.close();
    for (const { spaces } of [ada, ben]) await spaces.close();
    for (const store of stores) await store.close();
    await rm(folder, { recursive: true });
  },
);
