/**
 * Calling a function of one scope: what is checked before it runs. Layer 3; pure.
 */
import { fault, type Result } from "./fault.ts";
import { abePartsMax, abeShownCharactersMax } from "./limits.ts";
import type { Call, Scope } from "./scope.ts";

/** Calls `name` if this scope has it; `undefined` when the next scope is to be asked. */
export function applyIn(scope: Scope, name: string, call: Call): Result<Uint8Array> | undefined {
  const entry = scope.functions.get(name);
  if (entry === undefined) return undefined;
  if (entry.use === "open" && !call.opens) {
    return fault(
      "ABE_ARGUMENTS",
      call.index,
      `[${name}…], not […/${name}…]`,
      "function can not be applied this way",
    );
  }
  const [least, most] = entry.counts;
  const count = call.args.length;
  if (count < least || count > most) {
    return fault(
      "ABE_ARGUMENTS",
      call.index,
      `${least} to ${most} arguments of ${name}, not ${count}`,
      () => `expect between ${least}..=${most} but got ${debugArguments(call.args)}`,
    );
  }
  return entry.apply(call);
}

/** Arguments as the reference prints a list for debugging; long ones cut. */
function debugArguments(args: readonly Uint8Array[]): string {
  const items = args.map((bytes, index) => {
    const separator = index === 0 ? "None" : "Some(:)";
    const shown = bytes.subarray(0, abeShownCharactersMax / abePartsMax);
    const rest = shown.length < bytes.length ? ", …" : "";
    return `(${separator}, [${Array.from(shown).join(", ")}${rest}])`;
  });
  return `ABList([${items.join(", ")}])`;
}
