import { expect, test } from "vitest";
import { createStream, openStream } from "@hawser/stream";
import { openS3Bytes, type S3Bytes, type S3Deps, type S3Options } from "@hawser/stream/s3";
import { createS3Emulation, type S3Emulation } from "@hawser/stream/testing";
import { testDeps } from "./http-helpers.ts";
import { createRandomBytes } from "./stores-helpers.ts";

const account = { bucket: "b", accessKeyId: "KEY", secretAccessKey: "SECRET" };
const location = { ...account, endpoint: "http://bucket.test", prefix: "s" };
const secret = (): Uint8Array => new Uint8Array(32).fill(9);

interface Bucket {
  readonly emulation: S3Emulation;
  open(mode?: "create"): Promise<S3Bytes>;
}

/** A bucket with a stream of two blocks. */
async function makeBucket(): Promise<Bucket> {
  const emulation = createS3Emulation(account);
  const { subtle } = globalThis.crypto;
  const clock = (): number => 1_700_000_000_000_000;
  const deps: S3Deps = { fetch: emulation.fetch, clock, random: createRandomBytes(1), subtle };
  const open = (mode?: "create"): Promise<S3Bytes> => {
    const options: S3Options = mode === undefined ? {} : { mode };
    return openS3Bytes(deps, location, { ...options, segmentBytes: 50_000 });
  };
  const stream = await createStream(testDeps(), await open("create"), { secret: secret() });
  await stream.append({}, new Uint8Array(10));
  await stream.append({}, createRandomBytes(2)(120_000));
  await stream.close();
  return { emulation, open };
}

async function openWriter(bucket: Bucket): ReturnType<typeof openStream> {
  return openStream(testDeps(3), await bucket.open(), { secret: secret() });
}

test("[IW-cloud] whole entries in orphaned segments are adopted, verified, and gone on from", async () => {
  const bucket = await makeBucket();
  const first = await openWriter(bucket);
  if (!first.ok) throw new Error(first.fault.message);
  bucket.emulation.faultOf = (method, key) =>
    method === "PUT" && key.endsWith("/head") ? { kind: "lost" } : undefined;
  await expect(first.stream.append({}, new Uint8Array(20))).rejects.toMatchObject({
    code: "BYTES_IO",
  });
  bucket.emulation.faultOf = () => undefined;
  const second = await openWriter(bucket);
  if (!second.ok) throw new Error(second.fault.message);
  expect(second.stream.height).toBe(4);
  await second.stream.append({}, new Uint8Array(5));
  expect(await second.stream.verify("full")).toMatchObject({ ok: true, height: 5, tornBytes: 0 });
});

test("[IW-cloud] [IW-a11] a block of which only some segments came is cut when the stream is opened", async () => {
  const bucket = await makeBucket();
  const first = await openWriter(bucket);
  if (!first.ok) throw new Error(first.fault.message);
  let left = 2;
  bucket.emulation.faultOf = (method) =>
    method === "PUT" && left-- <= 0 ? { kind: "lost" } : undefined;
  const appending = first.stream.append({}, createRandomBytes(4)(200_000));
  await expect(appending).rejects.toMatchObject({ code: "BYTES_IO" });
  bucket.emulation.faultOf = () => undefined;
  const second = await openWriter(bucket);
  if (!second.ok) throw new Error(second.fault.message);
  expect(second.stream.height).toBe(3);
  expect(second.stream.recovery.recoveredBytes).toBeGreaterThan(0);
  await second.stream.append({}, new Uint8Array(5));
  expect(await second.stream.verify("full")).toMatchObject({ ok: true, height: 4, tornBytes: 0 });
});

test("[IW-two-writers] [IW-cloud] of two owners at once one appends, the other gets an error and no fork", async () => {
  const bucket = await makeBucket();
  const [left, right] = [await openWriter(bucket), await openWriter(bucket)];
  if (!left.ok || !right.ok) throw new Error("not opened");
  const settled = await Promise.allSettled([
    left.stream.append({ side: "left" }, new Uint8Array(20)),
    right.stream.append({ side: "right" }, new Uint8Array(30)),
  ]);
  const lost = settled.filter((result) => result.status === "rejected");
  expect(lost.map(({ reason }: PromiseRejectedResult) => Object(reason) as unknown)).toEqual([
    expect.objectContaining({ code: "BYTES_MOVED" }),
  ]);
  const after = await openWriter(bucket);
  if (!after.ok) throw new Error(after.fault.message);
  expect(after.stream.height).toBe(4);
  expect(await after.stream.verify("full")).toMatchObject({ ok: true, height: 4 });
});
