/** The editing trace: how a paper was written, keystroke by keystroke. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

const path = fileURLToPath(
  new URL("../../../../../shared/data/automerge-paper.json.gz", import.meta.url),
);

/** One keystroke: at a position so many characters go, and this text comes. */
export type Keystroke = readonly [position: number, deleted: number, inserted: string];

/** The first `count` keystrokes; `undefined` where the trace is not at hand. */
export function readTrace(count: number): readonly Keystroke[] | undefined {
  if (!existsSync(path)) return undefined;
  // Safe: the file's form is fixed, and the bench ends with the text it gives.
  const trace = JSON.parse(gunzipSync(readFileSync(path)).toString()) as {
    readonly txns: readonly { readonly patches: readonly Keystroke[] }[];
  };
  return trace.txns.slice(0, count).flatMap(({ patches }) => patches);
}

/** What the keystrokes make, by the simplest means. */
export function textAfter(keystrokes: readonly Keystroke[]): string {
  const characters: string[] = [];
  for (const [position, deleted, inserted] of keystrokes) {
    characters.splice(position, deleted, ...inserted.split(""));
  }
  return characters.join("");
}
