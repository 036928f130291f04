/** From an address to a notebook: open the device, create or join, show it. */
import { createHawser, type Hawser, type HawserSpace } from "@hawser/hawser";
import { useEffect, useState, type FormEvent, type ReactNode } from "react";
import { inviteInHash, relayInQuery } from "../src/index.ts";
import { Notebook } from "./notebook.tsx";

/** The relay of the address, or of the host that serves the page. */
const relayUrl =
  relayInQuery(location.search) ?? (import.meta.env["VITE_RELAY"] as string | undefined);

type Stage =
  | { readonly kind: "opening" }
  | { readonly kind: "start"; readonly hawser: Hawser; readonly problem?: string }
  | { readonly kind: "busy"; readonly what: string }
  | { readonly kind: "notebook"; readonly hawser: Hawser; readonly space: HawserSpace }
  | { readonly kind: "failed"; readonly problem: string };

export function App(): ReactNode {
  const [stage, setStage] = useState<Stage>({ kind: "opening" });
  useEffect(() => {
    openDevice().then(setStage, (error: unknown) =>
      setStage({ kind: "failed", problem: textOf(error) }),
    );
  }, []);
  if (stage.kind === "notebook") {
    return <Notebook hawser={stage.hawser} space={stage.space} hasRelay={relayUrl !== undefined} />;
  }
  if (stage.kind === "start") return <Start {...stage} go={setStage} />;
  return (
    <main className="middle">
      <h1>Hawser notes</h1>
      <p role="status">
        {stage.kind === "opening"
          ? "Opening …"
          : stage.kind === "busy"
            ? stage.what
            : stage.problem}
      </p>
    </main>
  );
}

/** What the address says comes first: an invite, else the notebook that is here. */
async function openDevice(): Promise<Stage> {
  const hawser = await createHawser({
    path: "hawser-notes",
    ...(relayUrl === undefined ? {} : { relay: relayUrl }),
  });
  const invite = inviteInHash(location.hash);
  // The link is a secret: it does not stay in the address or the history.
  history.replaceState(undefined, "", location.pathname + location.search);
  if (invite !== undefined) return joinBy(hawser, invite);
  const [space] = hawser.spaces();
  return space === undefined ? { kind: "start", hawser } : { kind: "notebook", hawser, space };
}

async function joinBy(hawser: Hawser, invite: string): Promise<Stage> {
  try {
    const space = await hawser.join(invite, { signal: AbortSignal.timeout(30_000) });
    return { kind: "notebook", hawser, space };
  } catch (error) {
    return { kind: "start", hawser, problem: `Joining failed: ${textOf(error)}` };
  }
}

function Start({
  hawser,
  problem,
  go,
}: {
  readonly hawser: Hawser;
  readonly problem?: string;
  readonly go: (stage: Stage) => void;
}): ReactNode {
  const [link, setLink] = useState("");
  const create = async (): Promise<void> => {
    go({ kind: "busy", what: "Making a notebook …" });
    const space = await hawser.create();
    go({ kind: "notebook", hawser, space });
  };
  const join = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    go({ kind: "busy", what: "Joining: waiting for somebody who is a member …" });
    const [, hash = ""] = link.split("#");
    go(await joinBy(hawser, inviteInHash(`#${hash}`) ?? link.trim()));
  };
  return (
    <main className="middle">
      <h1>Hawser notes</h1>
      <p>One note and one task board, encrypted, for you and whoever you invite.</p>
      <button
        type="button"
        className="primary"
        onClick={() => void create().catch((error: unknown) => go(failed(hawser, error)))}
      >
        New notebook
      </button>
      <form onSubmit={(event) => void join(event)}>
        <label>
          or paste an invite
          <input value={link} onChange={(event) => setLink(event.target.value)} />
        </label>
        <button type="submit" disabled={link.trim() === ""}>
          Join
        </button>
      </form>
      {problem === undefined ? undefined : <p role="alert">{problem}</p>}
    </main>
  );
}

function failed(hawser: Hawser, error: unknown): Stage {
  return { kind: "start", hawser, problem: textOf(error) };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
