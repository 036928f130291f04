/**
 * Scope of environment variables (docs/spec/query.md §2.5.12). Layer 3; pure: the context reads them.
 */
import { utf8 } from "@hawser/codec";
import { success } from "../fault.ts";
import { lossyText } from "./bytes.ts";
import { createScope, functionFault, type Scope } from "../scope.ts";

export function envScope(read: (name: string) => string | undefined): Scope {
  return createScope("env", "os environment variables", [
    {
      id: "env",
      use: "any",
      counts: [1, 1],
      help: "read the raw OS environment variables as bytes",
      apply: (call) => {
        const name = lossyText(call.args[0] ?? new Uint8Array(0));
        const value = read(name);
        if (value !== undefined) return success(utf8(value));
        return functionFault(
          call,
          "a variable that is set",
          `${JSON.stringify(name)} env variable not set`,
        );
      },
    },
  ]);
}
