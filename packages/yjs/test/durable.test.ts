/**
 * How soon an edit is durable, by a clock of the test's own and a source whose appends take a set
 * time: no later than `flushMs` and two appends, the one under way and its own.
 */
import type { EventDraft } from "@hawser/view";
import { expect, test } from "vitest";
import { applyUpdate, Doc, type Text } from "yjs";
import { parseBody } from "../src/body.ts";
import { createStage, memorySource } from "./help.ts";

/** A source whose appends take so long, and whose durable text is what was appended. */
function slowSource(stage: ReturnType<typeof createStage>, appendMs: number) {
  const source = memorySource();
  const stored = new Doc();
  let running = 0;
  let runningMax = 0;
  const append = async (drafts: readonly EventDraft[]) => {
    running += 1;
    runningMax = Math.max(runningMax, running);
    await new Promise<void>((resolve) => void stage.timers.after(appendMs, resolve));
    running -= 1;
    for (const { body } of drafts) {
      applyUpdate(stored, parseBody(body)?.bytes ?? new Uint8Array(0));
    }
    return await source.append(drafts);
  };
  const text: Text = stored.getText("text");
  return { source: { ...source, append }, text, runningMax: () => runningMax };
}

const flushMs = 20;

test.each([
  [0, 1],
  [5, 1],
  [20, 3],
  [35, 2],
  [40, 7],
  [90, 5],
])(
  "with appends of %i ms and a key every %i ms each edit is durable after 20 ms and two appends",
  async (appendMs, keyMs) => {
    const stage = createStage();
    const { source, text: durable, runningMax } = slowSource(stage, appendMs);
    const provider = stage.open(source, { flushMs });
    await provider.ready;
    const text = provider.doc.getText("text");
    const typedAt: number[] = [];
    let seen = 0;
    let longestMs = 0;
    const look = (): void => {
      const now = stage.timers.nowMs();
      for (; seen < durable.length; seen++) {
        longestMs = Math.max(longestMs, now - (typedAt[seen] ?? now));
      }
    };
    for (let key = 0; key < 90; key++) {
      // Now and then a burst, with no turn for anybody in between.
      for (let more = key % 30 === 0 ? 20 : 1; more > 0; more--) {
        text.insert(text.length, "x");
        typedAt.push(stage.timers.nowMs());
      }
      for (let ms = 0; ms < keyMs; ms++) {
        await stage.timers.advance(1);
        look();
      }
    }
    for (let ms = 0; ms < flushMs + 2 * appendMs; ms++) {
      await stage.timers.advance(1);
      look();
    }
    expect(seen).toBe(typedAt.length);
    expect(longestMs).toBeLessThanOrEqual(flushMs + 2 * appendMs);
    expect(runningMax()).toBe(1);
    expect(provider.status().unsavedBytes).toBe(0);
    await stage.close();
  },
);
