/** The recipe of the README for Vue, Svelte and Solid, in the frameworks themselves. */
import { readFileSync } from "node:fs";
import type { Collection, Docs } from "@hawser/doc";
import { createRoot, createSignal, onCleanup } from "solid-js";
import { readable } from "svelte/store";
import { beforeAll, beforeEach, expect, test, vi } from "vitest";
import { makePlace, openTasks, startPage, tasks } from "./help.ts";
import { followQuery } from "./recipe.ts";

type Task = { readonly title: string; readonly done: boolean };
type Rows = readonly { readonly id: string; readonly doc: Task }[];

const query = { sort: ["title"] } as const;
const titles = (rows: Rows) => rows.map(({ doc }) => doc.title).join(",");
let docs: Docs;
let list: Collection<object, Task>;
let openCount = 0;

beforeAll(() => {
  startPage();
});
beforeEach(async () => {
  docs = openTasks();
  const open = docs.in(tasks);
  // Counts live queries that run, to see that each of them ends.
  list = {
    ...open,
    live: (asked) => {
      const live = open.live(asked);
      openCount += 1;
      const end = live[Symbol.dispose].bind(live);
      return Object.defineProperty(live, Symbol.dispose, {
        value: () => {
          openCount -= 1;
          end();
        },
      });
    },
  };
  openCount = 0;
  await docs.in(tasks).put("a", { title: "Sail", done: false });
});

test("is what the README says", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  expect(readme).toContain(readFileSync(new URL("recipe.ts", import.meta.url), "utf8").trim());
});

test("Vue", async () => {
  const { createApp, h, nextTick, onUnmounted, shallowRef } = await import("vue");
  const place = makePlace();
  const app = createApp({
    setup: () => {
      const rows = shallowRef<Rows>([]);
      onUnmounted(followQuery(list, query, (now) => (rows.value = now)));
      return () => h("p", titles(rows.value));
    },
  });
  app.mount(place);
  expect(place.textContent).toBe("Sail");
  await docs.in(tasks).put("b", { title: "Row", done: false });
  await nextTick();
  expect(place.textContent).toBe("Row,Sail");
  app.unmount();
  expect(openCount).toBe(0);
});

test("Svelte", async () => {
  const rows = readable<Rows>([], (set) => followQuery(list, query, set));
  const shown = vi.fn();
  const end = rows.subscribe((now) => shown(titles(now)));
  await docs.in(tasks).put("b", { title: "Row", done: false });
  expect(shown.mock.calls.flat()).toEqual(["Sail", "Row,Sail"]);
  end();
  expect(openCount).toBe(0);
  await docs.in(tasks).delete("a");
  expect(shown).toHaveBeenCalledTimes(2);
});

test("Solid", async () => {
  const { dispose, rows } = createRoot((disposeRoot) => {
    const [read, set] = createSignal<Rows>([]);
    onCleanup(followQuery(list, query, (now) => set(() => now)));
    return { dispose: disposeRoot, rows: read };
  });
  expect(titles(rows())).toBe("Sail");
  await docs.in(tasks).put("b", { title: "Row", done: false });
  expect(titles(rows())).toBe("Row,Sail");
  dispose();
  expect(openCount).toBe(0);
});
