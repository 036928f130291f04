/** Tasks of the board. */
import { defineTable } from "@hawser/doc";

export const columns = ["todo", "doing", "done"] as const;
export type Column = (typeof columns)[number];

export const tasks = defineTable({
  name: "task",
  columns: { title: "text", column: "text", rank: "number" },
  indexes: [{ fields: ["column", "rank"] }],
});
