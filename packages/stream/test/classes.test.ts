/** Reading beside another copy of the blob package, whose error class is a different one. */
import { expect, test, vi } from "vitest";
import { make, noise, openBytes } from "./support/streams.ts";

vi.mock("@hawser/blob", async (original) => ({
  ...(await original<object>()),
  BlobError: class extends Error {},
}));

test("damaged content is a fault of the stream, whoever's class it is", async () => {
  const { stream, store } = await make();
  const before = stream.byteCount;
  await stream.append({}, noise(150_000));
  const bytes = store.contents();
  // In the data of the first chunk: its hash still stands in the packet, and is wrong.
  bytes[before + 5_000] = (bytes[before + 5_000] ?? 0) ^ 1;
  const copy = await openBytes(bytes);
  await expect(copy.read(1)).rejects.toMatchObject({
    code: "STREAM_FAULT",
    fault: { code: "HASH_MISMATCH", seq: 1 },
  });
  const reading = copy.readStream(1, { from: 5, to: 200_000 })[Symbol.asyncIterator]();
  await expect(reading.next()).rejects.toMatchObject({ code: "STREAM_RANGE" });
});
