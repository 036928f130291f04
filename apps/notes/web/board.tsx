/** The board: tasks in three columns, each a live query. */
import { eq, type DocRow } from "@hawser/doc";
import { useDocs, useQuery } from "@hawser/react";
import {
  useEffect,
  useRef,
  useState,
  type DragEvent,
  type FormEvent,
  type ReactNode,
  type RefObject,
} from "react";
import { problemText } from "../src/index.ts";
import { columns, tasks, type Column } from "./tasks.ts";

const titles: Readonly<Record<Column, string>> = { todo: "To do", doing: "Doing", done: "Done" };
const hints: Readonly<Record<Column, string>> = {
  todo: "Nothing is waiting.",
  doing: "Nothing is under way.",
  done: "Nothing is done yet.",
};
const titleLengthMax = 500;
/** What a dragged card carries. */
const cardType = "application/x-hawser-task";

type Task = DocRow<{ readonly title: string; readonly column: string; readonly rank: number }>;

/** What the parts of a board share. */
interface BoardWork {
  /** Does a write and shows what became of it; `said` is for those who cannot see it. */
  run(work: Promise<unknown>, said?: string): void;
  /** The card that was moved by a key, and the key's direction: it gets the focus back. */
  readonly moved: RefObject<{ readonly id: string; readonly by: -1 | 1 } | undefined>;
  readonly canWrite: boolean;
}

export function Board({ canWrite }: { readonly canWrite: boolean }): ReactNode {
  const [problem, setProblem] = useState<string>();
  const [said, setSaid] = useState("");
  const moved = useRef<{ readonly id: string; readonly by: -1 | 1 }>(undefined);
  const run: BoardWork["run"] = (work, text) => {
    work.then(
      () => {
        setProblem(undefined);
        if (text !== undefined) setSaid(text);
      },
      (error: unknown) => setProblem(problemText(error)),
    );
  };
  const work = { run, moved, canWrite };
  return (
    <section className="board" aria-label="Tasks">
      {canWrite ? <AddTask run={run} /> : undefined}
      {problem === undefined ? undefined : <p role="alert">{problem}</p>}
      <div className="columns">
        {columns.map((column) => (
          <TaskColumn key={column} column={column} work={work} />
        ))}
      </div>
      <p className="unseen" role="status">
        {said}
      </p>
    </section>
  );
}

function AddTask({ run }: Pick<BoardWork, "run">): ReactNode {
  const docs = useDocs();
  const [title, setTitle] = useState("");
  const add = (event: FormEvent): void => {
    event.preventDefault();
    if (title.trim() === "") return;
    const task = { title: title.trim(), column: "todo", rank: Date.now() };
    run(docs.in(tasks).insert(task), `Added: ${task.title}`);
    setTitle("");
  };
  return (
    <form className="add" onSubmit={add}>
      <input
        aria-label="New task"
        placeholder="What is to be done?"
        value={title}
        maxLength={titleLengthMax}
        onChange={(event) => setTitle(event.target.value)}
      />
      <button type="submit" disabled={title.trim() === ""}>
        Add
      </button>
    </form>
  );
}

function TaskColumn({
  column,
  work,
}: {
  readonly column: Column;
  readonly work: BoardWork;
}): ReactNode {
  const docs = useDocs();
  const found = useQuery(tasks, { where: eq("column", column), sort: ["rank", "_id"] });
  const [isTarget, setTarget] = useState(false);
  const rows: readonly Task[] =
    found.status === "ready" || found.status === "unauthorised" ? (found.value ?? []) : [];
  const over = (event: DragEvent): void => {
    if (!work.canWrite || !event.dataTransfer.types.includes(cardType)) return;
    event.preventDefault();
    setTarget(true);
  };
  const drop = (event: DragEvent): void => {
    setTarget(false);
    const id = event.dataTransfer.getData(cardType);
    const task = docs.in(tasks).get(id);
    if (task === undefined || task.column === column) return;
    event.preventDefault();
    work.run(docs.in(tasks).patch(id, { column, rank: Date.now() }));
  };
  return (
    <section
      className={isTarget ? `column ${column} target` : `column ${column}`}
      aria-label={titles[column]}
      onDragOver={over}
      onDragLeave={() => setTarget(false)}
      onDrop={drop}
    >
      <h2>
        {titles[column]} <small>{rows.length}</small>
      </h2>
      <ul>
        {rows.map((row) => (
          <TaskCard key={row.id} row={row} column={column} work={work} />
        ))}
      </ul>
      {found.status === "ready" && rows.length === 0 ? (
        <p className="hint">{hints[column]}</p>
      ) : undefined}
      {found.status === "error" ? <p role="alert">{problemText(found.error)}</p> : undefined}
    </section>
  );
}

function TaskCard({
  row: { id, doc },
  column,
  work: { run, moved, canWrite },
}: {
  readonly row: Task;
  readonly column: Column;
  readonly work: BoardWork;
}): ReactNode {
  const list = useDocs().in(tasks);
  const [isRenaming, setRenaming] = useState(false);
  const card = useRef<HTMLLIElement>(null);
  const place = columns.indexOf(column);
  useEffect(() => {
    if (moved.current?.id !== id) return;
    const { by } = moved.current;
    moved.current = undefined;
    const wanted = card.current?.querySelector<HTMLElement>(`[data-by="${String(by)}"]`);
    (wanted ?? card.current?.querySelector<HTMLElement>("[data-by]"))?.focus();
  }, [id, moved]);
  const move = (by: -1 | 1): void => {
    const to = columns[place + by];
    if (to === undefined) return;
    moved.current = { id, by };
    run(list.patch(id, { column: to, rank: Date.now() }), `${doc.title}: ${titles[to]}`);
  };
  const step = (by: -1 | 1, name: string, sign: string): ReactNode =>
    columns[place + by] === undefined ? undefined : (
      <button
        type="button"
        data-by={by}
        title={name}
        aria-label={`${name}: ${doc.title}`}
        onClick={() => move(by)}
      >
        {sign}
      </button>
    );
  return (
    <li
      ref={card}
      draggable={canWrite && !isRenaming}
      onDragStart={(event) => event.dataTransfer.setData(cardType, id)}
    >
      {isRenaming ? (
        <Rename
          title={doc.title}
          done={(title) => {
            setRenaming(false);
            if (title !== undefined) run(list.patch(id, { title }), `Renamed: ${title}`);
          }}
        />
      ) : (
        <span className="title">{doc.title}</span>
      )}
      {canWrite && !isRenaming ? (
        <span className="moves">
          {step(-1, "Back", "←")}
          {step(1, "Forward", "→")}
          <button
            type="button"
            title="Rename"
            aria-label={`Rename: ${doc.title}`}
            onClick={() => setRenaming(true)}
          >
            ✎
          </button>
          <button
            type="button"
            title="Delete"
            aria-label={`Delete: ${doc.title}`}
            onClick={() => run(list.delete(id), `Deleted: ${doc.title}`)}
          >
            ×
          </button>
        </span>
      ) : undefined}
    </li>
  );
}

/** Enter and leaving keep what is written, Escape does not. */
function Rename({
  title,
  done,
}: {
  readonly title: string;
  readonly done: (title: string | undefined) => void;
}): ReactNode {
  const [text, setText] = useState(title);
  const isOver = useRef(false);
  const end = (next: string | undefined): void => {
    if (isOver.current) return;
    isOver.current = true;
    const isChanged = next !== undefined && next !== "" && next !== title;
    done(isChanged ? next : undefined);
  };
  return (
    <input
      aria-label="Title"
      autoFocus
      value={text}
      maxLength={titleLengthMax}
      onChange={(event) => setText(event.target.value)}
      onBlur={() => end(text.trim())}
      onKeyDown={(event) => {
        if (event.key === "Enter") end(text.trim());
        if (event.key === "Escape") end(undefined);
      }}
    />
  );
}
