/** Feeds: one order everywhere, whatever order events come in. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeCbor, utf8 } from "@hawser/codec";
import { createCounters, createFeed, feedView, type Feed, type FeedChange } from "@hawser/feed";
import type { ViewEvent } from "@hawser/view";
import { checkViewLaws, createMemorySource, fakeEvent } from "@hawser/view/testing";

const post = (value: string, name = "feed") => ({
  type: "feed",
  body: encodeCbor([1, name, value]),
});
const textsOf = (feed: Feed): unknown[] => [...feed.range()].map(({ value }) => value);

async function opened(events: readonly ViewEvent[] = []) {
  const source = createMemorySource();
  source.deliver(events);
  const feed = createFeed({ source });
  await feed.ready;
  return { source, feed };
}

describe("feeds", () => {
  test("[TH-149] everybody sees what everybody appended, in one order", async () => {
    const events = [0, 1, 2].flatMap((log) =>
      [0, 1, 2].map((seq) => fakeEvent(log, seq, post(`${log}/${seq}`))),
    );
    const expected = ["0/0", "1/0", "2/0", "0/1", "1/1", "2/1", "0/2", "1/2", "2/2"];
    const byLog = (a: ViewEvent, b: ViewEvent): number => a.seq - b.seq;
    for (const order of [events, [...events].reverse().sort(byLog), [...events].sort(byLog)]) {
      const { feed } = await opened(order);
      await using _ = feed;
      expect(textsOf(feed)).toEqual(expected);
      expect(feed.length).toBe(9);
    }
  });

  test("[TH-149] obeys the laws of views", async () => {
    await checkViewLaws(feedView, {
      type: "feed",
      body: (_state, choice) => post(String(choice), choice % 3 === 0 ? "other" : "feed").body,
      seed: 149,
    });
  });

  test("appends are read at once, as one batch, and keep their order", async () => {
    const { feed } = await opened();
    await using _ = feed;
    const refs = await feed.append("a", 2, utf8("c"), [null, true]);
    expect(refs).toHaveLength(4);
    expect(textsOf(feed)).toEqual(["a", 2, utf8("c"), [null, true]]);
    expect(feed.at(0)).toMatchObject({ value: "a", seq: refs[0]?.seq });
    expect(feed.at(-1)?.value).toEqual([null, true]);
    expect(feed.at(4)).toBeUndefined();
    expect(await feed.append()).toEqual([]);
  });

  test("ranges from either end", async () => {
    const events = Array.from({ length: 5 }, (_, seq) => fakeEvent(0, seq, post(String(seq))));
    const { feed } = await opened(events);
    await using _ = feed;
    const values = (options: Parameters<Feed["range"]>[0]) =>
      [...feed.range(options)].map(({ value }) => value).join("");
    expect(values({ limit: 2 })).toBe("01");
    expect(values({ from: 3 })).toBe("34");
    expect(values({ reverse: true, limit: 2 })).toBe("43");
    expect(values({ from: 1, reverse: true })).toBe("10");
    expect(values({ from: 9 })).toBe("");
    expect(values({ from: -1 })).toBe("");
  });

  test("several feeds share a space and do not meet", async () => {
    const source = createMemorySource();
    await using news = createFeed({ source }, { name: "news" });
    await using talk = createFeed({ source }, { name: "talk" });
    await news.append("n");
    await talk.append("t");
    expect(textsOf(news)).toEqual(["n"]);
    expect(textsOf(talk)).toEqual(["t"]);
  });

  test("a late item takes its place, and watchers hear where", async () => {
    const { source, feed } = await opened([
      fakeEvent(0, 0, post("first"), 1_000),
      fakeEvent(0, 1, post("third"), 3_000),
    ]);
    await using _ = feed;
    const abort = new AbortController();
    const heard: (FeedChange | "reset")[] = [];
    const watching = (async () => {
      for await (const change of feed.watch({ signal: abort.signal })) {
        heard.push(change);
        if (heard.length === 2) abort.abort();
      }
    })();
    source.deliver([fakeEvent(1, 0, post("second"), 2_000)]);
    source.deliver([fakeEvent(1, 1, post("elsewhere", "other"), 2_500)]);
    source.deliver([fakeEvent(1, 2, post("fourth"), 4_000)]);
    await watching;
    expect(heard).toMatchObject([
      { index: 1, item: { value: "second" } },
      { index: 3, item: { value: "fourth" } },
    ]);
    expect(textsOf(feed)).toEqual(["first", "second", "third", "fourth"]);
  });

  test("after changed judgements everything is told again", async () => {
    const kept = fakeEvent(0, 0, post("kept"));
    const { source, feed } = await opened([kept, fakeEvent(1, 0, post("gone"))]);
    await using _ = feed;
    const abort = new AbortController();
    const heard: unknown[] = [];
    const watching = (async () => {
      for await (const change of feed.watch({ signal: abort.signal })) {
        heard.push(change === "reset" ? change : change.item.value);
        if (heard.includes("kept")) abort.abort();
      }
    })();
    source.reset([kept]);
    await watching;
    expect(heard).toEqual(["reset", "kept"]);
    expect(textsOf(feed)).toEqual(["kept"]);
  });

  test("what is no item is nobody's, and stops nothing", async () => {
    const bodies = [
      new Uint8Array(0),
      utf8("not cbor"),
      encodeCbor([1, "feed"]),
      encodeCbor([2, "feed", "x"]),
      encodeCbor([1, "", "x"]),
      encodeCbor([1, "x".repeat(129), "x"]),
      encodeCbor([1, 7, "x"]),
    ];
    const events = bodies.map((body, seq) => fakeEvent(0, seq, { type: "feed", body }));
    const { feed } = await opened([...events, fakeEvent(0, bodies.length, post("good"))]);
    await using _ = feed;
    expect(textsOf(feed)).toEqual(["good"]);
  });

  test("any bytes as a body leave a state that encodes and decodes", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (bodies) => {
        let state = feedView.init();
        bodies.forEach((body, seq) => {
          state = feedView.apply(state, fakeEvent(0, seq, { type: "feed", body }));
        });
        const bytes = feedView.encode(state);
        const decoded = feedView.decode(bytes);
        expect(decoded && feedView.encode(decoded)).toEqual(bytes);
      }),
    );
  });

  test("misuse has codes", async () => {
    const source = createMemorySource();
    for (const name of ["", "x".repeat(129), "\ud800"]) {
      expect(() => createFeed({ source }, { name })).toThrowError(
        expect.objectContaining({ code: "FEED_NAME_INVALID" }),
      );
    }
    await using feed = createFeed({ source });
    const long = feed.append("x".repeat(54_001));
    await expect(long).rejects.toMatchObject({ code: "FEED_VALUE_TOO_LARGE" });
    const odd = feed.append(undefined as never);
    await expect(odd).rejects.toMatchObject({ code: "FEED_VALUE_INVALID" });
    expect(source.events).toEqual([]);
  });
});

test("a feed and counters open from their snapshots, and tell of it", async () => {
  const source = createMemorySource();
  const first = createFeed({ source });
  await first.append(...Array.from({ length: 120 }, (_, index) => index));
  await first[Symbol.asyncDispose]();
  const sums = createCounters({ source });
  for (let index = 0; index < 120; index++) await sums.add("n", index);
  await sums[Symbol.asyncDispose]();
  const handed = source.handedCount;
  await using feed = createFeed({ source });
  await using again = createCounters({ source });
  let told = 0;
  feed.subscribe(() => (told += 1));
  await Promise.all([feed.ready, again.ready]);
  expect([feed.length, feed.at(-1)?.value, again.get("n"), told]).toEqual([120, 119, 7_140, 1]);
  // The counters' events came behind the feed's snapshot; nothing came behind the counters'.
  expect(source.handedCount).toBe(handed + 120);
  await using without = createFeed({ source }, { snapshots: false });
  await without.ready;
  expect([...without.range()].map(({ hash }) => hash)).toEqual(
    [...feed.range()].map(({ hash }) => hash),
  );
});
