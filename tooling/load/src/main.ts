/**
 * `pnpm load relay [--clients 1000] [--topics 100] [--writes 200] [--seconds 300] [--processes 4]
 * [--payload 200]`: prints what arrived, how late, and how much memory the relay took.
 */
import { formatTable } from "@hawser-tooling/measure";
import { parseArgs } from "node:util";
import { runLoad, type LoadResult } from "./load.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    clients: { type: "string", default: "1000" },
    topics: { type: "string", default: "100" },
    writes: { type: "string", default: "200" },
    seconds: { type: "string", default: "300" },
    processes: { type: "string", default: "4" },
    payload: { type: "string", default: "200" },
  },
});

if (positionals.join() !== "relay") {
  console.error("pnpm load relay [--clients n] [--topics n] [--writes n] [--seconds n]");
  process.exit(1);
}

const result = await runLoad({
  clients: wholeNumber("clients"),
  topics: wholeNumber("topics"),
  writesPerSecond: wholeNumber("writes"),
  seconds: wholeNumber("seconds"),
  processes: wholeNumber("processes"),
  payloadBytes: wholeNumber("payload"),
  report: (line) => console.log(line),
});
print(result);
process.exitCode = result.received === result.expected && result.lostSessions === 0 ? 0 : 1;

function wholeNumber(name: keyof typeof values): number {
  const value = Number(values[name]);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new RangeError(`--${name}: expected a whole number from 1 on`);
}

function print(load: LoadResult): void {
  const { written, expected, received, lostSessions, delayMs, worstDelayMs, memory } = load;
  const rate = (written / load.writeSeconds).toFixed(0);
  console.log(
    formatTable(
      ["what", "figure"],
      [
        ["entries written", `${written} (${rate}/s)`],
        ["arrivals expected", String(expected)],
        ["arrivals", `${received} (${expected - received} missing)`],
        ["sessions lost", String(lostSessions)],
        ["delay p50 / p90 / p99", `${ms(delayMs.p50)} / ${ms(delayMs.p90)} / ${ms(delayMs.p99)}`],
        ["worst delay", ms(worstDelayMs)],
        ["mean commit", ms(load.commitMs)],
        ["processor time of the relay", `${load.cpuSeconds.toFixed(1)} s`],
        ["per entry", ms((load.cpuSeconds / written) * 1_000)],
      ],
    ),
  );
  const largest = Math.max(...memory.map(({ residentBytes }) => residentBytes));
  console.log("\nmemory of the relay");
  for (const { second, residentBytes } of memory) {
    const bar = "#".repeat(Math.round((residentBytes / largest) * 40));
    console.log(`${String(second).padStart(5)} s ${mebibytes(residentBytes).padStart(8)} ${bar}`);
  }
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}
