/** Collecting, choosing, rewriting, and the commands that read the store. */
import { createHash } from "node:crypto";
import { fromBase64url, toBase64url, toHex } from "@hawser/codec";
import { createNobleCrypto, encKeyCosts, encryptEncKey } from "@hawser/crypto";
import {
  buildDatapoint,
  buildKeypoint,
  buildLinkpoint,
  netFlags,
  publicGroup,
  testGroup,
  type LinkDraft,
  type Packet,
} from "@hawser/packet";
import { compileQuery, parseQuery } from "@hawser/query";
import { describe, expect, test } from "vitest";
import { createBench, startMicros, toPackets, type Bench } from "./support/packets.ts";

const crypto = createNobleCrypto();
const secret = new Uint8Array(32).fill(9);
const group = publicGroup();

function datapoint(text: string): Packet<"verified"> {
  return buildDatapoint(crypto, Buffer.from(text));
}

function linkpoint(
  path: string,
  links: readonly LinkDraft[] = [],
  stamp = 1,
  data = "",
): Packet<"verified"> {
  const parts = path.split("/").filter((part) => part !== "");
  const draft = { group, domain: "app", path: parts, links, stamp, data: Buffer.from(data) };
  return buildLinkpoint(crypto, draft);
}

function keypoint(path: string, stamp = 1): Packet<"verified"> {
  const parts = path.split("/").filter((part) => part !== "");
  return buildKeypoint(crypto, { group, domain: "app", path: parts, stamp }, secret);
}

function to(packet: Packet, tag = "to"): LinkDraft {
  return { tag, pointer: packet.hash };
}

function bytesOf(...packets: readonly Packet[]): Uint8Array {
  return Buffer.concat(packets.map(({ bytes }) => bytes));
}

function namesOf(packets: readonly Packet[]): readonly string[] {
  return packets.map(({ hash }) => toHex(hash));
}

const stripped = (tag: Uint8Array | undefined): string =>
  Buffer.from(tag ?? [])
    .toString("latin1")
    .replace(/^\0+/, "");

describe("[LK-cli-collect] collect", () => {
  const five = ["a", "b", "c", "d", "e"].map(datapoint);
  const stdin = bytesOf(...five);

  test("links in order, chain link first, packets passed on before their linkpoint", async () => {
    const args = ["collect", "app::/x", "--collect-tag", "data", "--chain-tag", "continue"];
    const { packets } = await createBench().done([...args, "--max-links", "2"], { stdin });
    expect(packets.map(({ kind }) => kind[0]).join("")).toBe("ddlddldl");
    const points = packets.filter(({ kind }) => kind === "linkpoint");
    expect(points.map(({ linkCount }) => linkCount)).toEqual([2, 3, 2]);
    const [first, second, third] = points;
    expect(second?.links.map(({ tag }) => stripped(tag))).toEqual(["continue", "data", "data"]);
    expect(second?.links.map(({ pointer }) => toHex(pointer))).toEqual(
      [first, five[2], five[3]].map((packet) => toHex(packet?.hash ?? group)),
    );
    expect(toHex(third?.link(0)?.pointer ?? group)).toBe(toHex(second?.hash ?? group));
  });

  test("no linkpoint that only continues: a full last one is the last", async () => {
    const four = bytesOf(...five.slice(0, 4));
    const args = ["collect", "app", "--max-links", "2", "--chain-tag", "c", "-f", "null"];
    const { packets } = await createBench().done(args, { stdin: four });
    expect(packets.map(({ linkCount }) => linkCount)).toEqual([2, 3]);
  });

  test("buffer: the linkpoint comes first", async () => {
    const args = ["collect", "app", "--max-links", "2", "--forward", "buffer"];
    const { packets } = await createBench().done(args, { stdin });
    expect(packets.map(({ kind }) => kind[0]).join("")).toBe("lddlddld");
  });

  test("what goes into the store keeps its order, and is there before its linkpoint is written", async () => {
    const bench = createBench();
    const stored: boolean[] = [];
    const args = ["collect", "app", "--max-links", "2", "-f", "db", "-w", "db", "-w", "stdout"];
    await bench.run(args, {
      stdin,
      io: {
        writeStdout: async (bytes) => {
          for (const packet of toPackets(bytes)) {
            for (const { pointer } of packet.links) {
              stored.push((await bench.store.get(pointer)) !== undefined);
            }
          }
        },
      },
    });
    expect(stored).toEqual([true, true, true, true, true]);
    const bounds = { low: 0, high: Number.MAX_SAFE_INTEGER };
    const log = await bench.store.byRecv(bounds, { max: 100 });
    expect(log.map(({ packet }) => packet.kind[0]).join("")).toBe("ddlddldl");
  });

  test("tags see the packet; links of the first, of all; empty ones; signed ones", async () => {
    const bench = createBench();
    const args = ["collect", "app", "--collect-tag", "[data]", "--max-links", "3", "-f", "null"];
    const links = ["--init-link", "init:[#:test]", "--", "all:[#:pub]"];
    const { packets } = await bench.done([...args, ...links], { stdin });
    expect(packets.map((packet) => packet.links.map(({ tag }) => stripped(tag)))).toEqual([
      ["init", "all", "a", "b", "c"],
      ["all", "d", "e"],
    ]);
    const plain = await bench.done(["collect", "app", "-f", "null"], { stdin });
    const tag = plain.packets[0]?.link(0)?.tag ?? group;
    expect(Buffer.from(tag).readBigUInt64BE(8)).toBeGreaterThan(BigInt(startMicros));
    expect((await bench.done(["collect", "app"], {})).packets).toEqual([]);
    const empty = await bench.done(["collect", "app", "--allow-empty"], {});
    expect(empty.packets.map(({ linkCount }) => linkCount)).toEqual([0]);
    const enckey = await encryptEncKey(secret, new Uint8Array(), encKeyCosts.insecure);
    const signed = await bench.done(["collect", "app", "--sign", "-e", enckey, "-f", "null"], {
      stdin,
    });
    expect(signed.packets[0]?.kind).toBe("keypoint");
  });

  test("a linkpoint after a time, though the input goes on", async () => {
    const bench = createBench();
    let free = (): void => undefined;
    const ticked = new Promise<void>((resolve) => (free = resolve));
    async function* slowly(): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(five[0]?.bytes ?? group);
      await ticked;
      yield five[1]?.bytes ?? group;
    }
    const written: Uint8Array[] = [];
    const ran = await bench.run(["collect", "app", "--min-interval", "10s", "-f", "null"], {
      stdin: slowly(),
      io: {
        wait: (ms) =>
          ms === 10_000 && written.length === 0
            ? Promise.resolve()
            : new Promise((resolve) => setImmediate(resolve)),
        writeStdout: (bytes) => {
          written.push(bytes);
          free();
          return Promise.resolve();
        },
      },
    });
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    const counts = toPackets(Buffer.concat(written)).map(({ linkCount }) => linkCount);
    expect(counts).toEqual([1, 1]);
  });

  test.each([
    ["--max-links", "1354"],
    ["--max-links", "0"],
    ["--max-links", "1353", "--chain-tag", "c"],
    ["--collect-tag", "12345678901234567"],
    ["--min-interval", "soon"],
    ["--min-interval", "1m2h"],
    ["--data-stdin"],
  ])("%s %s is refused", async (...args) => {
    const ran = await createBench().run(["collect", "app", ...args], { stdin });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain("  → ");
  });

  test("the shape of the guide's big data, at a hundredth of its size", async () => {
    const bench = createBench();
    const bytes = Buffer.alloc(2_000_000, "-");
    const points = await bench.done(["data"], { stdin: bytes });
    const options = ["--stamp", "[epoch]", "--collect-tag", "data", "--chain-tag", "continue"];
    const all = await bench.done(["collect", "example::", ...options, "--max-links", "13"], {
      stdin: points.out,
    });
    const passed = await bench.done(["write", "-f"], { stdin: all.out });
    const chosen = await bench.done(["filter", "example::"], { stdin: passed.out });
    const shown = await bench.done(["pktf", "[hash:str] [links_len:str]"], { stdin: chosen.out });
    const lines = shown.text.trim().split("\n");
    expect(lines.map((line) => line.split(" ")[1])).toEqual(["13", "14", "6"]);
    const last = lines.at(-1)?.split(" ")[0] ?? "";
    const found = await bench.done(["watch-hash", last, "--db-only"]);
    const linked = await bench.done(["get-links", "-R", "pause"], { stdin: found.out });
    const back = await bench.done(["pktf", "-d", "", "[data]"], { stdin: linked.out });
    expect(digest(back.out)).toBe(digest(bytes));
  });

  test("the first linkpoint of the guide's big data has its documented hash", async () => {
    const bench = createBench();
    const one = (await bench.done(["data"], { stdin: Buffer.alloc(65_020, "-") })).out;
    async function* many(): AsyncGenerator<Uint8Array> {
      for (let count = 0; count < 1_333; count++) yield await Promise.resolve(one);
    }
    const options = ["--create", "[epoch]", "--collect-tag", "data", "-f", "null", "--skip-hash"];
    const { packets } = await bench.done(["collect", "example::", ...options], { stdin: many() });
    expect(packets.map(({ hash }) => toBase64url(hash))).toEqual([
      "JIhVzkxzP5kfPhjdudu0a6nDcbnOGKixsEvd4SXeoNc",
    ]);
  });
});

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

describe("[LK-cli-filter] filter and ignore", () => {
  const packets = [
    datapoint("x"),
    linkpoint("/a", [], 5),
    linkpoint("/a/b", [], 6),
    keypoint("/a/b/c", 7),
    linkpoint("/z", [], 8, "data"),
  ];
  const stdin = bytesOf(...packets);
  const kept = async (args: readonly string[]): Promise<string> => {
    const ran = await createBench().done(args, { stdin });
    const names = namesOf(packets);
    return ran.packets.map(({ hash }) => names.indexOf(toHex(hash))).join("");
  };

  test.each([
    [["app::/a"], "1"],
    [["app::/a:*"], "12"],
    [["app::/a:**"], "123"],
    [["app:::**"], "1234"],
    [["app:::**", "--signed"], "3"],
    [["app:::**", "--unsigned"], "124"],
    [["app:::**", "--max", "2"], "12"],
    [["--bare"], "01234"],
    [["--bare", "--", "data_size:>:[u16:0]"], "04"],
    [["--bare", "--", "create:>:[u64:5]", "create:<:[u64:8]"], "23"],
    [["app::/a", "--allow-datapoint"], "01"],
    [["other"], ""],
  ])("filter %j keeps %s, and ignore the rest", async (args, expected) => {
    expect(await kept(["filter", ...args])).toBe(expected);
    if (args.includes("--max") || args.includes("--allow-datapoint")) return;
    const rest = ["0", "1", "2", "3", "4"].filter((digit) => !expected.includes(digit)).join("");
    expect(await kept(["ignore", ...args])).toBe(rest);
  });

  test("the others may go elsewhere", async () => {
    const args = ["filter", "app::/a", "--write", "null", "--write-false", "stdout"];
    expect(await kept(args)).toBe("0234");
    expect(await kept(["filter", "--bare", "--max", "1", "-w", "null", "-f", "-"])).toBe("1234");
  });

  test("a filter agrees with the query it prints", async () => {
    const bench = createBench();
    for (const args of [["app::/a:*"], ["app:::**", "--signed"], ["--bare", "--unsigned"]]) {
      const shown = await bench.done(["query", ...args]);
      const parsed = parseQuery(shown.text, { nowMicros: () => startMicros });
      if (!parsed.ok) throw new Error(parsed.message);
      const compiled = compileQuery(parsed.query);
      const expected = packets.map((packet, at) => (compiled.test(packet) ? at : "")).join("");
      expect(await kept(["filter", ...args])).toBe(expected);
      expect((await bench.done(["filter", ...args, "-p"], { stdin })).text).toBe(shown.text);
      const text = await bench.done(["query", ...args, "--print-text"]);
      expect(text.text).not.toContain("[");
    }
  });

  test("a filter that can pass nothing more stops reading", async () => {
    let count = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        count += 1;
        yield await Promise.resolve(stdin);
      }
    }
    const ran = await createBench().done(["filter", "app::/a", "--max", "3"], { stdin: endless() });
    expect(ran.packets.length).toBe(3);
    expect(count).toBe(3);
  });

  test.each([
    [["filter"], "CLI_USAGE"],
    [["filter", "app", "--bare"], "CLI_USAGE"],
    [["filter", "app", "--signed", "--unsigned"], "CLI_USAGE"],
    [["filter", "app", "--", "group:=:[#:test]"], "QUERY_CONTRADICTION"],
    [["filter", "app", "--", "nofield:=:x"], "QUERY_FIELD"],
    [["filter", "app", "--", "hop:~:[u32:1]"], "QUERY_OPERATOR"],
    [["filter", "app", "--", "nothing"], "QUERY_SYNTAX"],
    [["filter", "app", "--max", "0"], "QUERY_LIMITS"],
    [["filter", "app", "--mode", "sideways"], "CLI_USAGE"],
    [["filter", "app:::x"], "QUERY_VALUE"],
  ])("%j is refused with %s", async (args, code) => {
    const ran = await createBench().run(args, { stdin });
    expect(ran).toMatchObject({ code: 1, text: "" });
    expect(ran.stderr).toContain(`[${code}]\n  → `);
  });
});

describe("[LK-cli-rewrite] rewrite", () => {
  const link = [to(datapoint("x"))];
  const plain = linkpoint("/a", link, 5, "old");
  const signed = keypoint("/k", 6);
  const stdin = bytesOf(datapoint("x"), plain, signed);
  const other = new Uint8Array(32).fill(3);
  const withKey = async (bench: Bench): Promise<readonly string[]> => {
    const text = await encryptEncKey(other, new Uint8Array(), encKeyCosts.insecure);
    await bench.done(["key", "-e", text, "--overwrite"]);
    return [];
  };

  test.each([
    ["sign-all", "datapoint keypoint keypoint"],
    ["resign", "datapoint linkpoint keypoint"],
    ["unsign", "datapoint linkpoint linkpoint"],
    ["skip", "datapoint linkpoint keypoint"],
  ])("%s gives %s", async (mode, kinds) => {
    const bench = createBench();
    await withKey(bench);
    const args = ["rewrite", mode, "--group", "[#:test]"];
    const { packets } = await bench.done(args, { stdin });
    expect(packets.map(({ kind }) => kind).join(" ")).toBe(kinds);
    const [, first, second] = packets;
    expect(toHex(first?.group ?? group)).toBe(toHex(testGroup()));
    expect(first?.links.map(({ pointer }) => toHex(pointer))).toEqual(
      link.map(({ pointer }) => toHex(pointer)),
    );
    expect([first?.stamp, Buffer.from(first?.data ?? []).toString()]).toEqual([5n, "old"]);
    const isOurs = mode === "sign-all" || mode === "resign";
    const owner = isOurs ? crypto.publicKey(other) : mode === "skip" ? signed.publicKey : undefined;
    expect(second?.publicKey).toEqual(owner === undefined ? undefined : Buffer.from(owner));
    if (mode === "skip") expect(toHex(second?.bytes ?? group)).toBe(toHex(signed.bytes));
  });

  test("expressions see the packet; unchanged fields give the same point", async () => {
    const { done } = createBench();
    const same = await done(["rewrite", "unsign"], { stdin: plain.bytes });
    expect(toHex(same.out)).toBe(toHex(plain.bytes));
    const args = ["rewrite", "unsign", "--space", "/old/[comp0]", "--create", "[create/us:+1s]"];
    const [moved] = (await done(args, { stdin: plain.bytes })).packets;
    expect(moved?.path.map((part) => Buffer.from(part).toString())).toEqual(["old", "a"]);
    expect(moved?.stamp).toBe(1_000_005n);
    const domain = await done(["rewrite", "unsign", "--domain", "new"], { stdin: plain.bytes });
    expect(stripped(domain.packets[0]?.domain)).toBe("new");
  });

  test("data: another, none, or the packet's own as an expression", async () => {
    const { done } = createBench();
    const stdinOf = bytesOf(linkpoint("/a", [], 1, "at [create/?u]"), linkpoint("/b", [], 2, "x"));
    const datas = async (args: readonly string[]): Promise<readonly string[]> =>
      (await done(["rewrite", "unsign", ...args], { stdin: stdinOf })).packets.map(({ data }) =>
        Buffer.from(data).toString(),
      );
    expect(await datas(["-i"])).toEqual(["at 1", "x"]);
    expect(await datas(["--no-data"])).toEqual(["", ""]);
    expect(await datas(["--data-str", "new", "--data-repeat"])).toEqual(["new", "new"]);
    expect(await datas(["--data-str", "[hash:str]", "--data-eval", "--rr"])).toHaveLength(2);
    await expect(datas(["--data-str", "once"])).rejects.toThrow("no data is left");
    await expect(datas(["-i", "--data-str", "x"])).rejects.toThrow("CLI_USAGE");
    await expect(datas(["--data-stdin"])).rejects.toThrow("stdin");
  });

  test("what came in may go elsewhere; a mode is needed; a key where it signs", async () => {
    const { done, run } = createBench();
    const args = ["rewrite", "unsign", "-g", "[#:test]", "-f", "stdout", "-w", "null"];
    expect(toHex((await done(args, { stdin })).out)).toBe(toHex(stdin));
    expect((await run(["rewrite"], { stdin })).stderr).toContain("[CLI_USAGE]");
    expect((await run(["rewrite", "maybe"], { stdin })).stderr).toContain("[CLI_USAGE]");
    expect((await run(["rewrite", "sign-all"], { stdin })).stderr).toContain("[CLI_KEY_MISSING]");
    const bad = await run(["rewrite", "unsign", "--group", "[#:nobody]"], { stdin });
    expect(bad.code).toBe(1);
    expect(bad.stderr).toContain("--group");
  });
});

describe("[LK-cli-getlinks] get-links", () => {
  const a = datapoint("a");
  const b = datapoint("b");
  const inner = linkpoint("/inner", [to(a), to(b)], 1, "inner");
  const outer = linkpoint("/outer", [to(inner), to(a), to(a)], 2, "outer");
  const datas = (packets: readonly Packet[]): string =>
    packets.map(({ data }) => Buffer.from(data).toString()).join(" ");

  test.each([
    [["skip"], "inner a a outer"],
    [["-r", "0", "error"], "inner a a outer"],
    [["-r", "1", "error"], "inner a b a a outer"],
    [["-R", "error"], "inner a b a a outer"],
    [["-R", "watch"], "inner a b a a outer"],
    [["-f", "null", "pause"], "inner a a"],
    [["-w", "null", "skip"], "outer"],
  ])("%j of a packet whose links are stored", async (args, expected) => {
    const bench = createBench();
    await bench.store.add([a, b, inner]);
    const ran = await bench.done(["get-links", ...args], { stdin: outer.bytes });
    expect(datas(ran.packets)).toBe(expected);
  });

  test("a missing link: passed over, an error, or waited for", async () => {
    const bench = createBench();
    await bench.store.add([a, inner]);
    const skipped = await bench.done(["get-links", "-R", "skip"], { stdin: outer.bytes });
    expect(datas(skipped.packets)).toBe("inner a a a outer");
    const failed = await bench.run(["get-links", "-R", "error"], { stdin: outer.bytes });
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain(
      `${toBase64url(b.hash)} is not in the store [CLI_LINK_MISSING]`,
    );
    expect(datas(failed.packets)).toBe("inner a");
    const later = (): Partial<Parameters<Bench["run"]>[1] & object> => {
      let looks = 0;
      const wait = async (): Promise<void> => {
        if (++looks === 3) await bench.store.add([b]);
      };
      return { stdin: outer.bytes, io: { wait } };
    };
    const fresh = createBench();
    await fresh.store.add([a, inner]);
    const watched = await bench.done(["get-links", "-R", "watch"], later());
    expect(datas(watched.packets)).toBe("inner a a a outer b");
    const paused = await fresh.run(["get-links", "-R", "pause"], {
      stdin: outer.bytes,
      io: { wait: async () => void (await fresh.store.add([b])) },
    });
    expect(datas(paused.packets)).toBe("inner a b a a outer");
  });

  const ladder = (levels: number): readonly Packet<"verified">[] => {
    const rungs = [linkpoint("/0", [to(a), to(a)])];
    for (let count = 1; count < levels; count++) {
      const below = to(rungs.at(-1) ?? a);
      rungs.push(linkpoint("/n", [below, below], count));
    }
    return rungs;
  };

  test("links that repeat are followed again, since content may repeat", async () => {
    const bench = createBench();
    const rungs = ladder(5);
    await bench.store.add([a, ...rungs]);
    const ran = await bench.done(["get-links", "-R", "error"], { stdin: rungs[4]?.bytes ?? "" });
    expect(ran.packets.filter(({ kind }) => kind === "datapoint").length).toBe(2 ** 5);
    expect(ran.packets.length).toBe(2 ** 6 - 1);
  });

  test.each([["-R"], ["-r", "1000"]])(
    "%s %s: packets that double at every level end",
    async (...all) => {
      const bench = createBench();
      const rungs = ladder(60);
      await bench.store.add([a, ...rungs]);
      const stdin = rungs.at(-1)?.bytes ?? "";
      // What is written is of no use here.
      const io = { writeStdout: () => Promise.resolve() };
      const ran = await bench.run(["get-links", ...all, "error"], { stdin, io });
      expect(ran.code).toBe(1);
      expect(ran.stderr).toContain("more than 262144 links repeat [CLI_LINK_MISSING]");
    },
  );

  test("long chains need no deep stack, and null pointers lead nowhere", async () => {
    const bench = createBench();
    const chain: Packet<"verified">[] = [
      linkpoint("/0", [{ tag: "null", pointer: new Uint8Array(32) }]),
    ];
    for (let count = 1; count < 3_000; count++) {
      chain.push(linkpoint("/n", [to(chain.at(-1) ?? a, "prev")], count));
    }
    await bench.store.add(chain);
    const head = chain.at(-1) ?? a;
    const ran = await bench.done(["get-links", "-R", "error"], { stdin: head.bytes });
    expect(ran.packets.length).toBe(3_000);
    expect(toHex(ran.packets.at(-1)?.hash ?? group)).toBe(toHex(head.hash));
  });

  test.each([[[]], [["maybe"]], [["-r", "1", "-R", "skip"]], [["-r", "x", "skip"]]])(
    "%j is refused",
    async (args) => {
      const ran = await createBench().run(["get-links", ...args], { stdin: outer.bytes });
      expect(ran.stderr).toContain("[CLI_USAGE]");
    },
  );
});

describe("[LK-cli-pipeline] save and watch", () => {
  const packets = [
    linkpoint("/a", [], 3),
    keypoint("/a", 2),
    linkpoint("/b", [to(datapoint("x"))], 1),
  ];

  test("new and known packets go to different places", async () => {
    const { done } = createBench();
    const stdin = bytesOf(...packets.slice(0, 2));
    expect((await done(["save"], { stdin })).text).toBe("");
    const all = bytesOf(...packets, datapoint("x"), datapoint("x"));
    const args = ["save", "--no-hop", "--new", "db", "--new", "stdout", "--old", "null"];
    const fresh = await done(args, { stdin: all });
    expect(namesOf(fresh.packets)).toEqual(
      namesOf([packets[2] ?? fresh.packets[0], datapoint("x")].flatMap((p) => p ?? [])),
    );
    const old = await done(["save", "--old", "stdout"], { stdin: all });
    expect(old.packets.length).toBe(5);
    await expect(done(["save", "--new", "stdout"], { stdin })).rejects.toThrow("CLI_USAGE");
  });

  test.each([
    [
      ["app:::**", "--mode", "log-asc"],
      [0, 1, 2],
    ],
    [
      ["app:::**", "--mode", "log-desc"],
      [2, 1, 0],
    ],
    [
      ["app:::**", "--mode", "log-asc", "--max", "2"],
      [0, 1],
    ],
    [["app:::**", "--mode", "log-asc", "--max-index", "1"], [0]],
    [["app::/a", "--signed"], [1]],
    [
      ["app:::**", "--max-branch", "1", "--mode", "log-asc", "--unsigned"],
      [0, 2],
    ],
  ])("watch %j --db-only", async (args, expected) => {
    const bench = createBench();
    await bench.store.add(packets);
    const ran = await bench.done(["watch", ...args, "--db-only"]);
    expect(namesOf(ran.packets)).toEqual(expected.map((at) => toHex(packets[at]?.hash ?? group)));
  });

  test("what comes later, with counts that go on, until nothing more can match", async () => {
    const bench = createBench();
    await bench.store.add(packets.slice(0, 1));
    let looks = 0;
    const wait = async (): Promise<void> => {
      looks += 1;
      if (looks <= 3) await bench.store.add(packets.slice(looks - 1, looks));
    };
    const args = ["watch", "app:::**", "--mode", "log-asc", "--max", "3"];
    const ran = await bench.done(args, { io: { wait } });
    expect(namesOf(ran.packets)).toEqual(namesOf(packets));
    expect(looks).toBe(3);
    const later = createBench();
    await later.store.add(packets.slice(0, 2));
    const fresh = await later.done(["watch", "app:::**", "--new-only", "--max-new", "1"], {
      io: { wait: async () => void (await later.store.add(packets)) },
    });
    expect(namesOf(fresh.packets)).toEqual(namesOf(packets.slice(2)));
  });

  test("until a time, until stopped", async () => {
    const bench = createBench();
    let now = startMicros;
    const wait = (): Promise<void> => {
      now += 30_000_000;
      return Promise.resolve();
    };
    const ended = await bench.done(["watch", "app", "--until", "1m"], {
      io: { wait, nowMicros: () => now },
    });
    expect(ended.text).toBe("");
    expect(now).toBe(startMicros + 60_000_000);
    const stopper = new AbortController();
    await bench.done(["watch", "app"], {
      io: { signal: stopper.signal, wait: () => Promise.resolve(stopper.abort()) },
    });
  });

  test("follow adds linked packets with their flag; tree and log have names of their own", async () => {
    const bench = createBench();
    await bench.store.add([datapoint("x"), ...packets]);
    const ran = await bench.done(["watch", "app::/b", "--db-only", "--follow"]);
    expect(ran.packets.map(({ kind }) => kind)).toEqual(["linkpoint", "datapoint"]);
    expect(ran.packets[1]?.netHeader.flags).toBe(netFlags.linkedInFuture);
    const tree = await bench.done(["watch-tree", "app", "--asc", "--db-only"]);
    expect(tree.packets.length).toBe(3);
    const log = await bench.done(["watch-log", "--bare", "-a", "--db-only"]);
    expect(namesOf(log.packets)).toEqual(namesOf([datapoint("x"), ...packets]));
    const name = toBase64url(datapoint("x").hash);
    const one = await bench.done(["watch-hash", name]);
    expect(namesOf(one.packets)).toEqual(namesOf([datapoint("x")]));
    expect(fromBase64url(name)).toBeDefined();
    expect((await bench.run(["watch", "app", "-w", "db"])).stderr).toContain("[CLI_USAGE]");
    expect((await bench.run(["watch-log", "app", "--mode", "tree-asc"])).code).toBe(1);
  });

  test("multi-watch: a query a packet, replaced by name, narrowed or refused", async () => {
    const bench = createBench();
    await bench.store.add(packets);
    const ask = (text: string): Packet => datapoint(text);
    const two = bytesOf(ask("spacename:=:/a\n:qid:1"), ask("spacename:=:/b\n:qid:2"), ask("no"));
    const ran = await bench.run(["multi-watch"], { stdin: two });
    expect(ran.packets.length).toBe(3);
    expect(ran.stderr).toContain("is refused");
    const narrowed = await bench.run(["multi-watch", "--or", "spacename:=:/b"], { stdin: two });
    expect(namesOf(narrowed.packets)).toEqual(namesOf(packets.slice(2)));
    let looks = 0;
    const later = createBench();
    const lingering = await later.done(["multi-watch", "--linger"], {
      stdin: bytesOf(ask("spacename:=:/a\ni:<:[u32:2]\n:qid:1\n:notify-close")),
      io: { wait: async () => void (++looks > 1 && (await later.store.add(packets))) },
    });
    expect(lingering.packets.map(({ kind }) => kind)).toEqual([
      "linkpoint",
      "keypoint",
      "datapoint",
    ]);
  });

  test("multi-watch: a query that comes in sees neither key names nor the environment", async () => {
    const bench = createBench();
    const env = { LK_PASS: "x", SECRET: "a" };
    await bench.done(["key", "--key", "me"], { env });
    const shown = await bench.done(["eval", "[@:me:local]"], { env });
    expect(shown.out.length).toBe(32);
    await bench.store.add(packets);
    const asked = ["pubkey:=:[@:me:local]", "data:?:[env:SECRET]"];
    const stdin = bytesOf(...asked.map(datapoint));
    const refused = await bench.run(["--env", "multi-watch"], { stdin, env });
    expect(refused.packets).toEqual([]);
    expect(refused.stderr.match(/is refused/g)).toHaveLength(2);
    for (const own of asked) {
      const all = { stdin: datapoint(":qid:all").bytes, env };
      await bench.done(["--env", "multi-watch", "--or", own], all);
    }
  });

  test.each([
    "\\x1b\\]0;x\\x07:=:a",
    "hop:\\x1b\\[2J:[u32:1]",
    "\u001b[2J:=:a",
    "hop:=:[\u009b:1]",
  ])("multi-watch: %j steers no terminal as it is refused", async (query) => {
    const ran = await createBench().run(["multi-watch"], { stdin: datapoint(query).bytes });
    expect(ran.stderr).toMatch(/^hawser: query [\w-]{43} is refused: [ -~]+\n$/);
  });

  test("multi-watch: one query too many is refused, and the others go on", async () => {
    const bench = createBench();
    const queries = Array.from({ length: 1_001 }, (_, count) => datapoint(`:qid:${count}`));
    const io = { wait: async () => void (await bench.store.add(packets.slice(0, 1))) };
    const stopper = new AbortController();
    let looks = 0;
    const wait = async (): Promise<void> => {
      await io.wait();
      if (++looks > 2) stopper.abort();
    };
    const ran = await bench.run(["multi-watch", "--linger"], {
      stdin: bytesOf(...queries),
      io: { wait, signal: stopper.signal },
    });
    expect(ran.code).toBe(0);
    expect(ran.stderr.match(/is refused: 1000 queries run already/g)).toHaveLength(1);
    expect(ran.packets.length).toBe(1_000);
  });
});
