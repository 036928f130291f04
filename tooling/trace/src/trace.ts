/** The editing trace: how a paper was written, keystroke by keystroke. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

const path = fileURLToPath(
  new URL("../../../../shared/data/automerge-paper.json.gz", import.meta.url),
);

/** Keystrokes of the whole trace. */
export const traceLength = 259_778;

/** One keystroke: at a position so many characters go, and this text comes. */
export type Keystroke = readonly [position: number, deleted: number, inserted: string];

/**
 * The first `count` keystrokes; `undefined` where the trace is not at hand. Throws where the whole
 * trace does not give the text that was published with it.
 */
export function readTrace(count: number): readonly Keystroke[] | undefined {
  if (!existsSync(path)) return undefined;
  // Safe: the file's form is fixed, and what it gives is compared below.
  const trace = JSON.parse(gunzipSync(readFileSync(path)).toString()) as {
    readonly endContent: string;
    readonly txns: readonly { readonly patches: readonly Keystroke[] }[];
  };
  const all = trace.txns.flatMap(({ patches }) => patches);
  if (all.length !== traceLength) throw new Error(`a trace of ${all.length} keystrokes`);
  if (count >= all.length && textAfter(all) !== trace.endContent) {
    throw new Error("the trace does not give its own text");
  }
  return all.slice(0, count);
}

/** What the keystrokes make, by the simplest means. */
export function textAfter(keystrokes: readonly Keystroke[]): string {
  const characters: string[] = [];
  for (const [position, deleted, inserted] of keystrokes) {
    characters.splice(position, deleted, ...inserted.split(""));
  }
  return characters.join("");
}
