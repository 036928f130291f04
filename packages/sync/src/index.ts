export type {
  Connection,
  ExplainCode,
  Ingest,
  IngestOutcome,
  LogRef,
  SyncProgress,
  SyncTopic,
  Timers,
  TopicAccess,
} from "./types.ts";
