/** Assertions of the conformance cases, which run under any test runner. */
import { toHex } from "@hawser/codec";
import type { ChainState, Entry, LogErrorCode, LogStore, StoredRange } from "@hawser/log";

/** Throws when `holds` is false. */
export function check(holds: boolean, message: string): void {
  if (!holds) throw new Error(message);
}

/** A text that is equal for equal values: bytes as hex, `undefined` kept. */
export function print(value: unknown): string {
  return (
    JSON.stringify(value, (_, part: unknown) => {
      if (part instanceof Uint8Array) return `0x${toHex(part)}`;
      return part === undefined ? "undefined" : part;
    }) ?? "undefined"
  );
}

/** Throws when two plain values differ. */
export function checkEqual(actual: unknown, expected: unknown, what: string): void {
  const [left, right] = [print(actual), print(expected)];
  check(left === right, `${what}: got ${left.slice(0, 400)}, expected ${right.slice(0, 400)}`);
}

/** Throws unless `promise` rejects with this code. */
export async function checkRejects(
  promise: Promise<unknown>,
  code: LogErrorCode,
  what: string,
): Promise<void> {
  const settled = await promise.then(
    () => "nothing",
    (error: unknown) => codeOf(error),
  );
  check(settled === code, `${what}: rejected with ${settled}, expected ${code}`);
}

function codeOf(error: unknown): string {
  if (typeof error === "object" && error !== null && "code" in error) return String(error.code);
  return String(error);
}

/** All items of a list. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** The state without what a head adds. */
export function stateOf(state: ChainState): ChainState {
  const { context, logId, height, hash, stamp, skips } = state;
  return { context, logId, height, hash, stamp, skips };
}

/** What is stored of a log, in full: what two equal stores agree on. */
export async function checkLog(
  store: LogStore,
  expected: { readonly entries: readonly Entry[]; readonly after: ChainState },
  from = 0,
): Promise<void> {
  const { logId } = expected.after;
  const head = await store.head(logId);
  check(head !== undefined, "the log has no head");
  if (head !== undefined) checkEqual(stateOf(head), stateOf(expected.after), "head");
  const entries = await collect(store.entries(logId, { from }));
  checkEqual(entries, expected.entries.slice(from), "entries");
}

/** Where ranges lie, without their bytes. */
export function places(ranges: readonly StoredRange[]): readonly string[] {
  return ranges.map(({ from, count, signed }) => `${from}+${count}${signed ? "" : " unsigned"}`);
}
