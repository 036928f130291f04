/** Inviting: a link for one device, to be handed over where one trusts the channel. */
import type { HawserSpace } from "@hawser/hawser";
import { useState, type ReactNode } from "react";
import { pageLink } from "../src/index.ts";

export function Share({
  space,
  close,
}: {
  readonly space: HawserSpace;
  readonly close: () => void;
}): ReactNode {
  const [link, setLink] = useState<string>();
  const [problem, setProblem] = useState<string>();
  const [level, setLevel] = useState<"write" | "read">("write");
  const make = async (): Promise<void> => {
    try {
      setLink(pageLink(location.href, await space.invite({ level })));
      setProblem(undefined);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <dialog open aria-label="Invite">
      <h2>Invite a device</h2>
      <p>Whoever opens the link first is in, within 7 days. Send it where only they can read it.</p>
      <fieldset>
        <label>
          <input type="radio" checked={level === "write"} onChange={() => setLevel("write")} />
          may write
        </label>
        <label>
          <input type="radio" checked={level === "read"} onChange={() => setLevel("read")} />
          may read
        </label>
      </fieldset>
      {link === undefined ? (
        <button type="button" className="primary" onClick={() => void make()}>
          Make a link
        </button>
      ) : (
        <p>
          <input
            aria-label="Invite link"
            readOnly
            value={link}
            onFocus={(event) => event.target.select()}
          />
          <button type="button" onClick={() => void navigator.clipboard.writeText(link)}>
            Copy
          </button>
        </p>
      )}
      {problem === undefined ? undefined : <p role="alert">{problem}</p>}
      <button type="button" onClick={close}>
        Close
      </button>
    </dialog>
  );
}
