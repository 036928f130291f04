/** Engines under test, and collections to project. */
import {
  createDocs,
  defineTable,
  type Columns,
  type Docs,
  type TableDefinition,
} from "@hawser/doc";
import { project, type SqlDatabase, type TableMapping } from "@hawser/sql";
import { openSqlite } from "@hawser/sql/node";
import { openPostgres } from "@hawser/sql/postgres";
import { openWasmSqlite } from "@hawser/sql/wasm";
import { createMemorySource, type MemorySource } from "@hawser/view/testing";
import sqlite3InitModule from "@sqlite.org/sqlite-wasm";
import pg from "pg";

interface BoatColumns extends Columns {
  readonly name: "text";
  readonly length: "number";
  readonly sails: { readonly type: "boolean"; readonly isOptional: true };
  readonly crew: { readonly type: "json"; readonly isOptional: true };
}

export const boats: TableDefinition<BoatColumns> = defineTable({
  name: "boat",
  columns: {
    name: "text",
    length: "number",
    sails: { type: "boolean", isOptional: true },
    crew: { type: "json", isOptional: true },
  },
});

export const boatTable: TableMapping = project(boats, { indexes: [["length"]], search: ["name"] });

export interface Opened {
  readonly source: MemorySource;
  readonly docs: Docs;
}

export function openDocs(): Opened {
  const source = createMemorySource();
  return { source, docs: createDocs({ source }, { collections: [boats] }) };
}

export const sqlite = (): SqlDatabase => openSqlite(":memory:");

export async function wasm(): Promise<SqlDatabase> {
  const sqlite3 = await sqlite3InitModule();
  return openWasmSqlite(new sqlite3.oo1.DB(":memory:"));
}

let schemas = 0;

/** A schema of its own in a server. */
export function postgresAt(connectionString: string): () => SqlDatabase {
  return () => {
    schemas += 1;
    return openPostgres(new pg.Pool({ connectionString, max: 3 }), {
      schema: `s${String(schemas)}`,
    });
  };
}
