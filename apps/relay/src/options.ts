/** Options of a relay, checked. Layer 9. */
import { randomBytes } from "node:crypto";
import type { Crypto, Random } from "@hawser/crypto";
import type { Clock } from "@hawser/log";
import { silentLogger, type Logger } from "./logging.ts";
import { RelayError } from "./errors.ts";
import { defaultRelayLimits, type RelayLimits } from "./limits.ts";
import type { Outbound } from "./outbound.ts";
import type { PushProvider } from "./push-provider.ts";
import { retentionDaysMax, type RetentionOptions } from "./retention.ts";
import type { WebPushOptions } from "./web-push.ts";

/** How a relay runs. Everything has a default. */
export interface RelayOptions {
  /** Folder of its database, made when missing. Default: memory, gone when it closes. */
  readonly data?: string;
  /**
   * `postgres://…` of a database that several nodes share, instead of a folder. Never part of an
   * error or a line of the log.
   */
  readonly store?: string;
  /** Default 127.0.0.1; "::" or "0.0.0.0" for every network. */
  readonly host?: string;
  /** Default 0: any free one. */
  readonly port?: number;
  /** Limits that differ from `defaultRelayLimits`. */
  readonly limits?: Partial<RelayLimits>;
  /** After how many days content is dropped; default: everything stays. */
  readonly retention?: RetentionOptions;
  /** Count clients by the last entry of X-Forwarded-For. Right behind one's own proxy only. */
  readonly trustProxy?: boolean;
  /** Figures for Prometheus; default: none are served. */
  readonly metrics?: RelayMetricsOptions;
  /** `https://…` under which others reach it, for the links in feeds; default: as asked for. */
  readonly publicUrl?: string;
  /** Notices to browsers; default: none, since push services want a contact. */
  readonly webPush?: WebPushOptions;
  /** More ways to send notices, such as a platform's own service. */
  readonly pushProviders?: readonly PushProvider[];
  /** The way out for webhooks and web push; default: HTTPS to public addresses. */
  readonly outbound?: Outbound;
  /** How long sessions and requests may take to end in `close`, in ms; default 10,000. */
  readonly drainMs?: number;
  /** Default: nothing is logged. */
  readonly logger?: Logger;
  /** Hears what goes wrong inside while the relay goes on. */
  readonly onFailure?: (cause: unknown) => void;
  /** Default: the fastest this platform has. */
  readonly crypto?: Crypto;
  /** Default: the system's. */
  readonly random?: Random;
  /** Wall time; default: the system's. */
  readonly clock?: Clock;
  /** Monotonic time in ms, for rates; default: the system's. */
  readonly nowMs?: () => number;
}

/** Where `/metrics` is served. */
export interface RelayMetricsOptions {
  /** A port of its own, 0 for any free one; without, only the main port with a token. */
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Asked for as Bearer token. Without one the main port serves no figures. */
  readonly token?: string;
}

/** Options with their defaults in place. */
export interface RelaySettings {
  readonly data: string | undefined;
  readonly store: string | undefined;
  readonly metrics: RelayMetricsOptions;
  readonly publicUrl: string | undefined;
  readonly webPush: WebPushOptions | undefined;
  readonly pushProviders: readonly PushProvider[];
  readonly outbound: Outbound | undefined;
  readonly drainMs: number;
  readonly logger: Logger;
  readonly host: string;
  readonly port: number;
  readonly limits: RelayLimits;
  readonly retention: RetentionOptions;
  readonly trustProxy: boolean;
  readonly onFailure: (cause: unknown) => void;
  readonly random: Random;
  readonly clock: Clock;
  readonly nowMs: () => number;
}

/** Fills in defaults. Throws `RELAY_OPTION`. */
export function checkOptions(options: RelayOptions): RelaySettings {
  const { host = "127.0.0.1", port = 0 } = options;
  if (host === "") throw new RelayError("RELAY_OPTION", "host: expected a name or an address");
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new RelayError("RELAY_OPTION", "port: expected 0 to 65535");
  }
  if (options.store !== undefined && options.data !== undefined) {
    throw new RelayError("RELAY_OPTION", "data, store: expected one of them");
  }
  const { drainMs = 10_000 } = options;
  if (!Number.isSafeInteger(drainMs) || drainMs < 0) {
    throw new RelayError("RELAY_OPTION", "drainMs: expected a whole number from 0 on");
  }
  return {
    data: options.data,
    store: options.store,
    metrics: options.metrics ?? {},
    publicUrl: checkPublicUrl(options.publicUrl),
    webPush: options.webPush,
    pushProviders: options.pushProviders ?? [],
    outbound: options.outbound,
    drainMs,
    logger: options.logger ?? silentLogger,
    host,
    port,
    limits: checkLimits({ ...defaultRelayLimits, ...options.limits }),
    retention: checkRetention(options.retention ?? {}),
    trustProxy: options.trustProxy ?? false,
    onFailure: options.onFailure ?? (() => {}),
    random: options.random ?? systemRandom,
    clock: options.clock ?? systemClock,
    nowMs: options.nowMs ?? (() => performance.now()),
  };
}

function checkPublicUrl(url: string | undefined): string | undefined {
  if (url === undefined) return undefined;
  const isUrl = /^https?:\/\/[\x21-\x7e]+$/.test(url) && URL.canParse(url);
  if (isUrl && !url.includes("?") && !url.includes("#")) return url.replace(/\/+$/, "");
  throw new RelayError(
    "RELAY_OPTION",
    "publicUrl: expected http:// or https:// and a path at most",
  );
}

function checkLimits(limits: RelayLimits): RelayLimits {
  for (const [name, value] of Object.entries(limits)) {
    if (Number.isSafeInteger(value) && value >= 1) continue;
    throw new RelayError("RELAY_OPTION", `${name}: expected a whole number from 1 on`);
  }
  return limits;
}

function checkRetention(retention: RetentionOptions): RetentionOptions {
  for (const [name, value] of Object.entries(retention)) {
    if (Number.isSafeInteger(value) && value >= 1 && value <= retentionDaysMax) continue;
    throw new RelayError("RELAY_OPTION", `${name}: expected 1 to ${retentionDaysMax} days`);
  }
  return retention;
}

const systemRandom: Random = (byteCount) => new Uint8Array(randomBytes(byteCount));

const systemClock: Clock = { nowMicros: () => Date.now() * 1_000 };
