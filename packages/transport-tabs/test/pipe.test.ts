/** One end of a pipe against a peer that does what it should not. */
import { describe, expect, test } from "vitest";
import { framesOf } from "./support/group.ts";
import { createPipe, waitingBytesMax, windowBytes } from "../src/pipe.ts";

/** A channel whose other end is the test. */
function openEnd() {
  const posted: Record<string, unknown>[] = [];
  let hear = (_: unknown): void => {};
  let isClosed = false;
  const pipe = createPipe(
    {
      // Safe: the pipe posts objects.
      post: (message) => void posted.push(message as Record<string, unknown>),
      listen: (onMessage) => {
        hear = onMessage;
      },
      close: () => {
        isClosed = true;
      },
    },
    "space",
  );
  const say = (fields: object): void =>
    hear({ app: "hawser-tabs", version: 1, name: "space", ...fields });
  return { pipe, posted, say, hear: (value: unknown) => hear(value), isClosed: () => isClosed };
}

const frame = (byteCount: number) => ({ kind: "frame", bytes: new Uint8Array(byteCount) });

describe("what ends a pipe", () => {
  const bad: readonly (readonly [string, unknown])[] = [
    ["noise", "noise"],
    ["nothing", undefined],
    ["another space", { app: "hawser-tabs", version: 1, name: "other", ...frame(1) }],
    ["another version", { app: "hawser-tabs", version: 2, name: "space", ...frame(1) }],
    ["an unknown kind", { app: "hawser-tabs", version: 1, name: "space", kind: "exec" }],
    [
      "text for bytes",
      { app: "hawser-tabs", version: 1, name: "space", kind: "frame", bytes: "x" },
    ],
    ["too large a frame", { app: "hawser-tabs", version: 1, name: "space", ...frame(262_145) }],
    ["no credit", { app: "hawser-tabs", version: 1, name: "space", kind: "credit", bytes: 0 }],
    [
      "half a credit",
      { app: "hawser-tabs", version: 1, name: "space", kind: "credit", bytes: 0.5 },
    ],
    [
      "too much credit",
      { app: "hawser-tabs", version: 1, name: "space", kind: "credit", bytes: 1 },
    ],
    [
      "a long reason",
      { app: "hawser-tabs", version: 1, name: "space", kind: "close", reason: "A".repeat(99) },
    ],
  ];
  for (const [name, message] of bad) {
    test(name, async () => {
      const { pipe, posted, hear, isClosed } = openEnd();
      hear(message);
      await pipe.closed;
      expect(isClosed()).toBe(true);
      expect(posted).toMatchObject([{ kind: "close", reason: "SYNC_BAD_MESSAGE" }]);
      expect(await framesOf(pipe.connection.frames)).toEqual([]);
    });
  }

  test("a sender that heeds no credit: what is held stays below the window", async () => {
    const { pipe, posted, say } = openEnd();
    for (let n = 0; n < 100; n++) say(frame(100_000));
    await pipe.closed;
    expect(posted).toMatchObject([{ kind: "close", reason: "SYNC_CREDIT" }]);
    const held = await framesOf(pipe.connection.frames);
    expect(held.length * 100_000).toBeLessThanOrEqual(windowBytes);
  });

  test("empty frames without end", async () => {
    const { pipe, say } = openEnd();
    for (let n = 0; n < 20_000; n++) say(frame(0));
    await pipe.closed;
    expect((await framesOf(pipe.connection.frames)).length).toBeLessThanOrEqual(16_384);
  });

  test("a reader that never gives credit: what waits is bounded", async () => {
    const { pipe, posted } = openEnd();
    const sends: Promise<unknown>[] = [];
    const size = 200_000;
    for (let n = 0; n * size < waitingBytesMax + 2 * windowBytes; n++) {
      sends.push(pipe.connection.send(new Uint8Array(size)).catch((error: unknown) => error));
    }
    await pipe.closed;
    const lost = (await Promise.all(sends)).filter((outcome) => outcome !== undefined);
    expect(lost.length).toBe(sends.length - 5);
    for (const error of lost) expect(error).toMatchObject({ code: "SYNC_CONNECTION_LOST" });
    expect(posted.filter(({ kind }) => kind === "frame")).toHaveLength(5);
    expect(posted.at(-1)).toMatchObject({ kind: "close", reason: "SYNC_SLOW" });
  });

  test("what comes after the end is not heard, and nothing is posted", async () => {
    const { pipe, posted, say } = openEnd();
    pipe.connection.close("done, thanks");
    say(frame(10));
    say({ kind: "credit", bytes: 1 });
    pipe.accept();
    pipe.lose();
    expect(posted).toMatchObject([{ kind: "close", reason: "DONE__THANKS" }]);
    expect(await pipe.opened).toBe(false);
  });
});

test("a frame is posted as it is, without the buffer it lies in", async () => {
  const { pipe, posted } = openEnd();
  await pipe.connection.send(new Uint8Array(1_000).fill(7).subarray(10, 13));
  const bytes = posted[0]?.["bytes"] as Uint8Array;
  expect([...bytes]).toEqual([7, 7, 7]);
  expect(bytes.buffer.byteLength).toBe(3);
});
