/** Who is here now, and one's own name. */
import type { HawserSpace } from "@hawser/hawser";
import type { YjsProvider } from "@hawser/yjs";
import { useEffect, useState, type ReactNode } from "react";

const colours = ["#b23a48", "#26547c", "#2a7f62", "#8a5a00", "#6a4c93", "#00707c"];

interface Person {
  readonly client: number;
  readonly name: string;
  readonly colour: string;
  readonly isSelf: boolean;
}

const nameKey = "hawser-notes name";

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
  const [people, setPeople] = useState<readonly Person[]>([]);
  const [name, setName] = useState(() => localStorage.getItem(nameKey) ?? "");
  const shown = name.trim() === "" ? `Guest ${self.slice(0, 4)}` : name.trim();
  useEffect(() => {
    const colour = colours[parseInt(self.slice(0, 4), 16) % colours.length] ?? "#26547c";
    awareness.setLocalStateField("user", { name: shown, color: colour });
  }, [awareness, self, shown]);
  useEffect(() => {
    const read = (): void => setPeople(peopleIn(provider));
    awareness.on("change", read);
    read();
    return () => awareness.off("change", read);
  }, [awareness, provider]);
  const members = space.members().filter((member) => !member.isRelay).length;
  return (
    <div className="people">
      <input
        aria-label="Your name"
        value={name}
        placeholder={shown}
        maxLength={40}
        onChange={(event) => {
          setName(event.target.value);
          localStorage.setItem(nameKey, event.target.value);
        }}
      />
      <ul aria-label="Here now">
        {people.map(({ client, name: theirs, colour, isSelf }) => (
          <li
            key={client}
            style={{ background: colour }}
            title={isSelf ? `${theirs} (you)` : theirs}
          >
            {theirs.slice(0, 2)}
          </li>
        ))}
      </ul>
      <small>{members === 1 ? "1 device" : `${String(members)} devices`}</small>
    </div>
  );
}

/** Others say what they like: names are cut and colours checked. */
function peopleIn({ awareness, doc }: YjsProvider): readonly Person[] {
  return [...awareness.getStates()].flatMap(([client, state]) => {
    const user: unknown = state["user"];
    if (typeof user !== "object" || user === null) return [];
    const { name, color } = user as { readonly name?: unknown; readonly color?: unknown };
    if (typeof name !== "string") return [];
    const isColour = typeof color === "string" && /^#[0-9a-f]{6}$/.test(color);
    return [
      {
        client,
        name: name.slice(0, 40),
        colour: isColour ? color : "#555555",
        isSelf: client === doc.clientID,
      },
    ];
  });
}
