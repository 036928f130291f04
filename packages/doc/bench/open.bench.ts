/**
 * Opening 20,000 documents, each put by an entry of its own: folded from the events, and from the
 * snapshot that closing them left. Run by
 * `node --conditions=hawser-source packages/doc/bench/open.bench.ts`.
 *
 * The source is in memory: what a space does to check and open entries comes on top of folding.
 */
import { createDocs, defineTable } from "@hawser/doc";
import type { SnapshotOptions } from "@hawser/view";
import { createMemorySource } from "@hawser/view/testing";

const documents = 20_000;
const tasks = defineTable({
  name: "task",
  columns: { title: "text", owner: "text", size: "number", isDone: "boolean" },
  indexes: [{ name: "owner", fields: ["owner", "size"] }],
});
const source = createMemorySource();

async function openOnce(label: string, snapshots: SnapshotOptions | false): Promise<void> {
  const handedBefore = source.handedCount;
  const start = performance.now();
  const docs = createDocs({ source }, { collections: [tasks], snapshots });
  await docs.ready;
  const count = docs.in(tasks).count();
  const ms = performance.now() - start;
  const handed = source.handedCount - handedBefore;
  console.log(
    `${label.padEnd(28)} ${ms.toFixed(0).padStart(6)} ms  ${count} documents, ${handed} events`,
  );
  await docs[Symbol.asyncDispose]();
}

const first = createDocs({ source }, { collections: [tasks], snapshots: false });
const list = first.in(tasks);
for (let index = 0; index < documents; index++) {
  const owner = `person ${index % 100}`;
  const doc = { title: `Task number ${index}`, owner, size: index % 977, isDone: index % 3 === 0 };
  await list.put(`k${String(index).padStart(5, "0")}`, doc);
}
await first[Symbol.asyncDispose]();
for (let round = 0; round < 3; round++) await openOnce("from the events", false);
await openOnce("once more, leaving one", {});
console.log(`snapshot: ${source.shelved.get("doc")?.length ?? 0} bytes`);
for (let round = 0; round < 3; round++) await openOnce("from the snapshot", {});
