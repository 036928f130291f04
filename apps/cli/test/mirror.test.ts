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
  utimes,
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
import {
  runMirrorPass,
  type MirrorOptions,
  type MirrorSpace,
  type PassProgress,
  type PassResult,
} from "../src/folder/mirror.ts";
import { scanFolder } from "../src/folder/scan.ts";
import { unsafePathReason } from "../src/folder/paths.ts";

const crypto = createNobleCrypto();

const scratch = await mkdtemp(join(tmpdir(), "hawser-mirror-"));
afterAll(() => rm(scratch, { recursive: true, force: true }));

/** One map and one chunk list that all devices of a test share: a space without delays. */
async function createSharedSpace(): Promise<
  { -readonly [Key in keyof MirrorSpace]: MirrorSpace[Key] } & {
    chunks: Map<number, Uint8Array>;
    kv: Kv;
  }
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
  pass(options?: Partial<MirrorOptions>): Promise<PassResult>;
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
  return { root, pass: (changed = {}) => runMirrorPass(deps, { ...options, ...changed }) };
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

describe("what is not known is not deleted", () => {
  /** A pair that agrees on `keep` and `dir/inner`. */
  async function agreeing(): Promise<Awaited<ReturnType<typeof pair>>> {
    const both = await pair();
    await write(both.a, "keep", "1");
    await write(both.a, "dir/inner", "2");
    await both.a.pass();
    await both.b.pass();
    return both;
  }

  test("another folder in its place, as where a disk is not mounted, deletes nothing", async () => {
    const { a, b } = await agreeing();
    await rename(a.root, `${a.root}-elsewhere`);
    await mkdir(a.root);
    const result = await a.pass();
    expect([result.removedThere, result.uploaded]).toEqual([[], []]);
    expect([...result.downloaded].sort()).toEqual(["dir/inner", "keep"]);
    expect((await b.pass()).removedHere).toEqual([]);
  });

  test("a space whose map is still being read deletes nothing here", async () => {
    const { a, space } = await agreeing();
    const values = [...space.kv.range()];
    for (const { key } of values) await space.kv.del(key);
    // The map is whole again once it says that it has caught up.
    space.caughtUp = async () => {
      await space.kv.batch(values.map(({ key, value }) => ({ key, value })));
    };
    const { removedHere, uploaded } = await a.pass();
    expect([removedHere, uploaded]).toEqual([[], []]);
    expect(await list(a)).toEqual(["dir/inner", "keep"]);
  });

  test("a file that the space says nothing of any more is kept and told", async () => {
    const { a, space } = await agreeing();
    const { range, conflicts } = space.kv;
    const isHidden = (key: string): boolean => key === keyOfPath("keep");
    space.kv.range = function* (options) {
      for (const one of range(options)) if (!isHidden(one.key)) yield one;
    };
    space.kv.conflicts = (key) => (isHidden(key) ? [] : conflicts(key));
    const result = await a.pass();
    expect([...result.failed]).toEqual([["keep", expect.stringMatching(/is kept/)]]);
    expect(result.removedHere).toEqual([]);
    expect(await list(a)).toEqual(["dir/inner", "keep"]);
  });

  test("an announcement that cannot be understood deletes nothing", async () => {
    const { a, space } = await agreeing();
    await space.kv.put(keyOfPath("keep"), "rubbish");
    expect((await a.pass()).removedHere).toEqual([]);
    expect(await list(a)).toEqual(["dir/inner", "keep"]);
  });

  test("a file or a folder that became a link stays as it was in the space", async () => {
    const { a, b } = await agreeing();
    const outside = await mkdtemp(join(scratch, "outside-"));
    await rm(join(a.root, "dir"), { recursive: true });
    await symlink(outside, join(a.root, "dir"));
    await rm(join(a.root, "keep"));
    await symlink(join(outside, "x"), join(a.root, "keep"));
    const result = await a.pass();
    expect(result.removedThere).toEqual([]);
    expect([...result.skipped.keys()].sort()).toEqual(["dir", "keep"]);
    await write(b, "dir/inner", "changed by b");
    await b.pass();
    expect([...(await a.pass()).failed]).toEqual([
      ["dir/inner", expect.stringMatching(/here it is a link/)],
    ]);
    expect(await readdir(outside)).toEqual([]);
  });

  // The superuser may read everything.
  const isSuperuser = process.getuid?.() === 0;
  test.skipIf(isSuperuser)(
    "what this user may not read is left out, the rest goes on",
    async () => {
      const { a } = await agreeing();
      await write(a, "secret", "x");
      await chmod(join(a.root, "secret"), 0o000);
      await chmod(join(a.root, "dir"), 0o000);
      await write(a, "new", "y");
      const result = await a.pass();
      await chmod(join(a.root, "dir"), 0o755);
      expect(result.removedThere).toEqual([]);
      expect(result.uploaded).toEqual(["new"]);
      expect([...result.skipped.keys()].sort()).toEqual(["dir", "secret"]);
    },
  );

  test("a file that grows over the limit later stays out and stays in the space", async () => {
    const space = await createSharedSpace();
    const device = await createDevice(space, "a", { ...defaultFolderLimits, fileBytesMax: 10 });
    await write(device, "log", "short");
    await device.pass();
    await write(device, "log", "longer than ten bytes");
    await write(device, "other", "1");
    const result = await device.pass({ oversize: "skip" });
    expect(result.skipped.get("log")).toMatch(/CLI_FILE_TOO_LARGE/);
    expect(result.uploaded).toEqual(["other"]);
    expect(space.kv.has(keyOfPath("log"))).toBe(true);
  });
});

describe("files and folders of one name", () => {
  test("a folder becomes a file and the other way round", async () => {
    const { a, b } = await pair();
    await write(a, "x/inner", "1");
    await write(a, "y", "2");
    await a.pass();
    await b.pass();
    await rm(join(a.root, "x"), { recursive: true });
    await write(a, "x", "now a file");
    await rm(join(a.root, "y"));
    await write(a, "y/inner", "now in a folder");
    await a.pass();
    await b.pass();
    expect(await list(b)).toEqual(["x", "y/inner"]);
    expect(await read(b, "x")).toBe("now a file");
  });

  test("what is in the way is kept and named", async () => {
    const { a, b } = await pair();
    await write(a, "x", "a file");
    await write(a, "y/inner", "a folder");
    await write(b, "x/mine", "a folder here");
    await write(b, "y", "a file here");
    await a.pass();
    const result = await b.pass();
    expect([...result.failed]).toEqual([
      ["x", expect.stringMatching(/folder of that name is in the way.*CLI_PATH_BLOCKED/)],
      ["y/inner", expect.stringMatching(/stands where its folder belongs.*CLI_PATH_BLOCKED/)],
    ]);
    expect(await read(b, "x/mine")).toBe("a folder here");
    expect(await read(b, "y")).toBe("a file here");
  });

  test("an empty folder makes room", async () => {
    const { a, b } = await pair();
    await write(a, "x", "a file");
    await mkdir(join(b.root, "x"));
    await a.pass();
    expect((await b.pass()).downloaded).toEqual(["x"]);
  });

  test("a rename that changes letters' case alone travels both ways", async () => {
    const { a, b } = await pair();
    await write(a, "readme", "1");
    await a.pass();
    await b.pass();
    await rename(join(a.root, "readme"), join(a.root, "README"));
    await a.pass();
    await b.pass();
    expect(await list(b)).toEqual(["README"]);
    await rename(join(b.root, "README"), join(b.root, "readme"));
    await b.pass();
    await a.pass();
    expect(await list(a)).toEqual(["readme"]);
  });
});

describe("a folder that changes during a pass", () => {
  test("a file that changes before its turn is left to the next pass", async () => {
    const { space, a } = await pair();
    await write(a, "a-large", new Uint8Array(2 * chunkBytes));
    await write(a, "b-small", "before");
    const { appendChunks } = space;
    space.appendChunks = async (chunks) => {
      await write(a, "b-small", "changed meanwhile");
      return appendChunks(chunks);
    };
    const result = await a.pass();
    expect([result.uploaded, result.waiting]).toEqual([["a-large"], ["b-small"]]);
    expect((await a.pass()).uploaded).toEqual(["b-small"]);
    expect(space.kv.size).toBe(2);
  });

  test("a large file that changes while it is read is not announced half", async () => {
    const { space, a, b } = await pair();
    await write(a, "large", new Uint8Array(20 * chunkBytes).fill(1));
    const { appendChunks } = space;
    space.appendChunks = async (chunks) => {
      await write(a, "large", new Uint8Array(20 * chunkBytes).fill(2));
      return appendChunks(chunks);
    };
    expect((await a.pass()).waiting).toEqual(["large"]);
    expect(space.kv.size).toBe(0);
    space.appendChunks = appendChunks;
    await a.pass();
    await b.pass();
    expect(new Set(await readFile(join(b.root, "large")))).toEqual(new Set([2]));
  });

  test("a file that changes while another version arrives is not overwritten", async () => {
    const { space, a, b } = await pair();
    await write(a, "x", new Uint8Array(2 * chunkBytes).fill(1));
    await a.pass();
    await b.pass();
    await write(a, "x", new Uint8Array(2 * chunkBytes).fill(2));
    await a.pass();
    const { readChunk } = space;
    space.readChunk = async (ref) => {
      await write(b, "x", "b was typing");
      return readChunk(ref);
    };
    expect((await b.pass()).waiting).toEqual(["x"]);
    expect(await read(b, "x")).toBe("b was typing");
    space.readChunk = readChunk;
    expect((await b.pass()).conflicts).toEqual(["x (conflict b)"]);
    expect(await read(b, "x (conflict b)")).toBe("b was typing");
    expect(await list(b)).toEqual(["x", "x (conflict b)"]);
  });

  test("a pass that ends early loses nothing and leaves nothing half", async () => {
    const { space, a, b } = await pair();
    for (let index = 0; index < 30; index++) await write(a, `file-${index}`, `content ${index}`);
    await write(a, "large", new Uint8Array(40 * chunkBytes).fill(3));
    const stop = new AbortController();
    const onProgress = ({ step, files }: PassProgress): void => {
      if (step === "encrypting" && files === 20) stop.abort();
    };
    await expect(a.pass({ signal: stop.signal, onProgress })).rejects.toThrow(/abort/);
    await a.pass();
    await b.pass();
    expect(await list(b)).toEqual(await list(a));
    expect((await a.pass()).uploaded).toEqual([]);
    expect(space.kv.size).toBe(31);
  });
});

describe("what a person relies on", () => {
  test("permissions stay when a new version arrives", async () => {
    const { a, b } = await pair();
    await write(a, "diary", "1");
    await a.pass();
    await b.pass();
    await chmod(join(b.root, "diary"), 0o600);
    await write(a, "diary", "2");
    await a.pass();
    await b.pass();
    expect((await stat(join(b.root, "diary"))).mode & 0o777).toBe(0o600);
    await chmod(join(a.root, "diary"), 0o755);
    await a.pass();
    await b.pass();
    expect((await stat(join(b.root, "diary"))).mode & 0o777).toBe(0o700);
  });

  test("an edit of equal length within one tick of the clock is seen", async () => {
    const { a, b } = await pair();
    await write(a, "x", "one");
    await a.pass();
    await b.pass();
    const { atime, mtime } = await stat(join(a.root, "x"));
    await write(a, "x", "two");
    await utimes(join(a.root, "x"), atime, mtime);
    await a.pass();
    await b.pass();
    expect(await read(b, "x")).toBe("two");
  });

  test("progress counts every file and every byte of a step", async () => {
    const { a, b } = await pair();
    await write(a, "x", "123");
    await write(a, "large", new Uint8Array(3 * chunkBytes));
    const last = new Map<string, PassProgress>();
    const onProgress = (progress: PassProgress): void => void last.set(progress.step, progress);
    await a.pass({ onProgress });
    await b.pass({ onProgress });
    const bytes = 3 + 3 * chunkBytes;
    const whole = { files: 2, filesTotal: 2, bytes, bytesTotal: bytes };
    for (const step of ["reading", "encrypting", "writing"]) {
      expect(last.get(step)).toEqual({ step, ...whole });
    }
  });

  test("many files travel in batches, and a second pass reads none of them", async () => {
    const { space, a, b } = await pair();
    await mkdir(join(a.root, "many"));
    const old = new Date(Date.now() - 60_000);
    for (let index = 0; index < 1_000; index++) {
      await writeFile(join(a.root, "many", String(index)), String(index));
      await utimes(join(a.root, "many", String(index)), old, old);
    }
    let batches = 0;
    const { batch } = space.kv;
    space.kv.batch = (puts) => {
      batches += 1;
      return batch(puts);
    };
    expect((await a.pass()).uploaded).toHaveLength(1_000);
    expect(batches).toBe(4);
    expect((await b.pass()).downloaded).toHaveLength(1_000);
    const steps: PassProgress[] = [];
    await a.pass({ onProgress: (progress) => void steps.push(progress) });
    expect(steps).toEqual([]);
  });

  test("a scan that loses its folder half-way is an error", async () => {
    const { a } = await pair();
    for (const name of ["x/1", "y/2", "z/3"]) await write(a, name, "1");
    const scanning = scanFolder(a.root, defaultFolderLimits);
    await rename(a.root, `${a.root}-moved`);
    await expect(scanning).rejects.toMatchObject({ code: "CLI_FOLDER_MISSING" });
  });
});
