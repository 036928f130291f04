/**
 * How a paper was written, keystroke by keystroke, through automerge-repo into an encrypted space on
 * SQLite, and read on a second device. 10,000 keystrokes; `HAWSER_FULL=1`: all 259,778.
 */
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { next as A } from "@automerge/automerge";
import { Repo } from "@automerge/automerge-repo";
import { createWorld } from "@hawser/space/testing";
import { createSqliteStore } from "@hawser/store-sqlite";
import { expect, test } from "vitest";
import { crypto, open } from "./help.ts";

const path = fileURLToPath(
  new URL("../../../../shared/data/automerge-paper.json.gz", import.meta.url),
);
const isFull = process.env["HAWSER_FULL"] === "1";
const count = isFull ? Infinity : 10_000;
/** Between two saves. */
const keysPerSave = 500;
/** Control log, and what stands beside kept events. */
const overheadBytes = 10_000;

interface Trace {
  readonly endContent: string;
  readonly txns: readonly {
    readonly patches: readonly (readonly [number, number, string])[];
  }[];
}

test.skipIf(!existsSync(path))(
  "the editing trace is on a second device as it was written",
  { timeout: isFull ? 1_200_000 : 90_000 },
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

    const storage = open(space);
    const repo = new Repo({ storage, saveDebounceRate: 1 });
    const handle = repo.create({ text: "" });
    const characters: string[] = [];
    for (const [index, [position, deleted, inserted]] of patches.entries()) {
      characters.splice(position, deleted, ...inserted.split(""));
      handle.change((doc) => A.splice(doc, ["text"], position, deleted, inserted));
      if (index % keysPerSave === 0) await repo.flush();
    }
    await repo.flush();
    await storage.flush();

    await world.carry(ada, ben);
    const reading = open(joined);
    const found = await new Repo({ storage: reading }).find<{ text: string }>(handle.url);
    expect(found.doc().text).toBe(characters.join(""));
    if (isFull) expect(found.doc().text).toBe(trace.endContent);
    expect(found.heads()).toEqual(handle.heads());

    // What is stored behind it is little more than the document, as it saves it.
    const before = await first.stats();
    await storage.compact();
    const kept = await first.get(`cache/${space.topic}/compacted`);
    const after = (await first.stats()).rangeBytes + (kept?.length ?? 0);
    expect(after).toBeLessThan(before.rangeBytes / 4);
    expect(after).toBeLessThan(2 * A.save(handle.doc()).length + overheadBytes);
    const again = open(space);
    const same = await new Repo({ storage: again }).find<{ text: string }>(handle.url);
    expect(same.heads()).toEqual(handle.heads());
    for (const each of [storage, reading, again]) await each[Symbol.asyncDispose]();
    for (const { spaces } of [ada, ben]) await spaces.close();
    for (const store of stores) await store.close();
    await rm(folder, { recursive: true });
  },
);
