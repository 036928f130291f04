/** The board: tasks in three columns, each a live query. */
import { eq, type DocRow } from "@hawser/doc";
import { useDocs, useQuery } from "@hawser/react";
import { useState, type FormEvent, type ReactNode } from "react";
import { columns, tasks, type Column } from "./tasks.ts";

const titles: Readonly<Record<Column, string>> = { todo: "To do", doing: "Doing", done: "Done" };

type Task = DocRow<{ readonly title: string; readonly column: string; readonly rank: number }>;

export function Board(): ReactNode {
  const [problem, setProblem] = useState<string>();
  const run = (work: Promise<unknown>): void => {
    work.then(
      () => setProblem(undefined),
      (error: unknown) => setProblem(error instanceof Error ? error.message : String(error)),
    );
  };
  return (
    <section className="board" aria-label="Tasks">
      <AddTask run={run} />
      {problem === undefined ? undefined : <p role="alert">{problem}</p>}
      <div className="columns">
        {columns.map((column) => (
          <TaskColumn key={column} column={column} run={run} />
        ))}
      </div>
    </section>
  );
}

type Run = (work: Promise<unknown>) => void;

function AddTask({ run }: { readonly run: Run }): ReactNode {
  const docs = useDocs();
  const [title, setTitle] = useState("");
  const add = (event: FormEvent): void => {
    event.preventDefault();
    if (title.trim() === "") return;
    run(docs.in(tasks).insert({ title: title.trim(), column: "todo", rank: Date.now() }));
    setTitle("");
  };
  return (
    <form className="add" onSubmit={add}>
      <input
        aria-label="New task"
        placeholder="What is to be done?"
        value={title}
        maxLength={500}
        onChange={(event) => setTitle(event.target.value)}
      />
      <button type="submit">Add</button>
    </form>
  );
}

function TaskColumn({ column, run }: { readonly column: Column; readonly run: Run }): ReactNode {
  const found = useQuery(tasks, { where: eq("column", column), sort: ["rank", "_id"] });
  const rows: readonly Task[] =
    found.status === "ready" || found.status === "unauthorised" ? (found.value ?? []) : [];
  const isReadOnly = found.status === "unauthorised";
  return (
    <div className="column" aria-label={titles[column]}>
      <h2>
        {titles[column]} <small>{rows.length}</small>
      </h2>
      <ul>
        {rows.map((row) => (
          <TaskCard key={row.id} row={row} column={column} run={run} isReadOnly={isReadOnly} />
        ))}
      </ul>
      {found.status === "error" ? <p role="alert">{String(found.error)}</p> : undefined}
    </div>
  );
}

function TaskCard({
  row,
  column,
  run,
  isReadOnly,
}: {
  readonly row: Task;
  readonly column: Column;
  readonly run: Run;
  readonly isReadOnly: boolean;
}): ReactNode {
  const docs = useDocs();
  const place = columns.indexOf(column);
  const move = (by: -1 | 1): void => {
    const to = columns[place + by];
    if (to !== undefined) run(docs.in(tasks).patch(row.id, { column: to, rank: Date.now() }));
  };
  return (
    <li>
      <span>{row.doc.title}</span>
      {isReadOnly ? undefined : (
        <span className="moves">
          {place > 0 ? (
            <button type="button" aria-label={`Back: ${row.doc.title}`} onClick={() => move(-1)}>
              ←
            </button>
          ) : undefined}
          {place < columns.length - 1 ? (
            <button type="button" aria-label={`Forward: ${row.doc.title}`} onClick={() => move(1)}>
              →
            </button>
          ) : undefined}
          <button
            type="button"
            aria-label={`Delete: ${row.doc.title}`}
            onClick={() => run(docs.in(tasks).delete(row.id))}
          >
            ×
          </button>
        </span>
      )}
    </li>
  );
}
