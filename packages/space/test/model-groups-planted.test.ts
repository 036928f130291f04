/** The model check of groups finds a space that is not told what its groups do. */
import { expect, test, vi } from "vitest";
import { flawOfGroups } from "./model-group-stage.ts";
import { modelSeed, report } from "./model-settings.ts";

vi.mock("../src/group-carry.ts", async (original) => {
  const real = await original<Readonly<Record<string, unknown>>>();
  return { ...real, carryDebt: () => undefined };
});

test("[P2-M10] changes of groups that nobody carries: planted, and found", async () => {
  const first = modelSeed(1);
  let flaw: string | undefined;
  let count = 0;
  while (flaw === undefined && count < 60) flaw = await flawOfGroups(first + count++);
  report(`nobody carries: found at history ${count}: ${flaw ?? "never"}`);
  expect(flaw).toBeDefined();
}, 600_000);
