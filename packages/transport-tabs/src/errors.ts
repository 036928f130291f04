/**
 * What can go wrong between tabs. Layer 5. What goes wrong on an open pipe ends it, and its `send`
 * rejects with SYNC_CONNECTION_LOST.
 */

/** Codes are API: never renamed, never reused. */
export type TransportTabsErrorCode =
  /** An option is out of range. */
  | "TRANSPORT_TABS_BAD_OPTION"
  /** The platform has no BroadcastChannel or no Web Locks (pages over plain http: have none). */
  | "TRANSPORT_TABS_UNSUPPORTED"
  /** The leader runs another version of this package: this tab waits for it to go. */
  | "TRANSPORT_TABS_VERSION"
  /** `lead` failed here; another tab leads. */
  | "TRANSPORT_TABS_LEAD_FAILED";

/** Match on `code`. */
export class TransportTabsError extends Error {
  override readonly name = "TransportTabsError";
  readonly code: TransportTabsErrorCode;

  constructor(code: TransportTabsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
