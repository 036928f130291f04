/**
 * How a paper was written, keystroke by keystroke, into an encrypted space on SQLite, and read on a
 * second device. 20,000 keystrokes; `HAWSER_FULL=1`: all 259,778.
 */
import { createTwoDevices, readTrace, textAfter, traceLength } from "@hawser-tooling/trace";
import { compactYjs } from "@hawser/yjs";
import { expect, test } from "vitest";
import { createStage, crypto, textOf } from "./help.ts";

const isFull = process.env["HAWSER_FULL"] === "1";
const keystrokes = readTrace(isFull ? traceLength : 20_000);
/** Between two flushes, more than the fastest typist by far. */
const keysPerFlush = 100;

test.skipIf(keystrokes === undefined)(
  "the editing trace is on a second device as it was written",
  { timeout: isFull ? 600_000 : 60_000 },
  async () => {
    if (keystrokes === undefined) return;
    const devices = await createTwoDevices(crypto);
    const stage = createStage();
    const writer = stage.open(devices.writing);
    await writer.ready;
    const text = writer.doc.getText("text");
    for (const [index, [position, deleted, inserted]] of keystrokes.entries()) {
      if (deleted > 0) text.delete(position, deleted);
      if (inserted !== "") text.insert(position, inserted);
      if (index % keysPerFlush === 0) await stage.timers.advance(30);
    }
    await writer.flush();
    expect(writer.status()).toEqual({ state: "ready", unsavedBytes: 0, problem: undefined });

    await devices.carry();
    const reader = stage.open(devices.reading);
    await reader.ready;
    expect(textOf(reader)).toBe(textAfter(keystrokes));
    expect(reader.snapshot()).toEqual(writer.snapshot());

    // What is stored behind it is little more than the document.
    await compactYjs({ source: devices.writing, crypto });
    expect(await devices.storedBytes()).toBeLessThan(2 * writer.snapshot().length);
    const again = stage.open(devices.writing, { snapshots: false });
    await again.ready;
    expect(again.snapshot()).toEqual(reader.snapshot());
    await stage.close();
    await devices[Symbol.asyncDispose]();
  },
);
