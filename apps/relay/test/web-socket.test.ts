/** The WebSocket side: limits, and what becomes of those who break the rules. */
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { connectWebSocket } from "@hawser/transport-ws";
import type { WebSocket } from "ws";
import { createDevice, hostAt, httpUrl, startRelay, tryUpgrade } from "./help.ts";

async function closingOf(socket: WebSocket): Promise<string> {
  const [code, reason] = (await once(socket, "close")) as [number, Buffer];
  return `${code} ${reason.toString()}`;
}

describe("upgrades", () => {
  test.each(["/v1/sync", "/v1/sync?x"])("of %s open", async (path) => {
    const relay = await startRelay();
    expect((await tryUpgrade(`${relay.url}${path}`)).result).toBe("open");
  });

  test.each(["/", "/v1/sync/", "/v1/other"])("of %s are not found", async (path) => {
    const relay = await startRelay();
    expect((await tryUpgrade(`${relay.url}${path}`)).result).toBe("404 RELAY_NOT_FOUND");
  });

  test.each(["/healthz", "/v1/relay"])("of %s come to nothing", async (path) => {
    const relay = await startRelay();
    await expect(connectWebSocket(`${relay.url}${path}`)).rejects.toMatchObject({
      code: "TRANSPORT_WS_CONNECT_FAILED",
    });
  });

  test("one address has so many open at once; a closed one makes room", async () => {
    const relay = await startRelay({ limits: { connectionsPerAddressMax: 2 } });
    const url = `${relay.url}/v1/sync`;
    const first = await tryUpgrade(url);
    expect([first.result, (await tryUpgrade(url)).result]).toEqual(["open", "open"]);
    expect((await tryUpgrade(url)).result).toBe("429 RELAY_RATE_LIMITED");
    expect((await relay.stats()).connections).toBe(2);
    first.socket.close();
    await once(first.socket, "close");
    expect((await tryUpgrade(url)).result).toBe("open");
  });

  test("all together have so many open at once, and plain requests still pass", async () => {
    const relay = await startRelay({ limits: { connectionsMax: 1 } });
    const url = `${relay.url}/v1/sync`;
    expect((await tryUpgrade(url)).result).toBe("open");
    expect((await tryUpgrade(url)).result).toBe("503 RELAY_BUSY");
    expect((await fetch(httpUrl(relay, "/healthz"))).status).toBe(200);
  });

  test("one address opens so many a minute, and more when time has passed", async () => {
    let now = 0;
    const relay = await startRelay({ limits: { connectsPerMinuteMax: 2 }, nowMs: () => now });
    const url = `${relay.url}/v1/sync`;
    expect((await tryUpgrade(url)).result).toBe("open");
    expect((await tryUpgrade(url)).result).toBe("open");
    expect((await tryUpgrade(url)).result).toBe("429 RELAY_RATE_LIMITED");
    now += 30_000;
    expect((await tryUpgrade(url)).result).toBe("open");
  });

  test("a handshake that ws refuses gives its place back", async () => {
    const relay = await startRelay({ limits: { connectionsMax: 1 } });
    const bad = await fetch(httpUrl(relay, "/healthz"));
    expect(bad.status).toBe(200);
    const { request } = await import("node:http");
    const headers = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" };
    const refused = request(httpUrl(relay, "/v1/sync"), { headers });
    refused.end();
    const [answer] = (await once(refused, "response")) as [{ statusCode: number; resume(): void }];
    expect(answer.statusCode).toBe(400);
    answer.resume();
    await once(refused, "close");
    expect((await tryUpgrade(`${relay.url}/v1/sync`)).result).toBe("open");
  });
});

describe("bad frames", () => {
  const cases: readonly (readonly [name: string, data: Uint8Array | string, closing: string])[] = [
    ["garbage", new Uint8Array([255, 1, 2, 3]), "4000 SYNC_BAD_MESSAGE"],
    ["an empty frame", new Uint8Array(0), "4000 SYNC_BAD_MESSAGE"],
    ["text", "hello", "1003 SYNC_BAD_MESSAGE"],
    ["a frame over 256 KiB", new Uint8Array(256 * 1024 + 1), "1009 "],
  ];
  test.each(cases)("%s closes that connection alone", async (_name, data, closing) => {
    const relay = await startRelay();
    const ada = await createDevice("ada");
    const space = await ada.spaces.create();
    await hostAt(relay, space);
    const session = await ada.connect(relay);
    const { socket } = await tryUpgrade(`${relay.url}/v1/sync`);
    socket.send(data);
    expect(await closingOf(socket)).toBe(closing);
    expect((await session.synced()).complete).toBe(true);
  });
});

describe("closing", () => {
  test("sessions end with a farewell, then nobody is let in", async () => {
    const relay = await startRelay();
    const ada = await createDevice("ada");
    const space = await ada.spaces.create();
    await hostAt(relay, space);
    const session = await ada.connect(relay);
    await session.synced();
    await relay.close();
    expect(await session.closed).toMatchObject({ code: "SYNC_DONE", by: "remote" });
    await expect(ada.connect(relay)).rejects.toMatchObject({ code: "TRANSPORT_WS_CONNECT_FAILED" });
    await relay.close();
    expect((await relay.stats()).topics).toBe(1);
  });
});
