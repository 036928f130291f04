/** Tables: rows and columns with a schema. */
import { createDocs, createTable, defineTable, encodeItems, ge } from "@hawser/doc";
import { createMemorySource, fakeEvent } from "@hawser/view/testing";
import { describe, expect, test } from "vitest";

const ships = defineTable({
  name: "ship",
  columns: {
    name: "text",
    length: "number",
    isAfloat: "boolean",
    note: { type: "json", isOptional: true },
  },
  indexes: [{ fields: ["name"], unique: true }, { fields: ["length"] }],
});
const wrong = (code: string) => expect.objectContaining({ code });

describe("[TH-148] tables", () => {
  test("[TH-148] rows have the columns of the schema, and cells are set one by one", async () => {
    const source = createMemorySource();
    await using docs = createDocs({ source }, { collections: [ships] });
    const table = createTable(docs, ships);
    const id = await table.insert({ name: "Ada", length: 12, isAfloat: true });
    await table.insert({ name: "Bea", length: 7.5, isAfloat: false, note: ["leaks"] }, { id: "b" });
    await table.setCell(id, "length", 13);
    await table.setCell("b", "note", undefined);
    expect(table.columns).toEqual(["name", "length", "isAfloat", "note"]);
    expect([table.cell(id, "length"), table.cell("b", "note")]).toEqual([13, undefined]);
    expect(table.cell("none", "name")).toBeUndefined();
    const selection = table.select({ columns: ["name"], where: ge("length", 7), sort: ["length"] });
    expect(selection.map((row) => row.doc)).toEqual([{ name: "Bea" }, { name: "Ada" }]);
    expect(table.select().map((row) => row.doc.isAfloat)).toHaveLength(2);
  });

  test("cells set at once in one row both count", async () => {
    const source = createMemorySource();
    await using docs = createDocs({ source }, { collections: [ships] });
    const table = createTable(docs, ships);
    await table.insert({ name: "Ada", length: 12, isAfloat: true }, { id: "a" });
    const ops = [{ op: "set", path: ["length"], value: 20 }] as const;
    const item = { collection: "ship", id: "a", life: "first", existence: "unsaid", ops } as const;
    source.deliver([fakeEvent(1, 0, { type: "doc", body: encodeItems([item])! }, 5_000)]);
    await table.setCell("a", "isAfloat", false);
    expect(table.rows.get("a")).toEqual({ name: "Ada", length: 20, isAfloat: false });
  });

  test("what is no column, or of another type, is refused", async () => {
    await using docs = createDocs({ source: createMemorySource() }, { collections: [ships] });
    const table = createTable(docs, ships);
    const good = { name: "Ada", length: 12, isAfloat: true };
    for (const bad of [{ mast: 1 }, { length: "12" }, { isAfloat: undefined }, { name: null }]) {
      const row = { ...good, ...bad } as typeof good;
      await expect(table.insert(row)).rejects.toEqual(wrong("DOC_INVALID"));
    }
    await table.insert(good, { id: "a" });
    await expect(table.setCell("a", "mast" as "name", "x")).rejects.toEqual(wrong("DOC_INVALID"));
    await expect(table.setCell("a", "length", undefined)).rejects.toEqual(wrong("DOC_INVALID"));
    await expect(table.setCell("b", "length", 1)).rejects.toEqual(wrong("DOC_MISSING"));
    await expect(table.insert(good)).rejects.toEqual(wrong("DOC_UNIQUE"));
    expect(() => table.select({ columns: ["mast" as "name"] })).toThrow(wrong("DOC_QUERY_INVALID"));
  });

  test.each<readonly [string, () => unknown]>([
    [
      "an index on no column",
      () => defineTable({ name: "t", columns: { a: "text" }, indexes: [{ fields: ["b"] }] }),
    ],
    [
      "a reference from no column",
      () => defineTable({ name: "t", columns: {}, references: [{ field: "b", collection: "t" }] }),
    ],
    ["a column called _id", () => defineTable({ name: "t", columns: { _id: "text" } })],
    ["a column without a name", () => defineTable({ name: "t", columns: { "": "text" } })],
    [
      "an index on _id",
      () => defineTable({ name: "t", columns: {}, indexes: [{ fields: ["_id"] }] }),
    ],
  ])("%s is no definition", (_name, define) => {
    expect(define).toThrow(wrong("DOC_DEFINITION_INVALID"));
  });
});
