/** Every setting of a relay: its path in the configuration file, what it holds, its help. Layer 9. */
import { defaultRelayLimits, type RelayLimits } from "./limits.ts";
import { retentionDaysMax } from "./retention.ts";

/** Paths of settings. */
export type FieldPath =
  | "host"
  | "port"
  | "data"
  | "store"
  | "trustProxy"
  | "publicUrl"
  | "webPush.contact"
  | "log.level"
  | "log.format"
  | "metrics.port"
  | "metrics.host"
  | "metrics.token"
  | "drain.seconds"
  | "retention.days"
  | "retention.idleDays"
  | `limits.${keyof RelayLimits}`;

interface FieldBase {
  readonly path: FieldPath;
  /** What a person reads in `--help`. */
  readonly text: string;
  /** Shown in `--help`; the default itself is the relay's. */
  readonly shown?: string;
  /** May stand in a file of its own, named by `<path>File`, and is never printed. */
  readonly secret?: true;
}

/** One setting. */
export type Field = FieldBase &
  (
    | { readonly type: "text"; readonly pattern?: RegExp; readonly expected?: string }
    | { readonly type: "count"; readonly min: number; readonly max: number }
    | { readonly type: "switch" }
    | { readonly type: "choice"; readonly choices: readonly string[] }
  );

/** What a person reads about each limit. */
const limitTexts: { readonly [Name in keyof RelayLimits]: string } = {
  topicsMax: "spaces hosted",
  topicBytesMax: "compact bytes of one space",
  topicEntriesMax: "entries of one space",
  authorBytesMax: "compact bytes of one author key in all spaces",
  storeBytesMax: "compact bytes of all spaces",
  bodyBytesMax: "bytes of one detached body",
  topicBodyBytesMax: "bytes of detached bodies of one space",
  storeBodyBytesMax: "bytes of detached bodies of all spaces",
  connectionsMax: "WebSockets open at once",
  connectionsPerAddressMax: "WebSockets open at once from one address",
  hostRequestsPerHourMax: "hosting requests an hour from one address",
  connectsPerMinuteMax: "new WebSockets a minute from one address",
  mailboxesMax: "mailboxes open at once for pairing",
  pairRequestsPerMinuteMax: "requests about mailboxes a minute from one address",
  readRequestsPerMinuteMax: "requests for entries, feeds and hooks a minute from one address",
  topicRequestsPerMinuteMax: "such requests a minute for one space",
  hookRequestsPerHourMax: "feeds and hooks made an hour from one address or for one space",
  feedsPerTopicMax: "feeds of one space",
  hooksPerTopicMax: "hooks of one space",
  hooksMax: "hooks of all spaces",
};
// Safe: the object above has exactly these keys.
const limitNames = Object.keys(limitTexts) as readonly (keyof RelayLimits)[];

const limitFields = limitNames.map((name): Field => ({
  path: `limits.${name}`,
  text: limitTexts[name],
  shown: String(defaultRelayLimits[name]),
  type: "count",
  min: 1,
  max: Number.MAX_SAFE_INTEGER,
}));

const portMax = 65_535;

/** All settings, in the order of `--help`. */
export const fields: readonly Field[] = [
  {
    path: "port",
    text: "TCP port; 0 takes any free one",
    shown: "8787",
    type: "count",
    min: 0,
    max: portMax,
  },
  { path: "host", text: "address to listen on", shown: "127.0.0.1", type: "text" },
  {
    path: "data",
    text: "folder of the SQLite database; made when missing",
    shown: "./relay-data",
    type: "text",
  },
  {
    path: "store",
    text: "postgres://… for several nodes on one database, instead of a data folder",
    type: "text",
    pattern: /^postgres(?:ql)?:\/\//,
    expected: "a URL that starts with postgres://",
    secret: true,
  },
  {
    path: "trustProxy",
    text: "count clients by X-Forwarded-For; only behind your own proxy",
    type: "switch",
  },
  {
    path: "publicUrl",
    text: "https://… under which others reach the relay, for the links in feeds",
    type: "text",
    pattern: /^https?:\/\/[^\s?#]+$/,
    expected: "a URL that starts with https:// or http://",
  },
  {
    path: "webPush.contact",
    text: "mailto: or https: by which push services find you; turns web push on",
    type: "text",
    pattern: /^(?:mailto:|https:)[\x21-\x7e]{3,256}$/,
    expected: "a URL that starts with mailto: or https:",
  },
  {
    path: "log.level",
    text: "the least level that is logged: debug, info, warn or error",
    shown: "info",
    type: "choice",
    choices: ["debug", "info", "warn", "error"],
  },
  {
    path: "log.format",
    text: "how lines of the log look: text or json",
    shown: "text",
    type: "choice",
    choices: ["text", "json"],
  },
  {
    path: "metrics.port",
    text: "a port of its own for /metrics; 0 takes any free one",
    type: "count",
    min: 0,
    max: portMax,
  },
  {
    path: "metrics.host",
    text: "address that /metrics listens on",
    shown: "127.0.0.1",
    type: "text",
  },
  {
    path: "metrics.token",
    text: "who sends it as Bearer token may read /metrics, on the main port too",
    type: "text",
    pattern: /^[\x21-\x7e]{16,512}$/,
    expected: "16 to 512 visible ASCII characters",
    secret: true,
  },
  {
    path: "drain.seconds",
    text: "how long sessions and requests have to end at SIGTERM",
    shown: "10",
    type: "count",
    min: 0,
    max: 3_600,
  },
  {
    path: "retention.days",
    text: "drop content that is older; without, it stays",
    type: "count",
    min: 1,
    max: retentionDaysMax,
  },
  {
    path: "retention.idleDays",
    text: "drop the content of spaces that nobody synced for so long; without, it stays",
    type: "count",
    min: 1,
    max: retentionDaysMax,
  },
  ...limitFields,
];
