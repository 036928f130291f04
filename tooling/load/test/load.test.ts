/** The load on one relay, small enough for every day; `pnpm load relay` is the long form. */
import { expect, test } from "vitest";
import { runLoad } from "../src/load.ts";

test("[TH-038] a relay loses nothing of what 60 clients write for 10 s, and its memory stays flat", async () => {
  const result = await runLoad({
    clients: 60,
    topics: 6,
    writesPerSecond: 30,
    seconds: 10,
    processes: 2,
    payloadBytes: 200,
    report: () => undefined,
  });
  expect(result.written).toBeGreaterThan(200);
  expect(result.received).toBe(result.expected);
  expect(result.lostSessions).toBe(0);
  expect(result.delayMs.p99).toBeGreaterThan(0);
  const memory = result.memory.map(({ residentBytes }) => residentBytes);
  // The second half of the time: by then everything is warm.
  const growth = (memory.at(-1) ?? 0) - (memory[Math.floor(memory.length / 2)] ?? 0);
  expect(growth).toBeLessThan(64 * 1024 * 1024);
}, 90_000);
