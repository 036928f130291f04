/** Assertions of the conformance cases, which run under any test runner. */
import { toHex } from "@hawser/codec";

/** Throws when `holds` is false. */
export function check(holds: boolean, message: string): void {
  if (!holds) throw new Error(message);
}

function print(value: unknown): string {
  return (
    JSON.stringify(value, (_, part: unknown) => {
      if (part instanceof Uint8Array) return `0x${toHex(part)}`;
      if (typeof part === "bigint") return `${part}n`;
      return part === undefined ? "undefined" : part;
    }) ?? "undefined"
  );
}

/** Throws when two plain values differ. */
export function checkEqual(actual: unknown, expected: unknown, what: string): void {
  const [left, right] = [print(actual), print(expected)];
  check(left === right, `${what}: got ${left.slice(0, 600)}, expected ${right.slice(0, 600)}`);
}

/** Throws unless `work` rejects, or throws, with this code. */
export async function checkFails(work: () => unknown, code: string, what: string): Promise<void> {
  let got = "nothing";
  try {
    await work();
  } catch (error) {
    got = error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
  check(got === code, `${what}: failed with ${got}, expected ${code}`);
}

/** All items of a list. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}
