/** From an address to a notebook: open the device, create or join, show it. */
import { createHawser, type Hawser, type HawserSpace } from "@hawser/hawser";
import { useEffect, useState, type FormEvent, type ReactNode } from "react";
import { inviteInHash, problemText, relayInQuery } from "../src/index.ts";
import { Brand } from "./brand.tsx";
import { Notebook } from "./notebook.tsx";

/** The relay of the address, or of the host that serves the page. */
const relayUrl =
  relayInQuery(location.search) ?? (import.meta.env["VITE_RELAY"] as string | undefined);

type Stage =
  | { readonly kind: "opening" }
  | {
      readonly kind: "start";
      readonly hawser: Hawser;
      readonly problem?: string;
      readonly invite?: string;
    }
  | { readonly kind: "busy"; readonly what: string }
  | { readonly kind: "notebook"; readonly hawser: Hawser; readonly space: HawserSpace }
  | { readonly kind: "failed"; readonly problem: string };

export function App(): ReactNode {
  const [stage, setStage] = useState<Stage>({ kind: "opening" });
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    openDevice().then(setStage, (error: unknown) =>
      setStage({ kind: "failed", problem: problemText(error) }),
    );
  }, [attempt]);
  const again = (): void => {
    setStage({ kind: "opening" });
    setAttempt(attempt + 1);
  };
  if (stage.kind === "notebook") {
    return <Notebook hawser={stage.hawser} space={stage.space} hasRelay={relayUrl !== undefined} />;
  }
  if (stage.kind === "start") return <Start {...stage} go={setStage} />;
  return (
    <main className="middle">
      <Brand />
      {stage.kind === "failed" ? (
        <>
          <p role="alert">{stage.problem}</p>
          <button type="button" onClick={again}>
            Try again
          </button>
        </>
      ) : (
        <p role="status" className="waiting-for">
          {stage.kind === "opening" ? "Opening …" : stage.what}
        </p>
      )}
    </main>
  );
}

/**
 * The invite that the page was opened with. The link is a secret: before anything else is done, it goes
 * out of the address and the history of this tab.
 */
const invite = inviteInHash(location.hash);
history.replaceState(undefined, "", location.pathname + location.search);

/** What the address says comes first: an invite, else the notebook that is here. */
async function openDevice(): Promise<Stage> {
  const hawser = await createHawser({
    path: "hawser-notes",
    ...(relayUrl === undefined ? {} : { relay: relayUrl }),
  });
  if (invite !== undefined) return joinBy(hawser, invite);
  const [space] = hawser.spaces();
  return space === undefined ? { kind: "start", hawser } : { kind: "notebook", hawser, space };
}

async function joinBy(hawser: Hawser, invite: string): Promise<Stage> {
  try {
    const space = await hawser.join(invite, { signal: AbortSignal.timeout(30_000) });
    return { kind: "notebook", hawser, space };
  } catch (error) {
    // The invite stays at hand: some failures pass.
    return { kind: "start", hawser, problem: problemText(error), invite };
  }
}

function Start({
  hawser,
  problem,
  invite = "",
  go,
}: {
  readonly hawser: Hawser;
  readonly problem?: string;
  readonly invite?: string;
  readonly go: (stage: Stage) => void;
}): ReactNode {
  const [link, setLink] = useState(invite);
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
      <Brand />
      <p className="lead">One note and one task board, for you and whoever you invite.</p>
      <ul className="promises">
        <li>
          <strong>Sealed on your device.</strong> The relay passes on what it cannot read.
        </li>
        <li>
          <strong>Yours offline.</strong> Everything is here; it meets the others when it can.
        </li>
        <li>
          <strong>No account.</strong> A link lets somebody in, once.
        </li>
      </ul>
      {problem === undefined ? undefined : <p role="alert">{problem}</p>}
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
          <input
            value={link}
            placeholder="https://…#join=…"
            autoComplete="off"
            spellCheck={false}
            onChange={(event) => setLink(event.target.value)}
          />
        </label>
        <button type="submit" disabled={link.trim() === ""}>
          Join
        </button>
      </form>
      {relayUrl === undefined ? (
        <p className="hint">
          No relay is set, so this notebook stays on this device. Name one in the address:
          <code>?relay=wss://…</code>
        </p>
      ) : undefined}
    </main>
  );
}

function failed(hawser: Hawser, error: unknown): Stage {
  return { kind: "start", hawser, problem: problemText(error) };
}
