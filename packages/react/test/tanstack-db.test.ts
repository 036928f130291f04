/** TanStack DB over documents: what it shows equals them, what it writes becomes theirs. */
import { DocError, type Docs } from "@hawser/doc";
import { createCollection, createLiveQueryCollection, eq } from "@tanstack/db";
import { expect, test } from "vitest";
import { docsCollectionOptions } from "@hawser/react/tanstack-db";
import { openTasks, tasks } from "./help.ts";

async function open(docs: Docs) {
  const collection = createCollection(docsCollectionOptions(docs, tasks));
  await collection.preload();
  return collection;
}

/** The items by id, without what TanStack DB tells about them. */
const rowsOf = (collection: { readonly toArray: readonly { readonly _id: string }[] }) =>
  collection.toArray
    .map(({ _id, ...item }) => [_id, withoutMarks(item)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));

const withoutMarks = (item: object) =>
  Object.fromEntries(Object.entries(item).filter(([key]) => !key.startsWith("$")));

const docsOf = (docs: Docs) =>
  docs
    .in(tasks)
    .query({ sort: ["_id"] })
    .rows.map(({ id, doc }) => [id, { ...doc }]);

test("shows what is there and what comes, goes and changes", async () => {
  const docs = openTasks();
  await docs.in(tasks).put("a", { title: "Sail", done: false });
  const collection = await open(docs);
  expect(rowsOf(collection)).toEqual(docsOf(docs));
  await docs.in(tasks).put("b", { title: "Row", done: false });
  await docs.in(tasks).patch("a", { done: true });
  expect(rowsOf(collection)).toEqual(docsOf(docs));
  await docs.in(tasks).delete("a");
  expect(rowsOf(collection)).toEqual(docsOf(docs));
  await collection.cleanup();
  await docs.in(tasks).put("c", { title: "Swim", done: false });
});

test("inserts, updates and deletes are seen at once and become documents", async () => {
  const docs = openTasks();
  const collection = await open(docs);
  const inserted = collection.insert({ _id: "a", title: "Sail", done: false });
  expect(collection.get("a")?.title).toBe("Sail");
  expect(docs.in(tasks).has("a")).toBe(false);
  await inserted.isPersisted.promise;
  expect(docs.in(tasks).get("a")).toEqual({ title: "Sail", done: false });
  await collection.update("a", (draft) => {
    draft.done = true;
  }).isPersisted.promise;
  expect(docs.in(tasks).get("a")).toEqual({ title: "Sail", done: true });
  await collection.delete("a").isPersisted.promise;
  expect(docs.in(tasks).has("a")).toBe(false);
  expect(rowsOf(collection)).toEqual([]);
});

test("an update writes only what it changed: what came meanwhile stays", async () => {
  const docs = openTasks();
  await docs.in(tasks).put("a", { title: "Sail", done: false });
  const collection = await open(docs);
  const update = collection.update("a", (draft) => {
    draft.done = true;
  });
  await docs.in(tasks).patch("a", { title: "Sail far" });
  await update.isPersisted.promise;
  expect(docs.in(tasks).get("a")).toEqual({ title: "Sail far", done: true });
  expect(rowsOf(collection)).toEqual(docsOf(docs));
});

test("what the documents refuse is taken back and thrown", async () => {
  const docs = openTasks();
  const collection = await open(docs);
  const wrong = collection.insert({ _id: "a", title: 7 as unknown as string, done: false });
  expect(collection.has("a")).toBe(true);
  await expect(wrong.isPersisted.promise).rejects.toBeInstanceOf(DocError);
  expect(collection.has("a")).toBe(false);
  expect(docs.in(tasks).count()).toBe(0);
});

test("a live query of TanStack DB follows the documents", async () => {
  const docs = openTasks();
  const collection = await open(docs);
  const open_ = createLiveQueryCollection((query) =>
    query.from({ task: collection }).where(({ task }) => eq(task.done, false)),
  );
  await open_.preload();
  await docs.in(tasks).put("a", { title: "Sail", done: false });
  await docs.in(tasks).put("b", { title: "Row", done: true });
  expect(open_.toArray.map(({ title }) => title)).toEqual(["Sail"]);
  await docs.in(tasks).patch("b", { done: false });
  expect(open_.toArray.map(({ title }) => title).sort()).toEqual(["Row", "Sail"]);
});
