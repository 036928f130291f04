/**
 * Secret bytes behind a closure, so that printing, inspecting or serialising whatever holds them
 * shows nothing. Layer 4, internal but for the type.
 */

/** 32 secret bytes. Nothing but `reveal` gives them away; never put its result into a message. */
export interface Secret {
  /** The bytes themselves: do not write to them. */
  reveal(): Uint8Array;
  toString(): string;
  toJSON(): string;
}

const hidden = "[secret]";

/** Wraps a copy of `bytes`. */
export function createSecret(bytes: Uint8Array): Secret {
  const copy = bytes.slice();
  return { reveal: () => copy, toString: () => hidden, toJSON: () => hidden };
}
