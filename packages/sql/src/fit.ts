/**
 * What an engine takes (docs/spec/sql.md §2): PostgreSQL refuses long values in an index, and zeros in
 * text. Whoever writes a document must not be able to stop the others from getting into the table by
 * that. Layer 8, pure.
 */
import { utf8 } from "@hawser/codec";
import type { SqlDatabase, SqlValue } from "./database.ts";
import type { ReadyColumn, TableMapping } from "./mapping.ts";

/** Fits values to an engine and a table. */
export interface Fit {
  /** The cell, or null in its place where an index of the engine would refuse the row. */
  cell(column: ReadyColumn, value: SqlValue): SqlValue;
  /** Documents under other ids have no row. */
  takesId(id: string): boolean;
}

/** Bytes of all columns of an entry in a B-tree of PostgreSQL, a little below its 2,704. */
const indexEntryBytesMax = 2_600;
/** Bytes that `jsonb` makes of one byte of JSON text at most: of many small numbers, six. */
const jsonGrowthMax = 8;

const everything: Fit = { cell: (_column, value) => value, takesId: () => true };

/** What the engine takes of a table. */
export function createFit(dialect: SqlDatabase["dialect"], mapping: TableMapping): Fit {
  if (dialect === "sqlite") return everything;
  const bytesMax = indexedBytesMax(mapping);
  return {
    cell: ({ name }, value) => {
      const most = bytesMax.get(name);
      if (most === undefined || typeof value !== "string" || value.length * 3 <= most) return value;
      return utf8(value).length <= most ? value : null;
    },
    takesId: (id) => !id.includes("\u0000"),
  };
}

/** How long the text of an indexed column may be: the columns of an index share its entry. */
function indexedBytesMax({ columns, indexes }: TableMapping): ReadonlyMap<string, number> {
  const bytesMax = new Map<string, number>();
  for (const index of indexes) {
    const inIndex = columns.filter(({ name }) => index.includes(name));
    const share = indexEntryBytesMax / inIndex.length;
    for (const { name, type } of inIndex) {
      const most = Math.floor(type === "json" ? share / jsonGrowthMax : share);
      bytesMax.set(name, Math.min(most, bytesMax.get(name) ?? most));
    }
  }
  return bytesMax;
}
