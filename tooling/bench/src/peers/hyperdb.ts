/**
 * HyperDB over a signed hypercore: documents of one collection, with an index over `rank`. HyperDB reads
 * and writes through code that its builder generates; it is made anew for each run, beside this
 * package's dependencies, since it imports them.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
// @ts-expect-error -- hypercore ships no types.
import Hypercore from "hypercore";
// @ts-expect-error -- hyperdb ships no types.
import HyperDB from "hyperdb";
// @ts-expect-error -- hyperdb ships no types.
import Builder from "hyperdb/builder";
import Hyperschema from "hyperschema";

/** A document as the bench writes it. */
export interface HyperTask {
  readonly id: string;
  readonly title: string;
  readonly rank: number;
  readonly owner: string;
}

/** Documents of HyperDB. */
export interface HyperDocuments {
  /** All of them in one flush: one signature and one write. */
  putMany(tasks: readonly HyperTask[]): Promise<void>;
  /** Those of one rank, found by the index. */
  byRank(rank: number): Promise<readonly HyperTask[]>;
  /** Every document, for a query that no index serves. */
  all(): Promise<readonly HyperTask[]>;
  close(): Promise<void>;
}

interface Database {
  ready(): Promise<void>;
  insert(collection: string, task: HyperTask): Promise<void>;
  flush(): Promise<void>;
  find(collection: string, range?: object): { toArray(): Promise<readonly HyperTask[]> };
  close(): Promise<void>;
}

const collection = "@bench/task";
const index = "@bench/task-by-rank";

/** Opens an empty database in a folder. */
export async function openHyperDocuments(path: string): Promise<HyperDocuments> {
  const generated = await mkdtemp(
    fileURLToPath(new URL("../../node_modules/hyperdb-", import.meta.url)),
  );
  const database = HyperDB.bee(new Hypercore(path), await define(generated)) as Database;
  await database.ready();
  return {
    putMany: async (tasks) => {
      for (const task of tasks) await database.insert(collection, task);
      await database.flush();
    },
    byRank: (rank) => database.find(index, { gte: { rank }, lte: { rank } }).toArray(),
    all: () => database.find(collection).toArray(),
    close: async () => {
      await database.close();
      await rm(generated, { recursive: true, force: true });
    },
  };
}

/** Generates the definition into a folder and loads it. */
async function define(folder: string): Promise<object> {
  const schemaFolder = join(folder, "schema");
  const databaseFolder = join(folder, "database");
  const schema = Hyperschema.from(schemaFolder);
  const required = true;
  schema.namespace("bench").register({
    name: "task",
    compact: false,
    fields: [
      { name: "id", type: "string", required },
      { name: "title", type: "string", required },
      { name: "rank", type: "uint", required },
      { name: "owner", type: "string", required },
    ],
  });
  Hyperschema.toDisk(schema, { esm: true });
  const builder = Builder.from(schemaFolder, databaseFolder);
  const bench = builder.namespace("bench");
  bench.collections.register({ name: "task", schema: collection, key: ["id"] });
  bench.indexes.register({ name: "task-by-rank", collection, unique: false, key: ["rank"] });
  Builder.toDisk(builder, undefined, { esm: true });
  const { default: definition } = (await import(join(databaseFolder, "index.js"))) as {
    readonly default: object;
  };
  return definition;
}
