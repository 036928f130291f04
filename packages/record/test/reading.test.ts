/** Reading parts of documents, smart tags, verdicts, watching, and the upstream JSON. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { utf8 } from "@hawser/codec";
import { createCrypto, type AuthorId } from "@hawser/crypto";
import {
  anything,
  bytes,
  createRegistry,
  createVerifier,
  dialableTag,
  dict,
  equalNodes,
  fetchCidPattern,
  findCidPattern,
  findPathPattern,
  float,
  formatUpstreamJson,
  formatUpstreamRecord,
  int,
  linkPattern,
  linkTag,
  matchAll,
  multiaddrTag,
  parseUpstreamJson,
  parseUpstreamRecord,
  pathTag,
  peerTag,
  predicate,
  printNode,
  provideCidPattern,
  providersPattern,
  select,
  signedTag,
  signStatement,
  smartTags,
  tagged,
  text,
  toNode,
  verdictKey,
  verifiedTag,
  verifyTag,
  vouch,
  type Prober,
  type RecordChange,
} from "@hawser/record";
import { author, openWorld, opEvent, printed, second, settled, update } from "./support.ts";

const cid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
const peer = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N";
const address = `/ip4/93.184.216.34/tcp/4001/p2p/${peer}`;
const crypto = await createCrypto();

describe("reading parts", () => {
  const node = toNode({
    l: ["a", ["b"]],
    p: predicate("f", [link(), 7], { n: { deep: true } }),
    1: "text key",
  });
  function link() {
    return linkPattern.express(cid);
  }

  test("[SR-select] a path goes through dictionaries, lists and predicates, and ends nowhere else", () => {
    expect(select(node, [])).toBe(node);
    expect(select(node, ["l", 0])).toEqual(text("a"));
    expect(select(node, ["l", 1, 0])).toEqual(text("b"));
    expect(select(node, ["p", 1])).toEqual(int(7));
    expect(select(node, ["p", "n", "deep"])).toEqual(toNode(true));
    expect(select(node, ["1"])).toEqual(text("text key"));
    for (const path of [
      [1],
      ["l", 2],
      ["l", -1],
      ["l", 2n ** 70n],
      ["p", "x"],
      ["p", 2],
      ["l", 0, 0],
    ]) {
      expect(select(node, path)).toBeUndefined();
    }
    const keyed = dict([[predicate("k", [1]), "by predicate"]]);
    expect(select(keyed, [predicate("k", [1])])).toEqual(text("by predicate"));
  });

  test("[SR-select] queries go over keys and authors, with wildcards, tags, patterns and a limit", async () => {
    const { records, source } = await openWorld();
    await records.update("room/a", { users: { ada: { at: 1 }, ben: { at: 2 } } });
    await records.update("room/b", { users: { cyd: { at: 3 } } });
    await records.update("other", { users: { dan: { at: 4 } }, l: linkTag.express(cid) });
    source.deliver([
      opEvent(1, 0, { ...update([["users", dict([["eve", dict([["at", 5]])]])]]), key: "room/a" }),
    ]);
    await settled();
    const found = records.query({ prefix: "room/", path: ["users", anything, "at"] });
    expect(found.map(({ key, node: at }) => `${key} ${printNode(at)}`)).toEqual([
      "room/a 1",
      "room/a 2",
      "room/a 5",
      "room/b 3",
    ]);
    expect(found[1]?.path).toEqual([text("users"), text("ben"), text("at")]);
    expect(records.query({ prefix: "room/", limit: 2 })).toHaveLength(2);
    expect(records.query({ authors: [author(1)], path: ["users"] })).toHaveLength(1);
    expect(records.query({ tag: "link" })).toMatchObject([{ key: "other", path: [text("l")] }]);
    expect(records.query({ match: linkPattern }).map(({ value }) => value)).toEqual([cid]);
    expect(records.query({ key: "nothing" })).toEqual([]);
  });

  test("[SR-match-all] every position is found once, from the top, never below a match, never in keys", () => {
    const inside = predicate("f", [predicate("f")]);
    const deep = toNode({
      a: inside,
      b: [predicate("g", [predicate("f", [1])], { n: predicate("f", [2]) })],
    });
    const keyed = dict([[predicate("f"), deep]]);
    const found = matchAll(tagged("f"), keyed);
    expect(found.map(({ node: at }) => printNode(at))).toEqual(["f(f())", "f(1)", "f(2)"]);
    for (const { node: at, path } of found) {
      expect(select(keyed, path)).toEqual(at);
    }
    expect(matchAll(tagged("h"), keyed)).toEqual([]);
    expect(matchAll({ parse: (value) => ({ ok: true, value }) }, deep)).toHaveLength(1);
  });

  test("[SR-match-all] the patterns express what they parse, provide with its cid", () => {
    const providers = [{ multiaddr: address }, { peer }];
    const fetch = { cid, providers };
    const whole = provideCidPattern.express({ cid, fetch });
    expect(printNode(whole)).toContain(`"cid"=link("${cid}")`);
    expect(provideCidPattern.parse(whole)).toEqual({ ok: true, value: { cid, fetch } });
    expect(findCidPattern.parse(findCidPattern.express(cid))).toEqual({ ok: true, value: cid });
    expect(findPathPattern.parse(findPathPattern.express("a/b"))).toEqual({
      ok: true,
      value: "a/b",
    });
    expect(matchAll(findCidPattern, toNode([findCidPattern.express(cid)]))).toHaveLength(1);
    const mixed = toNode([predicate("peer", [peer]), "no provider", predicate("multiaddr", ["x"])]);
    expect(providersPattern.parse(mixed)).toEqual({ ok: true, value: [{ peer }] });
    const bad = [
      predicate("find"),
      predicate("find", [1]),
      predicate("fetch", [], { cid: linkPattern.express(cid) }),
      predicate("provide", [], { fetch: fetchCidPattern.express(fetch) }),
      toNode("text"),
    ];
    for (const value of bad) {
      for (const pattern of [
        findCidPattern,
        fetchCidPattern,
        provideCidPattern,
        providersPattern,
      ]) {
        expect(pattern.parse(value).ok).toBe(false);
      }
    }
  });
});

const secret = new Uint8Array(32).fill(7);
const signer = {
  crypto,
  author: Buffer.from(crypto.publicKey(secret)).toString("hex") as AuthorId, // Safe: hex of a key.
  secret,
};

describe("smart tags", () => {
  const registry = createRegistry(smartTags);

  test("[SR-tag-link] link(cid) reads CIDs of both versions and nothing else", () => {
    expect(linkTag.parse(linkTag.express(cid))).toEqual({ ok: true, value: cid });
    expect(linkTag.parse(predicate("link", [peer])).ok).toBe(true);
    for (const bad of [["no cid"], [], [cid, cid], [1], [""], ["b".repeat(10_000)]]) {
      expect(linkTag.parse(predicate("link", bad)).ok).toBe(false);
    }
    expect(linkTag.parse(predicate("link", [cid], { x: 1 })).ok).toBe(false);
    expect(registry.read(predicate("link", ["no cid"]))).toMatchObject({ state: "malformed" });
  });

  test("[SR-tag-peer] peer(id) reads author ids and libp2p peer ids", () => {
    for (const id of [peer, signer.author]) {
      expect(peerTag.parse(peerTag.express(id))).toEqual({ ok: true, value: id });
    }
    for (const bad of ["", "ab", signer.author.toUpperCase(), `${peer}x`, cid]) {
      expect(peerTag.parse(predicate("peer", [bad])).ok).toBe(false);
    }
  });

  test("[SR-tag-multiaddr] multiaddr(text) reads known protocols with values that fit", () => {
    const good = [
      address,
      "/ip6/2606:2800::1/udp/443/quic-v1",
      "/dns4/example.org/tcp/443/wss",
      "/ip6/::/tcp/0",
    ];
    for (const value of good) {
      expect(multiaddrTag.parse(multiaddrTag.express(value))).toEqual({ ok: true, value });
    }
    const bad = [
      "",
      "/",
      "ip4/1.2.3.4",
      "/ip4/1.2.3.256",
      "/ip4",
      "/tcp/65536",
      "/tcp/01",
      "/what/1",
    ];
    const worse = ["/ip6/1::2::3", "/ip6/1:2", "/ip4/1.2.3.4/", `/ws${"/ws".repeat(16)}`, "/p2p/x"];
    for (const value of [...bad, ...worse]) {
      expect(multiaddrTag.parse(predicate("multiaddr", [value])).ok).toBe(false);
    }
  });

  test("[SR-tag-path] path(text) reads components between slashes", () => {
    for (const value of ["a", "/a/b", "ipfs/x y"]) {
      expect(pathTag.parse(pathTag.express(value))).toEqual({ ok: true, value });
    }
    for (const bad of ["", "/", "a//b", "a/", "../a", "a/./b", "a\0", "x".repeat(1_025)]) {
      expect(pathTag.parse(predicate("path", [bad])).ok).toBe(false);
    }
  });

  test("[SR-tag-signed] signed(by, statement, signature) holds for that statement and signer alone", () => {
    const statement = toNode({ l: ["a", "b"], n: 1 });
    const node = signedTag.express(signStatement(signer, statement));
    expect(registry.read(node, { crypto })).toMatchObject({ state: "known", check: { ok: true } });
    const signed = signStatement(signer, statement);
    // Equal statements have equal signatures: elements of a list have no order.
    const same = { ...signed, statement: toNode({ n: 1, l: ["b", "a"] }) };
    expect(signedTag.check?.(same, { crypto })).toEqual({ ok: true });
    const otherKey = Buffer.from(crypto.publicKey(new Uint8Array(32).fill(8))).toString("hex");
    const forged = [
      { ...signed, statement: toNode({ l: ["a", "b"], n: 2 }) },
      { ...signed, by: otherKey as AuthorId }, // Safe: hex of a key.
      { ...signed, by: "f".repeat(64) as AuthorId }, // Safe for the test: it is no key at all.
      { ...signed, signature: signed.signature.map((byte) => byte ^ 1) },
      { ...signed, signature: vouch(signer, statement, 5).signature },
    ];
    for (const value of forged) {
      expect(signedTag.check?.(value, { crypto })).toMatchObject({ ok: false });
      expect(registry.read(signedTag.express(value), { crypto })).toMatchObject({
        check: { ok: false },
      });
    }
    const malformed = [
      predicate("signed"),
      predicate("signed", [1], {
        by: predicate("peer", [signer.author]),
        statement,
        signature: bytes(signed.signature),
      }),
      predicate("signed", [], { by: "me", statement, signature: bytes(signed.signature) }),
      predicate("signed", [], {
        by: predicate("peer", [signer.author]),
        statement,
        signature: bytes(new Uint8Array(3)),
      }),
    ];
    for (const value of malformed) expect(signedTag.parse(value).ok).toBe(false);
  });

  test("[SR-tag-verify] verify(statement) is a request: it means its statement and claims nothing", () => {
    const node = verifyTag.express(text("the moon is up"));
    expect(verifyTag.parse(node)).toEqual({ ok: true, value: text("the moon is up") });
    expect(registry.read(node, { crypto })).toMatchObject({ state: "known", check: undefined });
    expect(verifyTag.parse(predicate("verify", ["the moon is up"])).ok).toBe(false);
    expect(verifyTag.parse(predicate("verify", [], { statement: 1, more: 2 })).ok).toBe(false);
  });

  test("[SR-tag-verified] verified(by, statement, signature, at) is a dated verdict that is checked", () => {
    const verdict = vouch(signer, text("the moon is up"), 12_345);
    const node = verifiedTag.express(verdict);
    expect(verifiedTag.parse(node)).toEqual({ ok: true, value: verdict });
    expect(registry.read(node, { crypto })).toMatchObject({ check: { ok: true } });
    const signature = signStatement(signer, verdict.statement).signature;
    for (const forged of [
      { ...verdict, at: 12_346 },
      { ...verdict, statement: text("no") },
      { ...verdict, signature },
    ]) {
      expect(verifiedTag.check?.(forged, { crypto })).toMatchObject({ ok: false });
    }
    const named = node.named.filter(([name]) => !equalNodes(name, text("at")));
    const dateless = predicate("verified", [], named);
    expect(verifiedTag.parse(dateless).ok).toBe(false);
    expect(registry.read(predicate("unknown"))).toEqual({ state: "unknown" });
    expect(() => createRegistry([linkTag, linkTag])).toThrowError(
      expect.objectContaining({ code: "RECORD_TAG_TWICE" }),
    );
  });

  test("[SR-tag-reachable] nothing is dialled unless asked, and then no private address, within caps", async () => {
    const { records, source, clock } = await openWorld();
    const dialled: string[] = [];
    const prober: Prober = {
      dial: async (to) => {
        dialled.push(to);
        if (to.includes("93.184.216.99")) throw new Error("no route");
        return true;
      },
      isConnected: () => false,
    };
    const ask = (host: string) => dialableTag.express({ address: `${host}/tcp/1/p2p/${peer}` });
    const hosts = [
      "/ip4/127.0.0.1",
      "/ip4/10.0.0.1",
      "/ip4/192.168.1.1",
      "/ip4/169.254.169.254",
      "/ip6/::1",
      "/ip6/fd00::1",
      "/ip6/::ffff:a00:1",
      "/dns4/localhost",
      "/dns4/printer.local",
    ];
    source.deliver([
      opEvent(1, 0, { ...update([["private", toNode(hosts.map(ask))]]), key: "private" }),
      opEvent(
        1,
        1,
        update(Array.from({ length: 12 }, (_, i) => [i, ask(`/ip4/93.184.216.${i + 88}`)])),
      ),
    ]);
    await settled();
    const verifier = createVerifier({ records, prober, clock });
    expect(dialled).toEqual([]);
    const refused = await verifier.check("private");
    expect(refused).toHaveLength(hosts.length);
    expect(new Set(refused.map(({ outcome }) => JSON.stringify(outcome)))).toEqual(
      new Set(['{"skipped":"PRIVATE_ADDRESS"}']),
    );
    expect(dialled).toEqual([]);
    const reports = await verifier.check("k");
    expect(dialled).toHaveLength(10);
    expect(reports.filter(({ outcome }) => typeof outcome !== "string")).toHaveLength(2);
    clock.now += 60 * second;
    await verifier.check("k");
    expect(dialled.length).toBeGreaterThan(10);
    // What is annotated is what those verifiers said whom the reader names.
    const plain = records.get("k").get(author(1));
    expect(matchAll(dialableTag, plain?.node ?? text(""))).toHaveLength(12);
    const trusting = records.get("k", { annotateBy: [author(0)] }).get(author(1));
    const others = records.get("k", { annotateBy: [author(1)] }).get(author(1));
    expect(matchAll(tagged("dialed"), trusting?.node ?? text("")).length).toBeGreaterThan(8);
    expect(matchAll(tagged("dialed"), others?.node ?? text(""))).toEqual([]);
    expect([...records.get(verdictKey("k")).keys()]).toEqual([author(0)]);
  });

  test("[SR-tag-reachable] a check can be called off, and then writes nothing", async () => {
    const { records, source, clock } = await openWorld();
    const abort = new AbortController();
    const prober: Prober = {
      dial: async (_to, { signal }) => {
        abort.abort(new Error("called off"));
        signal.throwIfAborted();
        return true;
      },
      isConnected: () => false,
    };
    source.deliver([opEvent(1, 0, update([["a", dialableTag.express({ address })]]))]);
    await settled();
    const check = createVerifier({ records, prober, clock }).check("k", { signal: abort.signal });
    await expect(check).rejects.toThrowError("called off");
    expect(records.keys()).toEqual(["k"]);
  });
});

describe("watching", () => {
  test("[SR-watch] each changed key is told once per change, of entries and of what expires", async () => {
    let fire: () => void = () => undefined;
    let delayMs = 0;
    const timers = {
      after: (delay: number, callback: () => void) => {
        delayMs = delay;
        fire = callback;
        return () => undefined;
      },
    };
    const { records, source, clock } = await openWorld({}, { timers });
    const abort = new AbortController();
    const heard: string[] = [];
    const say = ({ key, documents }: RecordChange): void => {
      heard.push(`${key}: ${[...documents.values()].map(({ node }) => printNode(node)).join(" ")}`);
    };
    const watching = (async () => {
      for await (const change of records.watch({ prefix: "room", signal: abort.signal }))
        say(change);
    })();
    await settled();
    await records.update("room", { ada: 1 }, { ttlMs: 5_000 });
    await records.update("elsewhere", { x: 1 });
    await settled();
    expect(heard).toEqual(['room: {"ada"=1}']);
    source.deliver([opEvent(1, 0, { ...update([["ben", 2]]), key: "room" })]);
    await settled();
    expect(heard.at(-1)).toBe('room: {"ada"=1} {"ben"=2}');
    expect(delayMs).toBe(5_001);
    clock.now += 6 * second;
    fire();
    await settled();
    expect(heard.at(-1)).toBe('room: {"ben"=2}');
    clock.now += 60 * second;
    fire();
    await settled();
    expect(heard.slice(2)).toEqual(['room: {"ben"=2}', "room: "]);
    abort.abort();
    await watching;
  });

  test("[SR-watch] a slow watcher hears each key once, one key can be watched, and closing ends it", async () => {
    const { records } = await openWorld();
    const watching = records.watch({ key: "b" })[Symbol.asyncIterator]();
    const first = watching.next();
    await settled();
    for (let count = 0; count < 10; count++) {
      await records.update("a", { count });
      await records.update("b", { count });
    }
    expect((await first).value).toMatchObject({ key: "b" });
    expect(printed(records, 0, "b")).toBe('{"count"=9}');
    const second_ = await watching.next();
    expect(second_.value?.documents.get(author(0))?.at(["count"])?.node).toEqual(int(9));
    const third = watching.next();
    await records[Symbol.asyncDispose]();
    expect((await third).done).toBe(true);
  });
});

describe("upstream JSON", () => {
  test("[SR-codec] the literal form of upstream is read and written, spaces or not", () => {
    const node = dict([
      ["key", "234"],
      [1, bytes(utf8("asdf"))],
      ["p", predicate("tag", [true])],
    ]);
    const literal =
      '{"Dict_IPLD":{"Pairs":[{"Key":{"String_IPLD":"key"},"Value":{"String_IPLD":"234"}},' +
      '{"Key":{"Int_IPLD":1},"Value":{"Bytes_IPLD":{"/":{"bytes":"YXNkZg=="}}}},' +
      '{"Key":{"String_IPLD":"p"},"Value":{"Predicate_IPLD":{"Tag":"tag",' +
      '"Positional":[{"Bool_IPLD":true}],"Named":[]}}}]}}';
    const spaced = JSON.stringify(JSON.parse(literal), undefined, "\t");
    for (const form of [literal, spaced]) {
      const verdict = parseUpstreamJson(form);
      expect(verdict.ok && equalNodes(verdict.node, node)).toBe(true);
    }
    expect(formatUpstreamJson({ key: "234" })).toBe(
      '{"Dict_IPLD":{"Pairs":[{"Key":{"String_IPLD":"key"},"Value":{"String_IPLD":"234"}}]}}',
    );
  });

  test("[SR-codec] any value comes back equal, and equal dictionaries give equal text", () => {
    const leaf = fc.oneof(
      fc.boolean(),
      fc.string({ unit: "grapheme" }),
      fc.bigInt(),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map(float),
      fc.uint8Array().map((value) => bytes(Uint8Array.from(value))),
    );
    const pairs = fc.uniqueArray(fc.tuple(fc.string(), leaf), { selector: ([key]) => key });
    fc.assert(
      fc.property(pairs, fc.array(leaf), (fields, args) => {
        const node = toNode({ d: new Map(fields), p: predicate("t", args, [["n", 2n ** 80n]]) });
        const json = formatUpstreamJson(node);
        const verdict = parseUpstreamJson(json);
        expect(verdict.ok && equalNodes(verdict.node, node)).toBe(true);
        expect(verdict.ok && formatUpstreamJson(verdict.node)).toBe(json);
        const turned = toNode(new Map(fields.toReversed()));
        expect(formatUpstreamJson(turned)).toBe(formatUpstreamJson(toNode(new Map(fields))));
      }),
    );
  });

  test("[SR-codec] big integers keep every digit, floats stay floats, infinity is refused", () => {
    const huge = 10n ** 40n + 7n;
    expect(formatUpstreamJson(-huge)).toBe(`{"Int_IPLD":-${"1".padEnd(40, "0")}7}`);
    expect(parseUpstreamJson(formatUpstreamJson(huge))).toEqual({ ok: true, node: int(huge) });
    expect(parseUpstreamJson('{"Float_IPLD":1}')).toEqual({ ok: true, node: float(1) });
    expect(() => formatUpstreamJson(float(Infinity))).toThrowError(
      expect.objectContaining({ code: "RECORD_BAD_NODE" }),
    );
  });

  test("[SR-codec] what is no such JSON is refused with a reason", () => {
    const cases: readonly (readonly [string, string])[] = [
      ["", "RECORD_BAD_NODE"],
      ["null", "RECORD_BAD_NODE"],
      ['{"String_IPLD":"a"} x', "RECORD_BAD_NODE"],
      ['{"String":"a"}', "RECORD_BAD_NODE"],
      ['{"String_IPLD":"a","Bool_IPLD":true}', "RECORD_BAD_NODE"],
      ['{"String_IPLD":"\\ud800"}', "RECORD_BAD_NODE"],
      ['{"Int_IPLD":1.0}', "RECORD_BAD_NODE"],
      ['{"Int_IPLD":01}', "RECORD_BAD_NODE"],
      ['{"Int_IPLD":"1"}', "RECORD_BAD_NODE"],
      ['{"Float_IPLD":1e999}', "RECORD_BAD_NODE"],
      ['{"Float_IPLD":NaN}', "RECORD_BAD_NODE"],
      ['{"Bool_IPLD":tru}', "RECORD_BAD_NODE"],
      ['{"Bytes_IPLD":"YQ=="}', "RECORD_BAD_NODE"],
      ['{"Bytes_IPLD":{"/":{"bytes":"Y_=="}}}', "RECORD_BAD_NODE"],
      ['{"List_IPLD":{"Elements":[{"Int_IPLD":1},{"Int_IPLD":1}]}}', "RECORD_BAD_NODE"],
      ['{"List_IPLD":{"Elements":[{"Int_IPLD":1},]}}', "RECORD_BAD_NODE"],
      ['{"List_IPLD":{"Pairs":[]}}', "RECORD_BAD_NODE"],
      ['{"Dict_IPLD":{"Pairs":[{"Key":{"Int_IPLD":1}}]}}', "RECORD_BAD_NODE"],
      ['{"Predicate_IPLD":{"Tag":"t","Positional":[]}}', "RECORD_BAD_NODE"],
      [
        '{"Dict_IPLD":{"Pairs":[{"Key":{"Int_IPLD":1},"Value":{"Int_IPLD":1}},' +
          '{"Key":{"Int_IPLD":1},"Value":{"Int_IPLD":2}}]}}',
        "RECORD_DUPLICATE_KEY",
      ],
      ['{"List_IPLD":{"Elements":['.repeat(33) + "]}}".repeat(33), "RECORD_TOO_DEEP"],
      ["[".repeat(100_000), "RECORD_BAD_NODE"],
      [`{"String_IPLD":"${"x".repeat(60_000)}"}`, "RECORD_TOO_LARGE"],
      [`{"Int_IPLD":${"9".repeat(200_000)}}`, "RECORD_BAD_NODE"],
    ];
    for (const [json, reason] of cases) {
      expect([json.slice(0, 60), parseUpstreamJson(json)]).toEqual([
        json.slice(0, 60),
        { ok: false, reason },
      ]);
    }
  });

  test("[SR-codec] the answer of a Get is read and written, sorted by peer", () => {
    const one = toNode({ a: 1 });
    const two = toNode({ b: 2n ** 70n });
    if (one.kind !== "dict" || two.kind !== "dict") throw new Error("dictionaries");
    const json = formatUpstreamRecord(
      new Map([
        ["QmB", two],
        ["QmA", one],
      ]),
    );
    expect(json.indexOf("QmA")).toBeLessThan(json.indexOf("QmB"));
    const verdict = parseUpstreamRecord(json);
    expect(verdict.ok && [...verdict.documents]).toEqual([
      ["QmA", one],
      ["QmB", two],
    ]);
    expect(parseUpstreamRecord("{}")).toEqual({ ok: true, documents: new Map() });
    const noDict = Buffer.from('{"Int_IPLD":1}').toString("base64");
    for (const bad of ["[]", '{"p":1}', '{"p":"!"}', `{"p":"${noDict}"}`]) {
      expect(parseUpstreamRecord(bad)).toMatchObject({ ok: false, reason: "RECORD_BAD_NODE" });
    }
    expect(parseUpstreamRecord(`${json.slice(0, -1)},${json.slice(1)}`)).toMatchObject({
      reason: "RECORD_DUPLICATE_KEY",
    });
  });
});
