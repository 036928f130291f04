/** Many rows in few statements. Layer 4. */
import type { Session } from "./database.ts";
import { PostgresStoreError } from "./errors.ts";

/** Parameters of a statement; the protocol counts them in 16 bits. */
const parametersMax = 16_000;

type Rows = readonly (readonly unknown[])[];

function chunks(rows: Rows): readonly Rows[] {
  const rowsMax = Math.max(1, Math.floor(parametersMax / (rows[0]?.length ?? 1)));
  const list: Rows[] = [];
  for (let at = 0; at < rows.length; at += rowsMax) list.push(rows.slice(at, at + rowsMax));
  return list;
}

/** `($1, $2), ($3, $4)`, with a type a column where the statement cannot tell. */
function placeholders(rows: Rows, types?: readonly string[]): string {
  let number = 0;
  const one = (_: unknown, column: number): string => {
    number += 1;
    return types === undefined ? `$${number}` : `$${number}::${types[column] ?? "text"}`;
  };
  return rows.map((row) => `(${row.map(one).join(", ")})`).join(", ");
}

/** Inserts rows. `target` is a table with its columns, `suffix` what follows the values. */
export async function bulkInsert(
  session: Session,
  target: string,
  rows: Rows,
  suffix = "",
): Promise<void> {
  for (const chunk of chunks(rows)) {
    const text = `INSERT INTO ${target} VALUES ${placeholders(chunk)} ${suffix}`;
    await session.query(text, chunk.flat());
  }
}

/**
 * Changes rows. `statement` gets the values and returns a row for each one it changed. Rejects when that is not
 * each of them: somebody else was faster, and the transaction has to be begun anew.
 */
export async function bulkUpdate(
  session: Session,
  rows: Rows,
  parts: {
    readonly types: readonly string[];
    readonly statement: (values: string) => string;
  },
): Promise<void> {
  for (const chunk of chunks(rows)) {
    const text = parts.statement(placeholders(chunk, parts.types));
    const done = await session.query(text, chunk.flat());
    if (done.length === chunk.length) continue;
    throw new PostgresStoreError("STORE_BUSY", "a row changed under a transaction", "40001");
  }
}
