/**
 * What a system of vectors is made of: a runner for each of its sections.
 */
import type { Crypto } from "@hawser/crypto";
import type { Json, JsonObject } from "./claims.ts";
import type { SectionReport } from "./report.ts";

/** What runners are given besides their section. */
export interface RunContext {
  readonly crypto: Crypto;
  /** The whole file, for sections that refer to others. */
  readonly file: JsonObject;
}

export type SectionRunner = (
  section: Json,
  report: SectionReport,
  context: RunContext,
) => void | Promise<void>;

/** The vectors of one system: a runner for every section it knows. */
export interface VectorSystem {
  readonly name: string;
  readonly sections: ReadonlyMap<string, SectionRunner>;
  /** Whether a section name that several systems share is, by its content, one of this system. */
  recognises(section: string, value: Json): boolean;
}
