/**
 * What happened in a run: a hash over every line, and the lines themselves if somebody reads them.
 */
import { createHash } from "node:crypto";

/** A growing record of a run. */
export interface Trace {
  /** Notes that something happened; `parts` in an order that depends on nothing but the seed. */
  note(atMs: number, ...parts: readonly (string | number)[]): void;
  /** The hash of all lines so far, in hex. */
  hash(): string;
}

/** An empty record. */
export function createTrace(onLine: ((line: string) => void) | undefined): Trace {
  const hash = createHash("sha256");
  return {
    note: (atMs, ...parts) => {
      const line = `${String(atMs).padStart(7)} ${parts.join(" ")}`;
      hash.update(line);
      hash.update("\n");
      onLine?.(line);
    },
    hash: () => hash.copy().digest("hex"),
  };
}
