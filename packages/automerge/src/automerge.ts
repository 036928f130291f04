/**
 * createAutomerge: the public way in. Layer 7.
 */
import { AutomergeError } from "./errors.ts";
import type { Automerge, AutomergeDeps } from "./types.ts";

/** A new one, made at the moment `deps.clock` gives. */
export function createAutomerge(deps: AutomergeDeps): Automerge {
  const start = deps.clock();
  let isClosed = false;
  return {
    age: () => {
      if (isClosed) throw new AutomergeError("AUTOMERGE_CLOSED", "it was disposed");
      return deps.clock() - start;
    },
    [Symbol.asyncDispose]: async () => {
      isClosed = true;
    },
  };
}
