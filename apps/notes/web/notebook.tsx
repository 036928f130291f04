/** One notebook: its note, its board, who is there, and how safe it all is. */
import { createDocs, type Docs } from "@hawser/doc";
import type { Hawser, HawserSpace } from "@hawser/hawser";
import { DocsProvider } from "@hawser/react";
import { createYjsProvider, type YjsProvider } from "@hawser/yjs";
import { useEffect, useState, type ReactNode } from "react";
import { problemText } from "../src/index.ts";
import { Board } from "./board.tsx";
import { Brand } from "./brand.tsx";
import { Note } from "./note.tsx";
import { People } from "./people.tsx";
import { Share } from "./share.tsx";
import { StatusLine } from "./status-line.tsx";
import { tasks } from "./tasks.ts";

interface Parts {
  readonly docs: Docs;
  readonly note: YjsProvider;
}

export function Notebook({
  hawser,
  space,
  hasRelay,
}: {
  readonly hawser: Hawser;
  readonly space: HawserSpace;
  readonly hasRelay: boolean;
}): ReactNode {
  const [parts, setParts] = useState<Parts>();
  const [problem, setProblem] = useState<string>();
  const [isSharing, setSharing] = useState(false);
  useEffect(() => {
    const opening = openParts(space);
    opening.then(setParts, (error: unknown) => setProblem(problemText(error)));
    return () => {
      void opening.then(async ({ docs, note }) => {
        await note[Symbol.asyncDispose]();
        await docs[Symbol.asyncDispose]();
      });
    };
  }, [space]);
  const canWrite = useCanWrite(space);
  if (problem !== undefined) {
    return (
      <main className="middle">
        <Brand />
        <p role="alert">{problem}</p>
      </main>
    );
  }
  if (parts === undefined) {
    return (
      <main className="middle">
        <Brand />
        <p role="status" className="waiting-for">
          Opening the notebook …
        </p>
      </main>
    );
  }
  return (
    <DocsProvider docs={parts.docs} access={space}>
      <header>
        <Brand />
        <People provider={parts.note} self={hawser.author} space={space} />
        <button type="button" className="primary" onClick={() => setSharing(true)}>
          Invite
        </button>
      </header>
      <main className="notebook">
        <Note provider={parts.note} canWrite={canWrite} />
        <Board canWrite={canWrite} />
      </main>
      <StatusLine hawser={hawser} space={space} provider={parts.note} hasRelay={hasRelay} />
      {isSharing ? <Share space={space} close={() => setSharing(false)} /> : undefined}
    </DocsProvider>
  );
}

/** How often rights are looked at; they tell of no change but their loss. */
const lookMs = 1_000;

/** May this device write here now? */
function useCanWrite(space: HawserSpace): boolean {
  const [canWrite, setCanWrite] = useState(true);
  useEffect(() => {
    let isLost = false;
    const look = (): void => {
      const level = space.members().find((member) => member.isSelf)?.level;
      setCanWrite(!isLost && (level === "write" || level === "manage"));
    };
    look();
    const timer = setInterval(look, lookMs);
    void space.accessLost.then(() => {
      isLost = true;
      look();
    });
    return () => clearInterval(timer);
  }, [space]);
  return canWrite;
}

async function openParts(space: HawserSpace): Promise<Parts> {
  const docs = createDocs(space.deps, { collections: [tasks] });
  const note = createYjsProvider(space.deps, { name: "note" });
  await Promise.all([docs.ready, note.ready]);
  return { docs, note };
}
