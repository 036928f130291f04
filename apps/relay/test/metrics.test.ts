/** Figures for Prometheus: well formed, bounded, and for whoever may have them. */
import { describe, expect, onTestFinished, test } from "vitest";
import { createMetrics, metricsContentType } from "../src/metrics.ts";
import { serveMetrics } from "../src/metrics-server.ts";
import type { Relay, RelayMetricsOptions } from "../src/index.ts";
import { silentLogger } from "../src/logging.ts";
import { createDevice, hostAt, httpUrl, startRelay, tryUpgrade, write } from "./help.ts";
import { parseExposition, type Family } from "./exposition.ts";

const token = "a-token-of-many-letters";

async function figuresOf(relay: Relay): Promise<ReadonlyMap<string, Family>> {
  const answer = await fetch(`http://127.0.0.1:${relay.metricsPort}/metrics`);
  expect(answer.headers.get("content-type")).toBe(metricsContentType);
  return parseExposition(await answer.text());
}

function valueOf(families: ReadonlyMap<string, Family>, name: string): number | undefined {
  return families.get(name)?.samples[0]?.value;
}

describe("the text", () => {
  test("escapes help and labels, and keeps what was counted", () => {
    const metrics = createMetrics();
    const odd = 'back\\slash, "quotes"\nand a line';
    const counter = metrics.counter({ name: "odd_total", help: odd, labels: ["what", "by"] });
    counter.add(2, odd, "a,b}");
    counter.add(3, odd, "a,b}");
    metrics.gauge({ name: "now", help: "A gauge.", read: () => -1.5 });
    const families = parseExposition(metrics.render());
    expect(families.get("odd_total")).toMatchObject({
      help: odd,
      type: "counter",
      samples: [{ labels: { what: odd, by: "a,b}" }, value: 5 }],
    });
    expect(valueOf(families, "now")).toBe(-1.5);
  });

  test("adds buckets up", () => {
    const metrics = createMetrics();
    const options = { name: "wait_seconds", help: "Waits.", buckets: [0.1, 1], labels: ["at"] };
    const histogram = metrics.histogram(options);
    for (const value of [0.05, 0.1, 0.5, 7]) histogram.observe(value, "here");
    const samples = parseExposition(metrics.render()).get("wait_seconds")?.samples ?? [];
    expect(samples.map(({ value }) => value)).toEqual([2, 3, 4, 7.65, 4]);
  });

  test("has so many series of a metric and no more, whatever is counted", () => {
    const metrics = createMetrics();
    const counter = metrics.counter({ name: "x_total", help: "X.", labels: ["code"] });
    for (let index = 0; index < 10_000; index++) counter.add(1, `code ${index}`);
    const samples = parseExposition(metrics.render()).get("x_total")?.samples ?? [];
    expect(samples.length).toBe(65);
    expect(samples.at(-1)).toMatchObject({ labels: { code: "other" }, value: 10_000 - 64 });
  });
});

describe("a relay", () => {
  test("counts sessions, ranges, bytes, commits and refusals, and names no space, key or client", async () => {
    const limits = { connectsPerMinuteMax: 2 };
    const relay = await startRelay({ metrics: { port: 0 }, limits });
    const ada = await createDevice("ada");
    const adas = await ada.spaces.create();
    await hostAt(relay, adas);
    const session = await ada.connect(relay);
    await write(adas, "one", "two");
    await session.synced();
    await fetch(httpUrl(relay, "/nowhere"));
    const [first, second] = [
      await tryUpgrade(`${relay.url}/v1/sync`),
      await tryUpgrade(`${relay.url}/v1/sync`),
    ];
    expect([first.result, second.result]).toEqual(["open", "429 RELAY_RATE_LIMITED"]);
    const families = await figuresOf(relay);
    const { entries, rangeBytes, connections } = await relay.stats();
    expect(valueOf(families, "hawser_relay_sessions")).toBe(connections);
    expect(valueOf(families, "hawser_relay_sessions_opened_total")).toBe(2);
    expect(valueOf(families, "hawser_relay_ingested_entries_total")).toBe(entries);
    expect(valueOf(families, "hawser_relay_ingested_bytes_total")).toBe(rangeBytes);
    expect(valueOf(families, "hawser_relay_stored_bytes")).toBe(rangeBytes);
    expect(valueOf(families, "hawser_relay_received_bytes_total")).toBeGreaterThan(rangeBytes);
    const count = (name: string): number | undefined => families.get(name)?.samples.at(-1)?.value;
    expect(count("hawser_relay_commit_seconds")).toBeGreaterThan(0);
    expect(count("hawser_relay_delivery_lag_seconds")).toBeGreaterThan(0);
    expect(families.get("hawser_relay_refusals_total")?.samples).toEqual([
      { name: "hawser_relay_refusals_total", labels: { code: "RELAY_NOT_FOUND" }, value: 1 },
      { name: "hawser_relay_refusals_total", labels: { code: "RELAY_RATE_LIMITED" }, value: 1 },
    ]);
    expect(families.get("hawser_relay_rate_limited_total")?.samples[0]?.labels).toEqual({
      limit: "connects",
    });
    const text = await (await fetch(`http://127.0.0.1:${relay.metricsPort}/metrics`)).text();
    for (const secret of [adas.topic, ada.author, relay.author, "127.0.0.1"]) {
      expect(text).not.toContain(secret);
    }
    expect(text).not.toMatch(/[0-9a-f]{32}/);
  });

  test("shows its figures on the main port to nobody, or to whoever has the token", async () => {
    const closed = await startRelay({ metrics: { port: 0 } });
    expect((await fetch(httpUrl(closed, "/metrics"))).status).toBe(404);
    const open = await startRelay({ metrics: { token } });
    expect(open.metricsPort).toBeUndefined();
    const get = (authorization: string): Promise<Response> =>
      fetch(httpUrl(open, "/metrics"), { headers: { authorization } });
    expect((await fetch(httpUrl(open, "/metrics"))).status).toBe(404);
    expect((await get(`Bearer ${token}x`)).status).toBe(404);
    expect((await get(token)).status).toBe(404);
    const answer = await get(`Bearer ${token}`);
    expect(answer.headers.get("content-type")).toBe(metricsContentType);
    expect(parseExposition(await answer.text()).size).toBeGreaterThan(10);
  });

  test("says in the log when everybody who reaches its port may read them", async () => {
    const warned = async (metrics: RelayMetricsOptions): Promise<readonly string[]> => {
      const events: string[] = [];
      const logger = { ...silentLogger, warn: (event: string) => void events.push(event) };
      await startRelay({ metrics, logger });
      return events;
    };
    expect(await warned({ port: 0, host: "0.0.0.0" })).toEqual(["metrics_open"]);
    expect(await warned({ port: 0, host: "0.0.0.0", token })).toEqual([]);
    expect(await warned({ port: 0 })).toEqual([]);
  });

  test("goes on when a figure cannot be read", async () => {
    let isBroken = true;
    const render = (): string => {
      if (isBroken) throw new Error("EMFILE");
      return "fine\n";
    };
    const server = await serveMetrics(render, { host: "127.0.0.1", port: 0, token: undefined });
    onTestFinished(() => server.close());
    const url = `http://127.0.0.1:${server.port}/metrics`;
    expect((await fetch(url)).status).toBe(500);
    isBroken = false;
    expect(await (await fetch(url)).text()).toBe("fine\n");
  });

  test("asks for the token on the port of its own too, and answers nothing else there", async () => {
    const relay = await startRelay({ metrics: { port: 0, token } });
    const at = (path: string, init: RequestInit = {}): Promise<Response> =>
      fetch(`http://127.0.0.1:${relay.metricsPort}${path}`, init);
    const headers = { authorization: `Bearer ${token}` };
    expect((await at("/metrics")).status).toBe(401);
    expect((await at("/metrics", { headers })).status).toBe(200);
    expect((await at("/metrics", { headers, method: "POST" })).status).toBe(405);
    expect((await at("/healthz", { headers })).status).toBe(404);
  });
});
