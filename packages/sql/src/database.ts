/**
 * What a projection needs of a database; adapters are `@hawser/sql/node`, `/wasm` and `/postgres`.
 * Layer 8.
 */

/** What a column holds and a parameter may be. */
export type SqlValue = null | boolean | number | bigint | string | Uint8Array;

/** A statement with its parameters. */
export interface SqlStatement {
  readonly sql: string;
  readonly values: readonly SqlValue[];
}

/** A row by column names, as the engine's driver gives it. */
export type SqlRow = Readonly<Record<string, unknown>>;

/** A database of one engine. */
export interface SqlDatabase {
  readonly dialect: "sqlite" | "postgres";
  /** Runs statements in one transaction: all of them, durable when it resolves, or none. */
  write(statements: readonly SqlStatement[]): Promise<void>;
  /** Runs one statement that can change nothing; one that would is refused by the engine. */
  read(sql: string, values: readonly SqlValue[]): Promise<readonly SqlRow[]>;
  close(): Promise<void>;
}
