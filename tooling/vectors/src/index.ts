export type { Json, JsonObject } from "./claims.ts";
export type { VectorFailure, VectorReport } from "./report.ts";
export type { RunContext, SectionRunner, VectorSystem } from "./system.ts";
export { formatFailure } from "./report.ts";
export { runVectors, vectorSystems } from "./run.ts";
