/**
 * What __name__ needs and what it gives. Layer __layer__.
 */

/** What is injected: nothing in this package reads the platform. */
export interface __Name__Deps {
  /** The present moment in µs; it may stand still, and never goes back. */
  readonly clock: () => number;
}

/** A thing with a beginning. */
export interface __Name__ extends AsyncDisposable {
  /** µs since it was made. Throws __NAME___CLOSED after disposal. */
  age(): number;
}
