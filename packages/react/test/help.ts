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
import type { Root } from "react-dom/client";

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

/** Puts the globals of a page in place; React and Vue look for them when they are loaded. */
export function startPage(): void {
  const { document, Element, SVGElement } = page;
  const globals = { window: page, document, Element, SVGElement };
  Object.assign(globalThis, { ...globals, IS_REACT_ACT_ENVIRONMENT: true });
}

/** An element of the page. */
export function makePlace(): Container {
  return page.document.createElement("div");
}

type Container = ReturnType<typeof page.document.createElement>;

const page: Window = new Window({ url: "https://example.test" });

export interface Rendered {
  text(): string;
  render(element: ReactElement): Promise<void>;
  /** Runs something and what it makes React do. */
  act(run: () => Promise<unknown> | void): Promise<void>;
  unmount(): Promise<void>;
}

/** A place where elements are rendered, in strict mode: effects run twice. */
export async function renderAt(element: ReactElement): Promise<Rendered> {
  const { createRoot } = await import("react-dom/client");
  const container = makePlace();
  const rendered = await renderedIn(container, createRoot(container));
  await rendered.render(element);
  return rendered;
}

/** A place with what a server drew, which React takes over. */
export async function hydrateAt(
  html: string,
  element: ReactElement,
  onRecoverableError: (error: unknown) => void,
): Promise<Rendered> {
  const { act } = await import("react");
  const { hydrateRoot } = await import("react-dom/client");
  const container = makePlace();
  container.innerHTML = html;
  const root = await act(async () => hydrateRoot(container, element, { onRecoverableError }));
  return renderedIn(container, root);
}

async function renderedIn(container: Container, root: Root): Promise<Rendered> {
  const { act, createElement, StrictMode } = await import("react");
  const run = async (work: () => Promise<unknown> | void): Promise<void> => {
    await act(async () => {
      await work();
    });
  };
  return {
    text: () => container.textContent,
    render: (next) => run(() => root.render(createElement(StrictMode, undefined, next))),
    act: run,
    unmount: () => run(() => root.unmount()),
  };
}
