/**
 * Keeps one connection up: dials, hands the connection over, and dials again after it ended, with
 * growing, jittered, bounded pauses. Layer 5; time and chance are injected.
 */
import type { Random } from "@hawser/crypto";
import type { Connection, Timers } from "@hawser/sync";
import { TransportWsError } from "./errors.ts";

export interface DiallerDeps {
  /** Opens one connection; rejects when that fails or the signal fires. */
  connect(signal: AbortSignal): Promise<Connection>;
  /** Uses a connection; the promise ends with it. "stop" ends the dialler, all else dials again. */
  use(connection: Connection): Promise<unknown>;
  readonly timers: Timers;
  readonly random: Random;
}

export interface DiallerOptions {
  /** The first pause; default 500 ms. */
  readonly delayMsMin?: number;
  /** The longest pause; default 60 s, at most 24 h. */
  readonly delayMsMax?: number;
  /** A connection that lasts this long makes the next pause short again; default 30 s. */
  readonly stableMs?: number;
}

export type DiallerState = "dialling" | "connected" | "pausing" | "stopped";

export interface Dialler extends AsyncDisposable {
  state(): DiallerState;
  /** Pauses and failed attempts since a connection last proved stable. */
  attempts(): number;
  /** Why the last attempt failed. */
  lastError(): unknown;
  /** Ends a pause at once, for instance when the device is online again. */
  wake(): void;
}

const dayMs = 24 * 60 * 60 * 1000;

/** The pause before attempt `attempt` (1, 2, …): doubled each time, half of it by chance. */
export function pauseMs(
  attempt: number,
  limits: { readonly delayMsMin: number; readonly delayMsMax: number },
  chance: number,
): number {
  let pause = limits.delayMsMin;
  // Doubling stops at the limit, so no number of attempts can overflow it (ATK-evolu671).
  for (let step = 1; step < attempt && pause < limits.delayMsMax; step++) pause *= 2;
  pause = Math.min(pause, limits.delayMsMax);
  return Math.floor(pause / 2 + (pause / 2) * chance);
}

/** Starts dialling. Throws TRANSPORT_WS_BAD_OPTION. Dispose it to hang up for good. */
export function createDialler(deps: DiallerDeps, options: DiallerOptions = {}): Dialler {
  const limits = checkOptions(options);
  const stop = new AbortController();
  let state: DiallerState = "dialling";
  let attempts = 0;
  let lastError: unknown;
  let wake = (): void => {};
  let current: Connection | undefined;

  const pause = async (): Promise<void> => {
    attempts = Math.min(attempts + 1, Number.MAX_SAFE_INTEGER);
    const [byte = 0] = deps.random(1);
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = deps.timers.after(pauseMs(attempts, limits, byte / 256), resolve);
    wake = resolve;
    state = "pausing";
    await promise;
    cancel();
  };
  /** One connection from dialling to its end; true when the dialler is to stop. */
  const dialOnce = async (): Promise<boolean> => {
    state = "dialling";
    const connection = await deps.connect(stop.signal);
    if (stop.signal.aborted) {
      connection.close("SYNC_DONE");
      return true;
    }
    state = "connected";
    current = connection;
    const cancel = deps.timers.after(limits.stableMs, () => {
      attempts = 0;
    });
    try {
      return (await deps.use(connection)) === "stop";
    } finally {
      cancel();
      current = undefined;
      connection.close("SYNC_DONE");
    }
  };
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      try {
        if (await dialOnce()) break;
      } catch (error) {
        lastError = error;
      }
      if (!stop.signal.aborted) await pause();
    }
    state = "stopped";
  };
  const running = run();

  return {
    state: () => state,
    attempts: () => attempts,
    lastError: () => lastError,
    wake: () => wake(),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      wake();
      current?.close("SYNC_DONE");
      await running;
    },
  };
}

function checkOptions(options: DiallerOptions): Required<DiallerOptions> {
  const { delayMsMin = 500, delayMsMax = 60_000, stableMs = 30_000 } = options;
  const isOrdered = delayMsMin > 0 && delayMsMin <= delayMsMax && delayMsMax <= dayMs;
  if (!isOrdered || !(stableMs > 0 && stableMs <= dayMs)) {
    throw new TransportWsError(
      "TRANSPORT_WS_BAD_OPTION",
      "expected 0 < delayMsMin <= delayMsMax <= 24 h, and 0 < stableMs <= 24 h",
    );
  }
  return { delayMsMin, delayMsMax, stableMs };
}
