export type { BlobRef, ByteSource, PointSink, PointSource, Progress } from "./types.ts";
