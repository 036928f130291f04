/** What can go wrong with bundles (docs/spec/bundle.md). Layer 5. */

/** Codes are API: never renamed, never reused. */
export type BundleErrorCode =
  /** Not a bundle, or too short to be one. */
  | "BUNDLE_MALFORMED"
  /** A newer version wrote it. */
  | "BUNDLE_VERSION"
  /** A frontier where entries are expected, or the other way round. */
  | "BUNDLE_KIND"
  /** More spaces, or more logs of one, than a bundle or frontier has room for. */
  | "BUNDLE_TOO_MANY"
  /** A frontier is damaged: what was left out because of it could be anything. */
  | "BUNDLE_DAMAGED";

/** Misuse, and files that cannot be used at all; what is merely damaged is reported. */
export class BundleError extends Error {
  override readonly name = "BundleError";
  readonly code: BundleErrorCode;

  constructor(code: BundleErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
