/** Packet streams: making, passing, dropping, where they may go, and what is refused. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { toHex } from "@hawser/codec";
import { createNobleCrypto } from "@hawser/crypto";
import { buildDatapoint, buildLinkpoint, privateGroup, publicGroup } from "@hawser/packet";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createBench, toPackets } from "./support/packets.ts";

const crypto = createNobleCrypto();
const hello = buildDatapoint(crypto, Buffer.from("hello"));
const open = buildLinkpoint(crypto, { group: publicGroup(), domain: "app", stamp: 1 });
const secretOne = buildLinkpoint(crypto, { group: privateGroup(), domain: "app", stamp: 1 });

function dataOf(bytes: Uint8Array): readonly string[] {
  return toPackets(bytes).map(({ data }) => Buffer.from(data).toString("latin1"));
}

describe("[LK-cli-pipeline] bytes to datapoints and back", () => {
  test("any bytes in any chunks come back", async () => {
    const { done } = createBench();
    const chunks = fc.array(fc.uint8Array({ maxLength: 70_000 }), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(chunks, async (parts) => {
        const made = await done(["datapoint"], { stdin: yieldAll(parts) });
        const sizes = made.packets.map(({ data }) => data.length);
        expect(sizes.slice(0, -1).every((size) => size === 65_020)).toBe(true);
        const shown = await done(["print", "-d", "", "[data]"], { stdin: yieldAll(cut(made.out)) });
        expect(Buffer.compare(shown.out, Buffer.concat(parts))).toBe(0);
      }),
      { numRuns: 30, seed: 7 },
    );
  });

  test.each([
    [["-D", "\\n"], "a\n\nbc\nd", ["a", "", "bc", "d"]],
    [["-n", "2"], "abcde", ["ab", "cd", "e"]],
    [["-n", "2", "-D", "\\n"], "abc\nde\nf\n", ["ab", "c", "de", "f"]],
    [["--data-reads", "1", "-n", "2"], "abcde", ["ab"]],
    [["--data-str", "xy", "--data-repeat", "--data-reads", "3"], "", ["xy", "xy", "xy"]],
    [["--data-str", "a\nb", "-D", "\\n", "--rr", "--data-reads", "3"], "", ["a", "b", "a"]],
    [["--data-str", "[u8:97]b", "--data-eval"], "", ["ab"]],
    [["-D", "\\n", "--data-eval"], "[u8:97]\n[u8:98]", ["a", "b"]],
    [["--no-data"], "ignored", [""]],
    [[], "", []],
  ])("datapoint %j of %j", async (args, stdin, expected) => {
    const made = await createBench().done(["datapoint", ...args], { stdin });
    expect(dataOf(made.out)).toEqual(expected);
  });

  test.each([
    ["split", ["a".repeat(65_020), "a", "b"]],
    ["carry", ["a".repeat(65_020), "ab"]],
    ["trim", ["a".repeat(65_020), "b"]],
  ])("a line that is too long: %s", async (what, expected) => {
    const stdin = `${"a".repeat(65_021)}\nb\n`;
    const args = ["datapoint", "-D", "\\n", "--data-overflow", what];
    expect(dataOf((await createBench().done(args, { stdin })).out)).toEqual(expected);
  });

  test.each([
    [["datapoint", "-D", "\\n"], "CLI_DATA_TOO_LARGE"],
    [["linkpoint", "app", "--data-stdin"], "CLI_DATA_TOO_LARGE"],
    [["datapoint", "-D", "ab"], "CLI_USAGE"],
    [["datapoint", "--data-str", "a", "--data-stdin"], "CLI_USAGE"],
    [["datapoint", "--data-repeat"], "CLI_USAGE"],
    [["datapoint", "--", "tag:[#:pub]"], "CLI_USAGE"],
    [["linkpoint", "app", "--multi"], "CLI_USAGE"],
    [["linkpoint"], "CLI_USAGE"],
    [["linkpoint", "0123456789abcdefg"], "CLI_USAGE"],
    [["linkpoint", "a:short"], "CLI_USAGE"],
    [["linkpoint", "a::no_slash"], "CLI_USAGE"],
    [["linkpoint", "a:::b:c"], "CLI_USAGE"],
    [["linkpoint", "a", "--", "no_pointer"], "CLI_USAGE"],
    [["linkpoint", "a", "--create", "soon"], "CLI_USAGE"],
    [["linkpoint", "a", "--create-int", "1", "--create", "[now]"], "CLI_USAGE"],
    [["linkpoint", "a[nofunction]"], "ABE_NO_SUCH_FUNCTION"],
    [["linkpoint", "a["], "ABE_UNMATCHED_OPEN"],
    [["linkpoint", `a::/${"x".repeat(201)}`], "PACKET_PATH_COMPONENT_BYTES"],
    [["linkpoint", "a::/1/2/3/4/5/6/7/8/9"], "PACKET_PATH_DEPTH"],
    [["keypoint", "a"], "CLI_KEY_MISSING"],
    [["keypoint", "a", "-e", "no key"], "CLI_KEY_FORMAT"],
    [["datapoint", "-w", "nowhere"], "CLI_USAGE"],
    [["datapoint", "-w", "buffer"], "CLI_USAGE"],
    [["datapoint", "-w", "file:/nowhere/at/all"], "CLI_USAGE"],
    [["datapoint", "--data", "/nowhere/at/all"], "ENOENT"],
    [["print", "[hash", "--no-pkts"], "ABE_UNMATCHED_OPEN"],
    [["dedup", "-w", "stdout-expr:[hash", "--no-pkts"], "ABE_UNMATCHED_OPEN"],
    [["collect", "a", "--collect-tag", "]", "--no-pkts"], "ABE_UNMATCHED_CLOSE"],
    [["point", "--sign"], "CLI_USAGE"],
    [["filter", "a", "--follow"], "CLI_USAGE"],
    [["watch-log", "a", "--mode", "log-asc"], "CLI_USAGE"],
    [["--json", "datapoint"], "CLI_USAGE"],
    [["nonsense"], "CLI_USAGE"],
    [["datapoint", "--nonsense"], "CLI_USAGE"],
  ])("%j is refused with %s and a remedy", async (args, code) => {
    const stdin = "a".repeat(70_000);
    const ran = await createBench().run(args, { stdin });
    expect(ran).toMatchObject({ code: 1, text: "" });
    expect(ran.stderr).toContain(`[${code}]\n  → `);
  });

  test("points with places, defaults and links", async () => {
    const { done } = createBench();
    const env = { LK_GROUP: "[#:test]", LK_DOMAIN: "home" };
    const [point] = (await done(["point", "::[//a/b]", "--data-str", "x"], { env })).packets;
    expect(point?.kind).toBe("linkpoint");
    expect(toHex(point?.group ?? crypto.hash(hello.bytes))).toMatch(/^2d1bf1bc/);
    expect(Buffer.from(point?.domain ?? []).toString("latin1")).toBe("\0".repeat(12) + "home");
    expect(point?.path.map((part) => Buffer.from(part).toString())).toEqual(["a", "b"]);
    expect((await done(["point"], { stdin: "x" })).packets[0]?.kind).toBe("datapoint");
    const multi = ["linkpoint", "a", "--data-stdin", "-D", "\\n", "--multi-link", "prev"];
    const chain = (await done(multi, { stdin: "1\n2\n3" })).packets;
    expect(chain.map(({ linkCount }) => linkCount)).toEqual([0, 1, 1]);
    expect(toHex(chain[2]?.link(0)?.pointer ?? new Uint8Array())).toBe(
      toHex(chain[1]?.hash ?? new Uint8Array()),
    );
  });

  test("destinations: several, files appended to, expressions, the store", async () => {
    const { done, folder, store } = createBench();
    const file = join(folder, "out:1.lk");
    const args = ["datapoint", "-w", `file:${file}`, "-w", "-", "-w", "stderr-expr:<[data]>"];
    for (const stdin of ["a", "b"]) {
      await expect(done(args, { stdin })).rejects.toThrow(`0 <${stdin}>`);
    }
    expect(dataOf(readFileSync(file))).toEqual(["a", "b"]);
    const text = join(folder, "text");
    const expression = `file-expr:[/:${text}]:at:/ [hash:str]`;
    const stored = await done(["datapoint", "-w", expression, "-w", "db"], { stdin: "hello" });
    expect(stored.text).toBe("");
    expect(readFileSync(text, "utf8")).toBe("at:/ D5di5Y7RUC_eqMkVY8TOAFGv9B-PQG9jMa2GJjNmAwE");
    expect(await store.get(hello.hash)).toBeDefined();
  });
});

describe("[LK-cli-pipeline] what is no packet", () => {
  test("says which packet, where, and passes on what was before", async () => {
    const damaged = Uint8Array.from(hello.bytes);
    damaged[70] = 0;
    const stdin = Buffer.concat([hello.bytes, open.bytes, damaged, hello.bytes]);
    const ran = await createBench().run(["dedup"], { stdin });
    expect(ran.code).toBe(1);
    expect(ran.packets.length).toBe(2);
    const offset = hello.bytes.length + open.bytes.length;
    expect(ran.stderr).toContain(`packet 3 of stdin, at byte ${offset}: `);
    expect(ran.stderr).toContain("[PACKET_HASH]");
    const skipped = await createBench().run(["dedup", "--skip-hash"], { stdin });
    expect(skipped).toMatchObject({ code: 0, stderr: "" });
    const stored = await createBench().run(["save", "--skip-hash"], { stdin });
    expect(stored.stderr).toContain("[PACKET_HASH]");
  });

  test("every cut is told, and every byte before it counted", async () => {
    const bytes = Buffer.concat([hello.bytes, open.bytes]);
    for (let size = 1; size < bytes.length; size += 5) {
      if (size === hello.bytes.length) continue;
      const ran = await createBench().run(["filter", "--bare"], { stdin: bytes.subarray(0, size) });
      expect(ran.code).toBe(1);
      expect(ran.stderr).toMatch(/\[PACKET_(TOO_SHORT|TRUNCATED)\]/);
      const start = size > hello.bytes.length ? hello.bytes.length : 0;
      expect(ran.stderr).toContain(`at byte ${start}: `);
    }
  });

  test("a flipped bit never passes unnoticed, except in the net header", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: open.bytes.length * 8 - 1 }), async (bit) => {
        const bytes = Uint8Array.from(open.bytes);
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const ran = await createBench().run(["filter", "--bare"], { stdin: bytes });
        expect(ran.code).toBe(bit < 256 ? 0 : 1);
        if (bit < 256) expect(toHex(ran.out)).toBe(toHex(bytes));
        else expect(ran.text).toBe("");
      }),
      { numRuns: 60, seed: 7 },
    );
  });

  test("a reader that goes away ends the command quietly", async () => {
    const gone = Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
    const ran = await createBench().run(["datapoint"], {
      stdin: "x".repeat(1_000_000),
      io: { writeStdout: () => Promise.reject(gone) },
    });
    expect(ran).toMatchObject({ code: 141, stderr: "" });
  });
});

describe("[LK-cli-pipeline] flow and help", () => {
  test.each([["dedup"], ["filter", "--bare"], ["print", "x"], ["collect", "app"]])(
    "%s takes no more than its reader does",
    async (...args) => {
      let taken = 0;
      async function* endless(): AsyncGenerator<Uint8Array> {
        // Each chunk is a packet of its own, so that dedup lets all of them pass.
        for (; ; taken++) {
          const data = Buffer.alloc(60_000, taken % 256);
          data.writeUInt32BE(taken);
          yield await Promise.resolve(buildDatapoint(crypto, data).bytes);
        }
      }
      let free = (_: Error): void => undefined;
      const blocked = new Promise<void>((_, reject) => (free = reject));
      const ran = createBench().run(args, {
        stdin: endless(),
        io: { writeStdout: () => blocked },
      });
      for (let turn = 0; turn < 200; turn++) await new Promise((go) => setImmediate(go));
      expect(taken).toBeLessThan(3);
      free(Object.assign(new Error("gone"), { code: "EPIPE" }));
      expect((await ran).code).toBe(141);
    },
  );

  test("output goes out before the next wait for input", async () => {
    const seen: number[] = [];
    let written = 0;
    async function* slowly(): AsyncGenerator<Uint8Array> {
      for (let count = 0; count < 3; count++) {
        seen.push(written);
        yield await Promise.resolve(hello.bytes);
      }
    }
    await createBench().run(["filter", "--bare"], {
      stdin: slowly(),
      io: {
        writeStdout: ({ length }) => {
          written += length;
          return Promise.resolve();
        },
      },
    });
    expect(seen).toEqual([0, hello.bytes.length, 2 * hello.bytes.length]);
  });

  test("every command has help with an example", async () => {
    const { done } = createBench();
    const { text } = await done(["--help"]);
    const names = [...text.matchAll(/^ {2}([a-z][a-z-]+)[|a-z]* /gm)].map(([, name]) => name ?? "");
    expect(names.length).toBeGreaterThan(20);
    for (const name of names.filter((one) => one !== "help")) {
      const help = await done([name, "--help"]);
      expect(help.text).toContain(`Usage: hawser packet ${name}`);
      expect(help.text).toContain("Example: ");
    }
    for (const alias of "d data l link keyp p pktf q print-query e n write".split(" ")) {
      expect((await done([alias, "--help"])).text).toContain("Usage: hawser packet ");
    }
  });
});

describe("[LK-private-group] the private group at every boundary", () => {
  const both = Buffer.concat([secretOne.bytes, open.bytes]);

  test.each([
    ["filter --bare", 1, ""],
    ["rewrite unsign", 1, ""],
    ["collect app --collect-tag x", 1, ""],
    ["get-links skip", 1, ""],
    ["save", 1, ""],
    ["filter --bare --private", 0, "both"],
    ["filter --bare --private-read", 0, "open"],
    ["filter --bare --private-read --no-private-write", 1, ""],
    ["dedup", 0, "both"],
    ["dedup --no-private", 1, ""],
    ["dedup --no-private-write", 1, ""],
    ["route hop:=:[u32:0]", 0, "both"],
  ])("%s of a private and a public packet: exit %i, %s", async (words, code, passed) => {
    const ran = await createBench().run(words.split(" "), { stdin: both });
    expect(ran.code).toBe(code);
    const expected = { both, open: open.bytes, "": new Uint8Array() }[passed] ?? both;
    expect(toHex(ran.out)).toBe(toHex(expected));
    if (code === 1) expect(ran.stderr).toMatch(/\[(PACKET_GROUP_PRIVATE|CLI_PRIVATE_GROUP)\]/);
  });

  test("made freely, stored freely, printed; and leaves the store only when asked", async () => {
    const { done, run } = createBench();
    const made = await done(["linkpoint", "app:[#:0]", "--create-int", "1", "-w", "-", "-w", "db"]);
    expect(toHex(made.out)).toBe(toHex(secretOne.bytes));
    expect((await run(["linkpoint", "app:[#:0]", "--no-private"])).stderr).toContain(
      "[CLI_PRIVATE_GROUP]",
    );
    const watch = ["watch", "app:[#:0]", "--db-only"];
    expect((await done(watch)).text).toBe("");
    expect((await done([...watch, "--private"])).packets.length).toBe(1);
    expect((await done(watch, { env: { LK_PRIVATE: "true" } })).packets.length).toBe(1);
    expect((await run([...watch, "--no-private"])).stderr).toContain("[CLI_PRIVATE_GROUP]");
    const shown = await done(["print", "[/?:[group]/#/b]"], { stdin: made.out });
    expect(shown.text).toBe("[#:0]\n");
    const hidden = await done(["print", "--private-read", "--no-private-write"], {
      stdin: made.out,
    });
    expect(hidden.text).toBe("");
    expect((await run(["dedup"], { stdin: made.out, env: { LK_PRIVATE: "maybe" } })).code).toBe(1);
  });
});

describe("[LK-netheader] route and hops", () => {
  const header = async (args: readonly string[], stdin: Uint8Array): Promise<string> =>
    toHex((await createBench().done(args, { stdin })).out.subarray(0, 32));

  test.each([
    ["hop:=:[u32:5]", "4c4b3100" + "00000005" + "f".repeat(16) + "0".repeat(32)],
    ["stamp:=:[u64:1]", "4c4b3100" + "00000000" + "0000000000000001" + "0".repeat(32)],
    ["netflags:=:[b2:00001111]", "4c4b310f" + "00000000" + "f".repeat(16) + "0".repeat(32)],
    ["ubits0:=:[u32:1]", "4c4b310000000000" + "f".repeat(16) + "00000001" + "0".repeat(24)],
    ["ubits3:1:[u32:8]", "4c4b310000000000" + "f".repeat(16) + "0".repeat(24) + "00000008"],
    ["stamp:0:[u64:1]", "4c4b310000000000" + "f".repeat(15) + "e" + "0".repeat(32)],
  ])("%s", async (rule, expected) => {
    expect(await header(["route", rule], hello.bytes)).toBe(expected);
  });

  test("= sets what is there, bits and all; the point stays", async () => {
    const { done } = createBench();
    const first = await done(["route", "ubits2:=:[u32:4294967295]"], { stdin: hello.bytes });
    const second = await done(["route", "ubits2:=:[u32:1]"], { stdin: first.out });
    expect(second.packets[0]?.netHeader.ubits[2]).toBe(1);
    expect(toHex(second.packets[0]?.point ?? first.out)).toBe(toHex(hello.point));
  });

  test.each(["hop", "hop:=:[u8:1]", "group:=:[#:pub]", "hop:>:[u32:1]", "hop:=:[u32:1]:x"])(
    "%s is refused",
    async (rule) => {
      const ran = await createBench().run(["route", rule], { stdin: hello.bytes });
      expect(ran).toMatchObject({ code: 1, text: "" });
      expect(ran.stderr).toContain("[CLI_USAGE]");
    },
  );

  test("save counts a hop, others only with --hop", async () => {
    const { done } = createBench();
    const hops = async (args: readonly string[]): Promise<number | undefined> =>
      (await done(args, { stdin: hello.bytes })).packets[0]?.netHeader.hop;
    expect(await hops(["save", "-f"])).toBe(1);
    expect(await hops(["save", "-f", "--no-hop"])).toBe(0);
    expect(await hops(["dedup"])).toBe(0);
    expect(await hops(["dedup", "--hop"])).toBe(1);
  });
});

describe("[LK-cli-pipeline] dedup and keys", () => {
  test("dedup remembers as many hashes as its capacity", async () => {
    const { done } = createBench();
    const parts = ["a", "b", "a", "c", "a"].map((text) =>
      buildDatapoint(crypto, Buffer.from(text)),
    );
    const stdin = Buffer.concat(parts.map(({ bytes }) => bytes));
    expect(dataOf((await done(["dedup"], { stdin })).out)).toEqual(["a", "b", "c"]);
    const short = await done(["dedup", "--capacity", "1"], { stdin });
    expect(dataOf(short.out)).toEqual(["a", "b", "a", "c", "a"]);
    const two = await done(["dedup", "--capacity", "2"], { stdin });
    // c takes the place of a, which is not moved to the front by being seen again.
    expect(dataOf(two.out)).toEqual(["a", "b", "c", "a"]);
  });

  test("keys are kept for their owner alone and never printed unasked", async () => {
    const { done, run, folder } = createBench();
    const made = await done(["key", "--decrypt-cost", "0", "--password", "p"]);
    const secret = "07".repeat(32);
    expect(made.text).toMatch(/^\$argon2d\$v=19\$m=8,t=1,p=1\$.{43}\$.{43}\n.{43}\n$/);
    const file = join(folder, "keys", "me.enckey");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(made.text).not.toContain(secret);
    const again = await done(["key", "--password", "p", "--open"]);
    expect(again.text).toBe(made.text);
    const wrong = await run(["key", "--password", "hunter2"]);
    expect(wrong).toMatchObject({ code: 1, text: "" });
    expect(wrong.stderr).toContain("[CLI_KEY_PASSWORD]");
    expect(wrong.stderr).not.toContain("hunter2");
    const malformed = await run(["key", "--password", "hunter2["]);
    expect(malformed.stderr).not.toContain("hunter2");
    expect((await done(["key", "-u", "--password", "p"])).text).toBe(made.text);
    expect((await run(["key", "--create-new"])).stderr).toContain("[CLI_KEY_EXISTS]");
    expect((await run(["key", "-k", "other", "--open"])).stderr).toContain("[CLI_KEY_MISSING]");
    expect((await run(["key", "-k", "../me"])).stderr).toContain("[CLI_USAGE]");
    const moved = await done(
      "key --password p --new-pass q --decrypt-cost 0 --show-secret".split(" "),
    );
    expect(moved.text.split("\n")[2]).toMatch(/^[0-9a-f]{64}$/);
    expect((await run(["key", "--password", "p"])).code).toBe(1);
    expect((await done(["key", "--no-check", "--hide-enckey"])).text.trim()).toBe(
      made.text.split("\n")[1],
    );
  });

  test("templates: per kind, from the environment, with a fallback", async () => {
    const { done, run } = createBench();
    const stdin = Buffer.concat([hello.bytes, open.bytes]);
    expect((await done(["p", "D", "L"], { stdin })).text).toBe("D\nL\n");
    expect(
      (await done(["p", "-j", "-d", ","], { stdin, env: { LK_PKTF: "[type:str]" } })).text,
    ).toBe("DataPoint,LinkPoint");
    const failing = await run(["p", "[link:none]"], { stdin });
    expect(failing.code).toBe(1);
    expect((await done(["p", "-e", "?", "[link:none]"], { stdin })).text).toBe("?\n?\n");
    await expect(done(["p", "--inspect", "[type:str]"], { stdin })).rejects.toThrow("DataPoint");
    expect((await run(["p", "a", "b", "c", "d"], { stdin })).code).toBe(1);
  });
});

async function* yieldAll(parts: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield await Promise.resolve(part);
}

/** Pieces of growing and odd sizes. */
function* cut(bytes: Uint8Array): Generator<Uint8Array> {
  for (let start = 0, size = 1; start < bytes.length; start += size, size = size * 3 + 1) {
    yield bytes.subarray(start, start + size);
  }
}
