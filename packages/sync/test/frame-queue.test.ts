/** docs/spec/3-sync.md §11: what transports hand frames to a reader with. */
import { createFrameQueue, type FrameQueue } from "@hawser/sync";
import fc from "fast-check";
import { expect, test } from "vitest";

async function readAll({ frames }: FrameQueue): Promise<readonly Uint8Array[]> {
  const read: Uint8Array[] = [];
  for await (const frame of frames) read.push(frame);
  return read;
}

test("frames come out as they went in, and all are counted off, however reads and pushes mix", async () => {
  const steps = fc.array(fc.oneof(fc.nat({ max: 9 }), fc.constant("read" as const)));
  await fc.assert(
    fc.asyncProperty(steps, async (given) => {
      const taken: Uint8Array[] = [];
      const queue = createFrameQueue((frame) => taken.push(frame));
      const reader = queue.frames[Symbol.asyncIterator]();
      const pushed: Uint8Array[] = [];
      const asked: Promise<IteratorResult<Uint8Array>>[] = [];
      for (const step of given) {
        if (step === "read") asked.push(reader.next());
        else {
          pushed.push(new Uint8Array(step).fill(pushed.length));
          queue.push(pushed[pushed.length - 1] ?? new Uint8Array(0));
        }
      }
      queue.end();
      queue.push(Uint8Array.of(1));
      const read = (await Promise.all(asked)).filter(({ done }) => done !== true);
      const rest = pushed.slice(read.length);
      expect(queue.byteCount()).toBe(rest.reduce((sum, { length }) => sum + length, 0));
      for (const frame of rest) expect((await reader.next()).value).toBe(frame);
      expect((await reader.next()).done).toBe(true);
      expect(read.map(({ value }) => value)).toEqual(pushed.slice(0, read.length));
      expect(taken).toEqual(pushed);
      expect(queue.byteCount()).toBe(0);
    }),
  );
});

test("a reader that waits is woken by a frame, and by the end", async () => {
  const queue = createFrameQueue(() => {});
  const all = readAll(queue);
  await Promise.resolve();
  queue.push(Uint8Array.of(7));
  await Promise.resolve();
  queue.end();
  expect(await all).toEqual([Uint8Array.of(7)]);
  await expect(readAll(queue)).rejects.toMatchObject({ code: "SYNC_CONNECTION_LOST" });
});
