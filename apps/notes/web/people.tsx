/** Who is here now, and one's own name. */
import type { HawserSpace } from "@hawser/hawser";
import type { YjsProvider } from "@hawser/yjs";
import { useEffect, useState, type ReactNode } from "react";
import { personOf, type Person } from "../src/index.ts";

const colours = ["#b23a48", "#26547c", "#2a7f62", "#8a5a00", "#6a4c93", "#00707c"];

interface Present extends Person {
  readonly client: number;
  readonly isSelf: boolean;
}

const nameKey = "hawser-notes name";
/** More are counted. */
const shownMax = 5;

export function People({
  provider,
  self,
  space,
}: {
  readonly provider: YjsProvider;
  readonly self: string;
  readonly space: HawserSpace;
}): ReactNode {
  const { awareness } = provider;
  const [people, setPeople] = useState<readonly Present[]>([]);
  const [name, setName] = useState(() => localStorage.getItem(nameKey) ?? "");
  const shown = name.trim() === "" ? `Guest ${self.slice(0, 4)}` : name.trim();
  useEffect(() => {
    const colour = colours[parseInt(self.slice(0, 4), 16) % colours.length] ?? "#26547c";
    awareness.setLocalStateField("user", { name: shown, color: colour });
  }, [awareness, self, shown]);
  useEffect(() => {
    const read = (): void => setPeople(presentIn(provider));
    awareness.on("change", read);
    read();
    return () => awareness.off("change", read);
  }, [awareness, provider]);
  const members = space.members().filter((member) => !member.isRelay).length;
  const moreCount = people.length - shownMax;
  return (
    <div className="people">
      <input
        aria-label="Your name"
        value={name}
        placeholder={shown}
        maxLength={40}
        autoComplete="nickname"
        onChange={(event) => {
          setName(event.target.value);
          localStorage.setItem(nameKey, event.target.value);
        }}
      />
      <ul aria-label="Here now">
        {people.slice(0, shownMax).map(({ client, name: theirs, colour, isSelf }) => (
          <li
            key={client}
            style={{ background: colour }}
            title={isSelf ? `${theirs} (you)` : theirs}
            aria-label={isSelf ? `${theirs} (you)` : theirs}
          >
            {initialsOf(theirs)}
          </li>
        ))}
        {moreCount > 0 ? <li className="more">+{moreCount}</li> : undefined}
      </ul>
      <small title="Devices that may open this notebook">
        {members === 1 ? "1 device" : `${String(members)} devices`}
      </small>
    </div>
  );
}

/** The first letters of up to two words. */
function initialsOf(name: string): string {
  const words = name.trim().split(/\s+/u).slice(0, 2);
  return words
    .map((word) => Array.from(word)[0] ?? "")
    .join("")
    .toLocaleUpperCase();
}

/** Oneself first. */
function presentIn({ awareness, doc }: YjsProvider): readonly Present[] {
  return [...awareness.getStates()]
    .flatMap(([client, state]): readonly Present[] => {
      const person = personOf(state);
      return person === undefined ? [] : [{ ...person, client, isSelf: client === doc.clientID }];
    })
    .sort((a, b) => Number(b.isSelf) - Number(a.isSelf) || a.client - b.client);
}
