/** The two bots against a relay in memory, as their operators would run them. */
import { mkdtemp, readdir, readFile, rm, truncate, appendFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8 } from "@hawser/codec";
import { createCrypto } from "@hawser/crypto";
import { parseBundle, verifyBundle } from "@hawser/keys";
import { createHawser, type Hawser, type HawserSpace } from "@hawser/hawser";
import { createMemoryRelay, type MemoryRelay } from "@hawser/hawser/testing";
import { createMemoryStore } from "@hawser/log";
import { parsePackets, verifyPacket } from "@hawser/packet";
import { platformTimers } from "@hawser/transport-ws";
import type { SpaceEvent } from "@hawser/space";
import { createMemoryPair, createVirtualTimers } from "@hawser/sync/testing";
import { afterEach, describe, expect, test } from "vitest";
import { createArchiveBot, createBridgeBot, webhook, type ArchiveBot } from "../src/index.ts";

const crypto = await createCrypto();
const random = (count: number) => globalThis.crypto.getRandomValues(new Uint8Array(count));
const clock = { nowMicros: () => Date.now() * 1_000 };
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function scene(): Promise<{ relay: MemoryRelay; ada: Hawser; space: HawserSpace }> {
  const relay = await createMemoryRelay();
  closing.push(() => relay.close());
  const ada = await createHawser({ relay });
  closing.push(async () => ada[Symbol.asyncDispose]());
  return { relay, ada, space: await ada.create() };
}

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "hawser-bots-"));
  closing.push(() => rm(made, { recursive: true, force: true }));
  return made;
}

/** Lets the archive in and connects it to the relay. */
async function letIn(space: HawserSpace, relay: MemoryRelay, bot: ArchiveBot): Promise<void> {
  const parsed = parseBundle(await bot.bundle());
  if (!parsed.ok) throw new Error(parsed.reason);
  const verified = verifyBundle(crypto, parsed.bundle, bot.author);
  if (!verified.ok) throw new Error(verified.reason);
  await space.space.add(verified.bundle, "pull");
  await bot.follow(space.space.hosting(verified.bundle));
  bot.attach(await relay.connect({ signal: new AbortController().signal }));
}

/** Saves until nothing new has come for a while. */
async function saveAll(bot: ArchiveBot, entriesMin: number): Promise<number> {
  let packets = 0;
  await expect
    .poll(async () => (packets += (await bot.save()).packets), { timeout: 10_000 })
    .toBeGreaterThanOrEqual(entriesMin);
  return packets;
}

async function packetsIn(root: string): Promise<number> {
  let count = 0;
  for (const file of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue;
    const bytes = new Uint8Array(await readFile(join(file.parentPath, file.name)));
    expect(Buffer.from(bytes).toString("latin1")).not.toContain("nobody else reads this");
    for (const parsed of parsePackets(bytes)) {
      if (!parsed.ok) throw new Error(parsed.reason);
      expect(verifyPacket(crypto, parsed.packet).ok).toBe(true);
      count += 1;
    }
  }
  return count;
}

describe("the archive", () => {
  test("[TH-212] keeps what it cannot read, as packets that anybody verifies", async () => {
    const { relay, space } = await scene();
    const root = await folder();
    const store = createMemoryStore({ crypto });
    const deps = { store, crypto, clock, random };
    const bot = await createArchiveBot(deps, { secret: random(32), folder: root });
    closing.push(async () => bot[Symbol.asyncDispose]());
    await letIn(space, relay, bot);
    for (let index = 0; index < 5; index++) {
      await space.append([{ type: "note", body: utf8(`nobody else reads this ${index}`) }]);
    }
    await space.synced();
    const saved = await saveAll(bot, 5);
    expect(await packetsIn(root)).toBe(saved);
    expect(await bot.save()).toEqual({ logs: 0, packets: 0, bytes: 0 });
  });

  test("[TH-212] somebody fetches a space from the archive when all others are gone", async () => {
    const { relay, ada, space } = await scene();
    const store = createMemoryStore({ crypto });
    const deps = { store, crypto, clock, random };
    const bot = await createArchiveBot(deps, { secret: random(32), folder: await folder() });
    closing.push(async () => bot[Symbol.asyncDispose]());
    await letIn(space, relay, bot);
    await space.append([{ type: "note", body: utf8("kept by the archive") }]);
    const link = await space.invite();
    await space.synced();
    await saveAll(bot, 1);
    await expect.poll(async () => (await store.heads(space.space.topic)).length).toBe(2);
    void ada;
    const mirror = {
      ...relay,
      connect: () => {
        const pair = createMemoryPair();
        bot.attach(pair.b);
        return Promise.resolve(pair.a);
      },
    };
    const ben = await createHawser({ relay: mirror });
    closing.push(async () => ben[Symbol.asyncDispose]());
    // Ada answers the join through the relay, to which the archive is connected as well.
    const joined = await ben.join(link);
    await joined.synced();
    const bodies = await bodiesOf(joined);
    expect(bodies).toContain("kept by the archive");
  });

  test("a round that was cut off is taken up again; a file that lost what was saved is told", async () => {
    const { relay, space } = await scene();
    const root = await folder();
    const store = createMemoryStore({ crypto });
    const deps = { store, crypto, clock, random };
    const bot = await createArchiveBot(deps, { secret: random(32), folder: root });
    closing.push(async () => bot[Symbol.asyncDispose]());
    await letIn(space, relay, bot);
    await space.append([{ type: "note", body: utf8("nobody else reads this") }]);
    await space.synced();
    const first = await saveAll(bot, 2);
    const files = (await readdir(root, { recursive: true, withFileTypes: true }))
      .filter((file) => file.isFile())
      .map((file) => join(file.parentPath, file.name));
    for (const file of files) await appendFile(file, new Uint8Array(77));
    await space.append([{ type: "note", body: utf8("nobody else reads this either") }]);
    await space.synced();
    const second = await saveAll(bot, 1);
    const [data] = await dataFiles(files, store, space);
    expect(data).toBeDefined();
    // Only logs with something new are cut back; the others when they grow.
    for (const file of files) if (file !== data) await cutGarbage(file);
    expect(await packetsIn(root)).toBe(first + second);
    await truncate(data ?? "", 10);
    await space.append([{ type: "note", body: utf8("more") }]);
    await space.synced();
    await expect
      .poll(() => bot.save().catch((error: { readonly code: string }) => error.code))
      .toBe("BOT_ARCHIVE_DAMAGED");
  });
});

async function dataFiles(
  files: readonly string[],
  store: ReturnType<typeof createMemoryStore>,
  space: HawserSpace,
): Promise<readonly string[]> {
  const heads = await store.heads(space.space.topic);
  const data = heads.filter(({ context }) => context.domain === "hawser.data");
  return files.filter((file) => data.some(({ logId }) => file.includes(logId)));
}

async function cutGarbage(file: string): Promise<void> {
  const { length } = await readFile(file);
  await truncate(file, length - 77);
}

async function bodiesOf(space: HawserSpace): Promise<readonly string[]> {
  const bodies: string[] = [];
  for await (const batch of space.space.batches({ signal: AbortSignal.timeout(5_000) })) {
    for (const event of batch.events) bodies.push(new TextDecoder().decode(event.body));
    if (batch.caughtUp) break;
  }
  return bodies;
}

describe("the bridge", () => {
  test("[TH-212] [TH-132] hands events over in order, and goes on where it was", async () => {
    const { relay, space } = await scene();
    const reader = await createHawser({ relay });
    closing.push(async () => reader[Symbol.asyncDispose]());
    const joined = await reader.join(await space.invite({ level: "read" }));
    const store = createMemoryStore({ crypto });
    const seen: string[] = [];
    const deliver = (event: SpaceEvent): Promise<void> => {
      seen.push(new TextDecoder().decode(event.body));
      return Promise.resolve();
    };
    const deps = { space: joined.space, store, timers: platformTimers, deliver };
    const first = createBridgeBot(deps, { name: "web", types: ["note"] });
    await space.append([
      { type: "note", body: utf8("one") },
      { type: "other", body: utf8("left out") },
      { type: "note", body: utf8("two") },
    ]);
    await expect.poll(() => seen, { timeout: 10_000 }).toEqual(["one", "two"]);
    await first[Symbol.asyncDispose]();
    await space.append([{ type: "note", body: utf8("three") }]);
    await using second = createBridgeBot(deps, { name: "web", types: ["note"] });
    await expect.poll(() => seen, { timeout: 10_000 }).toEqual(["one", "two", "three"]);
    expect(second.delivered).toBe(1);
  });

  test("tries again, later and later, and stops with a code", async () => {
    const { space } = await scene();
    await space.append([{ type: "note", body: utf8("one") }]);
    const store = createMemoryStore({ crypto });
    const timers = createVirtualTimers();
    let tries = 0;
    const deliver = (): Promise<void> => {
      tries += 1;
      return tries < 3 ? Promise.reject(new Error("down")) : Promise.resolve();
    };
    await using bot = createBridgeBot(
      { space: space.space, store, timers, deliver },
      { name: "flaky" },
    );
    await expect.poll(() => tries).toBe(1);
    await timers.advance(1_000);
    await expect.poll(() => tries).toBe(2);
    await timers.advance(1_999);
    expect(tries).toBe(2);
    await timers.advance(1);
    await expect.poll(() => bot.delivered).toBe(1);
    const never = createBridgeBot(
      { space: space.space, store, timers, deliver: () => Promise.reject(new Error("gone")) },
      { name: "never", triesMax: 1 },
    );
    await expect(never.done).rejects.toMatchObject({ code: "BOT_DELIVERY_FAILED" });
  });

  test("a webhook is signed, names the event once, and follows nobody elsewhere", async () => {
    const { space } = await scene();
    await space.append([{ type: "note", body: utf8("hello") }]);
    const sent: { url: string; init: RequestInit }[] = [];
    const fake: typeof fetch = (url, init) => {
      sent.push({ url: url instanceof Request ? url.url : url.toString(), init: init ?? {} });
      return Promise.resolve(new Response(null, { status: 204 }));
    };
    const deliver = webhook({ url: "https://example.org/hook", secret: "s3cret", fetch: fake });
    const store = createMemoryStore({ crypto });
    await using bot = createBridgeBot(
      { space: space.space, store, timers: platformTimers, deliver },
      { name: "hook", types: ["note"] },
    );
    await expect.poll(() => bot.delivered).toBe(1);
    const [{ url, init } = { url: "", init: {} }] = sent;
    expect(url).toBe("https://example.org/hook");
    expect(init.redirect).toBe("error");
    const body = typeof init.body === "string" ? init.body : "";
    expect(JSON.parse(body)).toMatchObject({ type: "note", body: btoa("hello") });
    const { createHmac } = await import("node:crypto");
    expect((init.headers as Record<string, string>)["x-hawser-signature"]).toBe(
      createHmac("sha256", "s3cret").update(body).digest("hex"),
    );
    expect(body).not.toContain("s3cret");
  });
});
