/** What operators rely on: logs without secrets, a drain that is polite, copies that do not fork. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createSqliteStore } from "@hawser/store-sqlite";
import { logIdOf } from "@hawser/log";
import { controlDomain } from "@hawser/space";
import { describe, expect, test } from "vitest";
import { backUp, markRestored, restore } from "../src/backup.ts";
import { drawRetryAfter, sayGoodbye } from "../src/drain.ts";
import { createLogger, redact } from "../src/logging.ts";
import {
  clock as atStart,
  createDevice,
  crypto,
  hostAt,
  httpUrl,
  startRelay,
  temporaryFolder,
  tryUpgrade,
  untilSession,
  write,
} from "./help.ts";

const dayMicros = 24 * 3_600 * 1e6;

describe("logs", () => {
  const clock = { nowMicros: (): number => 1_794_000_000_000_000 };

  test("are one JSON object a line, or text with quoted odd values, from their level on", () => {
    const lines: string[] = [];
    const write = (line: string): void => void lines.push(line);
    const json = createLogger({ level: "info", format: "json", clock, write });
    json.debug("hidden");
    json.info("seen", { code: "A\nB", count: 2 });
    const text = createLogger({ level: "warn", format: "text", clock, write });
    text.info("hidden");
    text.error("failed", { code: 'x "y"\n[error]', isBad: true });
    expect(JSON.parse(lines[0] ?? "")).toEqual({
      time: "2026-11-06T21:20:00.000Z",
      level: "info",
      event: "seen",
      code: "A\nB",
      count: 2,
    });
    expect(lines[1]).toBe(
      '2026-11-06T21:20:00.000Z error failed code="x \\"y\\"\\n[error]" isBad=true\n',
    );
    expect(lines).toHaveLength(2);
  });

  test.each([
    ["a topic", `topic ${"ab".repeat(32)} is odd`],
    ["a key in base64", `key ${Buffer.alloc(32, 7).toString("base64url")}`],
    ["a URL with a password", "at postgres://user:hunter2@db:5432/x failed"],
    ["an IPv4 address", "connect ECONNREFUSED 192.0.2.17:443"],
    ["an IPv6 address", "from 2001:db8::17 reset"],
  ])("lose %s before they are written", (_name, message) => {
    const kept = redact(message);
    expect(kept).not.toMatch(/abab|BwcH|hunter2|192\.0\.2|2001:db8/);
    expect(kept).not.toBe(message);
  });

  test("of a relay at work hold no topic, key, address or text", async () => {
    const lines: string[] = [];
    const write_ = (line: string): void => void lines.push(line);
    const logger = createLogger({ level: "debug", format: "json", clock, write: write_ });
    const relay = await startRelay({ logger });
    const ada = await createDevice("ada");
    const adas = await ada.spaces.create();
    await hostAt(relay, adas);
    const session = await ada.connect(relay);
    await write(adas, "a text of ada's");
    await session.synced();
    await fetch(httpUrl(relay, `/${adas.topic}`));
    await session.close();
    await relay.close();
    const text = lines.join("");
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines) expect(JSON.parse(line)).toHaveProperty("event");
    for (const part of [
      adas.topic,
      ada.author,
      relay.author,
      adas.id ?? "?",
      "127.0.0.1",
      "ada's",
    ]) {
      expect(text).not.toContain(part);
    }
    expect(text).not.toMatch(/[0-9a-f]{32}/);
  });
});

describe("a drain", () => {
  test("turns newcomers away with a time to come back, each another one", async () => {
    const relay = await startRelay();
    const { socket } = await tryUpgrade(`${relay.url}/v1/sync`);
    const agent = fetch(httpUrl(relay, "/healthz"));
    expect((await agent).status).toBe(200);
    const closing = relay.close();
    await closing;
    expect(socket.readyState).toBeGreaterThan(1);
    const drawn = Array.from({ length: 256 }, (_, byte) =>
      Number(drawRetryAfter(() => new Uint8Array([byte]))),
    );
    expect([Math.min(...drawn), Math.max(...drawn)]).toEqual([1, 10]);
    expect(new Set(drawn).size).toBe(10);
  });

  test("tells sessions one after another within its window, and none twice", async () => {
    const delays: number[] = [];
    const timers = {
      after: (ms: number, callback: () => void) => {
        delays.push(ms);
        callback();
        return () => undefined;
      },
    };
    let closed = 0;
    const session = { closed: new Promise<never>(() => {}), close: async () => void (closed += 1) };
    // Safe: a farewell needs no more of a session than this.
    const sessions = Array.from({ length: 1_000 }, () => session) as never[];
    const random = (byteCount: number): Uint8Array => new Uint8Array(byteCount);
    await sayGoodbye(sessions, { timers, random, windowMs: 2_000 });
    expect(closed).toBe(1_000);
    expect(Math.max(...delays)).toBeLessThanOrEqual(2_000);
    expect(new Set(delays).size).toBe(999);
    await sayGoodbye([], { timers, random, windowMs: 0 });
  });
});

describe("a copy", () => {
  test("is made while the relay runs, is for its owner alone, and holds what was acknowledged", async () => {
    const folder = await temporaryFolder();
    const relay = await startRelay({ data: folder });
    const ada = await createDevice("ada");
    const adas = await ada.spaces.create();
    await hostAt(relay, adas);
    const session = await ada.connect(relay);
    await write(adas, "one");
    await session.synced();
    const file = join(folder, "copy");
    backUp(folder, file);
    await write(adas, "two");
    await session.synced();
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(() => backUp(folder, file)).toThrow(/exists/);
    const there = await temporaryFolder();
    expect(await restore(file, join(there, "data"))).toBe(1);
    const again = await startRelay({ data: join(there, "data") });
    expect(again.author).toBe(relay.author);
    expect((await again.stats()).topics).toBe(1);
    // What is missing comes back from whoever has it.
    const second = await ada.connect(again);
    await second.synced();
    expect((await again.stats()).entries).toBe((await relay.stats()).entries);
  });

  test("that is restored does not fork the relay's own log: it waits for a peer, then goes on behind it", async () => {
    const folder = await temporaryFolder();
    let ahead = 0;
    const clock = { nowMicros: (): number => atStart.nowMicros() + ahead };
    const relay = await startRelay({ data: folder, clock });
    const ada = await createDevice("ada", { clock });
    const adas = await ada.spaces.create();
    await hostAt(relay, adas);
    const session = await ada.connect(relay);
    await session.synced();
    const file = join(folder, "copy");
    backUp(folder, file);
    const own = logIdOf(crypto, {
      topic: adas.topic,
      domain: controlDomain,
      author: relay.author,
    });
    const heightAtAda = async (): Promise<number> => (await ada.store.head(own))?.height ?? 0;
    // The relay writes after the copy was made: its bundle is due.
    await relay.close();
    ahead += 10 * dayMicros;
    const grown = await startRelay({ data: folder, clock });
    await ada.connect(grown);
    await expect.poll(heightAtAda, { timeout: 20_000 }).toBe(1);
    await grown.close();

    const there = join(await temporaryFolder(), "data");
    expect(await restore(file, there)).toBe(1);
    ahead += 10 * dayMicros;
    const restored = await startRelay({ data: there, clock });
    expect((await restored.stats()).logs).toBeLessThan(2);
    const back = await ada.connect(restored);
    await untilSession(back, () => back.access(adas.topic) !== undefined);
    await expect.poll(heightAtAda, { timeout: 20_000 }).toBe(2);
    expect(await ada.store.forkProofs(own)).toEqual([]);
  });

  test("that is damaged, no relay's or in the way of another is refused, and nothing is changed", async () => {
    const folder = await temporaryFolder();
    const relay = await startRelay({ data: join(folder, "a") });
    const file = join(folder, "copy");
    backUp(join(folder, "a"), file);
    await relay.close();
    await expect(restore(file, join(folder, "a"))).rejects.toMatchObject({
      code: "RELAY_BACKUP_FAILED",
    });
    await expect(restore(join(folder, "none"), join(folder, "b"))).rejects.toMatchObject({
      code: "RELAY_BACKUP_INVALID",
    });
    const cut = join(folder, "cut");
    writeFileSync(cut, readFileSync(file));
    truncateSync(cut, statSync(file).size - 9_000);
    await expect(restore(cut, join(folder, "b"))).rejects.toMatchObject({
      code: "RELAY_BACKUP_INVALID",
    });
    const foreign = join(folder, "foreign");
    await createSqliteStore({ crypto }, { path: foreign }).close();
    await expect(restore(foreign, join(folder, "b"))).rejects.toMatchObject({
      code: "RELAY_BACKUP_INVALID",
    });
    expect(existsSync(join(folder, "b", "relay.sqlite"))).toBe(false);
    expect(existsSync(join(folder, "b", "relay.sqlite.part"))).toBe(false);
    expect(() => backUp(join(folder, "none"), join(folder, "c"))).toThrow(/cannot be copied/);
    expect(existsSync(join(folder, "c.part"))).toBe(false);
  });

  test("is for its owner alone after a restore too, and so is a new database", async () => {
    const folder = await temporaryFolder();
    // A folder that an operator made, which others may enter.
    const open = join(folder, "open");
    mkdirSync(open);
    chmodSync(open, 0o755);
    const relay = await startRelay({ data: open });
    expect(statSync(join(open, "relay.sqlite")).mode & 0o777).toBe(0o600);
    const file = join(folder, "copy");
    backUp(open, file);
    await relay.close();
    // As it comes back from where copies are kept.
    chmodSync(file, 0o644);
    const there = join(folder, "there");
    mkdirSync(there);
    await restore(file, there);
    expect(statSync(join(there, "relay.sqlite")).mode & 0o777).toBe(0o600);
  });

  test("is not put beside the log of a database that was deleted", async () => {
    const folder = await temporaryFolder();
    const relay = await startRelay({ data: join(folder, "a") });
    const file = join(folder, "copy");
    backUp(join(folder, "a"), file);
    await relay.close();
    mkdirSync(join(folder, "b"));
    writeFileSync(join(folder, "b", "relay.sqlite-wal"), "left");
    await expect(restore(file, join(folder, "b"))).rejects.toMatchObject({
      code: "RELAY_BACKUP_FAILED",
    });
    expect(readFileSync(join(folder, "b", "relay.sqlite-wal"), "utf8")).toBe("left");
  });

  test("is put in place by one at a time, and not under a relay", async () => {
    const folder = await temporaryFolder();
    const relay = await startRelay({ data: join(folder, "a") });
    const file = join(folder, "copy");
    backUp(join(folder, "a"), file);
    await expect(restore(file, join(folder, "a"))).rejects.toMatchObject({
      code: "RELAY_DATA_BUSY",
    });
    const target = join(folder, "b");
    const [first, second] = await Promise.allSettled([
      restore(file, target),
      restore(file, target),
    ]);
    expect(first).toMatchObject({ status: "fulfilled", value: 0 });
    expect(second).toMatchObject({ reason: { code: "RELAY_DATA_BUSY" } });
    await relay.close();
    const restored = await startRelay({ data: target });
    expect(restored.author).toBe(relay.author);
  });

  test("made by other means is marked by hand", async () => {
    const folder = await temporaryFolder();
    const relay = await startRelay({ data: folder });
    const ada = await createDevice("ada");
    await hostAt(relay, await ada.spaces.create());
    await hostAt(relay, await ada.spaces.createRaw());
    await expect(markRestored({ data: folder, store: undefined })).rejects.toMatchObject({
      code: "RELAY_DATA_BUSY",
    });
    await relay.close();
    expect(await markRestored({ data: folder, store: undefined })).toBe(2);
  });
});
