/** What fields, operators and options do, one by one (docs/spec/query.md §5). */
import { describe, expect, test } from "vitest";
import { toBase64url, utf8 } from "@hawser/codec";
import {
  buildErrorPoint,
  defaultNetHeader,
  parsePacket,
  privateGroup,
  publicGroup,
  testGroup,
  withNetHeader,
  type Packet,
} from "@hawser/packet";
import {
  compileQuery,
  createQuery,
  findOption,
  hashQuery,
  queryMode,
  queryQid,
} from "@hawser/query";
import {
  context,
  crypto,
  datapoint,
  failureOf,
  keypoint,
  linkpoint,
  nowMicros,
  printed,
  queryOf,
  rulesOf,
} from "./query-support.ts";

/** Whether the query of `text` matches. */
function matches(text: string, packet: Packet): boolean {
  return compileQuery(queryOf(text)).test(packet);
}

describe("types of points", () => {
  const samples = {
    datapoint: datapoint("x"),
    linkpoint: linkpoint(),
    keypoint: keypoint(),
    errorpoint: buildErrorPoint(crypto, "gone"),
  };
  const kinds: readonly (readonly [string, string])[] = [
    ["", "datapoint linkpoint keypoint errorpoint"],
    ["hop:=:[u32:0]", "datapoint linkpoint keypoint"],
    ["hash:>:[@:none]", "datapoint linkpoint keypoint"],
    ["data_size:<:[u16:9]", "datapoint linkpoint keypoint"],
    ["data:?:", "datapoint linkpoint keypoint"],
    ["group:?:[#:pub]", "linkpoint keypoint"],
    ["domain:?:", "linkpoint keypoint"],
    ["create:?:[u64:1]", "linkpoint keypoint"],
    ["depth:=:[u8:0]", "linkpoint keypoint"],
    ["links_len:=:[u16:0]", "linkpoint keypoint"],
    ["comp0:=:", "linkpoint keypoint"],
    ["rspacename:=:", "linkpoint keypoint"],
    ["spacename:=:", "linkpoint keypoint"],
    ["pubkey:?:[@:none]", "keypoint"],
    [`signature:?:[b:${"A".repeat(86)}]`, "keypoint"],
    ["type:1:[b2:00000100]", "keypoint"],
    ["type:0:[b2:11111011]", "datapoint linkpoint"],
    ["type:=:[b2:00000011]", "linkpoint"],
    ["type:?:[b2:00000000]", "datapoint linkpoint keypoint"],
    ["prefix:=:", "datapoint linkpoint keypoint errorpoint"],
    ["recv:?:[u64:1]", "datapoint linkpoint keypoint errorpoint"],
    ["i:=:[u32:0]", "datapoint linkpoint keypoint errorpoint"],
    ["group:>=:[#:0]", "datapoint linkpoint keypoint errorpoint"],
  ];

  test.each(kinds)("[LK-query-behaviour] %j is about %s", (text, expected) => {
    const found = Object.entries(samples).filter(([, packet]) => matches(text, packet));
    expect(found.map(([kind]) => kind).join(" ")).toBe(expected);
  });

  test("[LK-query-behaviour] only points with a place: told to the index", () => {
    expect(compileQuery(queryOf("group:=:[#:pub]")).linkpointsOnly).toBe(true);
    expect(compileQuery(queryOf("prefix:=:/a")).linkpointsOnly).toBe(true);
    expect(compileQuery(queryOf("data:=:x")).linkpointsOnly).toBe(false);
    expect(compileQuery(queryOf("type:=:[b2:00000001]")).linkpointsOnly).toBe(false);
    expect(compileQuery(queryOf("recv:>:[u64:3]\nprefix:=:")).linkpointsOnly).toBe(false);
  });
});

describe("fields", () => {
  const packet = keypoint({
    domain: "chat",
    group: testGroup(),
    path: ["one", "two", "three"],
    links: [{ tag: "t", pointer: publicGroup() }],
    stamp: 1000,
    data: utf8("hello"),
  });
  const header = { flags: 5, hop: 7, stamp: 9n, ubits: [1, 2, 3, 0xffff_ffff] as const };
  const sample = withNetHeader(packet, { ...defaultNetHeader, ...header });
  const b = (bytes: Uint8Array | undefined): string =>
    `[b:${toBase64url(bytes ?? new Uint8Array(0))}]`;
  const yes: readonly string[] = [
    "netflags:=:[b2:00000101]",
    "netflags:1:[b2:00000100]",
    "netflags:0:[b2:00001101]",
    "hop:=:[u32:7]",
    "hop:<=:[u32:7]",
    "hop:>=:[u32:7]",
    "stamp:=:[u64:9]",
    "varstamp:<:[u64:10]",
    "ubits0:=:[u32:1]",
    "ubits1:=:[u32:2]",
    "ubits2:1:[u32:3]",
    "ubits3:>=:[u32:4294967295]",
    "ubits3:<=:[u32:4294967295]",
    "domain:=:chat",
    "domain:*=:at",
    "domain:>:chas",
    "group:=:[#:test]",
    "group:=:LRvxvA9kJG40hWWlWwqRmLArM87cgr-wVsJHQYW0Nnw",
    "group:=*:[b:LRvx]",
    `pubkey:=:${b(packet.publicKey)}`,
    `pubkey:=*:${b(packet.publicKey?.subarray(0, 5))}`,
    `signature:=:${b(packet.signature)}`,
    `signature:*=:${b(packet.signature?.subarray(60))}`,
    `signature:>:[b:${"A".repeat(86)}]`,
    `hash:=:${b(packet.hash)}`,
    `hash:*=:${b(packet.hash.subarray(30))}`,
    `size:=:[u16:${packet.bytes.length}]`,
    "data_size:=:[u16:5]",
    "links_len:=:[u16:1]",
    "depth:=:[u8:3]",
    "create:=:[u64:1000]",
    "prefix:=:/one/two",
    "prefix:=:[//one/two/three]",
    "spacename:=:/one/two/three",
    "space:=:/one//two/three/",
    `rspacename:=:${b(packet.rootedPath)}`,
    `rspace:=*:${b(packet.rootedPath.subarray(0, 4))}`,
    "comp0:=:one",
    "comp1:=*:tw",
    "comp2:*=:ree",
    "comp3:=:",
    "comp7:<:x",
    "comp0:1:abe",
    "comp0:<=:one",
    "comp0:>:ond",
    "comp0:<:one\\0",
    "data:=:hello",
    "data:=*:he",
    "data:*=:llo",
    "data:>:hell",
    "data:<:hello\\0",
    "data:0:\\f\\f\\f\\f\\f",
    "type:=:[b2:00000111]",
  ];
  const no: readonly string[] = [
    "netflags:1:[b2:00000010]",
    "netflags:0:[b2:00000001]",
    "hop:<:[u32:7]",
    "hop:>:[u32:7]",
    "stamp:>:[u64:9]",
    "ubits3:<:[u32:4294967295]",
    "domain:=:cha",
    "domain:=:\\0chatt",
    "domain:*=:cha",
    "group:=:[#:pub]",
    "group:=*:[b:Yrs7]",
    "pubkey:=:[@:none]",
    `signature:=:[b:${"A".repeat(86)}]`,
    "size:=:[u16:72]",
    "data_size:<:[u16:5]",
    "links_len:>:[u16:1]",
    "depth:<:[u8:3]",
    "create:<:[u64:1000]",
    "prefix:=:/on",
    "prefix:=:/one/two/three/four",
    "prefix:=:/two",
    "spacename:=:/one/two",
    "rspacename:=:",
    "comp0:=:on",
    "comp0:=:One",
    "comp1:*=:tw",
    "comp3:>:",
    "comp0:1:aa",
    "comp0:0:aaaa",
    "data:=:hell",
    "data:<:hello",
    "data:>:hello",
    "data:*=:hell",
    "data:1:hellox",
    "type:=:[b2:00000011]",
  ];

  test.each(yes)("[LK-query-behaviour] %s matches", (text) => {
    expect(matches(text, sample)).toBe(true);
  });

  test.each(no)("[LK-query-behaviour] %s does not", (text) => {
    expect(matches(text, sample)).toBe(false);
  });

  test("[LK-query-behaviour] reference bug: signature, data, rspacename and comp0–7 panic as predicates", () => {
    const texts = ["signature", "data", "rspacename", ...Array.from("01234567", (i) => `comp${i}`)];
    for (const field of texts) {
      for (const operator of ["=", "<", ">", "<=", ">=", "0", "1", "?", "=*", "*="]) {
        const value = field === "signature" ? new Uint8Array(64) : utf8("a");
        const verdict = createQuery().with(field, operator, value);
        if (verdict.ok) expect(() => compileQuery(verdict.query).test(sample)).not.toThrow();
        else expect(verdict.code).toBe("QUERY_CONTRADICTION");
      }
    }
  });

  test("[LK-query-behaviour] head mask on a hash, as documented", () => {
    const points = ["1", "2", "3"].map(datapoint);
    expect(points.map((each) => matches("hash:=*:[b:ef6I]", each))).toEqual([false, true, false]);
  });

  test("[LK-query-behaviour] a path of eight components of any bytes", () => {
    const path = [0, 1, 47, 58, 91, 92, 127, 255].map((byte) => Uint8Array.of(byte, 0));
    const deep = linkpoint({ path });
    expect(matches("prefix:=:/\\0\\0/\\x01\\0/\\/\\0/\\:\\0", deep)).toBe(true);
    expect(matches("comp7:=:\\f\\0\ndepth:=:[u8:8]", deep)).toBe(true);
    expect(matches("comp6:=:\\f\\0", deep)).toBe(false);
  });

  test("[LK-query-behaviour] a packet with the empty path spelled in eight zeros", () => {
    // Legal for the reference's parser: offsets say there is a path, its depth says 0.
    const plain = linkpoint({ data: utf8("12345678") }).bytes.slice();
    plain.set([0, 72], 64 + 6);
    plain.fill(0, 64 + 64, 64 + 72);
    const parsed = parsePacket(plain, { mode: "reference" });
    expect(parsed.ok).toBe(true);
    if (!parsed.ok) return;
    expect(matches("depth:=:[u8:0]\ncomp0:=:\ndata:=:", parsed.packet)).toBe(true);
    expect(matches("prefix:=:/a", parsed.packet)).toBe(false);
    expect(matches("comp0:>:", parsed.packet)).toBe(false);
  });

  test("[LK-query-behaviour] the 0.5 meaning of stamp stays: the net header's", () => {
    expect(matches("stamp:=:[u64:9]", sample)).toBe(true);
    expect(matches("stamp:=:[u64:1000]", sample)).toBe(false);
    expect(rulesOf("varstamp:=:[u64:9]\nspace:=:/a\ni_watch:<:[u32:3]\ni_read:<:[u32:2]")).toEqual([
      "type:1:[b2:00000011]",
      "stamp:=:[u64:9]",
      "prefix:=:/a",
      "depth:=:[u8:1]",
      "i_new:<:[u32:3]",
      "i_db:<:[u32:2]",
    ]);
  });

  test("[LK-query-behaviour] a relative time is fixed when the query is read", () => {
    expect(rulesOf("create:>:[now:-1D]")).toContain(
      `create:>:[u64:${nowMicros - 24 * 3_600_000_000}]`,
    );
  });
});

describe("merging", () => {
  test("[LK-query-behaviour] prefix narrowing is allowed, in either order", () => {
    const statements = [
      "group:=:[#:pub]",
      "domain:=:[a:hello]",
      "prefix:=:/some/space",
      ":qid:default",
      "prefix:=:/some/[0]",
    ];
    const argv = [utf8("space")];
    expect(rulesOf(["prefix:=:/some", "prefix:=:/some/space"])).toContain("prefix:=:/some/space");
    expect(rulesOf(["prefix:=:/some/space", "prefix:=:/some"])).toContain("prefix:=:/some/space");
    expect(() => queryOf(statements, { ...context, argv })).not.toThrow();
  });

  test("[LK-query-behaviour] hash:=: asks for one result; other operators do not", () => {
    const hash = `[b:${toBase64url(linkpoint().hash)}]`;
    expect(rulesOf(`hash:=:${hash}`)).toContain("i:=:[u32:0]");
    expect(rulesOf(`hash:=*:${hash}`)).not.toContain("i:=:[u32:0]");
    expect(failureOf(`i:>:[u32:0]\nhash:=:${hash}`).code).toBe("QUERY_LIMITS");
    expect(compileQuery(hashQuery(linkpoint().hash)).test(linkpoint())).toBe(true);
  });

  test("[LK-query-behaviour] indented lines, empty lines, and a space at the end of a value", () => {
    const text = "\n  domain:=:a \n\n\t hop:=:[u32:0]\n   \n";
    expect(printed(text)).toBe(printed(["domain:=:a ", "hop:=:[u32:0]"]));
    expect(matches("domain:=:a ", linkpoint({ domain: "a " }))).toBe(true);
    expect(matches("domain:=:a ", linkpoint({ domain: "a" }))).toBe(false);
  });

  test("[LK-query-behaviour] text in bytes reads as text in a string", () => {
    expect(printed(utf8("hop:=:[u32:0]\n:follow"))).toBe(printed("hop:=:[u32:0]\n:follow"));
  });
});

describe("options", () => {
  test("[LK-query-behaviour] the newest option of a name counts", () => {
    let query = createQuery();
    for (const mode of ["log-asc", "hash-asc"]) {
      const verdict = query.withOption("mode", utf8(mode));
      if (verdict.ok) query = verdict.query;
    }
    expect(queryMode(query)).toBe("hash-asc");
    // In one text the first is the newest, as queries are printed; in a list the last.
    expect(queryMode(queryOf(":mode:log-asc\n:mode:hash-asc"))).toBe("log-asc");
    expect(queryMode(queryOf([":mode:log-asc", ":mode:hash-asc\n:mode:tree-asc"]))).toBe(
      "hash-asc",
    );
    const joined = queryOf(":mode:log-asc").concat([queryOf(":mode:tree-asc"), createQuery()]);
    expect(joined.ok && queryMode(joined.query)).toBe("tree-asc");
  });

  test("[LK-query-behaviour] :mode and :read are one option of six orders", () => {
    expect(queryMode(createQuery())).toBe("tree-desc");
    for (const mode of ["tree-asc", "tree-desc", "hash-asc", "hash-desc", "log-asc", "log-desc"]) {
      expect(compileQuery(queryOf(`:read:${mode}`)).mode).toBe(mode);
    }
    expect(queryMode(queryOf(":read:log-asc\n:mode:tree-asc"))).toBe("log-asc");
  });

  test("[LK-query-behaviour] reference bug: hash-desc panics", () => {
    expect(compileQuery(queryOf(":mode:hash-desc")).mode).toBe("hash-desc");
  });

  test("[LK-query-behaviour] qid, follow and notify-close", () => {
    const plain = compileQuery(createQuery());
    expect([plain.qid, plain.follow, plain.notifyClose]).toEqual([undefined, false, false]);
    const all = compileQuery(queryOf(":qid:a:b/[u8:99]\n:follow\n:notify-close\n:qid:older"));
    expect([all.qid, all.follow, all.notifyClose]).toEqual([utf8("a:b/c"), true, true]);
    expect(queryQid(queryOf(":follow"))).toBeUndefined();
  });

  test("[LK-query-behaviour] unknown options are kept for whoever knows them", () => {
    const query = queryOf(":sync:every/hour:[u8:7]\n:empty");
    expect(findOption(query, "sync")?.value).toEqual(utf8("every/hour:\x07"));
    expect(findOption(query, "empty")?.value).toBeUndefined();
    expect(findOption(query, "other")).toBeUndefined();
    expect(printed(":sync:every/hour:[u8:7]\n:empty")).toBe(":sync:every/hour:\\x07\n:empty\n\n");
  });
});

describe("compiled bounds", () => {
  test("[LK-query-behaviour] what the indexes are ordered by, as tight as masks make them", () => {
    const { bounds, recv, pathPrefix } = compileQuery(
      queryOf(
        "domain:=:a\ngroup:=*:[b:LRvx]\nprefix:=:/x/y\ndepth:<:[u8:5]\ncreate:>:[u64:9]\n" +
          "recv:<:[u64:100]\nhash:=*:[b:AQ]",
      ),
    );
    expect(bounds.domain.low).toEqual(bounds.domain.high);
    expect(bounds.group.low.subarray(0, 4)).toEqual(Uint8Array.of(0x2d, 0x1b, 0xf1, 0));
    expect(bounds.group.high.subarray(0, 4)).toEqual(Uint8Array.of(0x2d, 0x1b, 0xf1, 255));
    expect(bounds.hash.low[0]).toBe(1);
    expect(bounds.hash.high.subarray(0, 2)).toEqual(Uint8Array.of(1, 255));
    expect([bounds.depth, bounds.stamp, recv]).toEqual([
      { low: 2n, high: 4n },
      { low: 10n, high: (1n << 64n) - 1n },
      { low: 0n, high: 99n },
    ]);
    expect(bounds.publicKey.low).toEqual(privateGroup());
    expect(bounds.publicKey.high).toEqual(new Uint8Array(32).fill(255));
    expect(pathPrefix).toEqual(Uint8Array.of(1, 0x78, 1, 0x79));
    expect(compileQuery(createQuery()).pathPrefix).toHaveLength(0);
  });

  test("[LK-query-behaviour] a test allocates nothing that a collection could see", () => {
    const compiled = compileQuery(
      queryOf("domain:=:a\ngroup:=:[#:pub]\nprefix:=:/x\ncreate:>:[u64:0]\ncomp1:=*:y\ndata:=:"),
    );
    const packet = linkpoint({ domain: "a", path: ["x", "yy"], stamp: 1 });
    const reads: string[] = [];
    // Getters that make views or bigints are watched; the hot path may use none of them.
    const watched = new Proxy(packet, {
      get(target, key) {
        reads.push(String(key));
        return Reflect.get(target, key, target);
      },
    });
    expect(compiled.test(watched)).toBe(true);
    const plain = new Set(["kind", "bytes", "pointBytes", "linkCount"]);
    expect(reads.filter((key) => !plain.has(key))).toEqual([]);
  });
});
