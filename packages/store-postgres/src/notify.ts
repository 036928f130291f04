/**
 * Notifications: a hint to other nodes that something was committed, and from them. Lost ones do no
 * harm, because the feed looks by itself as well. Layer 4.
 */
import type { Database, Listening } from "./database.ts";
import { toStoreError, type PostgresStoreError } from "./errors.ts";
import type { Timers } from "./options.ts";

/** Where hints go and come from. */
export interface NotifierDeps {
  readonly database: Database;
  readonly timers: Timers;
  readonly report: (error: PostgresStoreError) => void;
  /** A commit of another node. */
  readonly onHint: () => void;
  /** The connection came about, so everything before has to be looked up, or was lost. */
  readonly onConnection: (isConnected: boolean) => void;
}

/** Hints out and in. */
export interface Notifier {
  /** Something was committed. Many calls while one hint is on its way make one more. */
  send(): void;
  stop(): Promise<void>;
}

const delayMsMin = 50;
const delayMsMax = 5_000;

/** Listens at once and for ever; `writer` marks our own hints. */
export function createNotifier(deps: NotifierDeps, channel: string, writer: string): Notifier {
  let isStopped = false;
  let delayMs = delayMsMin;
  let listening: Listening | undefined;
  let stopTimer = (): void => {};
  let connecting: Promise<void> | undefined;
  let sending: Promise<void> | undefined;
  let isWanted = false;

  const again = (): void => {
    if (isStopped) return;
    stopTimer = deps.timers.after(delayMs, connect);
    delayMs = Math.min(delayMsMax, delayMs * 2);
  };

  const listen = async (): Promise<void> => {
    try {
      listening = await deps.database.listen(channel, {
        message: (payload) => {
          if (payload !== writer) deps.onHint();
        },
        end: () => {
          listening = undefined;
          deps.onConnection(false);
          again();
        },
      });
      delayMs = delayMsMin;
      deps.onConnection(true);
    } catch (error) {
      deps.report(toStoreError(error));
      again();
    }
  };

  const connect = (): void => {
    connecting = listen();
  };

  const sendWanted = async (): Promise<void> => {
    while (isWanted && !isStopped) {
      isWanted = false;
      await deps.database
        .query("SELECT pg_notify($1, $2)", [channel, writer])
        .catch((error: unknown) => deps.report(toStoreError(error)));
    }
    sending = undefined;
  };

  connect();
  return {
    send: () => {
      isWanted = true;
      sending ??= sendWanted();
    },
    stop: async () => {
      isStopped = true;
      stopTimer();
      await connecting;
      await listening?.stop();
      await sending;
    },
  };
}
