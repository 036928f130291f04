/**
 * What automerge needs and what it gives. Layer 7.
 */

/** What is injected: nothing in this package reads the platform. */
export interface AutomergeDeps {
  /** The present moment in µs; it may stand still, and never goes back. */
  readonly clock: () => number;
}

/** A thing with a beginning. */
export interface Automerge extends AsyncDisposable {
  /** µs since it was made. Throws AUTOMERGE_CLOSED after disposal. */
  age(): number;
}
