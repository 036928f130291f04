/**
 * Runs a vector file: finds out whose vectors they are, hands each section to its runner, and
 * reports sections without one as failures.
 */
import type { Crypto } from "@hawser/crypto";
import { isObject, type Json, type JsonObject } from "./claims.ts";
import { auth } from "./auth.ts";
import { linkspace } from "./linkspace.ts";
import { createReport, type SectionReport, type VectorReport } from "./report.ts";
import { threads } from "./threads.ts";
import type { RunContext, SectionRunner, VectorSystem } from "./system.ts";

/** Every system whose files can be run. */
export const vectorSystems: readonly VectorSystem[] = [auth, linkspace, threads];

/** Sections that describe a file and state nothing. */
const descriptions: ReadonlySet<string> = new Set(["meta"]);

/** Runs every section of a parsed file. `fileName` is only for the report. */
export async function runVectors(
  fileName: string,
  file: Json,
  deps: { readonly crypto: Crypto },
  systems: readonly VectorSystem[] = vectorSystems,
): Promise<VectorReport> {
  const report = createReport(fileName);
  if (!isObject(file)) {
    await report.section("(file)").check(fileName, (check) => {
      check.fail("", "a JSON object of sections", typeof file);
    });
    return report.finish();
  }
  const system = recognise(file, systems);
  for (const [name, section] of Object.entries(file)) {
    if (descriptions.has(name)) continue;
    const runner = system?.sections.get(name);
    if (runner === undefined) {
      await report.section(name).check("(section)", (check) => {
        check.fail("", "a runner for this section", system?.name ?? "no system with it");
      });
      continue;
    }
    await runSection(runner, section, report.section(name), { ...deps, file });
  }
  return report.finish();
}

/** A runner that throws outside its cases fails as a case of its own. */
async function runSection(
  runner: SectionRunner,
  section: Json,
  report: SectionReport,
  context: RunContext,
): Promise<void> {
  try {
    await runner(section, report, context);
  } catch (error) {
    await report.check("(section)", (check) => {
      check.fail("", "a readable section", String(error));
    });
  }
}

/** The system that knows most of the file's sections. */
function recognise(file: JsonObject, systems: readonly VectorSystem[]): VectorSystem | undefined {
  const score = (system: VectorSystem): number =>
    Object.entries(file).filter(
      ([name, section]) => system.sections.has(name) && system.recognises(name, section),
    ).length;
  const ranked = systems
    .map((system) => ({ system, score: score(system) }))
    .sort((left, right) => right.score - left.score);
  const best = ranked[0];
  return best !== undefined && best.score > 0 ? best.system : undefined;
}
