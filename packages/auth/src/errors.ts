/**
 * Errors of the membership layer: caller misuse only. Bad ops of peers are verdict values. Layer 4.
 */

/**
 * - `AUTH_BAD_OP`: `createOp` was asked for an op outside the limits of docs/spec/4-auth.md §7.
 * - `AUTH_BAD_SECRET`: `proveJoin` was given something that is no invite secret.
 */
export type AuthErrorCode = "AUTH_BAD_OP" | "AUTH_BAD_SECRET";

/** Thrown for misuse; match on `code`. */
export class AuthError extends Error {
  override readonly name = "AuthError";
  readonly code: AuthErrorCode;

  constructor(code: AuthErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
