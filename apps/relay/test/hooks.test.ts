/** Hooks: who is told of news, how often, in which order, and what happens when nobody listens. */
import { createHmac } from "node:crypto";
import { fromUtf8, utf8 } from "@hawser/codec";
import { seededRandom } from "@hawser/crypto/testing";
import { createMemoryStore, type LogStore, type StoredRange, type Topic } from "@hawser/log";
import { describe, expect, onTestFinished, test } from "vitest";
import { hookIdOf, hookSecretOf } from "../src/client.ts";
import { followIdOf } from "../src/follow-proof.ts";
import type { Holder } from "../src/gate.ts";
import { createHookStore } from "../src/hook-store.ts";
import { attemptsMax, openNotifier, strikesMax, type Notifier } from "../src/notifier.ts";
import type { PushNotice, PushOutcome, PushProvider } from "../src/push-provider.ts";
import { createWebhookProvider, signWebhook } from "../src/webhook.ts";
import { createDevice, crypto, errorOf, httpUrl, startRelay, temporaryFolder } from "./help.ts";
import {
  answerWith,
  ask,
  fakeOutbound,
  followKeyOf,
  proofFor,
  startHosted,
  writeThere,
  type Hosted,
} from "./reader-help.ts";
import type { OutboundRequest } from "../src/outbound.ts";

// Safe: 64 hex characters are what the brands stand for.
const topic = "ab".repeat(32) as Topic;
const relay = "cd".repeat(32) as Hosted["relay"]["author"];
const followKey = new Uint8Array(32).fill(9);
const holder: Holder = { topic, name: "n".repeat(22), followKey };

/** Timers that run when told to. */
function createTimers(): {
  after(ms: number, callback: () => void): () => void;
  advance(ms: number): Promise<void>;
  delays(): readonly number[];
} {
  let now = 0;
  let waiting: { at: number; callback: () => void }[] = [];
  return {
    after: (ms, callback) => {
      const timer = { at: now + ms, callback };
      waiting.push(timer);
      return () => {
        waiting = waiting.filter((other) => other !== timer);
      };
    },
    delays: () => waiting.map(({ at }) => at - now),
    advance: async (ms) => {
      const end = now + ms;
      for (;;) {
        await settled();
        const next = waiting.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        waiting = waiting.filter((other) => other !== next);
        now = next.at;
        next.callback();
      }
      now = end;
    },
  };
}

/** Whatever only waits for promises has happened. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
}

/** A provider of a platform's own, as an operator would plug in. */
function fakeProvider(answer: (notice: PushNotice) => PushOutcome | Promise<PushOutcome>): {
  readonly provider: PushProvider;
  readonly sent: PushNotice[];
} {
  const sent: PushNotice[] = [];
  return {
    sent,
    provider: {
      name: "apns",
      parse: (target) =>
        typeof target === "string" ? { address: target, shown: "apple" } : undefined,
      confirm: async () => true,
      send: async (_target, notice) => {
        sent.push(notice);
        return answer(notice);
      },
    },
  };
}

const delivered: PushOutcome = { status: "delivered" };
const later: PushOutcome = { status: "later", reason: "status 500" };

async function setUp(
  answer: (notice: PushNotice) => PushOutcome | Promise<PushOutcome>,
  given: {
    readonly store?: LogStore;
    readonly last?: number;
    readonly provider?: PushProvider;
    readonly isShared?: boolean;
  } = {},
) {
  const timers = createTimers();
  const store = given.store ?? createMemoryStore({ crypto });
  const { provider, sent } = fakeProvider(answer);
  let tell = (_ranges: readonly StoredRange[]): void => {};
  let last = given.last ?? 0;
  let seconds = 1_794_000_000;
  let current: Holder | "replaced" | "absent" = holder;
  const notifier = await openNotifier({
    store: {
      ...store,
      onCommit: (listener) => {
        tell = listener;
        return () => {};
      },
    },
    crypto,
    random: seededRandom("notifier"),
    clock: { nowMicros: () => seconds * 1_000_000 },
    timers,
    relay,
    gate: {
      check: () => ({ ok: false, reason: "unknown" }),
      nameOf: () => holder.name,
      find: () => current,
      topicsChanged: () => {},
    },
    puller: { last: async () => last, cursorOf: (_topic, place) => `cursor-${place}` },
    providers: new Map([["apns", given.provider ?? provider]]),
    isTeller: () => true,
    isShared: given.isShared ?? false,
    onFailure: (cause) => {
      throw cause;
    },
    limits: { hooksPerTopicMax: 2, hooksMax: 3 },
  });
  onTestFinished(() => notifier.stop());
  return {
    notifier,
    provider: given.provider ?? provider,
    sent,
    timers,
    store,
    replaceKey: () => (current = "replaced"),
    restoreKey: () => (current = holder),
    pass: (more: number) => (seconds += more),
    commit: (place: number, to: Topic = topic) => {
      last = place;
      // Safe: the notifier looks at nothing else of a range.
      tell([{ context: { topic: to }, cursor: place } as unknown as StoredRange]);
    },
  };
}

async function registerOn(
  notifier: Notifier,
  provider: PushProvider,
  address = "device-1",
): Promise<string> {
  const outcome = await notifier.register(holder, provider, { address, shown: "apple" });
  if (outcome.status !== "active") throw new Error(outcome.status);
  return outcome.id;
}

const cursorsOf = (sent: readonly PushNotice[]): readonly string[] =>
  sent.map(({ body }) => (JSON.parse(fromUtf8(body)!) as { data: { cursor: string } }).data.cursor);

describe("notices", () => {
  test("[TH-115] a fake push service is told that there is news, and nothing else", async () => {
    const { notifier, provider, sent, timers, commit } = await setUp(() => delivered);
    const id = await registerOn(notifier, provider);
    commit(5);
    await timers.advance(1_000);
    expect(sent.length).toBe(1);
    expect(JSON.parse(fromUtf8(sent[0]!.body)!)).toEqual({
      type: "hawser.topic.news",
      timestamp: "2026-11-06T21:20:00.000Z",
      data: { topic: holder.name, cursor: "cursor-5" },
    });
    expect(fromUtf8(sent[0]!.body)).not.toContain(topic);
    expect(sent[0]?.secret).toEqual(hookSecretOf(crypto, followKey, { relay, id }));
  });

  test("a burst is one notice, and what comes while one is on its way is the next", async () => {
    let finish = (_outcome: PushOutcome): void => {};
    const { notifier, provider, sent, timers, commit } = await setUp(
      () => new Promise((resolve) => (finish = resolve)),
    );
    await registerOn(notifier, provider);
    for (let place = 1; place <= 500; place++) commit(place);
    await timers.advance(1_000);
    expect(cursorsOf(sent)).toEqual(["cursor-500"]);
    for (let place = 501; place <= 900; place++) commit(place);
    await timers.advance(60_000);
    expect(sent.length).toBe(1);
    finish(delivered);
    await timers.advance(1_000);
    expect(cursorsOf(sent)).toEqual(["cursor-500", "cursor-900"]);
    finish(delivered);
    await timers.advance(60_000);
    expect(sent.length).toBe(2);
  });

  test("[TH-116] is tried again with growing delays and one id, then put aside, listed and replayed", async () => {
    let outcome: PushOutcome = later;
    const { notifier, provider, sent, timers, commit } = await setUp(() => outcome);
    const id = await registerOn(notifier, provider);
    commit(1);
    await timers.advance(1_000);
    const delays: number[] = [];
    for (let attempt = 1; attempt < attemptsMax; attempt++) {
      const [delay = 0] = timers.delays();
      delays.push(delay);
      commit(1 + attempt);
      await timers.advance(delay);
    }
    expect(sent.length).toBe(attemptsMax);
    expect(new Set(sent.map(({ messageId }) => messageId)).size).toBe(1);
    expect(new Set(cursorsOf(sent))).toEqual(new Set(["cursor-1"]));
    delays.forEach((delay, index) => {
      const whole = Math.min(3_600_000, 5_000 * 4 ** index);
      expect(delay).toBeGreaterThanOrEqual(whole / 2);
      expect(delay).toBeLessThanOrEqual(whole);
    });
    const [dead] = (await notifier.dead({ topic, id }))!;
    expect(dead).toMatchObject({ attempts: attemptsMax, reason: "status 500", place: 1 });
    // The next news are sent all the same.
    outcome = delivered;
    await timers.advance(1_000);
    expect(cursorsOf(sent).at(-1)).toBe(`cursor-${attemptsMax}`);
    outcome = later;
    expect(await notifier.replay({ topic, id }, dead!.messageId)).toBe("failed");
    outcome = delivered;
    expect(await notifier.replay({ topic, id }, dead!.messageId)).toBe("delivered");
    expect(sent.at(-1)?.messageId).toBe(dead!.messageId);
    expect(await notifier.dead({ topic, id })).toEqual([]);
    expect(await notifier.replay({ topic, id }, dead!.messageId)).toBe("absent");
  });

  test("waits as long as the other side asks, up to an hour", async () => {
    const { notifier, provider, timers, commit } = await setUp(() => ({
      ...later,
      afterSeconds: 999_999,
    }));
    await registerOn(notifier, provider);
    commit(1);
    await timers.advance(1_000);
    expect(timers.delays()).toEqual([3_600_000]);
  });

  test("[TH-116] a restart loses nothing that was not delivered, and repeats nothing that was", async () => {
    const first = await setUp(() => later);
    await registerOn(first.notifier, first.provider);
    first.commit(3);
    await first.timers.advance(1_000);
    await first.notifier.stop();
    const second = await setUp(() => delivered, { store: first.store, last: 4 });
    await second.timers.advance(2_000);
    expect(cursorsOf(second.sent)).toEqual(["cursor-4"]);
    await second.notifier.stop();
    const third = await setUp(() => delivered, { store: first.store, last: 4 });
    await third.timers.advance(60_000);
    expect(third.sent).toEqual([]);
  });

  test("a hook that nobody hears is suspended, and woken by registering it again", async () => {
    let outcome: PushOutcome = { status: "refused", reason: "status 413" };
    const { notifier, provider, sent, timers, commit } = await setUp(() => outcome);
    const id = await registerOn(notifier, provider);
    for (let place = 1; place <= strikesMax + 3; place++) {
      commit(place);
      await timers.advance(1_000);
    }
    expect(sent.length).toBe(strikesMax);
    expect((await notifier.list(topic))[0]?.strikes).toBe(strikesMax);
    outcome = delivered;
    expect(await registerOn(notifier, provider)).toBe(id);
    await timers.advance(1_000);
    expect(sent.length).toBe(strikesMax + 1);
    expect((await notifier.list(topic)).length).toBe(1);
  });

  test("ends when its target is gone, when it is removed, and when the follow key is replaced", async () => {
    const gone = await setUp(() => ({ status: "gone" }));
    await registerOn(gone.notifier, gone.provider);
    gone.commit(1);
    await gone.timers.advance(1_000);
    expect(await gone.notifier.list(topic)).toEqual([]);

    const removed = await setUp(() => delivered);
    const id = await registerOn(removed.notifier, removed.provider);
    removed.commit(1);
    expect(await removed.notifier.remove({ topic, id })).toBe(true);
    expect(await removed.notifier.remove({ topic, id })).toBe(false);
    await removed.timers.advance(60_000);
    expect(removed.sent).toEqual([]);

    for (const how of ["at once", "with the next news"]) {
      const replaced = await setUp(() => delivered);
      await registerOn(replaced.notifier, replaced.provider);
      replaced.replaceKey();
      if (how === "at once") replaced.notifier.topicsChanged();
      else replaced.commit(1);
      await replaced.timers.advance(1_000);
      expect(await replaced.notifier.list(topic)).toEqual([]);
      expect(replaced.sent).toEqual([]);
      expect(await replaced.store.list("relay/")).toEqual([]);
    }
  });

  test("there are so many hooks of a space, and what a provider throws is a failed attempt", async () => {
    const { notifier, provider } = await setUp(() => delivered);
    await registerOn(notifier, provider, "1");
    await registerOn(notifier, provider, "2");
    await registerOn(notifier, provider, "2");
    expect(await notifier.register(holder, provider, { address: "3", shown: "apple" })).toEqual({
      status: "full",
    });
    expect(await notifier.dead({ topic, id: "nobody" })).toBeUndefined();
  });

  test("a hook that is removed while a delivery is written down stays removed", async () => {
    const inner = createMemoryStore({ crypto });
    let isArmed = false;
    // Another node removes it between this one's look and its write.
    const store: LogStore = {
      ...inner,
      commit: async (batch) => {
        if (isArmed && (batch.writes ?? []).some(({ value }) => value !== undefined)) {
          isArmed = false;
          await inner.commit({ writes: [{ key: `relay/hook/${topic}/${id}`, value: undefined }] });
        }
        return inner.commit(batch);
      },
    };
    const { notifier, provider, sent, timers, commit } = await setUp(() => delivered, { store });
    const id = await registerOn(notifier, provider);
    isArmed = true;
    commit(1);
    await timers.advance(1_000);
    expect([sent.length, isArmed]).toEqual([1, false]);
    expect(await notifier.list(topic)).toEqual([]);
    expect(await store.list("relay/")).toEqual([]);
    commit(2);
    await timers.advance(60_000);
    expect(sent.length).toBe(1);
  });

  test("a node that is behind a new follow key does not end hooks that belong to it", async () => {
    const { notifier, provider, sent, timers, commit, replaceKey, restoreKey, pass } = await setUp(
      () => delivered,
      { isShared: true },
    );
    await registerOn(notifier, provider);
    replaceKey();
    commit(1);
    notifier.topicsChanged();
    await timers.advance(20_000);
    expect(sent).toEqual([]);
    expect((await notifier.list(topic)).length).toBe(1);
    restoreKey();
    await timers.advance(20_000);
    expect(cursorsOf(sent)).toEqual(["cursor-1"]);
    // A key that stays unknown was replaced.
    replaceKey();
    pass(3_600);
    await timers.advance(20_000);
    expect(await notifier.list(topic)).toEqual([]);
  });

  test("a node that leads again never tells of something older than the one between", async () => {
    const outcomes: PushOutcome[] = [later];
    const answer = (): PushOutcome => outcomes.shift() ?? delivered;
    const { notifier, provider, sent, timers, store, commit } = await setUp(answer);
    await registerOn(notifier, provider);
    commit(1);
    await timers.advance(1_000);
    expect(cursorsOf(sent)).toEqual(["cursor-1"]);
    const [hook] = await notifier.list(topic);
    await createHookStore(store).advance({ ...hook!, told: 20 });
    commit(25);
    await timers.advance(60_000);
    expect(cursorsOf(sent)).toEqual(["cursor-1", "cursor-25"]);
    expect((await notifier.list(topic))[0]?.told).toBe(25);
  });

  test("a host is asked once at a time, whatever its ports", async () => {
    const { notifier, provider } = await setUp(() => delivered);
    const waiting: ((isWanted: boolean) => void)[] = [];
    const slow: PushProvider = {
      ...provider,
      confirm: () => new Promise((resolve) => waiting.push(resolve)),
    };
    const ask = (shown: string) => notifier.register(holder, slow, { address: shown, shown });
    const first = ask("victim.example");
    await settled();
    expect(await ask("victim.example:8443")).toEqual({ status: "busy" });
    const other = ask("other.example:8443");
    await settled();
    expect(waiting.length).toBe(2);
    for (const answer of waiting) answer(true);
    expect([(await first).status, (await other).status]).toEqual(["active", "active"]);
  });

  test("hooks that wait for a slow host do not look at the store all the time", async () => {
    const memory = createMemoryStore({ crypto });
    let reads = 0;
    const store: LogStore = {
      ...memory,
      get: (key) => {
        reads += 1;
        return memory.get(key);
      },
    };
    const { notifier, provider, timers, commit } = await setUp(() => new Promise(() => {}), {
      store,
    });
    await registerOn(notifier, provider, "device-1");
    await registerOn(notifier, provider, "device-2");
    // Safe: 64 hex characters are what the brand stands for.
    const other = "ef".repeat(32) as Topic;
    const third = await notifier.register({ ...holder, topic: other }, provider, {
      address: "device-3",
      shown: "apple",
    });
    expect(third.status).toBe("active");
    commit(5);
    commit(6, other);
    await timers.advance(2_000);
    // Two are on their way for ever, so the third waits.
    const before = reads;
    await timers.advance(60_000);
    expect(reads).toBe(before);
  });

  test("a record that is damaged is no hook", async () => {
    const store = createMemoryStore({ crypto });
    const writes = [{ key: `relay/hook/${topic}/x`, value: utf8("damaged") }];
    await store.commit({ writes });
    const { notifier } = await setUp(() => delivered, { store });
    expect(await notifier.list(topic)).toEqual([]);
  });
});

describe("webhooks", () => {
  test("[TH-116] are signed as Standard Webhooks says: the published example", () => {
    const secret = new Uint8Array(Buffer.from("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "base64"));
    const signature = signWebhook({
      messageId: "msg_p5jXN8AQM9LWM0D4loKWxJek",
      seconds: 1_614_265_330,
      body: utf8('{"test": 2432232314}'),
      secret,
    });
    expect(signature).toBe("g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  });

  /** A receiver that gives challenges back. */
  const echo = ({ body }: OutboundRequest) => {
    const { data } = JSON.parse(fromUtf8(body)!) as { data: { challenge?: string } };
    return answerWith(200, JSON.stringify({ challenge: data.challenge }));
  };
  const registration = (url: string): string =>
    JSON.stringify({ provider: "webhook", target: { url } });
  const post = (hosted: Hosted, body: string, headers = {}): Promise<Response> =>
    ask(hosted, `${hosted.path}/hooks`, { method: "POST", body, headers });

  test("[TH-116] a registered webhook is asked first, then told of new entries, signed", async () => {
    const outbound = fakeOutbound(echo);
    const hosted = await startHosted({ outbound });
    const url = "https://hooks.example/secret-path?k=v";
    const answer = await post(hosted, registration(url));
    expect(answer.status).toBe(201);
    const { id } = (await answer.json()) as { id: string };
    const key = followKeyOf(hosted);
    expect(id).toBe(hookIdOf(crypto, key, { provider: "webhook", address: url }));
    await writeThere(hosted, "news");
    await expect.poll(() => outbound.sent.length, { timeout: 20_000 }).toBe(2);
    const { headers, body } = outbound.sent[1]!;
    expect(outbound.sent.map((request) => request.url)).toEqual([url, url]);
    const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${fromUtf8(body)}`;
    const secret = hookSecretOf(crypto, key, { relay: hosted.relay.author, id });
    const signature = createHmac("sha256", secret).update(signed).digest("base64");
    expect(headers["webhook-signature"]).toBe(`v1,${signature}`);
    expect(fromUtf8(body)).not.toContain(hosted.space.topic);
    const { data } = JSON.parse(fromUtf8(body)!) as { data: { cursor: string } };
    const rest = await ask(hosted, `${hosted.path}/entries?after=${data.cursor}`);
    expect(await rest.json()).toMatchObject({ entries: [] });
    const list = await ask(hosted, `${hosted.path}/hooks`);
    const text = await list.text();
    expect(JSON.parse(text)).toMatchObject({
      hooks: [{ id, provider: "webhook", host: "hooks.example", state: "active" }],
    });
    expect(text).not.toContain("secret-path");
    const dead = await ask(hosted, `${hosted.path}/hooks/${id}/dead`);
    expect(await dead.json()).toEqual({ dead: [] });
    const gone = await ask(hosted, `${hosted.path}/hooks/${id}`, { method: "DELETE" });
    expect(gone.status).toBe(204);
  });

  test.each([
    ["says yes to everything", answerWith(200, "ok")],
    ["gives something else back", answerWith(200, '{"challenge":"other"}')],
    ["answers with an error", answerWith(500)],
    ["sends elsewhere", answerWith(302)],
    ["does not answer", { ok: false, reason: "network" } as const],
  ])("a target that %s is not kept", async (_how, answer) => {
    const outbound = fakeOutbound(() => answer);
    const hosted = await startHosted({ outbound });
    const refused = await post(hosted, registration("https://victim.example/"));
    expect(await errorOf(refused)).toBe("422 RELAY_HOOK_UNCONFIRMED");
    await writeThere(hosted, "news");
    expect(await (await ask(hosted, `${hosted.path}/hooks`)).json()).toEqual({ hooks: [] });
    expect(outbound.sent.length).toBe(1);
  });

  test("nothing is sent for requests that are wrong, unproven or too many", async () => {
    const outbound = fakeOutbound(echo);
    const hosted = await startHosted({ outbound, limits: { hookRequestsPerHourMax: 8 } });
    const wrong: readonly [string, string][] = [
      ["", "400 RELAY_REQUEST_INVALID"],
      ["[]", "400 RELAY_REQUEST_INVALID"],
      ['{"provider":"webhook"}', "400 RELAY_REQUEST_INVALID"],
      ['{"provider":"__proto__","target":{}}', "422 RELAY_HOOK_TARGET"],
      ['{"provider":"web-push","target":{}}', "422 RELAY_HOOK_TARGET"],
      ['{"provider":"webhook","target":{"url":"http://10.0.0.1/"}}', "422 RELAY_HOOK_TARGET"],
    ];
    for (const [body, code] of wrong) expect(await errorOf(await post(hosted, body))).toBe(code);
    const typed = await post(hosted, "{}", { "content-type": "text/plain" });
    expect(await errorOf(typed)).toBe("415 RELAY_CONTENT_TYPE");
    const changed = await ask(hosted, `${hosted.path}/hooks`, {
      method: "POST",
      body: "{}",
      followKey: new Uint8Array(32),
    });
    expect(await errorOf(changed)).toBe("401 RELAY_PROOF");
    expect(await errorOf(await post(hosted, " ".repeat(9_000)))).toBe("413 RELAY_BODY_TOO_LARGE");
    expect(outbound.sent).toEqual([]);
    expect((await post(hosted, registration("https://a.example/"))).status).toBe(201);
    const flood = await post(hosted, registration("https://b.example/"));
    expect(await errorOf(flood)).toBe("429 RELAY_RATE_LIMITED");
    expect(outbound.sent.length).toBe(1);
  });

  test("whoever saw a request brings back no hook by it, after a restart either", async () => {
    const outbound = fakeOutbound(echo);
    const data = await temporaryFolder();
    const hosted = await startHosted({ outbound, data });
    const target = `${hosted.path}/hooks`;
    const body = registration("https://a.example/");
    const authorization = proofFor(hosted, target, { method: "POST", body });
    const headers = { authorization, "content-type": "application/json" };
    const send = (to: Hosted["relay"]): Promise<Response> =>
      fetch(httpUrl(to, target), { method: "POST", headers, body });
    const made = await send(hosted.relay);
    const { id } = (await made.json()) as { id: string };
    const gone = await ask(hosted, `${target}/${id}`, { method: "DELETE" });
    expect(gone.status).toBe(204);
    await hosted.relay.close();
    const again = { ...hosted, relay: await startRelay({ outbound, data }) };
    expect(await errorOf(await send(again.relay))).toBe("401 RELAY_PROOF_STALE");
    expect(await (await ask(again, target)).json()).toEqual({ hooks: [] });
    expect(outbound.sent.length).toBe(1);
  });

  test("the real way out lets nobody in to this machine", async () => {
    const hosted = await startHosted();
    for (const url of [
      "https://127.0.0.1/",
      "https://[::1]:8443/",
      "https://169.254.169.254/",
      "x",
    ]) {
      expect(await errorOf(await post(hosted, registration(url)))).toBe("422 RELAY_HOOK_TARGET");
    }
  });

  test("a member who is removed takes the hooks of the old follow key along", async () => {
    const outbound = fakeOutbound(echo);
    const hosted = await startHosted({ outbound });
    const before = followKeyOf(hosted);
    expect((await post(hosted, registration("https://a.example/"))).status).toBe(201);
    const bob = await createDevice("bob");
    await hosted.space.add(await bob.spaces.bundle(), "read");
    await hosted.space.remove(bob.author);
    await expect
      .poll(() => followIdOf(crypto, followKeyOf(hosted)))
      .not.toBe(followIdOf(crypto, before));
    await hosted.session.synced();
    await expect
      .poll(async () => (await ask(hosted, `${hosted.path}/hooks`)).text(), { timeout: 20_000 })
      .toBe('{"hooks":[]}');
  });

  test("[TH-115] says which providers there are, with what registrants need", async () => {
    const { provider } = fakeProvider(() => delivered);
    const relayWith = await startRelay({
      webPush: { contact: "mailto:operator@example.org" },
      pushProviders: [provider],
    });
    const answer = await fetch(`${relayWith.url.replace("ws", "http")}/v1/push`);
    expect(await answer.json()).toEqual({
      providers: [
        { name: "webhook" },
        { name: "web-push", applicationServerKey: expect.stringMatching(/^B[\w-]{86}$/) },
        { name: "apns" },
      ],
    });
    await expect(startRelay({ pushProviders: [provider, provider] })).rejects.toThrow("used twice");
  });
});

test("a webhook's outcome follows its status", async () => {
  const outcomes: readonly [number, PushOutcome][] = [
    [204, delivered],
    [410, { status: "gone" }],
    [404, { status: "later", reason: "status 404" }],
    [302, { status: "later", reason: "status 302" }],
  ];
  for (const [status, outcome] of outcomes) {
    const provider = createWebhookProvider(fakeOutbound(() => answerWith(status)));
    const notice = { messageId: "m", hookId: "h", seconds: 1, body: utf8("{}"), secret: followKey };
    const target = provider.parse({ url: "https://a.example/" })!;
    expect(await provider.send(target, notice)).toEqual(outcome);
  }
});
