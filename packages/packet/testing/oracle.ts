/**
 * A slow decoder of LK1 written straight from the tables of docs/spec/1-packet.md, sharing no code
 * with the fast one: everything is cut out of arrays, numbers are read through BigInt, and every
 * check of §7 is one row of a list. The fast parser is compared with it.
 */

/** What the oracle makes of bytes. */
export type OracleResult =
  | { readonly ok: false; readonly reason: string; readonly value: number | undefined }
  | { readonly ok: true; readonly size: number; readonly fields: OracleFields };

/** All fields in hex or as numbers. */
export interface OracleFields {
  readonly kind: string;
  readonly netHeader: string;
  readonly hash: string;
  readonly stamp: bigint;
  readonly group: string;
  readonly domain: string;
  readonly depth: number;
  readonly path: readonly string[];
  readonly links: readonly string[];
  readonly data: string;
  readonly publicKey: string | undefined;
  readonly signature: string | undefined;
  readonly signedBytes: string | undefined;
}

const kindOfType: ReadonlyMap<number, string> = new Map([
  [1, "datapoint"],
  [3, "linkpoint"],
  [7, "keypoint"],
  [128, "errorpoint"],
]);

const zeros32 = "00".repeat(32);

/** Decodes the packet at the start of `bytes` by the book. */
export function oracleDecode(bytes: Uint8Array, mode: "strict" | "reference"): OracleResult {
  const all = [...bytes];
  const strict = mode === "strict";
  const no = (reason: string, value?: number): OracleResult => ({ ok: false, reason, value });

  // §7.1 rows 1–9: what the first 68 bytes say.
  if (all.length < 68) return no("PACKET_TOO_SHORT", 68);
  if (strict && hex(all.slice(0, 3)) !== "4c4b31") return no("PACKET_MAGIC");
  if (strict && (all[3] ?? 0) >= 128) return no("PACKET_FLAGS");
  const [reserved, type] = [all[64] ?? 0, all[65] ?? 0];
  const size = number(all.slice(66, 68));
  if (reserved !== 0) return no("PACKET_RESERVED_BYTE", reserved);
  if (strict && size < 4) return no("PACKET_POINT_BYTES");
  if (size - 4 > 65_020) return no("PACKET_TOO_LARGE");
  const kind = kindOfType.get(type);
  if (kind === undefined) return no("PACKET_TYPE_UNKNOWN", type);
  if (kind === "linkpoint" && size < 4 + 60) return no("PACKET_TOO_SMALL");
  if (kind === "keypoint" && size < 4 + 60 + 96) return no("PACKET_TOO_SMALL");
  const padded = Math.ceil(size / 8) * 8;
  if (64 + padded > all.length) return no("PACKET_TRUNCATED", 64 + padded);

  const point = all.slice(64, 64 + padded);
  const signed = kind === "keypoint";
  const contentEnd = signed ? size - 96 : size;
  const paddingEnd = signed ? padded - 96 : padded;
  const linked = kind === "linkpoint" || signed;

  // Rows 10–13: offsets, links, path.
  const pathStart = linked ? number(point.slice(4, 6)) : contentEnd;
  const dataStart = linked ? number(point.slice(6, 8)) : 4;
  const rooted = linked ? point.slice(pathStart, dataStart) : [];
  if (linked) {
    if (dataStart > contentEnd || pathStart > dataStart) return no("PACKET_DATA_OFFSET");
    if (pathStart < 64) return no("PACKET_PATH_OFFSET");
    if ((pathStart - 64) % 48 !== 0) return no("PACKET_LINK_BYTES");
    const reason = pathProblem(rooted, strict);
    if (reason !== undefined) return no(reason);
  }

  // Row 14: padding.
  if (point.slice(contentEnd, paddingEnd).some((byte) => byte !== 255)) return no("PACKET_PADDING");
  if (size === 0) return no("PACKET_POINT_BYTES");

  return {
    ok: true,
    size: 64 + padded,
    fields: {
      kind,
      netHeader: hex(all.slice(0, 32)),
      hash: hex(all.slice(32, 64)),
      stamp: linked ? BigInt(`0x${hex(point.slice(8, 16))}`) : 0n,
      group: linked ? hex(point.slice(16, 48)) : zeros32,
      domain: linked ? hex(point.slice(48, 64)) : "00".repeat(16),
      depth: rooted[0] ?? 0,
      path: components(rooted.slice(8)).map(hex),
      links: linked ? chunks(point.slice(64, pathStart), 48).map(hex) : [],
      data: hex(point.slice(dataStart, contentEnd)),
      publicKey: signed ? hex(point.slice(padded - 96, padded - 64)) : undefined,
      signature: signed ? hex(point.slice(padded - 64)) : undefined,
      signedBytes: signed ? hex(point.slice(0, padded - 96)) : undefined,
    },
  };
}

/** §5.2, check by check. */
function pathProblem(rooted: readonly number[], strict: boolean): string | undefined {
  if (rooted.length === 0) return undefined;
  if (rooted.length < 8) return "PACKET_PATH_PREFIX";
  if (rooted.length > 250) return "PACKET_PATH_BYTES";
  const unrooted = rooted.slice(8);
  const [depth, ...stated] = rooted.slice(0, 8);
  const ends: number[] = [];
  let position = 0;
  // Slot i must name the end of component i; slots past the last component repeat the total.
  for (let slot = 0; slot < 8; slot++) {
    if (position < unrooted.length) {
      const size = unrooted[position] ?? 0;
      if (size > 200) return "PACKET_PATH_COMPONENT_BYTES";
      if (size === 0) return "PACKET_PATH_COMPONENT_EMPTY";
      if (position + 1 + size > unrooted.length) return "PACKET_PATH_TAIL";
      position += 1 + size;
      ends.push(position);
    } else if (depth !== ends.length) {
      return "PACKET_PATH_DEPTH";
    }
    if (slot < 7 && stated[slot] !== position) return "PACKET_PATH_INDEX";
  }
  if (position !== unrooted.length) return "PACKET_PATH_INDEX";
  if (strict && depth !== ends.length) return "PACKET_PATH_DEPTH";
  if (strict && ends.length === 0) return "PACKET_PATH_EMPTY_FORM";
  return undefined;
}

function components(unrooted: readonly number[]): (readonly number[])[] {
  const found: (readonly number[])[] = [];
  let rest = unrooted;
  while (rest.length > 0) {
    const size = rest[0] ?? 0;
    found.push(rest.slice(1, 1 + size));
    rest = rest.slice(1 + size);
  }
  return found;
}

function chunks(bytes: readonly number[], size: number): (readonly number[])[] {
  const count = bytes.length / size;
  return Array.from({ length: count }, (_, index) => bytes.slice(index * size, (index + 1) * size));
}

function number(bytes: readonly number[]): number {
  return Number(BigInt(`0x${hex(bytes)}`));
}

function hex(bytes: readonly number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
