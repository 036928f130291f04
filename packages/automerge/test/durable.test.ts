/**
 * How soon a change is durable, by a clock of the test's own and a source whose appends take a set
 * time: no later than `saveDebounceRate` and two appends, the one under way and its own.
 */
import { next as A } from "@automerge/automerge";
import { Repo } from "@automerge/automerge-repo";
import type { EventDraft } from "@hawser/view";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createAutomergeStorage } from "@hawser/automerge";
import { parseBody } from "../src/body.ts";
import { crypto, memorySource } from "./help.ts";

interface Paper {
  text: string;
}

/** What a repo tells time by; all else stays as it is. */
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] }));
afterEach(() => void vi.useRealTimers());

const timers = {
  after: (delayMs: number, callback: () => void): (() => void) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

/** A source whose appends take so long, and the text of what was appended. */
function slowSource(appendMs: number) {
  const source = memorySource();
  let stored = A.init<Paper>();
  let running = 0;
  let runningMax = 0;
  const append = async (drafts: readonly EventDraft[]) => {
    running += 1;
    runningMax = Math.max(runningMax, running);
    await new Promise<void>((resolve) => void timers.after(appendMs, resolve));
    running -= 1;
    for (const { body } of drafts) {
      const put = parseBody(body);
      if (put?.kind === "put" && put.key.length === 3) {
        stored = A.loadIncremental(stored, put.bytes);
      }
    }
    return await source.append(drafts);
  };
  const lengthNow = (): number => stored.text?.length ?? 0;
  return { source: { ...source, append }, lengthNow, runningMax: () => runningMax };
}

const saveMs = 50;

test.each([
  [1, 1],
  [5, 3],
  [20, 2],
  [25, 7],
  [60, 11],
])(
  "with appends of %i ms and a key every %i ms each change is durable after 50 ms and two appends",
  async (appendMs, keyMs) => {
    const { source, lengthNow, runningMax } = slowSource(appendMs);
    const storage = createAutomergeStorage({ source, crypto, timers });
    await storage.ready;
    const repo = new Repo({ storage, saveDebounceRate: saveMs });
    // What a repo stores for itself is out of the way.
    await vi.advanceTimersByTimeAsync(appendMs + 1);
    const handle = repo.create<Paper>({ text: "" });
    const typedAt: number[] = [];
    let seen = 0;
    let longestMs = 0;
    const pass = async (ms: number): Promise<void> => {
      for (let each = 0; each < ms; each++) {
        await vi.advanceTimersByTimeAsync(1);
        const now = Date.now();
        for (const length = lengthNow(); seen < length; seen++) {
          longestMs = Math.max(longestMs, now - (typedAt[seen] ?? now));
        }
      }
    };
    for (let key = 0; key < 90; key++) {
      // Now and then a burst, with no turn for anybody in between.
      for (let more = key % 30 === 0 ? 20 : 1; more > 0; more--) {
        handle.change((doc) => A.splice(doc, ["text"], typedAt.length, 0, "x"));
        typedAt.push(Date.now());
      }
      await pass(keyMs);
    }
    await pass(saveMs + 2 * appendMs + 1);
    expect(seen).toBe(typedAt.length);
    // A timer that is due fires a millisecond later.
    expect(longestMs).toBeLessThanOrEqual(saveMs + 2 * appendMs + 1);
    expect(runningMax()).toBe(1);
    vi.useRealTimers();
    await storage[Symbol.asyncDispose]();
  },
);
