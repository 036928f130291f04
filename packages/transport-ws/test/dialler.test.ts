/** The dialler: back-off, jitter, bounds. */
import { describe, expect, test } from "vitest";
import type { Connection } from "@hawser/sync";
import { createMemoryPair, createSeededRandom, createVirtualTimers } from "@hawser/sync/testing";
import { createDialler, type DiallerDeps } from "@hawser/transport-ws";
import { pauseMs } from "../src/dialler.ts";

const limits = { delayMsMin: 500, delayMsMax: 60_000 };

/** A dialler on virtual time; `attempt` decides each try. */
function setUp(attempt: (n: number) => Promise<Connection>, use: DiallerDeps["use"]) {
  const timers = createVirtualTimers();
  const atMs: number[] = [];
  const dialler = createDialler({
    connect: () => {
      atMs.push(timers.nowMs());
      return attempt(atMs.length);
    },
    use,
    timers,
    random: createSeededRandom(1),
  });
  return { timers, atMs, dialler };
}

const refuse = (): Promise<never> => Promise.reject(new Error("ECONNREFUSED"));

describe("pauses", () => {
  test("[ATK-evolu671] no number of attempts makes a pause overflow or vanish", () => {
    const attempts = [1, 2, 8, 31, 32, 33, 64, 1_025, 10_000, 2 ** 31, Number.MAX_SAFE_INTEGER];
    for (const attempt of attempts) {
      for (const chance of [0, 0.5, 255 / 256]) {
        const pause = pauseMs(attempt, limits, chance);
        expect(Number.isSafeInteger(pause)).toBe(true);
        expect(pause).toBeGreaterThanOrEqual(250);
        expect(pause).toBeLessThanOrEqual(60_000);
      }
    }
    expect(pauseMs(10_000, limits, 0)).toBe(30_000);
  });

  test("[ATK-evolu671] days without a peer: still dialling, once a minute at most", async () => {
    const { timers, atMs, dialler } = setUp(refuse, async () => {});
    await timers.advance(3_600_000);
    expect(atMs.length).toBeGreaterThan(60);
    expect(atMs.length).toBeLessThan(140);
    const gaps = atMs.slice(1).map((at, index) => at - (atMs[index] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(250);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(60_000);
    // Jitter: a crowd that lost one relay does not come back in step.
    expect(new Set(gaps.slice(10)).size).toBeGreaterThan(20);
    expect(dialler.lastError()).toMatchObject({ message: "ECONNREFUSED" });
    await dialler[Symbol.asyncDispose]();
    expect(dialler.state()).toBe("stopped");
  });
});

describe("connections", () => {
  test("a connection that lasts makes the next pause short again; one that does not, does not", async () => {
    let endUse = (): void => {};
    const { timers, dialler } = setUp(
      (n) => (n < 5 ? refuse() : Promise.resolve(createMemoryPair().a)),
      () =>
        new Promise<void>((resolve) => {
          endUse = resolve;
        }),
    );
    await timers.advance(60_000);
    expect(dialler.state()).toBe("connected");
    expect(dialler.attempts()).toBe(0);
    endUse();
    await timers.advance(0);
    expect(dialler.attempts()).toBe(1);
    await timers.advance(600);
    expect(dialler.state()).toBe("connected");
    endUse();
    await timers.advance(0);
    expect(dialler.attempts()).toBe(2);
    await dialler[Symbol.asyncDispose]();
  });

  test("wake ends a pause at once", async () => {
    const { timers, atMs, dialler } = setUp(refuse, async () => {});
    await timers.advance(600_000);
    const before = atMs.length;
    dialler.wake();
    await timers.advance(0);
    expect(atMs.length).toBe(before + 1);
    await dialler[Symbol.asyncDispose]();
  });

  test("stop from the user of a connection ends the dialler and closes the connection", async () => {
    const pair = createMemoryPair();
    const { timers, atMs, dialler } = setUp(
      () => Promise.resolve(pair.a),
      () => Promise.resolve("stop"),
    );
    await timers.advance(100_000);
    expect(atMs).toHaveLength(1);
    expect(dialler.state()).toBe("stopped");
    for await (const frame of pair.b.frames) expect(frame).toBeUndefined();
  });

  test("disposing hangs up, also while a connection is being opened", async () => {
    const pair = createMemoryPair();
    const opening = Promise.withResolvers<Connection>();
    let used = 0;
    const { timers, dialler } = setUp(
      () => opening.promise,
      async () => {
        used += 1;
      },
    );
    await timers.advance(0);
    const disposed = dialler[Symbol.asyncDispose]();
    opening.resolve(pair.a);
    await disposed;
    expect(used).toBe(0);
    await expect(pair.a.send(Uint8Array.of(1))).rejects.toMatchObject({
      code: "SYNC_CONNECTION_LOST",
    });
  });

  test.each([
    { delayMsMin: 0 },
    { delayMsMin: 10, delayMsMax: 5 },
    { delayMsMax: 2 ** 31 },
    { stableMs: Number.NaN },
    { delayMsMin: Number.POSITIVE_INFINITY },
  ])("options out of range are refused: %o", (options) => {
    const deps: DiallerDeps = {
      connect: refuse,
      use: async () => {},
      timers: createVirtualTimers(),
      random: createSeededRandom(1),
    };
    expect(() => createDialler(deps, options)).toThrow(
      expect.objectContaining({ code: "TRANSPORT_WS_BAD_OPTION" }),
    );
  });
});
