/** RSS 2.0 and Atom against what their specifications require, read by a strict XML parser. */
import { SaxesParser } from "saxes";
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { fromBase64url } from "@hawser/codec";
import { openOuter } from "@hawser/space";
import { atomOf, escapeXml, rssOf, type Feed, type FeedItem } from "../src/feeds.ts";
import { seededRandom } from "@hawser/crypto/testing";
import { createMemoryStore, type Topic } from "@hawser/log";
import { createFeedTokens, type FeedTokens } from "../src/feed-tokens.ts";
import type { Holder } from "../src/gate.ts";
import type { Relay } from "../src/index.ts";
import { createDevice, crypto, errorOf, httpUrl, startRelay, temporaryFolder } from "./help.ts";
import { ask, followKeyOf, proofFor, startHosted, writeThere, type Hosted } from "./reader-help.ts";

interface Element {
  readonly space: string;
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: Element[];
  text: string;
}

/** The root of a well-formed document; throws for any other. */
function parseXml(xml: string): Element {
  const root: Element = { space: "", name: "", attributes: {}, children: [], text: "" };
  const open = [root];
  const parser = new SaxesParser({ xmlns: true });
  parser.on("error", (error) => {
    throw error;
  });
  parser.on("opentag", ({ uri, local, attributes }) => {
    const values = Object.entries(attributes).map(([name, { value }]) => [name, value] as const);
    const element: Element = {
      space: uri,
      name: local,
      attributes: Object.fromEntries(values),
      children: [],
      text: "",
    };
    open.at(-1)?.children.push(element);
    open.push(element);
  });
  parser.on("text", (text) => (open.at(-1)!.text += text));
  parser.on("closetag", () => open.pop());
  parser.write(xml).close();
  return root.children[0]!;
}

const atomSpace = "http://www.w3.org/2005/Atom";
const all = (of: Element, name: string, space = atomSpace): readonly Element[] =>
  of.children.filter((child) => child.name === name && child.space === space);
function one(of: Element, name: string, space = atomSpace): Element {
  const found = all(of, name, space);
  expect(found.length, `${name} in ${of.name}`).toBe(1);
  return found[0]!;
}
const isIri = (text: string): boolean => URL.canParse(text);
const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const rfc822 = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000$/;

/** RFC 4287 §4.1.1, §4.1.2, §4.2: what has to be there, how often, and in which form. */
function checkAtom(xml: string): Element {
  const feed = parseXml(xml);
  expect([feed.space, feed.name]).toEqual([atomSpace, "feed"]);
  expect(isIri(one(feed, "id").text)).toBe(true);
  expect(one(feed, "title").text).not.toBe("");
  expect(one(feed, "updated").text).toMatch(rfc3339);
  const self = all(feed, "link").filter(({ attributes }) => attributes["rel"] === "self");
  expect(self.length).toBe(1);
  const ids = new Set<string>();
  for (const entry of all(feed, "entry")) {
    ids.add(one(entry, "id").text);
    expect(isIri(one(entry, "id").text)).toBe(true);
    one(entry, "title");
    expect(one(entry, "updated").text).toMatch(rfc3339);
    expect(one(entry, "published").text).toMatch(rfc3339);
    // No author of the feed: so every entry has one (§4.1.1).
    expect(one(one(entry, "author"), "name").text).not.toBe("");
    const content = one(entry, "content");
    if (content.attributes["src"] !== undefined) {
      // §4.1.3.2, §4.1.1.1: empty, with a media type, and then a summary has to be there.
      expect(content.text).toBe("");
      expect(content.attributes["type"]).toBe("application/octet-stream");
      one(entry, "summary");
    }
    for (const { attributes } of all(entry, "link")) expect(isIri(attributes["href"]!)).toBe(true);
  }
  expect(ids.size).toBe(all(feed, "entry").length);
  return feed;
}

/** RSS 2.0: required elements of the channel, of items, and all attributes of enclosures. */
function checkRss(xml: string): Element {
  const rss = parseXml(xml);
  expect([rss.space, rss.name, rss.attributes["version"]]).toEqual(["", "rss", "2.0"]);
  const channel = one(rss, "channel", "");
  for (const name of ["title", "link", "description"]) {
    expect(one(channel, name, "").text).not.toBe("");
  }
  expect(isIri(one(channel, "link", "").text)).toBe(true);
  expect(one(channel, "link").attributes["rel"]).toBe("self");
  for (const item of all(channel, "item", "")) {
    expect(one(item, "title", "").text).not.toBe("");
    expect(one(item, "guid", "").attributes["isPermaLink"]).toBe("false");
    expect(one(item, "pubDate", "").text).toMatch(rfc822);
    for (const { attributes } of all(item, "enclosure", "")) {
      expect(attributes["length"]).toMatch(/^\d+$/);
      expect(attributes["type"]).toBe("application/octet-stream");
      expect(isIri(attributes["url"]!)).toBe(true);
    }
  }
  return channel;
}

const hostile = `]]><x a="1">&amp;'"\0\u{1}\u{d800}\u{ffff}<!--<script>alert(1)</script>`;
const item: FeedItem = {
  id: "01234567-89ab-8def-8123-456789abcdef",
  entries: 2,
  author: "ab".repeat(32),
  timeMs: 1_794_000_000_123,
  byteCount: 300,
  url: "https://relay.example/v1/feeds/t/entries/c",
};
const feed: Feed = {
  name: "name",
  id: "01234567-89ab-8def-8123-456789abcde0",
  url: "https://relay.example/v1/feeds/t/rss",
  items: [item],
};

describe("feeds as text", () => {
  test("[TH-121] are valid RSS 2.0 and Atom, empty ones and items without an envelope too", () => {
    const items = [
      item,
      { ...item, id: "01234567-89ab-8def-8123-456789abcde1", byteCount: undefined },
    ];
    for (const given of [feed, { ...feed, items: [] }, { ...feed, items }]) {
      checkAtom(atomOf(given));
      expect(all(checkRss(rssOf(given)), "item", "").length).toBe(given.items.length);
    }
  });

  test("nothing that is put in breaks out of its place", () => {
    const evil = { ...item, author: hostile, url: `https://x/?${hostile}` };
    const given = { ...feed, name: hostile, items: [evil] };
    const atom = checkAtom(atomOf(given));
    expect(one(one(one(atom, "entry"), "author"), "name").text).toContain("<script>");
    const channel = checkRss(rssOf(given));
    expect(channel.children.some(({ name }) => name === "x" || name === "script")).toBe(false);
  });

  test("any text is escaped so that a parser reads it back", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const read = parseXml(`<a b="${escapeXml(text)}">${escapeXml(text)}</a>`);
        const allowed = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu;
        const shown = text.toWellFormed().replace(allowed, "\u{fffd}").replace(/\r\n?/g, "\n");
        expect(read.text).toBe(shown);
      }),
    );
  });

  test("times beyond what a date can say stay valid", () => {
    for (const timeMs of [-1, 0, 9e15, Number.MAX_SAFE_INTEGER]) {
      const given = { ...feed, items: [{ ...item, timeMs }] };
      checkAtom(atomOf(given));
      checkRss(rssOf(given));
    }
  });
});

async function createFeed(hosted: Hosted): Promise<{ id: string; rss: string; atom: string }> {
  const answer = await ask(hosted, `${hosted.path}/feeds`, { method: "POST" });
  expect(answer.status).toBe(201);
  return (await answer.json()) as { id: string; rss: string; atom: string };
}

describe("feeds of a relay", () => {
  test("[TH-121] a secret address gives a reader valid feeds, whose links lead to sealed entries", async () => {
    const hosted = await startHosted();
    await writeThere(hosted, "first");
    await writeThere(hosted, "second");
    const { rss, atom } = await createFeed(hosted);
    const rssAnswer = await fetch(rss);
    expect(rssAnswer.headers.get("content-type")).toBe("application/rss+xml; charset=utf-8");
    const channel = checkRss(await rssAnswer.text());
    const atomAnswer = await fetch(atom);
    expect(atomAnswer.headers.get("content-type")).toBe("application/atom+xml; charset=utf-8");
    const read = checkAtom(await atomAnswer.text());
    expect(all(channel, "item", "").length).toBe(all(read, "entry").length);
    // Newest first.
    const times = all(read, "entry").map((entry) => one(entry, "updated").text);
    expect(times).toEqual(times.toSorted().toReversed());
    const [newest] = all(channel, "item", "");
    const { url, length } = one(newest!, "enclosure", "").attributes;
    const sealed = await fetch(url!);
    const bytes = new Uint8Array(await sealed.arrayBuffer());
    expect(String(bytes.length)).toBe(length);
    const content = openOuter(crypto, [followKeyOf(hosted)], bytes);
    expect(content).toMatchObject({
      kind: "range",
      range: { context: { author: hosted.device.author } },
    });
    const etag = rssAnswer.headers.get("etag")!;
    expect((await fetch(rss, { headers: { "if-none-match": etag } })).status).toBe(304);
    await writeThere(hosted, "third");
    const after = checkRss(await (await fetch(rss, { headers: { "if-none-match": etag } })).text());
    expect(all(after, "item", "").length).toBe(all(channel, "item", "").length + 1);
  });

  test("an address is revoked, and ends with the follow key that made it", async () => {
    const hosted = await startHosted();
    const first = await createFeed(hosted);
    const second = await createFeed(hosted);
    const list = await ask(hosted, `${hosted.path}/feeds`);
    const { feeds } = (await list.json()) as { feeds: readonly { id: string }[] };
    expect(feeds.map(({ id }) => id).sort()).toEqual([first.id, second.id].sort());
    expect(JSON.stringify(feeds)).not.toContain(first.rss.split("/").at(-2));
    const gone = await ask(hosted, `${hosted.path}/feeds/${first.id}`, { method: "DELETE" });
    expect(gone.status).toBe(204);
    expect(await errorOf(await fetch(first.rss))).toBe("404 RELAY_NOT_FOUND");
    expect((await fetch(second.atom)).status).toBe(200);
    const bob = await createDevice("bob");
    await hosted.space.add(await bob.spaces.bundle(), "read");
    await hosted.space.remove(bob.author);
    await hosted.session.synced();
    await expect.poll(async () => (await fetch(second.atom)).status).toBe(404);
    expect(await (await ask(hosted, `${hosted.path}/feeds`)).json()).toEqual({ feeds: [] });
  });

  test("guessed, cut and foreign addresses are not found; a space has so many feeds", async () => {
    const hosted = await startHosted({ limits: { feedsPerTopicMax: 1 } });
    const other = await startHosted({}, "bob");
    const { rss, id } = await createFeed(hosted);
    const foreign = await createFeed(other);
    expect(await errorOf(await ask(hosted, `${hosted.path}/feeds`, { method: "POST" }))).toBe(
      "507 RELAY_HOOKS_FULL",
    );
    const token = rss.split("/").at(-2)!;
    const flipped = `${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`;
    expect(fromBase64url(flipped)?.length).toBe(48);
    for (const wrong of [flipped, token.slice(1), "A".repeat(64), `${token}A`]) {
      expect((await fetch(rss.replace(token, wrong))).status).toBe(404);
    }
    for (const cursor of ["x", "A".repeat(64), "../rss", "%2e%2e"]) {
      expect((await fetch(rss.replace(/rss$/, `entries/${cursor}`))).status).not.toBe(500);
    }
    const theirs = `${other.path}/feeds/${id}`;
    expect((await ask(other, theirs, { method: "DELETE" })).status).toBe(404);
    expect((await fetch(foreign.rss)).status).toBe(200);
  });

  test("one proof makes one address, after a restart too, and when that was revoked", async () => {
    const data = await temporaryFolder();
    const hosted = await startHosted({ data });
    const target = `${hosted.path}/feeds`;
    const authorization = proofFor(hosted, target, { method: "POST" });
    const send = (relay: Pick<Relay, "url">): Promise<Response> =>
      fetch(httpUrl(relay, target), { method: "POST", headers: { authorization } });
    const made = await send(hosted.relay);
    expect(made.status).toBe(201);
    const { id } = (await made.json()) as { id: string };
    await hosted.relay.close();
    const again = await startRelay({ data });
    expect(await errorOf(await send(again))).toBe("401 RELAY_PROOF_STALE");
    const there = { ...hosted, relay: again };
    const gone = await ask(there, `${target}/${id}`, { method: "DELETE" });
    expect(gone.status).toBe(204);
    expect((await ask(there, `${target}/${id}`, { method: "DELETE" })).status).toBe(404);
    await again.close();
    const third = await startRelay({ data });
    expect(await errorOf(await send(third))).toBe("401 RELAY_PROOF_STALE");
    const list = await ask({ ...hosted, relay: third }, target);
    expect(await list.json()).toEqual({ feeds: [] });
  });

  test("a node that is behind a new follow key does not end addresses that belong to it", async () => {
    const store = createMemoryStore({ crypto });
    const holder: Holder = {
      // Safe: 64 hex characters are what the brand stands for.
      topic: "ab".repeat(32) as Topic,
      name: "n".repeat(22),
      followKey: new Uint8Array(32).fill(9),
    };
    let seconds = 1_794_000_000;
    const node = (found: Holder | "replaced"): FeedTokens =>
      createFeedTokens({
        store,
        crypto,
        random: seededRandom("feeds"),
        clock: { nowMicros: () => seconds * 1_000_000 },
        gate: {
          check: () => ({ ok: false, reason: "unknown" }),
          nameOf: () => holder.name,
          find: () => found,
          topicsChanged: () => {},
        },
        perTopicMax: 2,
      });
    const [ahead, behind] = [node(holder), node("replaced")];
    const feed = await ahead.create(holder);
    if (typeof feed === "string") throw new Error(feed);
    expect(await behind.open(feed.token)).toBeUndefined();
    expect(await behind.list(holder)).toEqual([]);
    expect(await ahead.open(feed.token)).toMatchObject({ id: feed.id });
    // A key that stays unknown was replaced: then nothing of the address is kept.
    seconds += 3_600;
    expect(await behind.list(holder)).toEqual([]);
    expect(await store.list("relay/")).toEqual([]);
  });

  test("links name the public address, and never what a hostile Host header says", async () => {
    const hosted = await startHosted({ publicUrl: "https://relay.example/" });
    const { rss } = await createFeed(hosted);
    expect(rss).toMatch(/^https:\/\/relay\.example\/v1\/feeds\/[\w-]{64}\/rss$/);
  });
});
