/**
 * The S3 store against a real server. Opt-in: HAWSER_S3_ENDPOINT, HAWSER_S3_KEY, HAWSER_S3_SECRET
 * and HAWSER_S3_BUCKET name one and a bucket that exists.
 */
import { describe, expect, test } from "vitest";
import { openS3Bytes, type S3Deps, type S3Location } from "@hawser/stream/s3";
import { byteStoreCases, type ByteStoreHarness } from "@hawser/stream/testing";
import { createRandomBytes } from "./stores-helpers.ts";

const endpoint = process.env["HAWSER_S3_ENDPOINT"];
// The row is proved on the emulation; a real server proves it again where there is one.
const row = endpoint === undefined ? "" : "[IW-cloud] ";
const reason = endpoint === undefined ? " (not run: HAWSER_S3_ENDPOINT is not set)" : "";
const account: Omit<S3Location, "prefix"> = {
  endpoint: endpoint ?? "",
  bucket: process.env["HAWSER_S3_BUCKET"] ?? "",
  accessKeyId: process.env["HAWSER_S3_KEY"] ?? "",
  secretAccessKey: process.env["HAWSER_S3_SECRET"] ?? "",
};
// A real server judges the clock, and keeps what earlier runs left.
const deps: S3Deps = {
  fetch: (url, init) => fetch(url, init),
  clock: () => Date.now() * 1000,
  random: (byteCount) => globalThis.crypto.getRandomValues(new Uint8Array(byteCount)),
  subtle: globalThis.crypto.subtle,
};
const newPrefix = (): string => `hawser test (+é)/${globalThis.crypto.randomUUID()}`;

function serverHarness(): ByteStoreHarness {
  const location = { ...account, prefix: newPrefix() };
  return {
    open: async (bytes) => {
      const store = await openS3Bytes(deps, location, { mode: "create", segmentBytes: 1 << 20 });
      await store.append(0, [bytes]);
      return store;
    },
    reopen: async (store) => {
      await store.close();
      return openS3Bytes(deps, location);
    },
    second: () => openS3Bytes(deps, location),
    reader: () => openS3Bytes(deps, location, { mode: "read" }),
  };
}

describe.skipIf(endpoint === undefined)(`a real S3-compatible server${reason}`, () => {
  for (const { name, run } of byteStoreCases) {
    test(`${row}server: ${name}${reason}`, () => run(serverHarness()));
  }

  test(`${row}server: compaction and range reads${reason}`, async () => {
    const location = { ...account, prefix: newPrefix() };
    const store = await openS3Bytes(deps, location, { mode: "create", segmentBytes: 4096 });
    const file = createRandomBytes(1)(20_000);
    for (let size = 0; size < file.length; size += 1000) {
      await store.append(size, [file.subarray(size, size + 1000)]);
    }
    await using reader = await openS3Bytes(deps, location, { mode: "read" });
    expect(await store.compact()).toBe(20);
    expect(store.segmentCount()).toBe(5);
    expect(await reader.read(3990, 9000)).toEqual(file.slice(3990, 12_990));
  });
});
