/** Inviting: a link for one device, to be handed over where one trusts the channel. */
import type { HawserSpace } from "@hawser/hawser";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { pageLink, problemText } from "../src/index.ts";

export function Share({
  space,
  close,
}: {
  readonly space: HawserSpace;
  readonly close: () => void;
}): ReactNode {
  const dialog = useRef<HTMLDialogElement>(null);
  const [link, setLink] = useState<string>();
  const [problem, setProblem] = useState<string>();
  const [level, setLevel] = useState<"write" | "read">("write");
  const [isCopied, setCopied] = useState(false);
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    const { current } = dialog;
    if (current?.open === false) current.showModal();
  }, []);
  const make = async (): Promise<void> => {
    setBusy(true);
    setProblem(undefined);
    try {
      setLink(pageLink(location.href, await space.invite({ level })));
    } catch (error) {
      setProblem(problemText(error));
    }
    setBusy(false);
  };
  const copy = (text: string): void => {
    navigator.clipboard.writeText(text).then(
      () => setCopied(true),
      () =>
        setProblem("The browser does not let the page copy: select the link and copy it yourself."),
    );
  };
  return (
    <dialog ref={dialog} aria-labelledby="invite-title" onClose={close}>
      <h2 id="invite-title">Invite a device</h2>
      <p>
        Whoever opens the link first is in, within 7 days, with everything that is here. Send it
        where only they can read it.
      </p>
      {link === undefined ? (
        <>
          <fieldset disabled={isBusy}>
            <legend>They</legend>
            <label>
              <input
                type="radio"
                name="level"
                checked={level === "write"}
                onChange={() => setLevel("write")}
              />
              may read and write
            </label>
            <label>
              <input
                type="radio"
                name="level"
                checked={level === "read"}
                onChange={() => setLevel("read")}
              />
              may only read
            </label>
          </fieldset>
          <button type="button" className="primary" disabled={isBusy} onClick={() => void make()}>
            Make a link
          </button>
        </>
      ) : (
        <p className="link">
          <input
            aria-label="Invite link"
            readOnly
            value={link}
            onFocus={(event) => event.target.select()}
          />
          <button type="button" className="primary" onClick={() => copy(link)}>
            {isCopied ? "Copied" : "Copy"}
          </button>
        </p>
      )}
      {problem === undefined ? undefined : <p role="alert">{problem}</p>}
      <button type="button" onClick={() => dialog.current?.close()}>
        Close
      </button>
    </dialog>
  );
}
