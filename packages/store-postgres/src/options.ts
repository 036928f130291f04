/** What a store is told: defaults and limits in one place. Layer 4. */
import type { Crypto } from "@hawser/crypto";
import type { ConnectionOptions } from "node:tls";
import { PostgresStoreError } from "./errors.ts";

/** Callbacks after a time; the platform's timers, injected. */
export interface Timers {
  /** Calls back once after `delayMs`; the result cancels it. */
  after(delayMs: number, callback: () => void): () => void;
}

/** What the store is given. */
export interface PostgresStoreDeps {
  readonly crypto: Pick<Crypto, "hash" | "deriveKey">;
  readonly timers: Timers;
  /** Told of trouble that no caller waits for: the feed of other nodes' commits could not be read. */
  readonly report?: (error: PostgresStoreError) => void;
}

/** Where the database is, in parts. */
export interface PostgresAddress {
  readonly host?: string;
  readonly port?: number;
  readonly database?: string;
  readonly user?: string;
  /** A function is asked for each new connection: for passwords that change. */
  readonly password?: string | (() => string | Promise<string>);
}

/** What the store is told. */
export interface PostgresStoreOptions {
  /** `postgres://user:password@host:port/database`, or its parts. Never part of an error. */
  readonly connection: string | PostgresAddress;
  /** Passed on to `node:tls`; `true` for its defaults. Not together with `ssl…` in the string. */
  readonly tls?: boolean | ConnectionOptions;
  /** The schema that holds the tables, made when missing; default "hawser". */
  readonly schema?: string;
  /** Connections for statements, one more for notifications; 2 to 200, default 8. */
  readonly poolSize?: number;
  /** The longest a statement, or a wait for a lock, may take, in ms; default 30,000. */
  readonly statementTimeoutMs?: number;
  /** The longest a connection may take to come about, in ms; default 10,000. */
  readonly connectTimeoutMs?: number;
  /** Attempts after the first when a connection breaks or transactions conflict; default 14. */
  readonly retriesMax?: number;
  /** How commits of other nodes are noticed: default `notify`, and `poll` in any case. */
  readonly wakeUp?: "notify" | "poll";
  /** Shortest and longest time between two looks at the database, in ms; default 50 and 5,000. */
  readonly pollMsMin?: number;
  readonly pollMsMax?: number;
  /** Commits that may wait; default 10,000. */
  readonly waitingMax?: number;
}

/** The options with every default filled in. */
export type Settings = Required<Omit<PostgresStoreOptions, "tls">> &
  Pick<PostgresStoreOptions, "tls">;

const limits: readonly (readonly [keyof Settings, number, number])[] = [
  ["poolSize", 2, 200],
  ["statementTimeoutMs", 1, 3_600_000],
  ["connectTimeoutMs", 1, 3_600_000],
  ["retriesMax", 0, 100],
  ["pollMsMin", 1, 3_600_000],
  ["pollMsMax", 1, 3_600_000],
  ["waitingMax", 1, 1_000_000],
];

/** Options with defaults, checked. Throws STORE_OPTIONS_INVALID. */
export function readOptions(options: PostgresStoreOptions): Settings {
  const settings: Settings = {
    schema: "hawser",
    poolSize: 8,
    statementTimeoutMs: 30_000,
    connectTimeoutMs: 10_000,
    retriesMax: 14,
    wakeUp: "notify",
    pollMsMin: 50,
    pollMsMax: 5_000,
    waitingMax: 10_000,
    ...options,
  };
  for (const [name, min, max] of limits) {
    const value = Number(settings[name]);
    if (!Number.isInteger(value) || value < min || value > max) {
      throw invalid(`${name} is an integer from ${min} to ${max}`);
    }
  }
  if (settings.pollMsMin > settings.pollMsMax) throw invalid("pollMsMin is above pollMsMax");
  // It becomes part of statements and of a channel's name, which holds 63 bytes.
  if (!/^[a-z_][a-z0-9_]{0,49}$/.test(settings.schema)) {
    throw invalid("schema is 1 to 50 of a-z, 0-9 and _, and starts with no digit");
  }
  checkAddress(settings);
  return settings;
}

function checkAddress({ connection, tls }: Settings): void {
  if (typeof connection !== "string") return;
  if (!/^postgres(?:ql)?:\/\//.test(connection)) {
    throw invalid("a connection string starts with postgres://");
  }
  // The driver would let the string win: whoever asked for a certificate check must get it.
  if (tls !== undefined && /[?&]ssl/.test(connection)) {
    throw invalid("TLS is set up in the connection string or in tls, not in both");
  }
}

/** The error STORE_OPTIONS_INVALID. */
export function invalid(message: string): PostgresStoreError {
  return new PostgresStoreError("STORE_OPTIONS_INVALID", message);
}
