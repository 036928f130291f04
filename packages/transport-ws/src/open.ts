/**
 * Opening a socket within a time limit, under a signal. Layer 5.
 */
import type { Connection, Timers } from "@hawser/sync";
import { TransportWsError } from "./errors.ts";

/** A socket on its way. */
export interface Opening {
  /** Rejects with what the platform tells. */
  readonly opened: Promise<void>;
  readonly connection: Connection;
  abandon(): void;
}

const timeoutMsDefault = 10_000;

/** The connection of `start()` once it is open. Throws TransportWsError. */
export async function openSocket(
  parts: {
    readonly timers: Timers;
    readonly url: string;
    readonly options: { readonly signal?: AbortSignal; readonly timeoutMs?: number };
  },
  start: () => Opening,
): Promise<Connection> {
  checkUrl(parts.url);
  const { signal, timeoutMs = timeoutMsDefault } = parts.options;
  if (signal?.aborted === true) throw aborted(signal.reason);
  const opening = startOpening(start);
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(aborted(signal?.reason));
  signal?.addEventListener("abort", onAbort);
  const stopTimer = parts.timers.after(timeoutMs, () =>
    reject(new TransportWsError("TRANSPORT_WS_ABORTED", `no answer within ${timeoutMs} ms`)),
  );
  try {
    await Promise.race([opening.opened, stopped]);
    return opening.connection;
  } catch (cause) {
    opening.opened.catch(() => {});
    opening.abandon();
    if (cause instanceof TransportWsError) throw cause;
    throw failed(cause);
  } finally {
    stopTimer();
    signal?.removeEventListener("abort", onAbort);
  }
}

function startOpening(start: () => Opening): Opening {
  try {
    return start();
  } catch (cause) {
    throw failed(cause);
  }
}

function checkUrl(url: string): void {
  if (!/^wss?:\/\/./.test(url)) {
    throw new TransportWsError("TRANSPORT_WS_BAD_URL", "expected a URL of ws: or wss:");
  }
}

function aborted(cause: unknown): TransportWsError {
  return new TransportWsError("TRANSPORT_WS_ABORTED", "the attempt was aborted", { cause });
}

function failed(cause: unknown): TransportWsError {
  return new TransportWsError("TRANSPORT_WS_CONNECT_FAILED", "the WebSocket did not open", {
    cause,
  });
}
