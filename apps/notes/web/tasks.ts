/** Tasks of the board. */
import { defineTable } from "@hawser/doc";

export const columns = ["todo", "doing", "done"] as const;
export type Column = (typeof columns)[number];

/** Two may mend a title at once; of a column and a rank the later counts. */
export const tasks = defineTable({
  name: "task",
  columns: { title: "text", column: "text", rank: "number" },
  fields: { title: "text" },
  indexes: [{ fields: ["column", "rank"] }],
});
