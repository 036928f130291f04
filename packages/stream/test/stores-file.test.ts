import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openFileBytes } from "@hawser/stream/node";
import { byteStoreCases, type ByteStoreHarness } from "@hawser/stream/testing";
import { createFileBytes, type OpenFile } from "../src/stores/file.ts";

let folder = "";
let fileCount = 0;
const nextPath = (): string => join(folder, `file-${fileCount++}.iws`);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hawser-stream-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function fileHarness(): ByteStoreHarness {
  const path = nextPath();
  return {
    open: async (bytes) => {
      const store = await openFileBytes(path, { mode: "create" });
      await store.append(0, [bytes]);
      return store;
    },
    reopen: async (store) => {
      await store.close();
      return openFileBytes(path);
    },
    second: () => openFileBytes(path),
    reader: () => openFileBytes(path, { mode: "read" }),
  };
}

describe("the file store keeps the contract", () => {
  for (const { name, run, needs } of byteStoreCases) {
    const row = needs.includes("second") ? "[IW-two-writers]" : "[IW-bytestore]";
    test(`${row} file: ${name}`, () => run(fileHarness()));
  }
});

describe("opening files", () => {
  test("[IW-bytestore] each mode does what it says", async () => {
    const path = nextPath();
    const code = (value: string): unknown => expect.objectContaining({ code: value });
    await expect(openFileBytes(path)).rejects.toEqual(code("BYTES_ABSENT"));
    await expect(openFileBytes(path, { mode: "read" })).rejects.toEqual(code("BYTES_ABSENT"));
    const missing = join(folder, "no", "file");
    await expect(openFileBytes(missing, { mode: "create" })).rejects.toEqual(code("BYTES_ABSENT"));
    expect((await readdir(folder)).some((name) => path.endsWith(name))).toBe(false);
    await (await openFileBytes(path, { mode: "create" })).close();
    await writeFile(path, "abc");
    await expect(openFileBytes(path, { mode: "create" })).rejects.toEqual(code("BYTES_EXISTS"));
    expect(await readFile(path, "utf8")).toBe("abc");
    await (await openFileBytes(path, { mode: "replace" })).close();
    expect((await readFile(path)).length).toBe(0);
    await expect(openFileBytes(folder, { mode: "append" })).rejects.toEqual(code("BYTES_IO"));
  });

  test("[IW-two-writers] a replace does not touch a file somebody writes to", async () => {
    const path = nextPath();
    await using store = await openFileBytes(path, { mode: "create" });
    await store.append(0, [new Uint8Array(9)]);
    const replacing = openFileBytes(path, { mode: "replace" });
    await expect(replacing).rejects.toMatchObject({ code: "BYTES_LOCKED" });
    expect(await store.size()).toBe(9);
  });

  test("[IW-two-writers] a link to the file leads to the same lock", async () => {
    const path = nextPath();
    await using store = await openFileBytes(path, { mode: "create" });
    const link = nextPath();
    await symlink(path, link);
    await expect(openFileBytes(link)).rejects.toMatchObject({ code: "BYTES_LOCKED" });
    await store.flush();
  });

  test("[IW-bytestore] a reader takes no lock and leaves no lock file", async () => {
    const path = nextPath();
    await writeFile(path, "abc");
    await using reader = await openFileBytes(path, { mode: "read" });
    await using writer = await openFileBytes(path);
    await writer.append(3, [new Uint8Array(2)]);
    expect(await reader.size()).toBe(5);
    const other = nextPath();
    await writeFile(other, "abc");
    await (await openFileBytes(other, { mode: "read" })).close();
    expect(await readdir(folder)).not.toContain(`${basename(other)}.lock`);
  });

  test("[IW-two-writers] who writes without the lock is noticed by size", async () => {
    const path = nextPath();
    await using store = await openFileBytes(path, { mode: "create" });
    await store.append(0, [new Uint8Array(5)]);
    await writeFile(path, "longer than five");
    const appending = store.append(5, [new Uint8Array(1)]);
    await expect(appending).rejects.toMatchObject({ code: "BYTES_MOVED" });
  });
});

describe("other processes", () => {
  const program = fileURLToPath(new URL("stores-file-child.ts", import.meta.url));
  const start = (path: string): ChildProcess =>
    spawn(process.execPath, ["--conditions=hawser-source", program, path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
  const firstLine = async (child: ChildProcess): Promise<string> => {
    const { stdout } = child;
    if (stdout === null) throw new Error("the child has no output");
    const [chunk]: unknown[] = await once(stdout, "data");
    return String(chunk).trim();
  };

  test("[IW-two-writers] a file another process writes to is locked, and free once it is killed", async () => {
    const path = nextPath();
    const child = start(path);
    expect(await firstLine(child)).toBe("open 10");
    await expect(openFileBytes(path)).rejects.toMatchObject({ code: "BYTES_LOCKED" });
    const rival = start(path);
    expect(await firstLine(rival)).toBe("BYTES_LOCKED");
    await using reader = await openFileBytes(path, { mode: "read" });
    expect(await reader.size()).toBe(10);
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    expect((await ended)[1]).toBe("SIGKILL");
    await using store = await openFileBytes(path);
    expect(await store.append(10, [new Uint8Array(1)])).toBe(11);
    const late = start(path);
    expect(await firstLine(late)).toBe("BYTES_LOCKED");
  });
});

/** A file in memory that counts and fails. */
function doubleFile(): { file: OpenFile; calls: string[]; fail: Record<string, string> } {
  const calls: string[] = [];
  const fail: Record<string, string> = {};
  let bytes = new Uint8Array(0);
  const enter = (name: string): void => {
    calls.push(name);
    const code = fail[name];
    if (code !== undefined) throw Object.assign(new Error(`${name}: ${code}`), { code });
  };
  const file = {
    stat: async () => ({ size: bytes.length }),
    write: async (part: Uint8Array, offset: number, length: number, at: number) => {
      enter("write");
      // Takes at most a million bytes at once, as a kernel may.
      const taken = part.subarray(offset, offset + Math.min(length, 1_000_000));
      const grown = new Uint8Array(Math.max(bytes.length, at + taken.length));
      grown.set(bytes);
      grown.set(taken, at);
      bytes = grown;
      return { bytesWritten: taken.length, buffer: part };
    },
    read: async (into: Uint8Array, offset: number, length: number, at: number) => {
      enter("read");
      const part = bytes.subarray(at, at + Math.min(length, 3));
      into.set(part, offset);
      return { bytesRead: part.length, buffer: into };
    },
    truncate: async (size: number) => {
      enter("truncate");
      bytes = bytes.slice(0, size);
    },
    datasync: async () => enter("datasync"),
    close: async () => enter("close"),
  };
  // Safe: these are the six methods the store calls, in the forms it calls them in.
  return { file: file as unknown as OpenFile, calls, fail };
}

describe("what a file system may do", () => {
  test("[IW-bytestore] small parts are one write; the name is synced once", async () => {
    const { file, calls } = doubleFile();
    let synced = 0;
    const syncName = async (): Promise<void> => void synced++;
    await using store = createFileBytes(file, { isReadOnly: false, syncName });
    const parts = Array.from({ length: 100 }, () => new Uint8Array(50));
    expect(await store.append(0, parts)).toBe(5000);
    expect(calls).toEqual(["write"]);
    await store.flush();
    await store.flush();
    expect([calls.slice(1), synced]).toEqual([["datasync", "datasync"], 1]);
  });

  test("[IW-bytestore] partial writes and reads are gone on with", async () => {
    const { file } = doubleFile();
    await using store = createFileBytes(file, { isReadOnly: false });
    const bytes = Uint8Array.from({ length: 1_100_000 }, (_, index) => index % 251);
    expect(await store.append(0, [bytes])).toBe(bytes.length);
    expect(await store.read(999_995, 10)).toEqual(bytes.slice(999_995, 1_000_005));
  });

  for (const code of ["ENOSPC", "EDQUOT", "EFBIG"]) {
    test(`[IW-bytestore] ${code} is BYTES_FULL, and the store goes on after a cut`, async () => {
      const { file, fail } = doubleFile();
      await using store = createFileBytes(file, { isReadOnly: false });
      await store.append(0, [new Uint8Array(4)]);
      fail["write"] = code;
      const appending = store.append(4, [new Uint8Array(4)]);
      await expect(appending).rejects.toMatchObject({ code: "BYTES_FULL" });
      delete fail["write"];
      await store.truncate(4);
      expect(await store.append(4, [new Uint8Array(1)])).toBe(5);
    });
  }

  test("[IW-bytestore] after a failed flush nothing is promised any more", async () => {
    const { file, fail } = doubleFile();
    await using store = createFileBytes(file, { isReadOnly: false });
    await store.append(0, [new Uint8Array(4)]);
    fail["datasync"] = "EIO";
    await expect(store.flush()).rejects.toMatchObject({ code: "BYTES_IO" });
    delete fail["datasync"];
    await expect(store.flush()).rejects.toMatchObject({ code: "BYTES_IO" });
    await expect(store.append(4, [])).rejects.toMatchObject({ code: "BYTES_IO" });
    expect((await store.read(0, 4)).length).toBe(4);
  });

  test("[IW-bytestore] a read that fails says so, with the cause", async () => {
    const { file, fail } = doubleFile();
    await using store = createFileBytes(file, { isReadOnly: false });
    await store.append(0, [new Uint8Array(4)]);
    fail["read"] = "EIO";
    const cause: unknown = expect.objectContaining({ code: "EIO" });
    await expect(store.read(0, 4)).rejects.toMatchObject({ code: "BYTES_IO", cause });
  });
});
