import { afterAll, describe, expect, test } from "vitest";
import {
  chmod,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNobleCrypto } from "@hawser/crypto";
import { createKv, type Kv } from "@hawser/kv";
import { createMemorySource } from "@hawser/view/testing";
import { chunkBytes, defaultFolderLimits, type FolderLimits } from "../src/folder/limits.ts";
import {
  encodeManifest,
  keyOfPath,
  parseManifest,
  pathOfKey,
  type ChunkRef,
} from "../src/folder/manifest.ts";
import { runMirrorPass, type MirrorSpace, type PassResult } from "../src/folder/mirror.ts";
import { unsafePathReason } from "../src/folder/paths.ts";

const crypto = createNobleCrypto();

const scratch = await mkdtemp(join(tmpdir(), "hawser-mirror-"));
afterAll(() => rm(scratch, { recursive: true, force: true }));

/** One map and one chunk list that all devices of a test share: a space without delays. */
async function createSharedSpace(): Promise<
  MirrorSpace & { chunks: Map<number, Uint8Array>; kv: Kv }
> {
  const kv = createKv({ source: createMemorySource() });
  await kv.ready;
  const chunks = new Map<number, Uint8Array>();
  return {
    kv,
    caughtUp: async () => undefined,
    chunks,
    appendChunks: async (added) =>
      added.map((chunk): ChunkRef => {
        chunks.set(chunks.size, chunk.slice());
        return { logId: "ab".repeat(32), seq: chunks.size - 1 };
      }),
    readChunk: async (ref) => chunks.get(ref.seq),
  };
}

interface Device {
  readonly root: string;
  pass(): Promise<PassResult>;
}

async function createDevice(
  space: MirrorSpace,
  device: string,
  limits: FolderLimits = defaultFolderLimits,
): Promise<Device> {
  const home = await mkdtemp(join(scratch, "device-"));
  const root = join(home, "folder");
  await mkdir(root);
  const options = { root, baseFile: join(home, "base"), device, limits, oversize: "stop" as const };
  const deps = { crypto, space, nowMs: () => Date.now() };
  return { root, pass: () => runMirrorPass(deps, options) };
}

async function pair(): Promise<{
  space: Awaited<ReturnType<typeof createSharedSpace>>;
  a: Device;
  b: Device;
}> {
  const space = await createSharedSpace();
  return { space, a: await createDevice(space, "a"), b: await createDevice(space, "b") };
}

const write = async (device: Device, path: string, content: string | Uint8Array): Promise<void> => {
  await mkdir(join(device.root, path, ".."), { recursive: true });
  await writeFile(join(device.root, path), content);
};
const read = (device: Device, path: string): Promise<string> =>
  readFile(join(device.root, path), "utf8");
const list = async (device: Device): Promise<string[]> =>
  (await readdir(device.root, { recursive: true, withFileTypes: true }))
    .filter((item) => item.isFile())
    .map((item) => join(item.parentPath, item.name).slice(device.root.length + 1))
    .sort();

describe("two folders over one space", () => {
  test("small, empty, large, nested and executable files arrive byte for byte", async () => {
    const { a, b } = await pair();
    const large = new Uint8Array(3 * chunkBytes + 17).map((_, index) => (index * 31) & 0xff);
    await write(a, "readme.md", "hello");
    await write(a, "empty", "");
    await write(a, "deep/er/large.bin", large);
    await write(a, "run.sh", "#!/bin/sh\n");
    await chmod(join(a.root, "run.sh"), 0o755);
    expect((await a.pass()).uploaded.length).toBe(4);
    expect((await b.pass()).downloaded.length).toBe(4);
    expect(await list(b)).toEqual(await list(a));
    expect(new Uint8Array(await readFile(join(b.root, "deep/er/large.bin")))).toEqual(large);
    expect((await stat(join(b.root, "run.sh"))).mode & 0o100).toBe(0o100);
  });

  test("a second pass does nothing", async () => {
    const { a, b } = await pair();
    await write(a, "x", "1");
    await a.pass();
    await b.pass();
    for (const device of [a, b]) {
      const { uploaded, downloaded, removedHere, removedThere } = await device.pass();
      expect([uploaded, downloaded, removedHere, removedThere].flat()).toEqual([]);
    }
  });

  test("edits, deletes and renames travel both ways", async () => {
    const { a, b } = await pair();
    await write(a, "one", "1");
    await write(a, "dir/two", "2");
    await a.pass();
    await b.pass();
    await write(b, "one", "1 edited");
    await rename(join(b.root, "dir/two"), join(b.root, "three"));
    await b.pass();
    const result = await a.pass();
    expect(result.removedHere).toEqual(["dir/two"]);
    expect(await list(a)).toEqual(["one", "three"]);
    expect(await read(a, "one")).toBe("1 edited");
    await expect(stat(join(a.root, "dir"))).rejects.toThrow(/ENOENT/);
  });

  test("when both sides changed a file both versions survive on both sides", async () => {
    const { a, b } = await pair();
    await write(a, "plan.md", "base");
    await a.pass();
    await b.pass();
    await write(a, "plan.md", "from a");
    await write(b, "plan.md", "from b");
    await a.pass();
    expect((await b.pass()).conflicts).toEqual(["plan (conflict b).md"]);
    await a.pass();
    for (const device of [a, b]) {
      expect(await read(device, "plan.md")).toBe("from a");
      expect(await read(device, "plan (conflict b).md")).toBe("from b");
    }
  });

  test("an edit beats a concurrent delete, on either side", async () => {
    const { a, b } = await pair();
    for (const name of ["x", "y"]) await write(a, name, "base");
    await a.pass();
    await b.pass();
    await rm(join(a.root, "x"));
    await write(b, "x", "edited by b");
    await write(a, "y", "edited by a");
    await rm(join(b.root, "y"));
    await a.pass();
    await b.pass();
    await a.pass();
    for (const device of [a, b]) {
      expect(await read(device, "x")).toBe("edited by b");
      expect(await read(device, "y")).toBe("edited by a");
    }
  });

  test("content that is not here yet waits; nothing half-written is shown", async () => {
    const { space, a, b } = await pair();
    await write(a, "large", new Uint8Array(2 * chunkBytes));
    await a.pass();
    const missing = space.chunks.get(1);
    space.chunks.delete(1);
    expect((await b.pass()).waiting).toEqual(["large"]);
    expect(await list(b)).toEqual([]);
    if (missing !== undefined) space.chunks.set(1, missing);
    expect((await b.pass()).downloaded).toEqual(["large"]);
    expect(await list(b)).toEqual(["large"]);
  });

  test("a damaged announcement fails alone, the old file stays, the rest goes on", async () => {
    const { space, a, b } = await pair();
    await write(a, "bad", "good so far");
    await write(a, "fine", "1");
    await a.pass();
    await b.pass();
    const manifest = parseManifest(space.kv.get(keyOfPath("bad")));
    if (manifest === undefined) throw new Error("no manifest");
    const content = new TextEncoder().encode("EVIL so far");
    const digest = new Uint8Array(32).fill(7);
    await space.kv.put(keyOfPath("bad"), encodeManifest({ ...manifest, digest, content }));
    await write(a, "fine", "2");
    await a.pass();
    const result = await b.pass();
    expect([...result.failed.keys()]).toEqual(["bad"]);
    expect(await read(b, "bad")).toBe("good so far");
    expect(await read(b, "fine")).toBe("2");
  });
});

describe("hostile and odd folders", () => {
  test.each([
    "../up",
    "a/../../b",
    "/abs",
    "a//b",
    ".",
    "a/./b",
    "C:\\x",
    "a\\..\\b",
    "nul",
    "COM1.txt",
    "a\u0000b",
    "trailing.",
    ".git/config",
    "x".repeat(300),
    "\ud800",
  ])("path %j from a member is never written", async (path) => {
    expect(unsafePathReason(path)).toBeDefined();
    expect(pathOfKey(keyOfPath(path))).toBeUndefined();
  });

  test("a member's file is never written through a link that leads out of the folder", async () => {
    const { a, b } = await pair();
    const outside = await mkdtemp(join(scratch, "outside-"));
    await symlink(outside, join(b.root, "docs"));
    await write(a, "docs/evil", "x");
    await write(a, "fine", "y");
    await a.pass();
    const result = await b.pass();
    expect([...result.failed.keys()]).toEqual(["docs/evil"]);
    expect(await readdir(outside)).toEqual([]);
    expect(await read(b, "fine")).toBe("y");
  });

  test("links are skipped with a reason and version control is left out", async () => {
    const { a, space } = await pair();
    await write(a, "real", "1");
    await write(a, ".git/HEAD", "ref");
    await symlink("real", join(a.root, "link"));
    const result = await a.pass();
    expect(result.skipped.get("link")).toMatch(/link/);
    expect([...space.kv.range()].length).toBe(1);
  });

  test("a file over the limit stops the pass before anything is shared", async () => {
    const space = await createSharedSpace();
    const device = await createDevice(space, "a", { ...defaultFolderLimits, fileBytesMax: 10 });
    await write(device, "ok", "1");
    await write(device, "big", "12345678901");
    await expect(device.pass()).rejects.toMatchObject({ code: "CLI_FILE_TOO_LARGE" });
    expect(space.kv.size).toBe(0);
  });

  test("a member's file over the limit is not taken over", async () => {
    const space = await createSharedSpace();
    const a = await createDevice(space, "a");
    const b = await createDevice(space, "b", { ...defaultFolderLimits, fileBytesMax: 10 });
    await write(a, "big", "12345678901");
    await a.pass();
    expect([...(await b.pass()).failed.keys()]).toEqual(["big"]);
  });

  test("a missing folder is an error and not an empty one", async () => {
    const { a } = await pair();
    await write(a, "x", "1");
    await a.pass();
    await rm(a.root, { recursive: true });
    await expect(a.pass()).rejects.toMatchObject({ code: "CLI_FOLDER_MISSING" });
  });

  test.each([
    ["nothing", undefined],
    ["text", "x"],
    ["another version", [2, 0, false, new Uint8Array(32), new Uint8Array(0)]],
    ["a short digest", [1, 0, false, new Uint8Array(31), new Uint8Array(0)]],
    ["a wrong size", [1, 5, false, new Uint8Array(32), new Uint8Array(4)]],
    ["too few chunks", [1, chunkBytes + 1, false, new Uint8Array(32), [[new Uint8Array(32), 0]]]],
    ["a negative size", [1, -1, false, new Uint8Array(32), []]],
  ])("a manifest that is %s is ignored", (_name, value) => {
    expect(parseManifest(value)).toBeUndefined();
  });
});
