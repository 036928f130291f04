/** Full disks, failing syncs, locks, permissions, folders of others. */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { crc32 } from "node:zlib";
import { toHex } from "@hawser/codec";
import { createLogWriter } from "@hawser/log";
import { extendLog, testClock, testDrafts, testLog } from "@hawser/log/testing";
import { createFileStore, formatVersion } from "@hawser/store-file";
import { afterAll, describe, expect, test } from "vitest";
import { createMemoryDisk } from "./memory-files.ts";
import { codeOf, crypto, dump, openOn } from "./support.ts";

const scratch = await mkdtemp(join(tmpdir(), "hawser-file-"));
afterAll(() => rm(scratch, { recursive: true, force: true }));
let count = 0;
const freshPath = (): string => join(scratch, String(count++));
const put = (key: string, byteCount: number) => ({
  writes: [{ key, value: new Uint8Array(byteCount).fill(7) }],
});

describe("a full disk", () => {
  test("[ATK-bimootb1555] is an error the caller sees, at every byte, and the store goes on", async () => {
    for (let room = 0; room < 700; room += 3) {
      const disk = createMemoryDisk();
      const store = await openOn(disk);
      await store.commit(put("kept", 10));
      const before = await dump(store);
      disk.room = room;
      const code = await codeOf(store.commit(put("big", 650)));
      expect(code).toBe(room < 684 ? "STORE_WRITE_FAILED" : "nothing");
      if (code === "nothing") continue;
      expect(await dump(store)).toBe(before);
      // What a crash now leaves opens, without the commit.
      const crashed = await openOn(disk.copy());
      expect(await dump(crashed)).toBe(before);
      disk.room = Number.POSITIVE_INFINITY;
      await store.commit(put("small", 20));
      expect(await store.get("small")).toHaveLength(20);
      await store.close();
      const again = await openOn(disk);
      expect(again.recovery.cut).toBeUndefined();
      expect((await again.list("")).map(({ key }) => key)).toEqual(["kept", "small"]);
      await again.close();
    }
  });

  test("while a segment is sealed, made or rewritten leaves a store that goes on", async () => {
    for (let room = 0; room < 20_000; room += 97) {
      const disk = createMemoryDisk();
      const store = await openOn(disk, { segmentBytes: 4_096 });
      disk.room = room;
      let stored = 0;
      for (let index = 0; index < 20; index++) {
        const code = await codeOf(store.commit(put(`k${index % 3}`, 600 + index)));
        if (code === "nothing") stored = index + 1;
        else expect(code).toBe("STORE_WRITE_FAILED");
      }
      await store.settled();
      disk.room = Number.POSITIVE_INFINITY;
      await store.commit(put("last", 5));
      const whole = await dump(store);
      if (stored > 0) expect(await store.get(`k${(stored - 1) % 3}`)).toHaveLength(599 + stored);
      await store.close();
      const again = await openOn(disk, { segmentBytes: 4_096 });
      expect(await dump(again)).toBe(whole);
      await again.close();
    }
  });
});

test("a value of 20 MiB is stored like any other, and found after reopening", async () => {
  const path = freshPath();
  let store = await createFileStore({ crypto }, { path, durability: "normal" });
  const value = new Uint8Array(20 * 2 ** 20).map((_, index) => index * 7);
  await store.commit({ writes: [{ key: "large", value }, ...put("small", 3).writes] });
  await store.close();
  store = await createFileStore({ crypto }, { path });
  expect(Buffer.compare((await store.get("large")) ?? new Uint8Array(), value)).toBe(0);
  expect(await store.get("small")).toHaveLength(3);
  await store.close();
});

test("a disk that cannot be read is an error that names the file, and passes", async () => {
  const disk = createMemoryDisk();
  const store = await openOn(disk);
  await store.commit(put("a", 500));
  disk.isUnreadable = true;
  await expect(store.get("a")).rejects.toThrow("00000001-00000000.segment cannot be read");
  expect(await codeOf(store.list(""))).toBe("STORE_UNREADABLE");
  disk.isUnreadable = false;
  expect(await store.get("a")).toHaveLength(500);
  await store.close();
  disk.isUnreadable = true;
  expect(await codeOf(openOn(disk))).toBe("STORE_UNREADABLE");
});

describe("a sync that fails", () => {
  test("takes back its commits, and the store goes on when the next sync works", async () => {
    const disk = createMemoryDisk();
    const store = await openOn(disk);
    await store.commit(put("kept", 10));
    disk.failingSyncs = 1;
    const both = [store.commit(put("a", 10)), store.commit(put("b", 10))];
    expect(await Promise.all(both.map(codeOf))).toEqual([
      "STORE_WRITE_FAILED",
      "STORE_WRITE_FAILED",
    ]);
    await store.commit(put("c", 10));
    await store.close();
    const again = await openOn(disk);
    expect((await again.list("")).map(({ key }) => key)).toEqual(["c", "kept"]);
    await again.close();
  });

  test("and fails again ends writing until the store is opened anew", async () => {
    const disk = createMemoryDisk();
    const store = await openOn(disk);
    await store.commit(put("kept", 10));
    disk.failingSyncs = 2;
    expect(await codeOf(store.commit(put("a", 10)))).toBe("STORE_WRITE_FAILED");
    expect(await codeOf(store.commit(put("b", 10)))).toBe("STORE_WRITE_FAILED");
    expect(await store.get("kept")).toHaveLength(10);
    expect(await codeOf(store.close())).toBe("STORE_WRITE_FAILED");
    const again = await openOn(disk);
    expect((await again.list("")).map(({ key }) => key)).toEqual(["kept"]);
    await again.commit(put("c", 10));
    await again.close();
  });
});

describe("one store at a time", () => {
  test("a second one in the same process is refused, and the first goes on", async () => {
    const path = freshPath();
    const store = await createFileStore({ crypto }, { path });
    expect(await codeOf(createFileStore({ crypto }, { path }))).toBe("STORE_BUSY");
    expect(await codeOf(createFileStore({ crypto }, { path }))).toBe("STORE_BUSY");
    await store.commit(put("a", 1));
    await store.close();
    await (await createFileStore({ crypto }, { path })).close();
  });

  test("a second process is refused, until the first is killed", async () => {
    const path = freshPath();
    const program = fileURLToPath(new URL("./crash-writer.ts", import.meta.url));
    const flags = ["--conditions=hawser-source", "--disable-warning=ExperimentalWarning"];
    const child = spawn(process.execPath, [...flags, program, path, "1"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise((settle) => child.once("close", settle));
    await new Promise((settle) => child.stdout.once("data", settle));
    expect(await codeOf(createFileStore({ crypto }, { path }))).toBe("STORE_BUSY");
    child.kill("SIGKILL");
    await ended;
    const store = await createFileStore({ crypto }, { path });
    expect((await store.stats()).entries).toBeGreaterThan(0);
    await store.close();
  });
});

describe("the folder", () => {
  test("and its files are for their owner alone", async () => {
    const path = join(freshPath(), "deep", "store");
    const store = await createFileStore({ crypto }, { path });
    await store.commit(put("key", 32));
    await store.close();
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    const names = await readdir(path);
    expect(names.sort()).toEqual(["00000001-00000000.index", "00000001-00000000.segment", "lock"]);
    for (const name of names) expect((await stat(join(path, name))).mode & 0o777).toBe(0o600);
  });

  test("of somebody else is refused and left as it is", async () => {
    const path = freshPath();
    await mkdir(path);
    await writeFile(join(path, "letter.txt"), "dear");
    expect(await codeOf(createFileStore({ crypto }, { path }))).toBe("STORE_FOREIGN_FOLDER");
    expect(await readdir(path)).toEqual(["letter.txt"]);
  });

  test("that is a file is refused", async () => {
    const path = freshPath();
    await writeFile(path, "notes");
    expect(await codeOf(createFileStore({ crypto }, { path }))).toBe("STORE_UNREADABLE");
    expect(await readFile(path, "utf8")).toBe("notes");
  });

  test("of a newer format is refused and left as it is", async () => {
    const disk = createMemoryDisk();
    const store = await openOn(disk);
    await store.commit(put("a", 1));
    await store.close();
    const [segment = ""] = disk.names().filter((name) => name.endsWith(".segment"));
    const bytes = disk.bytes(segment).slice();
    const view = new DataView(bytes.buffer);
    view.setUint16(8, formatVersion + 1);
    view.setUint32(22, crc32(bytes.subarray(0, 22)));
    disk.put(segment, bytes);
    disk.put("00000001-00000001.new", new Uint8Array(3));
    expect(await codeOf(openOn(disk))).toBe("STORE_NEWER_FORMAT");
    expect(disk.names()).toContain("00000001-00000001.new");
    expect(disk.bytes(segment)).toEqual(bytes);
  });
});

describe("a large write that is given up", () => {
  test("[ATK-bimootb1555] an entry over the limit is told from a full disk by its code", async () => {
    const store = await openOn(createMemoryDisk());
    const { context, secret, start } = testLog(3);
    const deps = { store, crypto, clock: testClock() };
    await using writer = await createLogWriter(deps, { context, secret });
    await writer.append(testDrafts(1));
    const large = writer.append([{ data: new Uint8Array(2 ** 17) }]);
    await expect(large).rejects.toMatchObject({ code: "LOG_DATA_TOO_LARGE" });
    await writer.append(testDrafts(1));
    expect((await store.head(start.logId))?.height).toBe(2);
  });
});

describe("pruning", () => {
  test.each([1, 7, 8, 13, 20])(
    "[P2-M21] cut at %i and reopened, a log keeps its height and goes on with the same bytes",
    async (cut) => {
      const found: (readonly string[])[] = [];
      for (const isPruned of [false, true]) {
        const disk = createMemoryDisk();
        const { context, secret, start } = testLog(3);
        const fill = async (appends: number, time: number): Promise<void> => {
          await using store = await openOn(disk, { segmentBytes: 4_096 });
          const deps = { store, crypto, clock: testClock(time) };
          await using writer = await createLogWriter(deps, { context, secret });
          for (let index = 0; index < appends; index++) await writer.append(testDrafts(1, index));
          if (isPruned) expect(await store.prune(start.logId, cut)).toBe(cut);
        };
        await fill(20, 1_700_000_000_000_000);
        await fill(12, 1_800_000_000_000_000);
        await using store = await openOn(disk);
        const head = await store.head(start.logId);
        expect([head?.height, head?.prunedTo]).toEqual([32, isPruned ? cut : 0]);
        const bytes: string[] = [];
        for await (const range of store.ranges(start.logId, { from: 20 }))
          bytes.push(toHex(range.bytes));
        found.push(bytes);
      }
      expect(found[1]).toEqual(found[0]);
      expect(found[0]).toHaveLength(12);
    },
  );
});

test("the example of the chapter, byte for byte", async () => {
  const disk = createMemoryDisk();
  const store = await openOn(disk);
  const log = testLog(1);
  const drafts = [{ data: new TextEncoder().encode("hi") }];
  const range = extendLog(log, log.start, drafts, { stamp: 1_700_000_000_000_000 });
  await store.commit({ ranges: [range], writes: [{ key: "a", value: new Uint8Array([1, 2]) }] });
  await store.commit({ writes: [{ key: "a", value: undefined }] });
  await store.close();
  const chapter = new URL("../../../docs/spec/store-file.md", import.meta.url);
  const text = await readFile(chapter, "utf8");
  for (const [name, title] of [
    ["00000001-00000000.segment", "### 5.2 Example"],
    ["00000001-00000000.index", "The index of the example is"],
  ] as const) {
    const block = text.slice(text.indexOf(title)).split("```")[1] ?? "";
    expect(block.length).toBeGreaterThan(100);
    // "…" stands for bytes left out; prose has two blanks before it.
    const shown = block
      .split("\n")
      .map((line) => line.trim().split(/ {2,}/)[0] ?? "")
      .join("")
      .replaceAll(/[\s|]/g, "")
      .split("…");
    let rest = toHex(disk.bytes(name));
    for (const [index, part] of shown.entries()) {
      const at = rest.indexOf(part);
      expect(index === 0 ? at : Math.min(at, 0), `${name}: ${part}`).toBe(0);
      rest = rest.slice(at + part.length);
    }
    expect(rest).toBe("");
  }
});
