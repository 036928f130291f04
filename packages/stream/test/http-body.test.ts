/** Bodies of answers: bounded by what was asked for, however they come. */
import { expect, test } from "vitest";
import { readBody } from "../src/stores/body.ts";

/** A body of single bytes, each a view into a buffer of its own. */
function drip(count: number, bufferBytes: number, onChunk: () => void = () => undefined): Response {
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      if (sent === count) return controller.close();
      onChunk();
      const buffer = new Uint8Array(bufferBytes);
      buffer[3] = sent++ & 255;
      controller.enqueue(buffer.subarray(3, 4));
    },
  });
  return new Response(body);
}

test("[IW-bytestore] a server that sends single bytes costs no more than their sum", async () => {
  let peak = 0;
  const watch = (): void => {
    peak = Math.max(peak, process.memoryUsage().arrayBuffers);
  };
  const before = process.memoryUsage().arrayBuffers;
  const bytes = await readBody(drip(6_000, 131_072, watch), 1 << 20);
  expect(bytes.length).toBe(6_000);
  expect(bytes.every((byte, index) => byte === (index & 255))).toBe(true);
  // Kept until the end they would be 786 MB.
  expect(peak - before).toBeLessThan(400 << 20);
});

test.each([
  [0, 0],
  [1, 1],
  [70_000, 70_000],
  [70_000, 1 << 20],
])("[IW-bytestore] %i bytes of at most %i", async (count, bytesMax) => {
  const sent = Uint8Array.from({ length: count }, (_, index) => index % 251);
  expect(await readBody(new Response(sent), bytesMax)).toEqual(sent);
});

test.each([
  [1, 0],
  [70_001, 70_000],
  [300_000, 65_536],
])("[IW-bytestore] %i bytes are more than %i", async (count, bytesMax) => {
  const reading = readBody(new Response(new Uint8Array(count)), bytesMax);
  await expect(reading).rejects.toMatchObject({ code: "BYTES_IO" });
});
