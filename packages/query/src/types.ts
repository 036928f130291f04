/**
 * The words of queries (docs/spec/query.md §5). Layer 3; pure.
 */
import type { Packet } from "@hawser/packet";
import type { AbeContext } from "./abe/types.ts";
import type { ByteRules } from "./byte-rules.ts";
import type { BytesField, NumberField, PredicateField, QueryOperator } from "./fields.ts";
import type { TestSet } from "./test-set.ts";

export type QueryMode =
  | "tree-asc"
  | "tree-desc"
  | "hash-asc"
  | "hash-desc"
  | "log-asc"
  | "log-desc";

/** Unsigned integers from `low` to `high`, both included. */
export interface IntegerBounds {
  readonly low: bigint;
  readonly high: bigint;
}

/** Fixed-size big-endian bytes from `low` to `high`, both included. */
export interface BytesBounds {
  readonly low: Uint8Array;
  readonly high: Uint8Array;
}

/** Which 0-based counts are accepted. `high` is −1 where none is. */
export interface CountRule extends IntegerBounds {
  /** Whether the match with this 0-based count is given; masks can leave gaps below `high`. */
  accepts(count: number): boolean;
  /** Whether this count and every later one are past `high`. */
  isPast(count: number): boolean;
}

/**
 * Which 0-based counts of matches are accepted. A query is finished when a count passes `high`;
 * matches before `low` are counted and not given.
 */
export interface QueryLimits {
  /** All matches. */
  readonly all: CountRule;
  /** Matches of the store pass. */
  readonly stored: CountRule;
  /** Matches that arrive after the store pass. */
  readonly fresh: CountRule;
  /** Matches per (group, domain, path, public key) of a tree pass. */
  readonly branch: CountRule;
}

/** A query made ready: what an index scan needs, and a test for everything the index cannot say. */
export interface CompiledQuery {
  readonly mode: QueryMode;
  /** Identity of a watch; `undefined` when the query has none. */
  readonly qid: Uint8Array | undefined;
  readonly follow: boolean;
  readonly notifyClose: boolean;
  /** Receive stamps in µs. */
  readonly recv: IntegerBounds;
  readonly limits: QueryLimits;
  /** True where only linkpoints and keypoints can match: the tree index then holds all of it. */
  readonly linkpointsOnly: boolean;
  /** Bounds of what the indexes are ordered by; a field without rule has its widest bounds. */
  readonly bounds: {
    readonly group: BytesBounds;
    readonly domain: BytesBounds;
    readonly depth: IntegerBounds;
    readonly publicKey: BytesBounds;
    readonly stamp: IntegerBounds;
    readonly hash: BytesBounds;
  };
  /** Unrooted bytes that the path must start with (whole components); empty for any. */
  readonly pathPrefix: Uint8Array;
  /** Every rule about the packet itself: all fields but `recv` and the limits. */
  test(packet: Packet): boolean;
}

/** What is left of any number of rules. Fields without a rule are absent. */
export interface QueryRules {
  readonly numbers: ReadonlyMap<NumberField, TestSet>;
  readonly bytes: ReadonlyMap<BytesField, ByteRules>;
  /** Unrooted path that paths must start with; empty for any. */
  readonly pathPrefix: Uint8Array;
}

/** An option: what a statement that begins with `:` says. */
export interface QueryOption {
  readonly name: string;
  /** All after the name, separators between parts as characters; `undefined` without a part. */
  readonly value: Uint8Array | undefined;
  /** The statement in text without expressions, as it is printed: `:mode:tree-desc`. */
  readonly text: string;
}

export type QueryFailureCode =
  /** A statement that is no `field:operator:value` and no `:option`. */
  | "QUERY_SYNTAX"
  /** An expression in a statement that cannot be evaluated. */
  | "QUERY_EXPRESSION"
  | "QUERY_FIELD"
  | "QUERY_OPERATOR"
  | "QUERY_VALUE"
  /** A rule no packet can satisfy together with the others. */
  | "QUERY_CONTRADICTION"
  /** Limits under which nothing can ever be given. */
  | "QUERY_LIMITS"
  | "QUERY_OPTION"
  /** More text or statements than a query may have. */
  | "QUERY_TOO_LARGE";

/** What exactly a rule contradicts; `referenceQueryError` words it as the reference does. */
export interface QueryConflict {
  readonly field: PredicateField;
  /** The rule in canonical text with expressions: `data_size:>:[u16:100]`. */
  readonly rule: string;
  readonly cause:
    | "number"
    | "recv"
    | "type"
    | "prefix"
    | "equality"
    | "bytes"
    | "results"
    | "passes";
  /** The simple test that failed: of the field, or of the depth that a path implies. */
  readonly operator: QueryOperator;
  /** Its value as an unsigned number, where it has one. */
  readonly value: bigint | undefined;
}

/** Why a query is refused. Queries come from peers too, so this is a value. */
export interface QueryFailure {
  readonly ok: false;
  readonly code: QueryFailureCode;
  /** 0-based line of the text, or place in the list, of the statement; 0 without text. */
  readonly statement: number;
  /** Byte offset in that statement; 0 without text. */
  readonly index: number;
  /** What would have been right there, for people. */
  readonly expected: string;
  /** The whole story in one line, without secrets. */
  readonly message: string;
  /** Set for QUERY_CONTRADICTION, QUERY_LIMITS, and a path with another operator than `=`. */
  readonly conflict: QueryConflict | undefined;
}

export type QueryVerdict = { readonly ok: true; readonly query: Query } | QueryFailure;

/** An immutable set of rules and options; each method gives a new query or says why not. */
export interface Query {
  /** The rules in normal form. Made by this package only. */
  readonly rules: QueryRules;
  /** Newest first: of several options of one name the first counts. */
  readonly options: readonly QueryOption[];
  /** Adds one rule whose value is bytes (docs/spec/query.md §5.3). */
  with(field: string, operator: string, value: Uint8Array): QueryVerdict;
  /** Adds one statement of text; an empty one changes nothing. */
  withStatement(statement: string, context: AbeContext): QueryVerdict;
  /** Adds an option as the newest. */
  withOption(name: string, value?: Uint8Array): QueryVerdict;
  /** The intersection with all of `queries`; the options of later ones are newer. */
  concat(queries: readonly Query[]): QueryVerdict;
}
