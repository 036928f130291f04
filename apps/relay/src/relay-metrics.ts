/** What a relay measures of itself (docs/guides/relay.md, *Metrics*). Layer 9. */
import type { LogStore } from "@hawser/log";
import type { Connection, Ingest, SyncClosed } from "@hawser/sync";
import type { RelayAnswerCode } from "./errors.ts";
import { createMetrics } from "./metrics.ts";
import { overBudget } from "./usage.ts";

/** Figures that are looked up when somebody asks. */
export interface RelayGauges {
  readonly sessions: () => number;
  readonly topics: () => number;
  readonly storedBytes: () => number;
  readonly storedEntries: () => number;
  /** Ranges being verified and stored. */
  readonly ingesting: () => number;
  /** Whether this node writes the relay's own logs; 1 unless several share a database. */
  readonly isLeader: () => boolean;
  readonly rssBytes: () => number;
  /** Of the process, user and system together. */
  readonly cpuSeconds: () => number;
}

/** Which rate limit turned a client away. */
export type LimitName = "connects" | "hostRequests" | "pairRequests" | "other";

/** Meters in the relay's pipes. */
export interface RelayMetrics {
  refused(code: RelayAnswerCode, limit?: LimitName): void;
  sessionOpened(): void;
  sessionClosed(closed: SyncClosed): void;
  /** `store` whose commits are timed. */
  measureStore(store: LogStore): LogStore;
  /** `ingest` whose ranges are counted. */
  measureIngest(ingest: Ingest): Ingest;
  /** A connection whose bytes are counted. */
  measureConnection(connection: Connection): Connection;
  /** So many entries were dropped for their age. */
  dropped(entries: number): void;
  /** Begins to answer for the gauges. */
  expose(gauges: RelayGauges): void;
  render(): string;
}

const latencyBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Reasons that get a series of their own; a space may have others. */
const refusalReasons: ReadonlySet<string> = new Set([
  overBudget,
  "NOT_ADMITTED",
  "CONFLICT",
  "HELD_FOR_CLOCK",
  "SPACE_UNKNOWN",
  "SPACE_CLOSED",
]);

/** Meters with everything at zero. `nowMs` is monotonic. */
export function createRelayMetrics(nowMs: () => number): RelayMetrics {
  const metrics = createMetrics();
  const droppedEntries = metrics.counter({
    name: "hawser_relay_dropped_entries_total",
    help: "Entries that were dropped for their age.",
  });
  const refusals = metrics.counter({
    name: "hawser_relay_refusals_total",
    help: "Requests and upgrades that were answered with an error, by its code.",
    labels: ["code"],
  });
  const limited = metrics.counter({
    name: "hawser_relay_rate_limited_total",
    help: "Requests and upgrades over a rate limit, by limit.",
    labels: ["limit"],
  });
  const opened = metrics.counter({
    name: "hawser_relay_sessions_opened_total",
    help: "Sync sessions begun.",
  });
  const closed = metrics.counter({
    name: "hawser_relay_sessions_closed_total",
    help: "Sync sessions ended, by code and by which side ended them.",
    labels: ["code", "by"],
  });
  const traffic = createTraffic(metrics, nowMs);
  const ranges = createRangeMeters(metrics);
  const commits = metrics.histogram({
    name: "hawser_relay_commit_seconds",
    help: "Time a commit took until it was durable.",
    buckets: latencyBuckets,
  });
  return {
    refused: (code, limit = "other") => {
      refusals.add(1, code);
      if (code === "RELAY_RATE_LIMITED") limited.add(1, limit);
    },
    sessionOpened: () => opened.add(1),
    sessionClosed: ({ code, by }) => closed.add(1, code, by),
    measureStore: (store) => {
      store.onCommit(() => traffic.committed());
      return {
        ...store,
        commit: async (batch) => {
          const sinceMs = nowMs();
          const outcome = await store.commit(batch);
          commits.observe((nowMs() - sinceMs) / 1_000);
          return outcome;
        },
      };
    },
    measureIngest: ranges.measure,
    measureConnection: traffic.measure,
    dropped: (entries) => droppedEntries.add(entries),
    expose: (gauges) => exposeGauges(metrics, gauges),
    render: metrics.render,
  };
}

type Metrics = ReturnType<typeof createMetrics>;

/** Ranges that peers sent, and what became of them. */
function createRangeMeters(metrics: Metrics): { readonly measure: (ingest: Ingest) => Ingest } {
  const entries = metrics.counter({
    name: "hawser_relay_ingested_entries_total",
    help: "Entries that peers sent here and that were stored.",
  });
  const bytes = metrics.counter({
    name: "hawser_relay_ingested_bytes_total",
    help: "Compact bytes of them.",
  });
  const outcomes = metrics.counter({
    name: "hawser_relay_ranges_total",
    help: "Ranges that peers sent, by what became of them.",
    labels: ["outcome"],
  });
  const refused = metrics.counter({
    name: "hawser_relay_refused_ranges_total",
    help: "Ranges that were refused, by reason.",
    labels: ["reason"],
  });
  return {
    measure: (ingest) => async (range) => {
      const outcome = await ingest(range);
      outcomes.add(1, outcome.status);
      if (outcome.status === "stored") {
        entries.add(range.count);
        bytes.add(range.bytes.length);
      } else if (outcome.status === "refused") {
        refused.add(1, refusalReasons.has(outcome.reason) ? outcome.reason : "other");
      }
      return outcome;
    },
  };
}

/** Frames in and out, and how long what was committed takes to leave. */
function createTraffic(
  metrics: Metrics,
  nowMs: () => number,
): {
  readonly committed: () => void;
  readonly measure: (connection: Connection) => Connection;
} {
  const received = metrics.counter({
    name: "hawser_relay_received_bytes_total",
    help: "Bytes of frames received from peers.",
  });
  const sent = metrics.counter({
    name: "hawser_relay_sent_bytes_total",
    help: "Bytes of frames sent to peers.",
  });
  const lag = metrics.histogram({
    name: "hawser_relay_delivery_lag_seconds",
    help: "From a commit to the next frame that left for a peer; one commit at a time is followed.",
    buckets: latencyBuckets,
  });
  let waiting = 0;
  let followedMs: number | undefined;
  metrics.gauge({
    name: "hawser_relay_sends_waiting",
    help: "Frames that wait for a peer to take them.",
    read: () => waiting,
  });
  const send = async (connection: Connection, frame: Uint8Array): Promise<void> => {
    const sinceMs = followedMs;
    waiting += 1;
    try {
      await connection.send(frame);
      sent.add(frame.length);
      if (sinceMs === undefined || followedMs !== sinceMs) return;
      lag.observe((nowMs() - sinceMs) / 1_000);
      followedMs = undefined;
    } finally {
      waiting -= 1;
    }
  };
  async function* read(frames: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const frame of frames) {
      received.add(frame.length);
      yield frame;
    }
  }
  return {
    committed: () => {
      followedMs ??= nowMs();
    },
    measure: (connection) => ({
      ...connection,
      send: (frame) => send(connection, frame),
      frames: read(connection.frames),
    }),
  };
}

function exposeGauges(metrics: Metrics, gauges: RelayGauges): void {
  const gauge = (name: string, help: string, read: () => number): void =>
    metrics.gauge({ name: `hawser_relay_${name}`, help, read });
  gauge("sessions", "WebSockets open now.", gauges.sessions);
  gauge("topics", "Spaces hosted.", gauges.topics);
  gauge("stored_bytes", "Compact bytes stored.", gauges.storedBytes);
  gauge("stored_entries", "Entries stored.", gauges.storedEntries);
  gauge("ranges_ingesting", "Ranges being verified and stored.", gauges.ingesting);
  gauge("leader", "1 where this node writes the relay's own logs.", () =>
    Number(gauges.isLeader()),
  );
  gauge("cpu_seconds", "Processor time of the process.", gauges.cpuSeconds);
  gauge("resident_bytes", "Memory of the process.", gauges.rssBytes);
}
