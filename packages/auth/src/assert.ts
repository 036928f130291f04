/** What cannot happen. Layer 4. */

/** Marks the end of an exhaustive switch. */
export function assertNever(value: never): never {
  throw new TypeError(`unreachable: ${String(value)}`);
}
