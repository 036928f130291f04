/** A page for React, documents to show. */
import {
  createDocs,
  defineTable,
  type Columns,
  type Docs,
  type TableDefinition,
} from "@hawser/doc";
import { createMemorySource } from "@hawser/view/testing";
import { Window } from "happy-dom";
import type { ReactElement } from "react";

interface TaskColumns extends Columns {
  readonly title: "text";
  readonly done: "boolean";
}

export const tasks: TableDefinition<TaskColumns> = defineTable({
  name: "task",
  columns: { title: "text", done: "boolean" },
});

export function openTasks(): Docs {
  return createDocs({ source: createMemorySource() }, { collections: [tasks] });
}

/** Puts the globals of a page in place; React looks for them when it is loaded. */
export function startPage(): void {
  const { document } = page;
  Object.assign(globalThis, { window: page, document, IS_REACT_ACT_ENVIRONMENT: true });
}

const page = new Window({ url: "https://example.test" });

export interface Rendered {
  text(): string;
  render(element: ReactElement): Promise<void>;
  /** Runs something and what it makes React do. */
  act(run: () => Promise<unknown> | void): Promise<void>;
  unmount(): Promise<void>;
}

/** A place where elements are rendered, in strict mode: effects run twice. */
export async function renderAt(element: ReactElement): Promise<Rendered> {
  const { act, createElement, StrictMode } = await import("react");
  const { createRoot } = await import("react-dom/client");
  const container = page.document.createElement("div");
  const root = createRoot(container);
  const run = async (work: () => Promise<unknown> | void): Promise<void> => {
    await act(async () => {
      await work();
    });
  };
  const rendered: Rendered = {
    text: () => container.textContent,
    render: (next) => run(() => root.render(createElement(StrictMode, undefined, next))),
    act: run,
    unmount: () => run(() => root.unmount()),
  };
  await rendered.render(element);
  return rendered;
}
