/** Hooks in a real React tree, in strict mode. */
import { createDocs, ge, type Docs } from "@hawser/doc";
import { openView, type View } from "@hawser/view";
import { createMemorySource } from "@hawser/view/testing";
import { Component, createElement, Fragment, Suspense, use, type ReactNode } from "react";
import { beforeAll, expect, test, vi } from "vitest";
import {
  DocsProvider,
  ReactError,
  useDoc,
  useDocs,
  useQuery,
  useView,
  type Loaded,
} from "@hawser/react";
import { hydrateAt, openTasks, renderAt, startPage, tasks } from "./help.ts";

beforeAll(() => {
  startPage();
});

let renders = 0;

function TaskView({ id }: { readonly id: string }): ReactNode {
  renders += 1;
  return describeLoaded(useDoc(tasks, id), ({ title, done }) => `${title}${done ? "!" : ""}`);
}

function TaskList({ from = "" }: { readonly from?: string }): ReactNode {
  renders += 1;
  const rows = useQuery(tasks, { where: ge("title", from), sort: ["title"] });
  return describeLoaded(rows, (list) => list.map(({ doc }) => doc.title).join(","));
}

function describeLoaded<Value>(loaded: Loaded<Value>, show: (value: Value) => string): string {
  if (loaded.status === "ready") return show(loaded.value);
  if (loaded.status === "unauthorised") {
    return `unauthorised ${loaded.value === undefined ? "" : show(loaded.value)}`;
  }
  return loaded.status === "error" ? `error ${String(loaded.error)}` : loaded.status;
}

const within = (docs: Docs, child: ReactNode, access?: { readonly accessLost: Promise<unknown> }) =>
  createElement(DocsProvider, { docs, ...(access === undefined ? {} : { access }) }, child);

test("a document is loading, absent, there, changed and gone again", async () => {
  const docs = openTasks();
  const page = await renderAt(within(docs, createElement(TaskView, { id: "a" })));
  await page.act(() => docs.ready);
  expect(page.text()).toBe("absent");
  await page.act(() => docs.in(tasks).put("a", { title: "Sail", done: false }));
  expect(page.text()).toBe("Sail");
  await page.act(() => docs.in(tasks).patch("a", { done: true }));
  expect(page.text()).toBe("Sail!");
  await page.act(() => docs.in(tasks).delete("a"));
  expect(page.text()).toBe("absent");
  await page.unmount();
});

test("an optimistic write is drawn at once, and taken back when the source refuses it", async () => {
  const inner = createMemorySource();
  const refuse = Promise.withResolvers<never>();
  const source = { batches: inner.batches, append: () => refuse.promise };
  const docs = createDocs({ source }, { collections: [tasks], optimistic: true });
  const list = docs.in(tasks);
  const both = createElement(
    Fragment,
    null,
    createElement(TaskView, { id: "a" }),
    "|",
    createElement(TaskList),
  );
  const page = await renderAt(within(docs, both));
  await page.act(() => docs.ready);
  expect(page.text()).toBe("absent|");
  let write: Promise<unknown> | undefined;
  await page.act(() => {
    write = list.put("a", { title: "Sail", done: false }).catch((error: unknown) => error);
  });
  expect(page.text()).toBe("Sail|Sail");
  const full = new Error("the disk is full");
  await page.act(async () => {
    refuse.reject(full);
    expect(await write).toBe(full);
  });
  expect(page.text()).toBe("absent|");
  await page.unmount();
  await docs[Symbol.asyncDispose]();
});

test("changes of other documents draw nothing anew", async () => {
  const docs = openTasks();
  await docs.in(tasks).put("a", { title: "Sail", done: false });
  const page = await renderAt(within(docs, createElement(TaskView, { id: "a" })));
  await page.act(() => docs.ready);
  renders = 0;
  await page.act(() => docs.in(tasks).put("b", { title: "Row", done: false }));
  expect([renders, page.text()]).toEqual([0, "Sail"]);
  await page.unmount();
});

test("a query written in place stays the same one, and another one answers otherwise", async () => {
  const docs = openTasks();
  const list = docs.in(tasks);
  await list.put("a", { title: "Sail", done: false });
  const live = vi.spyOn(list, "live");
  const page = await renderAt(within(docs, createElement(TaskList)));
  await page.act(() => docs.ready);
  expect(page.text()).toBe("Sail");
  await page.act(() => list.put("b", { title: "Row", done: false }));
  expect(page.text()).toBe("Row,Sail");
  await page.render(within(docs, createElement(TaskList)));
  const opened = live.mock.calls.length;
  await page.render(within(docs, createElement(TaskList)));
  expect(live.mock.calls.length).toBe(opened);
  await page.render(within(docs, createElement(TaskList, { from: "S" })));
  expect(page.text()).toBe("Sail");
  await page.unmount();
});

test("live queries end with the components that ask them", async () => {
  const docs = openTasks();
  const list = docs.in(tasks);
  let open = 0;
  const live = list.live.bind(list);
  vi.spyOn(list, "live").mockImplementation((query) => {
    const one = live(query);
    open += 1;
    const close = one[Symbol.dispose].bind(one);
    return Object.assign(one, {
      [Symbol.dispose]: () => {
        open -= 1;
        close();
      },
    });
  });
  const two = createElement(
    Fragment,
    undefined,
    createElement(TaskList, { key: 1 }),
    createElement(TaskList, { key: 2, from: "S" }),
  );
  const page = await renderAt(within(docs, two));
  expect(open).toBe(2);
  await page.unmount();
  expect(open).toBe(0);
});

test("lost access is told, and what is there stays readable", async () => {
  const docs = openTasks();
  await docs.in(tasks).put("a", { title: "Sail", done: false });
  const access = Promise.withResolvers<void>();
  const element = within(docs, createElement(TaskView, { id: "a" }), {
    accessLost: access.promise,
  });
  const page = await renderAt(element);
  await page.act(() => docs.ready);
  expect(page.text()).toBe("Sail");
  await page.act(() => access.resolve());
  expect(page.text()).toBe("unauthorised Sail");
  await page.unmount();
});

test("what this version cannot show is an error with the path, not an absence", async () => {
  const docs = openTasks();
  const other = { ...tasks, schema: tasks.schema };
  const raw = docs.in(tasks);
  await raw.put("a", { title: "Sail", done: false });
  // Somebody hostile writes past the schema: the same collection, read by another definition.
  vi.spyOn(raw, "get").mockReturnValue(undefined);
  vi.spyOn(raw, "has").mockReturnValue(false);
  vi.spyOn(raw, "invalid").mockReturnValue([
    { id: "a", reason: "invalid", issues: [{ path: ["title"], message: "is no text" }], value: {} },
  ]);
  expect(other.name).toBe("task");
  const page = await renderAt(within(docs, createElement(TaskView, { id: "a" })));
  await page.act(() => docs.ready);
  expect(page.text()).toContain("title: is no text");
  await page.unmount();
});

const counter: View<{ count: number }> = {
  name: "counter",
  version: 1,
  types: ["tick"],
  init: () => ({ count: 0 }),
  // Changed in place, as reducers may.
  apply: (state, { body }) => {
    if (body[0] === 9) throw new Error("nine");
    state.count += 1;
    return state;
  },
  encode: ({ count }) => Uint8Array.of(count),
  decode: ([count = 0]) => ({ count }),
  commutative: true,
};

test("a view is shown though its state is changed in place, and its failure is told", async () => {
  const source = createMemorySource();
  const view = openView({ source }, counter, {});
  function Count(): ReactNode {
    return describeLoaded(useView(view), ({ count }) => String(count));
  }
  const page = await renderAt(createElement(Count));
  await page.act(() => view.ready);
  expect(page.text()).toBe("0");
  await page.act(() => view.write([{ type: "tick", body: Uint8Array.of(1) }]));
  expect(page.text()).toBe("1");
  await page.act(() =>
    view.write([{ type: "tick", body: Uint8Array.of(9) }]).catch(() => undefined),
  );
  expect(page.text()).toContain("error");
  await page.unmount();
});

test("a hook without a provider says so", async () => {
  let caught: unknown;
  class Boundary extends Component<
    { readonly children: ReactNode },
    { readonly isBroken: boolean }
  > {
    override state = { isBroken: false };
    static getDerivedStateFromError(error: unknown) {
      caught = error;
      return { isBroken: true };
    }
    override render(): ReactNode {
      return this.state.isBroken ? "broken" : this.props.children;
    }
  }
  function Lonely(): ReactNode {
    return String(useDocs().revision);
  }
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  const page = await renderAt(createElement(Boundary, undefined, createElement(Lonely)));
  expect(page.text()).toBe("broken");
  expect(caught).toBeInstanceOf(ReactError);
  expect(caught).toMatchObject({ code: "REACT_NO_PROVIDER" });
  await page.unmount();
});

test("a server draws what is loading, and a page takes it over and goes on", async () => {
  const docs = openTasks();
  await docs.in(tasks).put("a", { title: "Sail", done: false });
  const tree = within(
    docs,
    createElement(
      Fragment,
      undefined,
      createElement(TaskList),
      createElement(TaskView, { id: "a" }),
    ),
  );
  const { renderToString } = await import("react-dom/server");
  const html = renderToString(tree);
  expect(html.replaceAll("<!-- -->", "|")).toBe("loading|loading");
  const problems: unknown[] = [];
  const page = await hydrateAt(html, tree, (error) => problems.push(error));
  await page.act(() => docs.ready);
  expect(page.text()).toBe("SailSail");
  await page.act(() => docs.in(tasks).patch("a", { title: "Row" }));
  expect(page.text()).toBe("RowRow");
  expect(problems).toEqual([]);
  await page.unmount();
});

test("what waits inside Suspense shows the newest, and nothing is asked twice or left open", async () => {
  const docs = openTasks();
  await docs.in(tasks).put("a", { title: "Sail", done: false });
  const { promise, resolve } = Promise.withResolvers<string>();
  const Waiting = (): ReactNode => {
    const text = use(promise);
    return createElement(Fragment, undefined, text, createElement(TaskList));
  };
  const waiting = createElement(
    Suspense,
    { fallback: "waiting" },
    createElement(TaskList),
    createElement(Waiting),
  );
  const page = await renderAt(within(docs, waiting));
  expect(page.text()).toBe("waiting");
  await page.act(() => docs.in(tasks).patch("a", { title: "Row" }));
  await page.act(async () => {
    resolve("now:");
    await promise;
  });
  expect(page.text()).toBe("Rownow:Row");
  await page.act(() => docs.in(tasks).patch("a", { title: "Swim" }));
  expect(page.text()).toBe("Swimnow:Swim");
  await page.unmount();
});
