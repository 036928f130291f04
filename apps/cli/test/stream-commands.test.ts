/** The stream commands in this process: what they do, print, and answer to nonsense. */
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  benchWith,
  createStreamBench,
  eventOf,
  noise,
  type StreamBench,
} from "./support/streams.ts";

const idPattern = /^[0-9a-f]{64}$/;
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** Id of the stream `log` of a bench. */
async function idOf(bench: StreamBench, name = "log"): Promise<string> {
  return String(eventOf(await bench.done(["--json", "info", bench.path(name)]), "info")["id"]);
}

/** Changes one bit of a file. */
function flip(path: string, offset: number): void {
  const bytes = readFileSync(path);
  bytes[offset] = (bytes[offset] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

/** Changes one bit of the last entry of the stream `log`. */
async function damageLast(bench: StreamBench): Promise<void> {
  const info = eventOf(await bench.done(["--json", "info", bench.path("log")]), "info");
  // Safe: what `info` prints for programs.
  const blocks = info["blocks"] as readonly { readonly offset: number }[];
  flip(bench.path("log"), (blocks.at(-1)?.offset ?? 0) + 250);
}

describe("[IW-cli] keys", () => {
  test("are for their owner alone, say who they are, and are not overwritten", async () => {
    using bench = createStreamBench();
    const [secret, publicFile] = [bench.path("ada.key"), bench.path("ada.pub")];
    const made = await bench.done(["--json", "keys", bench.path("ada"), "--no-password"]);
    const { author, reader } = eventOf(made, "keys");
    expect([author, reader]).toEqual([
      expect.stringMatching(idPattern),
      expect.stringMatching(idPattern),
    ]);
    expect(readFileSync(publicFile, "utf8")).toBe(
      `author ${String(author)}\nreader ${String(reader)}\n`,
    );
    if (process.platform !== "win32") expect(statSync(secret).mode & 0o777).toBe(0o600);
    const before = readFileSync(secret, "utf8");
    const again = await bench.run(["keys", secret, "--no-password"]);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("[CLI_KEY_EXISTS]")]);
    expect(readFileSync(secret, "utf8")).toBe(before);
    await bench.done(["keys", secret, "--no-password", "--force"]);
    expect(readFileSync(secret, "utf8")).not.toBe(before);
    if (process.platform !== "win32") expect(statSync(secret).mode & 0o777).toBe(0o600);
  });

  test("a public file alone keeps a new key from taking its name", async () => {
    using bench = createStreamBench();
    bench.file("ada.pub", "mine");
    const { code } = await bench.run(["keys", bench.path("ada"), "--no-password"]);
    expect([code, existsSync(bench.path("ada.key"))]).toEqual([1, false]);
  });

  test("a password is needed to make one and to use it, and is never printed", async () => {
    using bench = createStreamBench();
    const without = await bench.run(["keys", bench.path("ada")]);
    expect([without.code, without.stderr]).toEqual([1, expect.stringContaining("a password is")]);
    const empty = await bench.run(["keys", bench.path("ada")], { env: { HAWSER_PASSWORD: "" } });
    expect(empty.code).toBe(1);
    const password = "correct horse";
    const env = { HAWSER_PASSWORD: password };
    const made = await bench.done(["keys", bench.path("ada")], { env });
    const log = bench.path("log");
    const wrong = await bench.run(["create", log, "--password", "wrong horse"]);
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining("[CLI_KEY_PASSWORD]")]);
    expect(existsSync(log)).toBe(false);
    await bench.done(["create", log], { env });
    const all = made.text + wrong.text + wrong.stderr + readFileSync(bench.path("ada.key"), "utf8");
    expect(all).not.toMatch(/correct horse|wrong horse/);
  });

  test.each([
    ["a stranger's text", "not a key"],
    ["nothing", ""],
    [
      "a key that asks for terabytes",
      `$argon2d$v=19$m=4000000000,t=9,p=1$${"A".repeat(43)}$${"A".repeat(43)}`,
    ],
  ])("%s is no key", async (_, content) => {
    using bench = createStreamBench();
    bench.file("ada.key", content);
    const { code, stderr } = await bench.run(["create", bench.path("log")]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("[CLI_KEY_FORMAT]")]);
  });
});

describe("[IW-cli] create, append, read", () => {
  test("files become blocks with their names, and come back", async () => {
    const large = noise(200_000);
    using bench = await benchWith("hello\n", large);
    const log = bench.path("log");
    const info = eventOf(await bench.done(["--json", "info", log]), "info");
    expect(info).toMatchObject({ height: 3, suite: 1, ended: false, metadata: { title: "A log" } });
    expect(info["blocks"]).toMatchObject([
      { seq: 1, byteCount: 6, encrypted: false, metadata: { name: "file1" } },
      { seq: 2, byteCount: 200_000, metadata: { name: "file2" } },
    ]);
    expect((await bench.done(["cat", log, "1"])).bytes.toString()).toBe("hello\n");
    expect((await bench.done(["cat", log, "2"])).bytes.equals(large)).toBe(true);
    const shown = (await bench.done(["info", log])).text;
    expect(shown).toContain("height     3 entries, ");
    expect(shown).toMatch(/^ {2}2 {2}200,000 {2}2023-11-14T22:13:20Z {4}file2$/m);
    expect((await bench.done(["verify", log])).text).toBe(
      `Verified all 3 entries of ${String(info["id"])}.\n`,
    );
  });

  test("stdin, names, metadata and directives; nothing may follow the end", async () => {
    using bench = await benchWith("x");
    const log = bench.path("log");
    const input = { stdin: text("from a pipe") };
    await bench.done(["append", log, "-", "--name", "in.txt", "--meta", "lang=en"], input);
    await bench.done(["append", log, "--meta", "note=no content"]);
    const address = `iw://${"ab".repeat(32)}`;
    await bench.done(["append", log, "--directive", "end", "--target", address]);
    const late = await bench.run(["append", log, "-"], input);
    expect([late.code, late.stderr]).toEqual([1, expect.stringContaining("[STREAM_ENDED]")]);
    const info = eventOf(await bench.done(["--json", "info", log]), "info");
    expect(info).toMatchObject({ height: 5, ended: true });
    expect(info["blocks"]).toMatchObject([
      {},
      { byteCount: 11, metadata: { name: "in.txt", lang: "en" } },
      { byteCount: 0, metadata: { note: "no content" } },
      { byteCount: 0, directive: { type: "end", targets: [address] } },
    ]);
  });

  test("a stream is never made over a file, nor appended to with another's key", async () => {
    using bench = await benchWith("x");
    const file = bench.file("precious", "precious");
    const over = await bench.run(["create", file]);
    expect([over.code, over.stderr]).toEqual([1, expect.stringContaining("[BYTES_EXISTS]")]);
    const before = bench.read("log");
    const other = await bench.run(["append", bench.path("log"), file, "--key", bench.path("ben")]);
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining("[STREAM_NOT_OWNER]")]);
    expect(bench.read("precious").toString()).toBe("precious");
    expect(bench.read("log").equals(before)).toBe(true);
  });

  test("one missing file among several: nothing is appended", async () => {
    using bench = await benchWith("x");
    const log = bench.path("log");
    const ran = await bench.run(["append", log, bench.path("file1"), bench.path("absent")]);
    expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining("[ENOENT]")]);
    expect(eventOf(await bench.done(["--json", "verify", log]), "verified")["height"]).toBe(2);
  });

  test("Ctrl-C in the middle of a long append leaves the stream as it was", async () => {
    using bench = await benchWith("x");
    const log = bench.path("log");
    const before = bench.read("log");
    const stop = new AbortController();
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      for (let count = 0; ; count++) {
        if (count === 40) stop.abort();
        yield noise(65_536, String(count));
      }
    };
    const ran = await bench.run(["append", log, "-"], { stdin: endless(), signal: stop.signal });
    expect([ran.code, ran.stderr]).toEqual([130, ""]);
    expect(bench.read("log").equals(before)).toBe(true);
    await bench.done(["append", log, bench.path("file1")]);
  });

  test("a reader of stdout that goes away ends it quietly", async () => {
    using bench = await benchWith(noise(300_000));
    const gone = Object.assign(new Error("gone"), { code: "EPIPE" });
    const io = { writeBytes: () => Promise.reject(gone) };
    const ran = await bench.run(["cat", bench.path("log"), "1"], { io });
    expect([ran.code, ran.stderr]).toEqual([141, ""]);
  });

  test.each([
    ["0-9", 0, 10],
    ["70000-70009", 70_000, 70_010],
    ["99990-", 99_990, 100_000],
    ["-5", 99_995, 100_000],
    ["-200000", 0, 100_000],
    ["99999-500000", 99_999, 100_000],
    ["100000-", 100_000, 100_000],
  ])("cat --range %s", async (range, from, to) => {
    const content = noise(100_000);
    using bench = await benchWith(content);
    const { bytes } = await bench.done(["cat", bench.path("log"), "1", `--range=${range}`]);
    expect(bytes.equals(content.subarray(from, to))).toBe(true);
  });

  test.each(["", "-", "9", "9-8", "a-b", "1-2-3", "0x1-2", "100001-", "-1-2"])(
    "cat --range '%s' is refused",
    async (range) => {
      using bench = await benchWith(noise(100_000));
      const ran = await bench.run(["cat", bench.path("log"), "1", `--range=${range}`]);
      expect([ran.code, ran.bytes.length]).toEqual([1, 0]);
      expect(ran.stderr).toContain("[CLI_USAGE]");
    },
  );
});

describe("[IW-cli] [IW-recipients] encrypted streams", () => {
  test.each(["1", "2"])("suite %s: readers read, others do not", async (suite) => {
    using bench = await benchWith();
    const [log, ben] = [bench.path("log"), bench.path("ben")];
    await bench.done(["keys", bench.path("eve"), "--no-password"]);
    const to = ["--to", `${bench.path("ada")}.pub`, "--to", ben, "--suite", suite];
    await bench.done(["create", log, ...to]);
    const secret = noise(150_000, "secret");
    await bench.done(["append", log, bench.file("secret.bin", secret)]);
    await bench.done(["append", log, bench.file("open.txt", "open"), "--plain"]);
    await bench.done(["append", log, bench.file("ben.txt", "for ben"), "--to", ben]);
    expect((await bench.done(["cat", log, "1"])).bytes.equals(secret)).toBe(true);
    const benReads = await bench.done(["cat", log, "3", "--key", ben]);
    expect(benReads.bytes.toString()).toBe("for ben");
    for (const key of [bench.path("eve"), ""]) {
      const ran = await bench.run(["cat", log, "1"], { env: { HAWSER_STREAM_KEY: key } });
      expect([ran.code, ran.bytes.length]).toEqual([1, 0]);
      expect(ran.stderr).toContain("[STREAM_NO_KEY]");
    }
    // Whoever holds it can verify it, and sees no name of what is sealed.
    const noKey = { env: { HAWSER_STREAM_KEY: "" } };
    await bench.done(["verify", log], noKey);
    const { text: shown } = await bench.done(["info", log], noKey);
    expect(shown).toMatch(/sealed {2}\(metadata sealed\)\n/);
    expect(shown).not.toContain("secret.bin");
    expect(bench.read("log").includes("secret.bin")).toBe(false);
  });

  test("a reader is a .pub file or 64 digits, and nothing else", async () => {
    using bench = await benchWith();
    const pub = readFileSync(bench.path("ben.pub"), "utf8");
    const digits = /reader ([0-9a-f]{64})/.exec(pub)?.[1] ?? "";
    await bench.done(["create", bench.path("log"), "--to", digits]);
    bench.file("odd.pub", "reader 12\n");
    for (const name of [bench.path("odd"), bench.path("absent"), digits.toUpperCase()]) {
      const ran = await bench.run(["create", bench.path("other"), "--to", name]);
      expect([ran.code, existsSync(bench.path("other"))]).toEqual([1, false]);
      expect(ran.stderr).toMatch(/\[CLI_KEY_(FORMAT|MISSING)\]/);
    }
  });
});

describe("[IW-cli] verify, proof, checkpoint", () => {
  test("a flipped bit: exit code 2, with code and place", async () => {
    using bench = await benchWith("one", noise(100_000), "three");
    const log = bench.path("log");
    flip(log, 40_000);
    const ran = await bench.run(["--json", "verify", log]);
    expect(ran.code).toBe(2);
    expect(eventOf(ran, "error")["message"]).toMatch(/entry 2.*byte/);
    expect(ran.stderr).toMatch(/\[(HASH_MISMATCH|CORRUPT)\]\n {2}→ /);
    // The head does not look there, and a range before it is good.
    await bench.done(["verify", log, "--head"]);
    await bench.done(["verify", log, "--to", "2"]);
    const range = await bench.run(["verify", log, "--from", "2", "--to", "3"]);
    expect(range.code).toBe(2);
  });

  test("what stands where a signed end was is no good end", async () => {
    using bench = await benchWith("one", "two");
    const log = bench.path("log");
    await damageLast(bench);
    for (const level of [[], ["--head"]]) {
      const ran = await bench.run(["verify", log, ...level]);
      expect([ran.code, ran.text]).toEqual([2, ""]);
    }
  });

  test.each([
    ["nothing", ""],
    ["words", "rubbish"],
    ["zeros", "\0".repeat(1_024)],
  ])("a file of %s is no stream", async (_, content) => {
    using bench = createStreamBench();
    const file = bench.file("log", content);
    const ran = await bench.run(["verify", file], { env: { HAWSER_STREAM_KEY: "" } });
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining("[NO_STREAM]")]);
  });

  test("a checkpoint tells of a cut and of another history; a mark needs no key", async () => {
    using bench = await benchWith("one", "two");
    const [log, signed, mark] = [bench.path("log"), bench.path("signed"), bench.path("mark")];
    const short = bench.read("log");
    await bench.done(["append", log, bench.path("file1")]);
    await bench.done(["checkpoint", log, "--out", signed]);
    const noKey = { env: { HAWSER_STREAM_KEY: "" } };
    await bench.done(["checkpoint", log, "--unsigned", "--out", mark], noKey);
    const printed = (await bench.done(["checkpoint", log])).text;
    expect(printed).toBe(readFileSync(signed, "utf8"));
    for (const file of [signed, mark]) {
      expect((await bench.done(["verify", log, "--against", file])).text).toContain("holds all 4");
    }
    writeFileSync(log, short);
    await bench.done(["verify", log]);
    for (const file of [signed, mark]) {
      const cut = await bench.run(["verify", log, "--against", file]);
      expect([cut.code, cut.stderr]).toEqual([2, expect.stringContaining("[ROLLED_BACK]")]);
    }
    await bench.done(["append", log, bench.path("file2")]);
    for (const file of [signed, mark]) {
      const fork = await bench.run(["verify", log, "--against", file]);
      expect([fork.code, fork.stderr]).toEqual([2, expect.stringContaining("[FORK]")]);
    }
    const foreign = bench.path("other");
    await bench.done(["create", foreign]);
    const wrong = await bench.run(["verify", foreign, "--against", signed]);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("[WRONG_STREAM]")]);
    const forged = bench.file("forged", printed.replace(/.{8}\n$/, "AAAAAAAA\n"));
    const bad = await bench.run(["verify", log, "--against", forged]);
    expect([bad.code, bad.stderr]).toEqual([2, expect.stringContaining("[BAD_CHECKPOINT]")]);
    const nothing = await bench.run(["verify", log, "--against", bench.path("file1")]);
    expect([nothing.code, nothing.stderr]).toEqual([1, expect.stringContaining("no checkpoint")]);
  });

  test("a proof stands alone; a changed one does not", async () => {
    using bench = await benchWith("one", noise(100_000), "three");
    const proof = bench.path("proof");
    await bench.done(["proof", bench.path("log"), "2", "--out", proof]);
    const id = await idOf(bench);
    const proven = await bench.done(["--json", "verify-proof", proof, "--pin", id]);
    expect(eventOf(proven, "proven")).toMatchObject({ id, seq: 2 });
    const other = await bench.run(["verify-proof", proof, "--pin", "ab".repeat(32)]);
    expect([other.code, other.stderr]).toEqual([2, expect.stringContaining("[WRONG_STREAM]")]);
    const line = readFileSync(proof, "utf8");
    const at = line.length - 60;
    const changed = line.slice(0, at) + (line[at] === "A" ? "B" : "A") + line.slice(at + 1);
    expect((await bench.run(["verify-proof", bench.file("bad", changed)])).code).toBe(2);
    for (const content of ["", line.slice(20), line.slice(0, 200), "hawser:stream-proof/"]) {
      const ran = await bench.run(["verify-proof", bench.file("bad", content)]);
      expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining("holds no proof")]);
    }
    const again = await bench.run(["proof", bench.path("log"), "2", "--out", proof]);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("[CLI_FILE_EXISTS]")]);
  });

  test("--pin refuses every other stream", async () => {
    using bench = await benchWith("one");
    const log = bench.path("log");
    await bench.done(["verify", log, "--pin", await idOf(bench)]);
    for (const command of [["info"], ["verify"], ["recover"], ["recover", "--yes"]]) {
      const [name = "", ...more] = command;
      const ran = await bench.run([name, log, ...more, "--pin", "cd".repeat(32)]);
      expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining("[WRONG_STREAM]")]);
    }
  });
});

describe("[IW-cli] recover", () => {
  test("tells of a torn append, and cuts it only when told to", async () => {
    using bench = await benchWith("one", "two");
    const log = bench.path("log");
    const whole = bench.read("log");
    await bench.done(["append", log, bench.file("big", noise(200_000))]);
    const torn = bench.read("log").subarray(0, whole.length + 100_000);
    writeFileSync(log, torn);
    const verified = await bench.done(["--json", "verify", log]);
    expect(eventOf(verified, "verified")).toMatchObject({ height: 3, tornBytes: 100_000 });
    const told = await bench.done(["--json", "recover", log]);
    const expected = { height: 3, bytes: 100_000, damage: null };
    expect(eventOf(told, "recover")).toMatchObject({ ...expected, cut: false });
    expect(bench.read("log").equals(torn)).toBe(true);
    const cut = await bench.done(["--json", "recover", log, "--yes"]);
    expect(eventOf(cut, "recover")).toMatchObject({ ...expected, cut: true });
    expect(bench.read("log").equals(whole)).toBe(true);
    expect((await bench.done(["recover", log, "--yes"])).text).toContain("Nothing to cut");
  });

  test("an append cuts what an append left, and says so; damage it refuses", async () => {
    using bench = await benchWith("one", "two");
    const log = bench.path("log");
    const whole = bench.read("log");
    await bench.done(["append", log, bench.file("big", noise(200_000))]);
    writeFileSync(log, bench.read("log").subarray(0, whole.length + 70_000));
    const ran = await bench.done(["append", log, bench.path("file1")]);
    expect(ran.text).toContain("Cut off 70,000 bytes left by an append that did not finish.");
    await damageLast(bench);
    const before = bench.read("log");
    const refused = await bench.run(["append", log, bench.path("file1")]);
    expect([refused.code, bench.read("log").equals(before)]).toEqual([2, true]);
    const told = eventOf(await bench.done(["--json", "recover", log]), "recover");
    expect(told["damage"]).toMatchObject({ code: expect.any(String) });
    await bench.done(["recover", log, "--yes"]);
    await bench.done(["append", log, bench.path("file1")]);
    await bench.done(["verify", log]);
  });
});

describe("[IW-cli] words", () => {
  const nonsense = [
    ["append"],
    ["append", "LOG"],
    ["append", "LOG", "--name", "a", "FILE", "FILE"],
    ["append", "LOG", "-", "-"],
    ["append", "LOG", "FILE", "--meta", "nothing"],
    ["append", "LOG", "FILE", "--meta", "a=1", "--meta", "a=2"],
    ["append", "LOG", "FILE", "--to", "BEN", "--plain"],
    ["append", "LOG", "FILE", "--target", "iw://x"],
    ["append", "LOG", "FILE", "--directive", "explode"],
    ["append", "LOG", "."],
    ["append", "https://example.org/x", "FILE"],
    ["cat", "LOG", "7"],
    ["cat", "LOG", "-1"],
    ["cat", "LOG", "one"],
    ["create", "LOG2", "--suite", "3"],
    ["create", "LOG2", "--title", "a", "--meta", "title=b"],
    ["dump", "LOG"],
    ["info", "LOG", "--limit", "many"],
    ["info", "iw://nobody"],
    ["info", `iw://host/${"ab".repeat(16)}`],
    ["info", "http://"],
    ["info", "https://user:hunter2@example.org/x"],
    ["info", "s3://Bucket/x"],
    ["info", "s3://bucket/x"],
    ["proof", "LOG", "9"],
    ["serve", "LOG"],
    ["serve", ".", "--port", "70000"],
    ["serve", ".", "--token", "hunter2hunter2hunter2"],
    ["serve", ".", "--token", "NO_SUCH_VARIABLE"],
    ["verify", "LOG", "--head", "--full"],
    ["verify", "LOG", "--pin", "hunter2"],
    ["fly"],
    ["info", "LOG", "--fly"],
  ].map((words) => [words.join(" "), words] as const);

  test.each(nonsense)("%s: is refused with a remedy", async (_, words) => {
    using bench = await benchWith("x");
    const places: Readonly<Record<string, string>> = {
      LOG: bench.path("log"),
      LOG2: bench.path("log2"),
      FILE: bench.path("file1"),
      BEN: bench.path("ben"),
    };
    const before = bench.read("log");
    const ran = await bench.run(words.map((word) => places[word] ?? word));
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/^hawser: .+ \[[A-Z_]+\]\n {2}→ .+\n$/);
    expect(ran.stderr).not.toContain("[CLI_UNEXPECTED]");
    expect(ran.stderr).not.toContain("user:hunter2");
    expect(bench.read("log").equals(before)).toBe(true);
  });

  test("every command explains itself with an example", async () => {
    using bench = createStreamBench();
    const { text: all } = await bench.done(["--help"]);
    const names = [...all.matchAll(/^ {2}([a-z-]+) .*[<[]/gm)].map(([, name]) => name ?? "");
    const commands = names.filter((name) => name !== "help" && !name.startsWith("-"));
    expect(commands).toEqual([
      ..."keys create append info verify cat dump proof verify-proof checkpoint".split(" "),
      ..."recover mirror serve import".split(" "),
    ]);
    for (const name of commands) {
      const { text: help } = await bench.done([name, "--help"]);
      expect(help).toContain(`Example: `);
      expect(help).toContain(`hawser stream ${name}`);
    }
  });
});
