/**
 * Scope of the caller's values `[0]` … `[7]` (docs/spec/query.md §2.5.11). Layer 3; pure.
 */
import { success } from "../fault.ts";
import { abeArgvMax } from "../limits.ts";
import { createScope, functionFault, type Scope } from "../scope.ts";

export function argvScope(argv: readonly Uint8Array[]): Scope {
  return createScope(
    "user input list",
    "Provide values, access with [0] [1] .. [7] ",
    Array.from({ length: abeArgvMax }, (_, place) => ({
      id: `${place}`,
      use: "open" as const,
      counts: [0, 0] as const,
      help: `argv[${place}]`,
      apply: (call) => {
        const value = argv[place];
        if (value !== undefined) return success(value);
        return functionFault(call, `a value ${place} in argv`, `no ${place} value`);
      },
    })),
  );
}
