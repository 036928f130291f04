/**
 * The words of ABE, ASCII byte expressions (docs/spec/query.md §2). Layer 3; pure.
 */
import type { Packet } from "@hawser/packet";

/** One element of an evaluated expression; only the first may come without a separator. */
export interface AbePart {
  readonly separator: ":" | "/" | undefined;
  readonly bytes: Uint8Array;
}

/** What an expression evaluates to. */
export type AbeList = readonly AbePart[];

/** Why an expression is refused. Expressions come from peers too, so this is a value. */
export interface AbeFailure {
  readonly ok: false;
  readonly code: AbeFailureCode;
  /** Byte offset in the expression at which it went wrong. */
  readonly index: number;
  /** What would have been right there, for people. */
  readonly expected: string;
  /** The whole story in one line, without secrets. */
  readonly message: string;
  /**
   * What Linkspace 0.5.1 answers to the same expression, for tools that must answer as it does. The
   * empty string where it has no answer: it panics, hangs, or knows no such limit.
   */
  readonly reference: string;
}

export type AbeFailureCode =
  | "ABE_SYNTAX"
  | "ABE_UNMATCHED_OPEN"
  | "ABE_UNMATCHED_CLOSE"
  | "ABE_NO_SUCH_FUNCTION"
  | "ABE_ARGUMENTS"
  | "ABE_FUNCTION"
  | "ABE_ENCODING"
  | "ABE_TOO_LARGE";

export type AbeVerdict<Value> = { readonly ok: true; readonly value: Value } | AbeFailure;

/** Looks names up for `[#:name]` and `[@:name]`, and back for `?#` and `?@`. */
export interface AbeNames {
  /** Name components in written order, without "local"-handling; `undefined` when unknown. */
  group(name: readonly Uint8Array[]): Uint8Array | undefined;
  publicKey(name: readonly Uint8Array[]): Uint8Array | undefined;
  groupName(group: Uint8Array): string | undefined;
  publicKeyName(publicKey: Uint8Array): string | undefined;
}

/** Everything an evaluation may depend on. Nothing else reaches it. */
export interface AbeContext {
  /** µs since the Unix epoch, for `[now]`. */
  readonly nowMicros: () => number;
  /** The packet whose fields the expression names. */
  readonly packet?: Packet;
  /** Receive stamp of the packet in µs. */
  readonly recv?: number;
  /** `[0]` … `[7]`. */
  readonly argv?: readonly Uint8Array[];
  /** Default: only the static names `#:0`, `#:pub`, `#:test`, `@:none`. */
  readonly names?: AbeNames;
  /** A packet by its hash, for `[readhash:…]`; private packets are the caller's business. */
  readonly readHash?: (hash: Uint8Array) => Packet | undefined;
  /** `[env:NAME]`; default: there is no such function. */
  readonly env?: (name: string) => string | undefined;
}
