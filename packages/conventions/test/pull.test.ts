import { utf8 } from "@hawser/codec";
import {
  buildKeypoint,
  buildLinkpoint,
  exchangeDomain,
  privateGroup,
  publicGroup,
  testGroup,
} from "@hawser/packet";
import { parseQuery, printQuery, type Query } from "@hawser/query";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { buildPull, readPull, readPulls } from "../src/index.ts";
import { createDevice } from "./support/device.ts";
import { bytes32, crypto, secretOf, startMicros } from "./support/values.ts";

const context = { nowMicros: () => startMicros };
const now = BigInt(startMicros);
const domain = Uint8Array.from([...new Uint8Array(11), ...utf8("board")]);

function queryOf(...statements: readonly string[]): Query {
  const parsed = parseQuery(statements, context);
  if (!parsed.ok) throw new Error(parsed.message);
  return parsed.query;
}

const full = ["group:=:[#:pub]", "domain:=:[a:board]", "prefix:=:/thread", ":qid:mine"];

function build(...statements: readonly string[]) {
  const built = buildPull(crypto, queryOf(...statements), now);
  if (!built.ok) throw new Error(built.reason);
  return built.packet;
}

/** A request written by hand. */
function raw(fields: Partial<Parameters<typeof buildLinkpoint>[1]>) {
  const path = ["pull", publicGroup(), domain, "mine"];
  const data = utf8(printQuery(queryOf(...full)));
  const base = { group: privateGroup(), domain: exchangeDomain(), path, stamp: now, data };
  return buildLinkpoint(crypto, { ...base, ...fields });
}

function text(...statements: readonly string[]): { readonly data: Uint8Array } {
  return { data: utf8(statements.join("\n")) };
}

describe("pull requests", () => {
  test("[LK-pull] lies at /pull/group/domain/qid in the private group of the exchange", () => {
    const packet = build(...full);
    expect(packet.kind).toBe("linkpoint");
    expect(packet.group).toEqual(privateGroup());
    expect(packet.domain).toEqual(exchangeDomain());
    expect(packet.path).toEqual([utf8("pull"), publicGroup(), domain, utf8("mine")]);
    expect(packet.linkCount).toBe(0);
    expect(packet.data).toEqual(utf8(printQuery(queryOf(...full))));
  });

  test("[LK-pull] what is read is what was asked", () => {
    const read = readPull(build(...full, ":follow"), context);
    if (!read.ok) throw new Error(read.reason);
    expect([read.group, read.domain, read.qid]).toEqual([publicGroup(), domain, utf8("mine")]);
    expect(read.compiled.follow).toBe(true);
    const at = (path: readonly string[], group = publicGroup()) =>
      read.compiled.test(buildLinkpoint(crypto, { group, domain, path, stamp: 1 }));
    expect([at(["thread"]), at(["thread", "a"])]).toEqual([true, true]);
    expect([at(["other"]), at(["thread"], testGroup())]).toEqual([false, false]);
  });

  const unbuildable: readonly (readonly [string, readonly string[], string])[] = [
    ["no group", ["domain:=:[a:board]", ":qid:x"], "PULL_GROUP"],
    ["a range of groups", ["group:>:[#:test]", "domain:=:[a:board]", ":qid:x"], "PULL_GROUP"],
    ["no domain", ["group:=:[#:pub]", ":qid:x"], "PULL_DOMAIN"],
    ["a range of domains", ["group:=:[#:pub]", "domain:<:[a:board]", ":qid:x"], "PULL_DOMAIN"],
    ["no qid", ["group:=:[#:pub]", "domain:=:[a:board]"], "PULL_QID"],
    [
      "a qid that fits no path",
      ["group:=:[#:pub]", "domain:=:[a:board]", `:qid:${"x".repeat(187)}`],
      "PULL_QID",
    ],
    // Nobody can fetch what never leaves a device, and nobody may be asked to.
    ["the private group", ["group:=:[#:0]", "domain:=:[a:board]", ":qid:x"], "PULL_PRIVATE"],
    [
      "more text than fits a packet",
      ["group:=:[#:pub]", "domain:=:[a:board]", ":qid:x", `:note:${"x".repeat(64_500)}`],
      "PULL_TOO_LARGE",
    ],
  ];
  for (const [title, statements, reason] of unbuildable) {
    test(`[LK-pull] asks for nothing with ${title}`, () => {
      expect(buildPull(crypto, queryOf(...statements), now)).toEqual({ ok: false, reason });
    });
  }

  test("[LK-pull] the longest qid that fits a path does", () => {
    const qid = "x".repeat(186);
    const built = buildPull(
      crypto,
      queryOf("group:=:[#:pub]", "domain:=:[a:board]", `:qid:${qid}`),
      now,
    );
    expect(built.ok && built.packet.path[3]).toEqual(utf8(qid));
  });

  const bad: readonly (readonly [string, Partial<Parameters<typeof raw>[0]>, string])[] = [
    ["in the group instead of the device", { group: publicGroup() }, "PULL_SHAPE"],
    ["in another domain", { domain: "exchange" }, "PULL_SHAPE"],
    ["at another path", { path: ["push", publicGroup(), domain, "mine"] }, "PULL_SHAPE"],
    ["without a qid in the path", { path: ["pull", publicGroup(), domain] }, "PULL_SHAPE"],
    ["deeper", { path: ["pull", publicGroup(), domain, "mine", "x"] }, "PULL_SHAPE"],
    ["with a domain of 5 bytes", { path: ["pull", publicGroup(), "board", "mine"] }, "PULL_SHAPE"],
    ["with links", { links: [{ tag: "x", pointer: bytes32(1) }] }, "PULL_SHAPE"],
    ["that is not UTF-8", { data: Uint8Array.of(0xff, 0xfe) }, "PULL_SHAPE"],
    ["without text", { data: new Uint8Array(0) }, "PULL_GROUP"],
    ["whose text is none", text("nonsense"), "PULL_QUERY"],
    ["with a function that is not there", text(...full, "data_size:<:[env:HOME]"), "PULL_QUERY"],
    [
      "with a name only we would know",
      text("group:=:[#:me:local]", ...full.slice(1)),
      "PULL_QUERY",
    ],
    ["that contradicts itself", text(...full, "group:=:[#:test]"), "PULL_QUERY"],
    ["for another group than said", text("group:=:[#:test]", ...full.slice(1)), "PULL_MISMATCH"],
    ["for every group", text(...full.slice(1)), "PULL_GROUP"],
    [
      "for another domain than said",
      text(full[0] ?? "", "domain:=:[a:x]", ":qid:mine"),
      "PULL_MISMATCH",
    ],
    ["with another qid than said", text(...full.slice(0, 3), ":qid:yours"), "PULL_MISMATCH"],
    [
      "for the private group",
      {
        path: ["pull", privateGroup(), domain, "mine"],
        ...text("group:=:[#:0]", ...full.slice(1)),
      },
      "PULL_PRIVATE",
    ],
  ];
  for (const [title, fields, reason] of bad) {
    test(`[LK-pull] refuses a request ${title}`, () => {
      expect(readPull(raw(fields), context)).toMatchObject({ ok: false, reason });
    });
  }

  test("[LK-pull] a member's exchange may ask in the group, signed; nobody else", () => {
    const path = ["pull", publicGroup(), domain, "mine"];
    const data = utf8(printQuery(queryOf(...full)));
    const draft = { group: publicGroup(), domain: exchangeDomain(), path, stamp: now, data };
    const from = { ...context, from: "group" } as const;
    const signed = buildKeypoint(crypto, draft, secretOf(1));
    expect(readPull(signed, from).ok).toBe(true);
    expect(readPull(signed, context)).toEqual({ ok: false, reason: "PULL_SHAPE" });
    expect(readPull(buildLinkpoint(crypto, draft), from).ok).toBe(false);
    expect(readPull(raw({}), from).ok).toBe(false);
    const elsewhere = buildKeypoint(crypto, { ...draft, group: testGroup() }, secretOf(1));
    expect(readPull(elsewhere, from).ok).toBe(false);
  });

  test("[LK-pull] no data makes reading throw, and none widens what was said", () => {
    const statement = fc.oneof(
      fc.constantFrom(
        ...full,
        "group:>:[#:test]",
        "group:0:[#:pub]",
        "domain:=*:[a:b:1]",
        ":qid:[0]",
      ),
      fc.string({ maxLength: 20 }),
    );
    fc.assert(
      fc.property(fc.array(statement, { maxLength: 6 }), (statements) => {
        const read = readPull(raw(text(...statements)), context);
        if (!read.ok) return;
        expect(read.compiled.bounds.group.low).toEqual(publicGroup());
        expect(read.compiled.bounds.group.high).toEqual(publicGroup());
        expect(read.compiled.bounds.domain.high).toEqual(domain);
      }),
    );
  });
});

describe("requests in a store", () => {
  test("[LK-pull] of one qid the newest holds, whoever wrote it and in whatever order", async () => {
    const requests = [1n, 2n, 3n].map((stamp) =>
      raw({ stamp: now - stamp, ...text(...full, `data_size:<:[u16:${stamp}]`) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(requests, { minLength: 3 }), async (order) => {
        const device = createDevice();
        for (const packet of order) await device.store.add([packet]);
        const seen: unknown[] = [];
        for await (const pull of readPulls(device)) seen.push(pull.packet.hash);
        expect(seen).toEqual([requests[0]?.hash]);
      }),
      { numRuns: 6 },
    );
  });

  test("[LK-pull] a signed request replaces an unsigned older one, and the other way round", async () => {
    for (const newer of [1n, -1n]) {
      const device = createDevice();
      const path = ["pull", publicGroup(), domain, "mine"];
      const { data } = raw({});
      const draft = { group: privateGroup(), domain: exchangeDomain(), path, data };
      const signed = buildKeypoint(crypto, { ...draft, stamp: now - 9n + newer }, secretOf(1));
      const unsigned = raw({ stamp: now - 9n });
      await device.store.add([signed, unsigned]);
      const seen: unknown[] = [];
      for await (const pull of readPulls(device)) seen.push(pull.packet.hash);
      expect(seen).toEqual([(newer > 0n ? signed : unsigned).hash]);
    }
  });

  test("[LK-pull] other qids, domains and groups stand beside it; the future does not count", async () => {
    const device = createDevice();
    const of = (group: string, inDomain: string, qid: string, stamp: bigint) => {
      const query = queryOf(`group:=:[#:${group}]`, `domain:=:[a:${inDomain}]`, `:qid:${qid}`);
      const built = buildPull(crypto, query, stamp);
      if (!built.ok) throw new Error(built.reason);
      return built.packet;
    };
    await device.store.add([
      of("pub", "a", "1", now),
      of("pub", "a", "2", now),
      of("pub", "b", "1", now),
      of("test", "a", "1", now),
      of("test", "a", "1", now - 1n),
      of("test", "a", "1", now + 10_000_000n),
    ]);
    const seen: string[] = [];
    for await (const pull of readPulls(device)) {
      if (pull.ok)
        seen.push(`${pull.group[0]} ${pull.domain[15]} ${pull.qid[0]} ${pull.packet.stamp - now}`);
    }
    expect(seen.sort()).toEqual(["45 97 49 0", "98 97 49 0", "98 97 50 0", "98 98 49 0"]);
  });

  test("[LK-pull] a newer request that is none ends the older one, and says why", async () => {
    const device = createDevice();
    await device.store.add([raw({ stamp: now - 5n }), raw({ ...text("nonsense") })]);
    const seen: unknown[] = [];
    for await (const pull of readPulls(device)) seen.push(pull.ok ? "ok" : pull.reason);
    expect(seen).toEqual(["PULL_QUERY"]);
  });
});
