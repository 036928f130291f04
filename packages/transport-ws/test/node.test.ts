/** docs/spec/3-sync.md §11: WebSockets in Node. */
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { transportCasesFor } from "@hawser/sync/testing";
import { connectWebSocket } from "@hawser/transport-ws";
import { WebSocket } from "ws";
import { harness, openLoopback } from "./loopback.ts";

describe("connections over loopback", () => {
  test.each(transportCasesFor(harness).map((entry) => [entry.name, entry] as const))(
    "[TH-113] %s",
    async (_name, entry) => {
      await entry.run(harness);
    },
  );
});

describe("opening", () => {
  test.each(["", "http://127.0.0.1:1", "wss://", "127.0.0.1:80"])(
    "%o is no WebSocket URL",
    async (url) => {
      await expect(connectWebSocket(url)).rejects.toMatchObject({ code: "TRANSPORT_WS_BAD_URL" });
    },
  );

  test("nobody listens: TRANSPORT_WS_CONNECT_FAILED with the cause", async () => {
    const loopback = await openLoopback();
    await loopback[Symbol.asyncDispose]();
    await expect(connectWebSocket(loopback.url)).rejects.toMatchObject({
      code: "TRANSPORT_WS_CONNECT_FAILED",
      cause: { code: "ECONNREFUSED" },
    });
  });

  test("a signal ends the attempt, before and while it runs", async () => {
    await using loopback = await openLoopback();
    const gone = AbortSignal.abort();
    await expect(connectWebSocket(loopback.url, { signal: gone })).rejects.toMatchObject({
      code: "TRANSPORT_WS_ABORTED",
    });
    const abort = new AbortController();
    const attempt = connectWebSocket(loopback.url, { signal: abort.signal });
    abort.abort();
    await expect(attempt).rejects.toMatchObject({ code: "TRANSPORT_WS_ABORTED" });
  });
});

describe("what is no frame of ours", () => {
  test("a text message closes the connection with 1003", async () => {
    await using loopback = await openLoopback();
    const socket = new WebSocket(loopback.url);
    const closed = new Promise<number>((resolve) => {
      socket.once("close", resolve);
    });
    const server = await loopback.accepted();
    await once(socket, "open");
    socket.send("hello");
    for await (const frame of server.frames) expect(frame).toBeUndefined();
    expect(await closed).toBe(1003);
  });

  test("a message over 256 KiB closes the connection with 1009", async () => {
    await using loopback = await openLoopback();
    const socket = new WebSocket(loopback.url);
    const closed = new Promise<number>((resolve) => {
      socket.once("close", resolve);
    });
    const server = await loopback.accepted();
    await once(socket, "open");
    socket.send(new Uint8Array(256 * 1024 + 1));
    for await (const frame of server.frames) expect(frame).toBeUndefined();
    expect(await closed).toBe(1009);
  });

  test("the reason of a close reaches the other side, cut to what a close frame holds", async () => {
    await using loopback = await openLoopback();
    const socket = new WebSocket(loopback.url);
    const closed = new Promise<string>((resolve) => {
      socket.once("close", (code, reason) => resolve(`${code} ${reason.toString()}`));
    });
    const server = await loopback.accepted();
    server.close(`SYNC_IDLE${"!".repeat(200)}`);
    expect(await closed).toBe(`4000 SYNC_IDLE${"!".repeat(91)}`);
  });
});
