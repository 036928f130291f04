/** `hawser relay …`: the program of @hawser/relay under another name. */

/**
 * The words of a relay command, or `undefined` when it is another one. A relay has no home folder; a
 * `--json` before the word is handed on.
 */
export function findRelayWords(words: readonly string[]): readonly string[] | undefined {
  const [first, second] = words;
  if (first === "relay") return words.slice(1);
  return first === "--json" && second === "relay" ? ["--json", ...words.slice(2)] : undefined;
}

/** Runs it; resolves to the exit code. Loaded only now: no other command needs a server. */
export async function runRelayProcess(words: readonly string[]): Promise<number> {
  const { runRelayProgram } = await import("@hawser/relay/program");
  return runRelayProgram(words, "hawser relay");
}
