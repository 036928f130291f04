export type { Json, JsonObject } from "./claims.ts";
export type { CommittedVectors } from "./committed.ts";
export type { VectorFailure, VectorReport } from "./report.ts";
export type { RunContext, SectionRunner, VectorSystem } from "./system.ts";
export { committedVectors, vectorText } from "./committed.ts";
export { formatFailure } from "./report.ts";
export { runVectors, vectorSystems } from "./run.ts";
