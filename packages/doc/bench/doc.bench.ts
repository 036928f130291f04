/**
 * 10,000 documents: putting them, queries with an index and without, and what one change costs while a
 * live query watches all of them. Run by `pnpm bench doc`, or alone:
 * `node --conditions=hawser-source packages/doc/bench/doc.bench.ts`.
 *
 * The source is in memory: signatures and disks are measured elsewhere. Medians count.
 */
import { and, createDocs, defineTable, eq, ge } from "@hawser/doc";
import { createMemorySource } from "@hawser/view/testing";

const documents = 10_000;
const tasks = defineTable({
  name: "task",
  columns: { title: "text", owner: "text", size: "number", isDone: "boolean" },
  indexes: [{ name: "owner", fields: ["owner", "size"] }],
});

const median = (times: readonly number[]): number =>
  [...times].sort((a, b) => a - b)[times.length >> 1] ?? 0;

async function timed(rounds: number, run: (round: number) => unknown): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    await run(round);
    times.push(performance.now() - start);
  }
  return median(times);
}

const show = (name: string, ms: number, note = ""): void =>
  console.log(`${name.padEnd(44)} ${ms.toFixed(3).padStart(10)} ms  ${note}`);

const lines = Array.from({ length: documents }, (_, index) =>
  JSON.stringify({
    _id: `k${String(index).padStart(5, "0")}`,
    title: `Task number ${index}`,
    owner: `person ${index % 100}`,
    size: (index * 7_919) % 1_000,
    isDone: index % 3 === 0,
  }),
);

const source = createMemorySource();
await using docs = createDocs({ source }, { collections: [tasks] });
const list = docs.in(tasks);
const filled = await timed(1, () => list.importLines(lines));
show(`put ${documents} documents`, filled, `${Math.round(documents / (filled / 1_000))}/s`);

const reopened = await timed(3, async () => {
  await using again = createDocs({ source }, { collections: [tasks] });
  await again.ready;
});
show("open and fold all of them", reopened);

const where = and(eq("owner", "person 42"), ge("size", 500));
const indexed = await timed(200, () => list.query({ where, sort: ["size"] }));
show("query by index", indexed, JSON.stringify(list.explain({ where, sort: ["size"] })));
const free = and(eq("isDone", true), ge("size", 990));
const scanned = await timed(30, () => list.query({ where: free, sort: ["size"] }));
show(
  "query without an index",
  scanned,
  JSON.stringify(list.explain({ where: free, sort: ["size"] })),
);

const live = list.live({ sort: ["size", "title"] });
const page = list.live({ where: eq("isDone", true), sort: ["title"], limit: 20 });
let rows = 0;
live.subscribe(() => (rows = live.rows.length + page.rows.length));
const changed = await timed(300, (round) =>
  list.patch(`k${String((round * 31) % documents).padStart(5, "0")}`, { size: round }),
);
show("one change, two live queries over all", changed, `goal 5 ms; ${rows} rows shown`);
live[Symbol.dispose]();
page[Symbol.dispose]();
