/** Dumping streams whose names were chosen by somebody who means harm. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createStream } from "@hawser/stream";
import { openFileBytes } from "@hawser/stream/node";
import { numberedName, safeFileName } from "../src/stream/names.ts";
import { benchWith, crypto, eventOf, noise, type StreamBench } from "./support/streams.ts";

/** A stream `hostile` with a block for each name; the content says which it is. */
async function hostileStream(bench: StreamBench, names: readonly unknown[]): Promise<string> {
  const path = bench.path("hostile");
  let now = 1_700_000_000_000_000;
  const deps = {
    crypto,
    clock: { nowMicros: () => (now += 1_000) },
    random: (count: number) => noise(count, String(now++)),
  };
  await using store = await openFileBytes(path, { mode: "create" });
  const secret = crypto.deriveKey("hawser test author", new Uint8Array(0));
  await using stream = await createStream(deps, store, { secret });
  for (const [index, name] of names.entries()) {
    // Safe: any of these is metadata.
    await stream.append({ name } as { name: string }, Buffer.from(`block ${index + 1}`));
  }
  return path;
}

/** Everything below a folder, with what it holds or points to. */
function snapshot(folder: string): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isSymbolicLink()) found[path] = `→ ${readlinkSync(path)}`;
    else if (entry.isFile()) found[path] = readFileSync(path, "latin1");
    else found[path] = "folder";
  }
  return found;
}

const hostileNames = [
  ["../escape", "escape"],
  ["../../../../etc/passwd", "passwd"],
  ["/etc/passwd", "passwd"],
  ["..\\..\\windows.ini", "windows.ini"],
  ["C:\\autoexec.bat", "autoexec.bat"],
  ["C:", "C_"],
  ["a.txt:stream", "a.txt_stream"],
  ["..", "block-00001"],
  [".", "block-00001"],
  ["", "block-00001"],
  ["   ", "block-00001"],
  ["dir/", "block-00001"],
  ["....", "block-00001"],
  [".bashrc", "bashrc"],
  ["..hidden", "hidden"],
  ["CON", "_CON"],
  ["nul.txt", "_nul.txt"],
  ["com1.log", "_com1.log"],
  ["LPT9", "_LPT9"],
  ["aux.", "_aux"],
  ["trailing. ", "trailing"],
  ["new\nline", "new_line"],
  ["bell\u0007", "bell_"],
  ["nul\u0000byte", "nul_byte"],
  ["cod\u202etxt.exe", "cod_txt.exe"],
  ["zero\u200bwidth", "zero_width"],
  ["\ud800lone", "\ufffdlone"],
  ["<script>", "_script_"],
  ['a|b?c*d"e', "a_b_c_d_e"],
  ["-rf", "-rf"],
  ["ä".normalize("NFD"), "ä".normalize("NFC")],
  ["日本語.txt", "日本語.txt"],
] as const;

describe("[IW-dump-safe] names", () => {
  test.each(hostileNames)("%j becomes %j", (name, expected) => {
    expect(safeFileName(name, "block-00001")).toBe(expected);
  });

  test("any text becomes one part of a path that every system can have", () => {
    const anything = fc.oneof(
      fc.string({ unit: "binary", maxLength: 400 }),
      fc.string({
        unit: fc.constantFrom("/", "\\", ".", " ", ":", "\u0000", "a", "𝄞"),
        maxLength: 400,
      }),
    );
    fc.assert(
      fc.property(anything, (text) => {
        const name = safeFileName(text, "block-00001");
        expect(name).not.toMatch(/^[. ]|[. ]$|[/\\:*?"<>|]/);
        // oxlint-disable-next-line no-control-regex -- that there are none is the point
        expect(name).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
        expect(name.length).toBeGreaterThan(0);
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(201);
        expect(join("/base", name).startsWith("/base/")).toBe(true);
        expect(safeFileName(name, "block-00001")).toBe(name);
      }),
      { numRuns: 500, seed: 3 },
    );
  });

  test("a long name is cut before its ending, and a number stands there as well", () => {
    const name = safeFileName(`${"ü".repeat(300)}.jpeg`, "x");
    expect(name).toBe(`${"ü".repeat(97)}.jpeg`);
    expect(numberedName("photo.jpeg", 1)).toBe("photo.jpeg");
    expect(numberedName("photo.jpeg", 2)).toBe("photo (2).jpeg");
    expect(numberedName("archive", 3)).toBe("archive (3)");
    expect(numberedName(".x", 2)).toBe(".x (2)");
    expect(numberedName(`a.${"b".repeat(30)}`, 2)).toBe(`a.${"b".repeat(30)} (2)`);
  });
});

describe("[IW-dump-safe] dump", () => {
  test("writes each block of a hostile stream, and nothing outside its folder", async () => {
    using bench = await benchWith();
    const names = hostileNames.map(([name]) => name.toWellFormed());
    const stream = await hostileStream(bench, names);
    const target = join(bench.folder, "deep", "target");
    mkdirSync(target, { recursive: true });
    const before = snapshot(bench.folder);
    await bench.done(["dump", stream, target]);
    const after = snapshot(bench.folder);
    const added = Object.keys(after).filter((path) => !(path in before));
    expect(added.every((path) => path.startsWith(`${target}/`))).toBe(true);
    expect(added.every((path) => !path.slice(target.length + 1).includes("/"))).toBe(true);
    const contents = added.map((path) => after[path] ?? "").toSorted();
    expect(contents).toEqual(names.map((_, index) => `block ${index + 1}`).toSorted());
    for (const [path, content] of Object.entries(before)) expect(after[path]).toBe(content);
  });

  test("names that are no text, and none, give numbered blocks", async () => {
    using bench = await benchWith();
    const stream = await hostileStream(bench, [7, null, ["a"], new Uint8Array(3), { a: 1 }]);
    await bench.done(["dump", stream, bench.path("out")]);
    const expected = [1, 2, 3, 4, 5].map((seq) => `block-0000${seq}`);
    expect(readdirSync(bench.path("out")).toSorted()).toEqual(expected);
  });

  test("never overwrites: what is there stays, equal names are numbered", async () => {
    using bench = await benchWith();
    const stream = await hostileStream(bench, ["a.txt", "a.txt", "sub/a.txt", "a (2).txt"]);
    const out = bench.path("out");
    mkdirSync(out);
    bench.file("out/a.txt", "mine");
    mkdirSync(join(out, "a (3).txt"));
    await bench.done(["dump", stream, out]);
    const read = (name: string): string => readFileSync(join(out, name), "utf8");
    expect(read("a.txt")).toBe("mine");
    expect(["a (2).txt", "a (4).txt", "a (5).txt", "a (2) (2).txt"].map(read)).toEqual([
      "block 1",
      "block 2",
      "block 3",
      "block 4",
    ]);
  });

  test.skipIf(process.platform === "win32")("follows no link in its folder", async () => {
    using bench = await benchWith();
    const stream = await hostileStream(bench, ["there", "dangling", "folder"]);
    const out = bench.path("out");
    mkdirSync(out);
    mkdirSync(bench.path("elsewhere"));
    const victim = bench.file("victim", "precious");
    symlinkSync(victim, join(out, "there"));
    symlinkSync(bench.path("made"), join(out, "dangling"));
    symlinkSync(bench.path("elsewhere"), join(out, "folder"));
    await bench.done(["dump", stream, out]);
    expect(readFileSync(victim, "utf8")).toBe("precious");
    expect(existsSync(bench.path("made"))).toBe(false);
    expect(readdirSync(bench.path("elsewhere"))).toEqual([]);
    for (const name of ["there", "dangling", "folder"]) {
      expect(lstatSync(join(out, name)).isSymbolicLink()).toBe(true);
      expect(lstatSync(join(out, `${name} (2)`)).isFile()).toBe(true);
    }
  });

  test("a damaged block leaves no half of a file, and those before it stay", async () => {
    using bench = await benchWith("one", noise(300_000), "three");
    const log = bench.path("log");
    const bytes = bench.read("log");
    bytes[200_000] = (bytes[200_000] ?? 0) ^ 1;
    bench.file("log", bytes);
    const out = bench.path("out");
    const ran = await bench.run(["dump", log, out]);
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining("entry 2")]);
    expect(readdirSync(out)).toEqual(["file1"]);
  });

  test("Ctrl-C leaves no half of a file", async () => {
    using bench = await benchWith("one", noise(300_000));
    const stop = new AbortController();
    const io = {
      stdout: { write: (text: string) => text.includes("file1") && stop.abort() },
    };
    const out = bench.path("out");
    const ran = await bench.run(["dump", bench.path("log"), out], { signal: stop.signal, io });
    expect([ran.code, readdirSync(out)]).toEqual([130, ["file1"]]);
  });

  test("blocks that no key opens are left out, told, and make it fail", async () => {
    using bench = await benchWith();
    const [log, out] = [bench.path("log"), bench.path("out")];
    await bench.done(["create", log, "--to", bench.path("ada")]);
    await bench.done(["append", log, bench.file("sealed.txt", "sealed")]);
    await bench.done(["append", log, bench.file("plain.txt", "plain"), "--plain"]);
    const ran = await bench.run(["--json", "dump", log, out, "--key", bench.path("ben")]);
    expect(ran.code).toBe(1);
    expect(eventOf(ran, "error")["code"]).toBe("CLI_DUMP_INCOMPLETE");
    expect(eventOf(ran, "done")).toMatchObject({ files: 1, sealed: [1] });
    expect(readdirSync(out)).toEqual(["plain.txt"]);
    await bench.done(["dump", log, out, "--to", "2"]);
    expect(readdirSync(out).toSorted()).toEqual(["plain.txt", "sealed.txt"]);
  });

  test("a file where the folder should be is left alone", async () => {
    using bench = await benchWith("one");
    const ran = await bench.run(["dump", bench.path("log"), bench.path("file1")]);
    expect([ran.code, bench.read("file1").toString()]).toEqual([1, "one"]);
    expect(ran.stderr).not.toContain("CLI_UNEXPECTED");
  });
});

describe("[IW-cli] metadata of somebody who means harm", () => {
  test("forge no line of what info prints, and steer no terminal", async () => {
    using bench = await benchWith();
    const path = bench.path("hostile");
    const evil = "x\nauthor  forged\r\n\u001b[2Jid  forged\u2028height  forged";
    {
      const deps = {
        crypto,
        clock: { nowMicros: () => 1 },
        random: (count: number) => noise(count),
      };
      await using store = await openFileBytes(path, { mode: "create" });
      const secret = crypto.deriveKey("hawser test author", new Uint8Array(0));
      const metadata = { [evil]: evil, nested: { [evil]: [evil] } };
      await using stream = await createStream(deps, store, {
        secret,
        metadata,
        software: evil.slice(0, 60),
      });
      await stream.append({ name: evil, [evil]: evil }, Buffer.from(evil));
    }
    const { text } = await bench.done(["info", path]);
    const lines = text.split(/[\n\r\u2028\u2029]/);
    const forged = lines.filter((line) => /^\W*(author|id|height) {2}.*forged/.test(line));
    expect(forged).toEqual([]);
    expect(lines.filter((line) => /^(author|id) /.test(line))).toHaveLength(2);
    // oxlint-disable-next-line no-control-regex -- that there are none is the point
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    const json = eventOf(await bench.done(["--json", "info", path]), "info");
    expect(json["metadata"]).toMatchObject({ [evil]: evil });
  });
});
