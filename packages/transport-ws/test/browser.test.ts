/** docs/spec/3-sync.md §11: the standard WebSocket, by a double. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createVirtualTimers } from "@hawser/sync/testing";
import { drain, transportCasesFor, type TransportHarness } from "@hawser/sync/testing";
import type { Timers } from "@hawser/sync";
import { createConnection } from "../src/connection.ts";
import { connectWith, toSocket, type WebSocketLike } from "../src/web-socket.ts";

type Listener = (event: { readonly data: unknown }) => void;

/** One end of a pair of standard WebSockets whose buffers drain at the reader's pace. */
class FakeWebSocket implements WebSocketLike {
  binaryType = "blob";
  bufferedAmount = 0;
  readyState = 0;
  closedWith: string | undefined;
  other: FakeWebSocket | undefined;
  readonly #listeners = new Map<string, Listener[]>();

  addEventListener(type: string, listener: Listener | (() => void)): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  emit(type: string, data?: unknown): void {
    for (const listener of this.#listeners.get(type) ?? []) listener({ data });
  }

  open(): void {
    this.readyState = 1;
    this.emit("open");
  }

  send(data: Uint8Array<ArrayBuffer>): void {
    if (this.readyState !== 1) throw new Error("InvalidStateError");
    const copy = data.slice().buffer;
    this.bufferedAmount += data.length;
    setImmediate(() => {
      this.bufferedAmount -= data.length;
      this.other?.emit("message", copy);
    });
  }

  /** What was sent and has not arrived is lost. */
  break(): void {
    this.readyState = 3;
    this.other = undefined;
    setImmediate(() => this.emit("close"));
  }

  close(code = 1005, reason = ""): void {
    if (this.readyState >= 2) return;
    this.readyState = 2;
    this.closedWith = `${code} ${reason}`;
    setImmediate(() => {
      this.readyState = 3;
      this.emit("close");
      this.other?.close();
    });
  }
}

function fakePair(): readonly [FakeWebSocket, FakeWebSocket] {
  const [a, b] = [new FakeWebSocket(), new FakeWebSocket()];
  a.other = b;
  b.other = a;
  return [a, b];
}

/** Timers that fire at the next turn: the fake's buffers drain by turns, too. */
const immediately: Timers = {
  after: (_delayMs, callback) => {
    const handle = setImmediate(callback);
    return () => clearImmediate(handle);
  },
};

describe("connections over standard WebSockets", () => {
  // Browsers cannot stop reading, so what they are sent is bounded by credit alone.
  const harness: TransportHarness = {
    waitsForReader: false,
    open: async () => {
      const [a, b] = fakePair();
      const ends = {
        a: createConnection(toSocket(a, immediately)),
        b: createConnection(toSocket(b, immediately)),
      };
      a.open();
      b.open();
      const cut = async (): Promise<void> => [a, b].forEach((end) => end.break());
      return { ...ends, cut, [Symbol.asyncDispose]: async () => a.close() };
    },
    dialSilence: (signal) => {
      const deps = { open: () => fakePair()[0], timers: createVirtualTimers() };
      return connectWith(deps, "ws://x", { signal });
    },
  };
  test.each(transportCasesFor(harness).map((entry) => [entry.name, entry] as const))(
    "%s",
    async (_name, entry) => {
      await entry.run(harness);
    },
  );

  test("send waits while bufferedAmount is high, and looks again by itself", async () => {
    const timers = createVirtualTimers();
    const [a] = fakePair();
    const connection = createConnection(toSocket(a, timers));
    a.open();
    a.bufferedAmount = 2 * 1024 * 1024;
    let isDone = false;
    const sending = connection.send(new Uint8Array(10)).then(() => {
      isDone = true;
    });
    await timers.advance(50);
    expect(isDone).toBe(false);
    a.bufferedAmount = 0;
    await timers.advance(5);
    await sending;
    expect(isDone).toBe(true);
  });

  test("text closes the connection, and it asks for binary messages as buffers", async () => {
    const [a] = fakePair();
    const connection = createConnection(toSocket(a, immediately));
    expect(a.binaryType).toBe("arraybuffer");
    a.open();
    a.emit("message", "text");
    for await (const frame of connection.frames) expect(frame).toBeUndefined();
    expect(a.closedWith).toBe("1003 SYNC_BAD_MESSAGE");
  });
});

describe("opening", () => {
  test("resolves when the socket opens, and keeps frames that came at once", async () => {
    const [a, b] = fakePair();
    const attempt = connectWith({ open: () => a, timers: createVirtualTimers() }, "ws://x");
    a.open();
    b.open();
    b.send(Uint8Array.of(5));
    const connection = await attempt;
    for await (const frame of connection.frames) {
      expect(frame).toEqual(Uint8Array.of(5));
      break;
    }
  });

  test("fails when the socket does, when it closes, when opening throws", async () => {
    const timers = createVirtualTimers();
    for (const event of ["error", "close"]) {
      const [a] = fakePair();
      const attempt = connectWith({ open: () => a, timers }, "ws://x");
      a.emit(event);
      await expect(attempt).rejects.toMatchObject({ code: "TRANSPORT_WS_CONNECT_FAILED" });
    }
    const open = (): never => {
      throw new Error("SecurityError");
    };
    await expect(connectWith({ open, timers }, "ws://x")).rejects.toMatchObject({
      code: "TRANSPORT_WS_CONNECT_FAILED",
    });
  });

  test("gives up after its time limit and closes what it began", async () => {
    const timers = createVirtualTimers();
    const [a] = fakePair();
    const attempt = connectWith({ open: () => a, timers }, "ws://x", { timeoutMs: 1_000 });
    const outcome = expect(attempt).rejects.toMatchObject({ code: "TRANSPORT_WS_ABORTED" });
    await timers.advance(1_000);
    await outcome;
    await drain();
    expect(a.readyState).toBe(3);
  });
});

test("the browser's door imports nothing of Node, directly or not", () => {
  const seen = new Set<string>();
  const open = ["browser.ts"];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    const source = readFileSync(new URL(`../src/${file}`, import.meta.url), "utf8");
    for (const [, target = ""] of source.matchAll(/from "([^"]+)"/g)) {
      if (target.startsWith("./")) open.push(target.slice(2));
      else expect(target.startsWith("@hawser/")).toBe(true);
    }
  }
  expect(seen.has("node.ts")).toBe(false);
  expect(seen.size).toBeGreaterThan(4);
});
