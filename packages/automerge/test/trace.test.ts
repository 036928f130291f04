/**
 * How a paper was written, keystroke by keystroke, through automerge-repo into an encrypted space on
 * SQLite, and read on a second device. 10,000 keystrokes; `HAWSER_FULL=1`: all 259,778.
 */
import { next as A } from "@automerge/automerge";
import { Repo } from "@automerge/automerge-repo";
import { createTwoDevices, readTrace, textAfter, traceLength } from "@hawser-tooling/trace";
import { expect, test } from "vitest";
import { crypto, open } from "./help.ts";

const isFull = process.env["HAWSER_FULL"] === "1";
const keystrokes = readTrace(isFull ? traceLength : 10_000);
/** Between two saves. */
const keysPerSave = 500;
/** Control log, and what stands beside kept events. */
const overheadBytes = 10_000;

test.skipIf(keystrokes === undefined)(
  "the editing trace is on a second device as it was written",
  { timeout: isFull ? 1_200_000 : 90_000 },
  async () => {
    if (keystrokes === undefined) return;
    const devices = await createTwoDevices(crypto);
    const storage = open(devices.writing);
    const repo = new Repo({ storage, saveDebounceRate: 1 });
    const handle = repo.create({ text: "" });
    for (const [index, [position, deleted, inserted]] of keystrokes.entries()) {
      handle.change((doc) => A.splice(doc, ["text"], position, deleted, inserted));
      if (index % keysPerSave === 0) await repo.flush();
    }
    await repo.flush();
    await storage.flush();

    await devices.carry();
    const reading = open(devices.reading);
    const found = await new Repo({ storage: reading }).find<{ text: string }>(handle.url);
    expect(found.doc().text).toBe(textAfter(keystrokes));
    expect(found.heads()).toEqual(handle.heads());

    // What is stored behind it is little more than the document, as it saves it.
    const before = await devices.storedBytes();
    await storage.compact();
    const after = await devices.storedBytes();
    expect(after).toBeLessThan(before / 4);
    expect(after).toBeLessThan(2 * A.save(handle.doc()).length + overheadBytes);
    const again = open(devices.writing);
    const same = await new Repo({ storage: again }).find<{ text: string }>(handle.url);
    expect(same.heads()).toEqual(handle.heads());
    for (const each of [storage, reading, again]) await each[Symbol.asyncDispose]();
    await devices[Symbol.asyncDispose]();
  },
);
