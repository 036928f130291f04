/**
 * Scope of the comment function (docs/spec/query.md §2.5.4). Layer 3; pure.
 */
import { success } from "../fault.ts";
import { createScope, type Scope } from "../scope.ts";

export const commentScope: Scope = createScope(
  "comment function / void function. evaluates to nothing",
  "",
  [
    {
      id: "C",
      use: "any",
      counts: [1, 16],
      help: "the comment function. all arguments are ignored. evaluates to ''",
      apply: () => success(new Uint8Array(0)),
    },
  ],
);
