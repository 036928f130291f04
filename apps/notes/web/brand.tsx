/** The name of the page and its sign: three strands laid into one rope. */
import type { ReactNode } from "react";

export function Brand(): ReactNode {
  return (
    <h1 className="brand">
      <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
        <rect width="32" height="32" rx="8" />
        <path d="M4 21 C10 21 10 11 16 11 S22 21 28 21" />
        <path d="M4 16 C10 16 10 6 16 6 S22 16 28 16" />
        <path d="M4 26 C10 26 10 16 16 16 S22 26 28 26" />
      </svg>
      Hawser notes
    </h1>
  );
}
