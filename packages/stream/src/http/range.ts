/** Byte ranges and validators of requests (RFC 9110 §8.8, §13, §14). Layer 4; pure. */

/** What part of `byteCount` bytes to send. */
export type RangeChoice =
  | { readonly kind: "whole" }
  | { readonly kind: "part"; readonly from: number; readonly to: number }
  | { readonly kind: "unsatisfiable" };

/**
 * The part a Range header asks for. A header that is malformed, has several ranges or another unit
 * is passed over, as RFC 9110 §14.2 allows.
 */
export function chooseRange(header: string | null, byteCount: number): RangeChoice {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? "");
  const [, fromText = "", toText = ""] = match ?? [];
  if (match === null || (fromText === "" && toText === "")) return { kind: "whole" };
  if (fromText === "") {
    const count = Math.min(Number(toText), byteCount);
    if (count === 0) return { kind: "unsatisfiable" };
    return { kind: "part", from: byteCount - count, to: byteCount };
  }
  const from = Number(fromText);
  if (toText !== "" && Number(toText) < from) return { kind: "whole" };
  if (from >= byteCount) return { kind: "unsatisfiable" };
  const to = toText === "" ? byteCount : Math.min(Number(toText) + 1, byteCount);
  return { kind: "part", from, to };
}

/** Whether an If-Range lets the range through: only for exactly this strong tag. */
export function allowsRange(ifRange: string | null, etag: string): boolean {
  return ifRange === null || ifRange.trim() === etag;
}

/** Whether an If-Match or If-None-Match names the tag. Weak tags are no match for bytes. */
export function namesTag(header: string, etag: string): boolean {
  const names = header.slice(0, 4096).split(",");
  return names.some((name) => name.trim() === "*" || name.trim() === etag);
}
