/** The 18 scenarios of ImmutableWeb's own tests and its README example, told in this package's words. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMemoryBytes, createStream, openStream } from "@hawser/stream";
import { openFileBytes } from "@hawser/stream/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  crypto,
  make,
  open,
  openBytes,
  secretOf,
  testDeps,
  text,
  untext,
} from "./support/streams.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hawser-stream-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

test("[IW-u01] blocks are read in any order after reopening", async () => {
  const { stream, store } = await make();
  for (const word of ["1", "2", "3"]) await stream.append({}, text(word));
  const again = await openBytes(store.contents());
  const words: string[] = [];
  for (const seq of [1, 2, 3, 2, 3]) words.push(untext((await again.read(seq))?.bytes));
  expect(words).toEqual(["1", "2", "3", "2", "3"]);
});

test("[IW-u02] an existing stream is appended to, reopened and verified", async () => {
  const { stream, store, secret } = await make();
  await stream.append({}, text("1"));
  const reader = await openBytes(store.contents());
  expect([reader.isWritable, (await reader.verify("full")).ok]).toEqual([false, true]);
  const second = createMemoryBytes({ bytes: store.contents() });
  const writer = await open(second, { secret });
  expect(writer.isWritable).toBe(true);
  for (const word of ["2", "3", "4"]) await writer.append({}, text(word));
  expect(await (await openBytes(second.contents())).verify("full")).toMatchObject({ height: 5 });
});

test("[IW-u03] appending while an old block was read last forks nothing", async () => {
  const { stream } = await make();
  await stream.append({}, text("1"));
  await stream.append({}, text("2"));
  await stream.read(1);
  await stream.append({}, text("3"));
  expect(await stream.verify("full")).toMatchObject({ ok: true, height: 4 });
});

test("[IW-u04] stream-wide keys: the bytes are not the content, the key opens it", async () => {
  const secret = secretOf(20);
  const { stream, store } = await make({ recipients: [crypto.agreementKey(secret)] });
  await stream.append({}, text("for the key alone"));
  expect(Buffer.from(store.contents()).includes("for the key alone")).toBe(false);
  await expect(stream.read(1)).rejects.toMatchObject({ code: "STREAM_NO_KEY" });
  const reader = await openBytes(store.contents(), { decrypt: { secrets: [secret] } });
  expect(untext((await reader.read(1))?.bytes)).toBe("for the key alone");
});

test("[IW-u05] one block under a key of its own, the next one plain", async () => {
  const secret = secretOf(20);
  const { stream, store } = await make();
  await stream.append({}, text("plain"));
  await stream.append({}, text("sealed"), { recipients: [crypto.agreementKey(secret)] });
  await stream.append({}, text("plain again"));
  const reader = await openBytes(store.contents(), { decrypt: { secrets: [secret] } });
  expect(untext((await reader.read(2))?.bytes)).toBe("sealed");
  expect(untext((await stream.read(3))?.bytes)).toBe("plain again");
});

test("[IW-u06] create, append two, read until there is nothing more", async () => {
  const { stream, store } = await make();
  await stream.append({}, text("one"));
  await stream.append({}, text("two"));
  const reader = await openBytes(store.contents());
  const words: string[] = [];
  for (let seq = 1; ; seq++) {
    const block = await reader.read(seq);
    if (block === undefined) break;
    words.push(untext(block.bytes));
  }
  expect(words).toEqual(["one", "two"]);
});

test("[IW-u07] a stream is not created over an existing file", async () => {
  const path = join(folder, "u07");
  const first = await openFileBytes(path, { mode: "create" });
  const stream = await createStream(testDeps(), first, { secret: secretOf(1) });
  await stream.close();
  await expect(openFileBytes(path, { mode: "create" })).rejects.toMatchObject({
    code: "BYTES_EXISTS",
  });
  const store = await openFileBytes(path, { mode: "append" });
  await expect(createStream(testDeps(), store, { secret: secretOf(1) })).rejects.toMatchObject({
    code: "STREAM_EXISTS",
  });
  await store.close();
});

test("[IW-u08] who means to overwrite cuts the store first", async () => {
  const store = createMemoryBytes({ bytes: new Uint8Array(100) });
  await store.truncate(0);
  expect((await createStream(testDeps(), store, { secret: secretOf(1) })).height).toBe(1);
});

test("[IW-u09] a missing file is absent", async () => {
  await expect(openFileBytes(join(folder, "none"), { mode: "read" })).rejects.toMatchObject({
    code: "BYTES_ABSENT",
  });
});

test("[IW-u10] a kibibyte of zeros is no stream", async () => {
  const verdict = await openStream(testDeps(), createMemoryBytes({ bytes: new Uint8Array(1024) }));
  expect(verdict).toMatchObject({ ok: false, fault: { code: "NO_STREAM" } });
});

test("[IW-u11] creating without a key is refused", async () => {
  const options = { secret: new Uint8Array(0) };
  await expect(createStream(testDeps(), createMemoryBytes(), options)).rejects.toMatchObject({
    code: "STREAM_KEY",
  });
});

test("[IW-u12] [IW-u14] another author's secret does not open a stream for writing", async () => {
  const { store } = await make();
  const secret = secretOf(2);
  await expect(
    openStream(testDeps(), createMemoryBytes({ bytes: store.contents() }), { secret }),
  ).rejects.toMatchObject({ code: "STREAM_NOT_OWNER" });
});

test("[IW-u13] a key that was not loaded is refused, with its code", async () => {
  const { store } = await make();
  for (const options of [
    { secret: new Uint8Array(31) },
    { decrypt: { secrets: [new Uint8Array(33)] } },
    { decrypt: { streamKey: new Uint8Array(0) } },
  ]) {
    await expect(
      openStream(testDeps(), createMemoryBytes({ bytes: store.contents() }), options),
    ).rejects.toMatchObject({ code: "STREAM_KEY" });
  }
});

test("[IW-u15] [IW-u16] keys given as 32 bytes sign and decrypt", async () => {
  const signing = secretOf(31);
  const reading = secretOf(32);
  const recipients = [crypto.agreementKey(reading)];
  const decrypt = { secrets: [reading] };
  const { stream } = await make({ secret: signing, recipients, decrypt });
  await stream.append({}, text("both"));
  expect(Buffer.from(crypto.publicKey(signing)).toString("hex")).toBe(stream.manifest.author);
  expect(untext((await stream.read(1))?.bytes)).toBe("both");
});

test("[IW-u17] metadata of a block comes back, and the manifest has the key", async () => {
  const { stream, store, secret } = await make({ metadata: { url: "https://example.org" } });
  await stream.append({}, text("one"));
  await stream.append({ foo: "bar" }, text("two"));
  const reader = await openBytes(store.contents());
  expect((await reader.read(2))?.metadata).toEqual({ foo: "bar" });
  expect((await reader.read(0))?.metadata).toEqual({ url: "https://example.org" });
  expect(reader.manifest.author).toBe(Buffer.from(crypto.publicKey(secret)).toString("hex"));
  expect([reader.manifest.software, reader.manifest.created > 0]).toEqual(["hawser", true]);
});

test("[IW-u18] a uuid has 32 hex characters, is new for each stream, and stays", async () => {
  const [a, b] = [await make({}, testDeps(1)), await make({}, testDeps(2))];
  expect(a.stream.manifest.uuid).toMatch(/^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
  expect(a.stream.manifest.uuid).not.toBe(b.stream.manifest.uuid);
  const again = await openBytes(a.store.contents());
  expect(again.manifest.uuid).toBe(a.stream.manifest.uuid);
});

test("the example of ImmutableWeb's README: create, append, close; verify, read each block", async () => {
  const path = join(folder, "readme");
  const store = await openFileBytes(path, { mode: "create" });
  const stream = await createStream(testDeps(), store, { secret: secretOf(1) });
  await stream.append({}, text("Hello"));
  await stream.append({}, text("world"));
  await stream.close();
  const reader = await open(await openFileBytes(path, { mode: "read" }));
  const verdict = await reader.verify("full");
  const words: string[] = [];
  for (let seq = 1; seq < verdict.height; seq++)
    words.push(untext((await reader.read(seq))?.bytes));
  expect(words).toEqual(["Hello", "world"]);
  await reader.close();
});
