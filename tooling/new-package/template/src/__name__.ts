/**
 * create__Name__: the public way in. Layer __layer__.
 */
import { __Name__Error } from "./errors.ts";
import type { __Name__, __Name__Deps } from "./types.ts";

/** A new one, made at the moment `deps.clock` gives. */
export function create__Name__(deps: __Name__Deps): __Name__ {
  const start = deps.clock();
  let isClosed = false;
  return {
    age: () => {
      if (isClosed) throw new __Name__Error("__NAME___CLOSED", "it was disposed");
      return deps.clock() - start;
    },
    [Symbol.asyncDispose]: async () => {
      isClosed = true;
    },
  };
}
