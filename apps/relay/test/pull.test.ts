/** HTTP pull: who may, what comes, and what does not. */
import { connect } from "node:net";
import { fromBase64url } from "@hawser/codec";
import { openOuter } from "@hawser/space";
import { describe, expect, test } from "vitest";
import { createPullReader, type PullReader } from "../src/client.ts";
import {
  clock,
  createDevice,
  crypto,
  errorOf,
  hostAt,
  httpUrl,
  readTexts,
  startRelay,
  untilSession,
  write,
  type Device,
} from "./help.ts";
import { seededRandom } from "@hawser/crypto/testing";
import {
  ask,
  followKeyOf,
  pathOf,
  proofFor,
  startHosted,
  topicOf,
  writeThere,
  type Hosted,
} from "./reader-help.ts";

interface Page {
  readonly entries: readonly {
    readonly id: string;
    readonly cursor: string;
    readonly count: number;
    readonly sealed: string;
  }[];
  readonly next: string | null;
  readonly more: boolean;
}

async function pageOf(hosted: Hosted, query = ""): Promise<Page> {
  const answer = await ask(hosted, `${hosted.path}/entries${query}`);
  expect(answer.status).toBe(200);
  return (await answer.json()) as Page;
}

function readerOf(hosted: Hosted, device: Device, cursor?: string): PullReader {
  return createPullReader(
    {
      crypto,
      clock,
      random: seededRandom(`reader ${cursor ?? ""}`),
      ingest: device.spaces.ingest,
      fetch: (url, init) => fetch(url, init),
    },
    {
      url: httpUrl(hosted.relay, ""),
      relay: hosted.relay.author,
      topic: topicOf(device, hosted.space.topic),
      cursor,
    },
  );
}

describe("GET /v1/topics/<name>/entries", () => {
  test("[TH-121] gives sealed ranges as JSON, in pages, to whoever proves the follow key", async () => {
    const hosted = await startHosted();
    for (const text of ["one", "two", "three"]) await writeThere(hosted, text);
    const whole = await pageOf(hosted);
    expect(whole.more).toBe(false);
    expect(new Set(whole.entries.map(({ id }) => id)).size).toBe(whole.entries.length);
    let after = "";
    const ids: string[] = [];
    for (;;) {
      const page = await pageOf(hosted, `?limit=2${after}`);
      ids.push(...page.entries.map(({ id }) => id));
      expect(page.entries.length).toBeLessThanOrEqual(2);
      after = `&after=${page.next}`;
      if (!page.more) break;
    }
    expect(ids).toEqual(whole.entries.map(({ id }) => id));
    for (const { sealed, count } of whole.entries) {
      const content = openOuter(crypto, [followKeyOf(hosted)], fromBase64url(sealed)!);
      expect(content).toMatchObject({ kind: "range", range: { count } });
      expect(openOuter(crypto, [new Uint8Array(32)], fromBase64url(sealed)!)).toBeUndefined();
    }
    const rest = await pageOf(hosted, `?after=${whole.next}`);
    expect(rest).toMatchObject({ entries: [], next: whole.next, more: false });
  });

  test("has a weak ETag, answers 304 to it, HEAD, and pages of any origin", async () => {
    const hosted = await startHosted();
    const target = `${hosted.path}/entries`;
    const first = await ask(hosted, target);
    const etag = first.headers.get("etag")!;
    expect(etag).toMatch(/^W\/"[\w-]{22}"$/);
    expect(first.headers.get("cache-control")).toBe("private, no-cache");
    expect(first.headers.get("access-control-allow-origin")).toBe("*");
    const again = await ask(hosted, target, { headers: { "if-none-match": `"x", ${etag}` } });
    expect([again.status, await again.text()]).toEqual([304, ""]);
    const head = await ask(hosted, target, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    await writeThere(hosted, "news");
    const changed = await ask(hosted, target, { headers: { "if-none-match": etag } });
    expect(changed.status).toBe(200);
    const preflight = await fetch(httpUrl(hosted.relay, target), { method: "OPTIONS" });
    expect(preflight.headers.get("access-control-allow-headers")).toContain("authorization");
  });

  test("gives nothing without a proof, and says the same whether the space is here", async () => {
    const hosted = await startHosted();
    const other = await createDevice("other");
    const elsewhere = await other.spaces.create();
    const target = `${hosted.path}/entries`;
    const stranger = { ...hosted, device: other, space: elsewhere };
    const answers = [
      await fetch(httpUrl(hosted.relay, target)),
      await fetch(httpUrl(hosted.relay, target), { headers: { authorization: "Bearer x" } }),
      await ask(stranger, target),
      await ask(stranger, `${pathOf(hosted.relay, elsewhere.topic)}/entries`),
      await ask(hosted, target, { followKey: new Uint8Array(32) }),
    ];
    for (const answer of answers) {
      expect(answer.headers.get("www-authenticate")).toBe("Hawser-Follow");
      expect(await errorOf(answer)).toBe("401 RELAY_PROOF");
    }
  });

  test("takes a proof once, for that request, for two minutes", async () => {
    const hosted = await startHosted();
    const target = `${hosted.path}/entries`;
    const url = httpUrl(hosted.relay, target);
    const authorization = proofFor(hosted, target);
    const send = (to: string, init: RequestInit = {}) =>
      fetch(to, { ...init, headers: { authorization } });
    expect(await errorOf(await send(`${url}?limit=1`))).toBe("401 RELAY_PROOF");
    expect((await send(url, { method: "HEAD" })).status).toBe(401);
    expect(await errorOf(await send(httpUrl(hosted.relay, `${hosted.path}/hooks`)))).toBe(
      "401 RELAY_PROOF",
    );
    expect((await send(url)).status).toBe(200);
    expect(await errorOf(await send(url))).toBe("401 RELAY_PROOF_STALE");
    for (const seconds of [-200, 200]) {
      expect(await errorOf(await ask(hosted, target, { seconds }))).toBe("401 RELAY_PROOF_STALE");
    }
    const otherRelay = { ...hosted, relay: await startRelay() };
    expect((await ask(otherRelay, target)).status).toBe(401);
  });

  test("refuses parameters it does not know and cursors of other spaces", async () => {
    const hosted = await startHosted();
    const second = await startHosted({}, "bob");
    const { next } = await pageOf(second);
    for (const query of [
      "?x=1",
      "?limit=0",
      "?limit=-1",
      "?limit=1e3",
      "?after=",
      "?after=a&after=b",
    ]) {
      const answer = await ask(hosted, `${hosted.path}/entries${query}`);
      expect(await errorOf(answer), query).toBe("400 RELAY_REQUEST_INVALID");
    }
    for (const cursor of [next, "AAAA", "A".repeat(64), "%00", "..%2f"]) {
      const answer = await ask(hosted, `${hosted.path}/entries?after=${cursor}`);
      expect(await errorOf(answer)).toBe("410 RELAY_CURSOR_UNKNOWN");
    }
    for (const path of ["/v1/topics/x/entries", `${hosted.path}/entries/`, `${hosted.path}/../x`]) {
      expect((await ask(hosted, path)).status).toBe(404);
    }
    expect((await ask(hosted, `${hosted.path}/entries`, { method: "POST" })).status).toBe(405);
  });

  test("a rotated follow key ends access at once, and old cursors go on", async () => {
    const hosted = await startHosted();
    const bob = await createDevice("bob");
    await hosted.space.add(await bob.spaces.bundle(), "read");
    await hosted.session.synced();
    const before = followKeyOf(hosted);
    const { next } = await pageOf(hosted);
    await hosted.space.remove(bob.author);
    await expect.poll(() => followKeyOf(hosted)).not.toEqual(before);
    await hosted.session.synced();
    await expect
      .poll(async () => (await ask(hosted, `${hosted.path}/entries?after=${next}`)).status)
      .toBe(200);
    const late = await ask(hosted, `${hosted.path}/entries`, { followKey: before });
    expect(await errorOf(late)).toBe("401 RELAY_PROOF");
  });

  test("counts requests before it looks at them, and proven ones per space", async () => {
    const hosted = await startHosted({
      limits: { readRequestsPerMinuteMax: 4, topicRequestsPerMinuteMax: 2 },
    });
    const target = `${hosted.path}/entries`;
    expect((await ask(hosted, target)).status).toBe(200);
    expect((await ask(hosted, target)).status).toBe(200);
    expect(await errorOf(await ask(hosted, target))).toBe("429 RELAY_RATE_LIMITED");
    expect((await fetch(httpUrl(hosted.relay, target))).status).toBe(401);
    const flood = await fetch(httpUrl(hosted.relay, target));
    expect(flood.headers.get("retry-after")).toBe("60");
    expect(await errorOf(flood)).toBe("429 RELAY_RATE_LIMITED");
  });

  test("[NB-13] a space has its rate whoever asks: all who hold its key share it, others have theirs", async () => {
    const hosted = await startHosted({
      trustProxy: true,
      limits: { readRequestsPerMinuteMax: 2, topicRequestsPerMinuteMax: 3 },
    });
    const other = await hosted.device.spaces.create();
    expect((await hostAt(hosted.relay, other)).status).toBe(204);
    const theirs = { ...hosted, space: other, path: pathOf(hosted.relay, other.topic) };
    const from = (last: number) => ({ headers: { "x-forwarded-for": `198.51.100.${last}` } });
    const askFor = (of: Hosted, last: number) => ask(of, `${of.path}/entries`, from(last));
    // Nothing in a request says who sends it: only that the sender holds the space's key.
    for (const last of [1, 2, 3]) expect((await askFor(hosted, last)).status).toBe(200);
    expect(await errorOf(await askFor(hosted, 4))).toBe("429 RELAY_RATE_LIMITED");
    expect((await askFor(theirs, 5)).status).toBe(200);
    // An address has its own, whatever it asks for, and proofs that fail count as well.
    const stranger = { ...from(6), followKey: new Uint8Array(32) };
    const target = `${theirs.path}/entries`;
    expect((await ask(theirs, target, stranger)).status).toBe(401);
    expect((await ask(theirs, target, stranger)).status).toBe(401);
    expect(await errorOf(await askFor(theirs, 6))).toBe("429 RELAY_RATE_LIMITED");
    expect((await askFor(theirs, 7)).status).toBe(200);
  });

  test("stands headers that are too long, split or cut short; others go on", async () => {
    const hosted = await startHosted();
    const { hostname, port } = new URL(hosted.relay.url);
    const exchange = (text: string): Promise<string> =>
      new Promise((resolve, reject) => {
        let answer = "";
        const socket = connect(Number(port), hostname, () => socket.end(text));
        socket.on("data", (chunk) => (answer += chunk.toString()));
        socket.on("close", () => resolve(answer));
        socket.on("error", reject);
      });
    const start = `GET ${hosted.path}/entries HTTP/1.1\r\nhost: x\r\n`;
    expect(await exchange(`${start}authorization: ${"a".repeat(9_000)}\r\n\r\n`)).toContain(
      " 400 ",
    );
    expect(await exchange(`${start}authorization: Hawser-Follow v=1\r\n x\r\n\r\n`)).toMatch(
      / 40[01] /,
    );
    expect(await exchange(`${start}authorization: a\0b\r\n\r\n`)).toContain(" 400 ");
    const post = `POST ${hosted.path}/hooks HTTP/1.1\r\nhost: x\r\nconnection: close\r\n`;
    const long = await exchange(`${post}content-length: 999999\r\n\r\n{`);
    expect(long).toContain("RELAY_BODY_TOO_LARGE");
    expect((await ask(hosted, `${hosted.path}/entries`)).status).toBe(200);
  });
});

describe("createPullReader", () => {
  test("[TH-123] a cut socket loses nothing: pull fills the gap, push goes on, nothing comes twice", async () => {
    const hosted = await startHosted();
    await writeThere(hosted, "a", "b");
    const link = await hosted.space.invite({ level: "read", addresses: [hosted.relay.url] });
    await hosted.session.synced();
    const web = await createDevice("web");
    const page = await web.spaces.join(link);
    const session = await web.connect(hosted.relay);
    await page.ready();
    await untilSession(session, () => session.access(page.topic)?.received === "full");
    await session.synced();
    await session.close();
    // The socket is gone; what is written now is at the relay only.
    await writeThere(hosted, "c");
    await writeThere(hosted, "d", "e");
    const reader = readerOf(hosted, web);
    const first = await reader.pull();
    expect(first.stored).toBeGreaterThanOrEqual(2);
    expect(first).toMatchObject({ refused: 0, omitted: 0 });
    expect(await readTexts(page, 5)).toEqual(["a", "b", "c", "d", "e"]);
    expect(await reader.pull()).toEqual({ stored: 0, known: 0, refused: 0, omitted: 0 });
    // A reader that begins where that one ended asks for nothing old.
    const later = readerOf(hosted, web, reader.cursor);
    await writeThere(hosted, "f");
    expect(await later.pull()).toEqual({ stored: 1, known: 0, refused: 0, omitted: 0 });
    const again = await web.connect(hosted.relay);
    await again.synced();
    await writeThere(hosted, "g");
    expect(await readTexts(page, 7)).toEqual(["a", "b", "c", "d", "e", "f", "g"]);
    expect((await later.pull()).stored).toBe(0);
  });

  test("starts over when the relay does not know its cursor, and says what else fails", async () => {
    const hosted = await startHosted();
    await writeThere(hosted, "a");
    const reader = readerOf(hosted, hosted.device, "A".repeat(64));
    expect(await reader.pull()).toMatchObject({ stored: 0, refused: 0 });
    const topic = topicOf(hosted.device, hosted.space.topic);
    const make = (answer: () => Promise<Response>): PullReader =>
      createPullReader(
        {
          crypto,
          clock,
          random: seededRandom("x"),
          ingest: hosted.device.spaces.ingest,
          fetch: answer,
        },
        { url: "http://x", relay: hosted.relay.author, topic },
      );
    const answers: readonly [Response | Error, string][] = [
      [new Error("down"), "PULL_UNREACHABLE"],
      [Response.json({ code: "RELAY_BUSY" }, { status: 503 }), "PULL_REFUSED"],
      [Response.json([]), "PULL_ANSWER_INVALID"],
      [new Response("{"), "PULL_ANSWER_INVALID"],
      [Response.json({ version: 1, entries: [], next: null, more: true }), "PULL_ANSWER_INVALID"],
      [
        Response.json({ version: 1, entries: [{}], next: null, more: false }),
        "PULL_ANSWER_INVALID",
      ],
      [
        Response.json({ version: 1, entries: [{ sealed: "AAAA" }], next: null, more: false }),
        "PULL_BAD_RANGE",
      ],
    ];
    for (const [answer, code] of answers) {
      const failing = make(async () => {
        if (answer instanceof Error) throw answer;
        return answer;
      });
      await expect(failing.pull()).rejects.toMatchObject({ code });
      expect(failing.cursor).toBeUndefined();
    }
  });

  test("keeps nothing that a relay changed", async () => {
    const hosted = await startHosted();
    await writeThere(hosted, "a");
    await write(hosted.space, "b");
    const { entries } = await pageOf(hosted);
    const bytes = fromBase64url(entries.at(-1)!.sealed)!;
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    expect(openOuter(crypto, [followKeyOf(hosted)], bytes)).toBeUndefined();
  });
});
