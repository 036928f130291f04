/**
 * The errors of __name__. Codes are part of its interface: none is renamed or used again.
 */

export type __Name__ErrorCode = "__NAME___CLOSED";

/** Thrown for misuse; match on `code`. */
export class __Name__Error extends Error {
  readonly code: __Name__ErrorCode;

  constructor(code: __Name__ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "__Name__Error";
    this.code = code;
  }
}
