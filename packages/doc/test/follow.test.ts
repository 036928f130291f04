/** Following single documents: what a copy elsewhere is made from. */
import { createDocs, defineTable, eq, type DocChanges } from "@hawser/doc";
import { createMemorySource, fakeEvent } from "@hawser/view/testing";
import fc from "fast-check";
import { expect, test } from "vitest";

const notes = defineTable({
  name: "note",
  columns: { text: "text", size: { type: "number", isOptional: true } },
  hide: eq("text", "hidden"),
});

async function openNotes() {
  const source = createMemorySource();
  const docs = createDocs({ source }, { collections: [notes] });
  await docs.ready;
  return { source, docs, list: docs.in(notes) };
}

test("a copy kept by changes alone equals the collection, whatever is written", async () => {
  const write = fc.record({
    id: fc.constantFrom("a", "b", "c"),
    text: fc.constantFrom("x", "y", "hidden", undefined),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(write, { maxLength: 12 }), async (writes) => {
      const { docs, list } = await openNotes();
      const copy = new Map<string, object>();
      list.follow((changes) => {
        if (changes.kind === "reset") {
          copy.clear();
          for (const { id, doc } of list.query().rows) copy.set(id, doc);
          return;
        }
        for (const { id, doc } of changes.docs) {
          if (doc === undefined) copy.delete(id);
          else copy.set(id, doc);
        }
      });
      for (const { id, text } of writes) {
        if (text === undefined) await list.delete(id);
        else await list.put(id, { text });
      }
      const shown = list.query().rows.map(({ id, doc }) => [id, doc]);
      expect([...copy].sort(([a], [b]) => (a < b ? -1 : 1))).toEqual(shown);
      await docs[Symbol.asyncDispose]();
    }),
    { numRuns: 60 },
  );
});

test("documents that stay hidden are not told, and nothing is told after the end", async () => {
  const { docs, list } = await openNotes();
  const told: DocChanges<object>[] = [];
  const end = list.follow((changes) => told.push(changes));
  await list.put("h", { text: "hidden" });
  expect(told).toEqual([]);
  await list.put("h", { text: "shown" });
  expect(told).toEqual([{ kind: "changed", docs: [{ id: "h", doc: { text: "shown" } }] }]);
  end();
  await list.put("h", { text: "again" });
  expect(told).toHaveLength(1);
  await docs[Symbol.asyncDispose]();
});

test("a late event that makes the view start over is told as a reset or as its change", async () => {
  const { source, docs, list } = await openNotes();
  await list.put("a", { text: "one" });
  let changes = 0;
  list.follow(() => (changes += 1));
  const [event] = source.events;
  if (event === undefined) throw new Error("nothing was written");
  source.deliver([fakeEvent(5, 0, { type: event.type, body: event.body })]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(changes).toBeGreaterThan(0);
  await docs[Symbol.asyncDispose]();
});
