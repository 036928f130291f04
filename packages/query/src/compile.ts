/**
 * Making a query ready to be run (docs/spec/query.md §6). Layer 3; pure.
 *
 * The tests read the packet's bytes at their offsets: getters of Packet make views, and a test runs
 * for every packet of a store. Nothing here allocates after compiling.
 */
import {
  packetOffsets,
  pathPrefixBytes,
  pointOffsets,
  pointTypes,
  signatureBlockBytes,
  signatureBytes,
  type Packet,
} from "@hawser/packet";
import { hasBytesAt, matchesBytes, type ByteRules } from "./byte-rules.ts";
import { isLimitField, numberField, type BytesField, type NumberField } from "./fields.ts";
import { findOption, queryMode, queryQid } from "./options.ts";
import { fullSet, hasValue, largest, smallest, toBytes, type TestSet } from "./test-set.ts";
import type {
  BytesBounds,
  CompiledQuery,
  CountRule,
  IntegerBounds,
  Query,
  QueryRules,
} from "./types.ts";

type PacketTest = (packet: Packet) => boolean;

/** A query made ready. Never fails: a query that could not be run was refused when it was made. */
export function compileQuery(query: Query): CompiledQuery {
  const { rules } = query;
  const tests = packetTests(rules);
  const test = (packet: Packet): boolean => {
    for (let index = 0; index < tests.length; index++) {
      if (tests[index]?.(packet) === false) return false;
    }
    return true;
  };
  const type = rules.numbers.get("type") ?? fullSet(1);
  return {
    mode: queryMode(query),
    qid: queryQid(query),
    follow: findOption(query, "follow") !== undefined,
    notifyClose: findOption(query, "notify-close") !== undefined,
    recv: integerBounds(rules, "recv"),
    limits: {
      all: countRule(rules, "i"),
      stored: countRule(rules, "i_db"),
      fresh: countRule(rules, "i_new"),
      branch: countRule(rules, "i_branch"),
    },
    linkpointsOnly: !placelessTypes.some((byte) => hasValue(type, BigInt(byte))),
    bounds: {
      group: bytesBounds(rules, "group"),
      domain: bytesBounds(rules, "domain"),
      depth: integerBounds(rules, "depth"),
      publicKey: bytesBounds(rules, "pubkey"),
      stamp: integerBounds(rules, "create"),
      hash: bytesBounds(rules, "hash"),
    },
    pathPrefix: rules.pathPrefix,
    test,
  };
}

/** Types of points that lie at no place. */
const placelessTypes: readonly number[] = [pointTypes.datapoint, pointTypes.errorpoint];

/** The tightest bounds of a set: its masks may narrow them. */
function integerBounds(rules: QueryRules, field: NumberField): IntegerBounds {
  const { byteCount } = numberField(field);
  const set = rules.numbers.get(field) ?? fullSet(byteCount);
  return { low: smallest(set) ?? 0n, high: largest(set, byteCount) ?? -1n };
}

function bytesBounds(rules: QueryRules, field: NumberField): BytesBounds {
  const { byteCount } = numberField(field);
  const { low, high } = integerBounds(rules, field);
  return { low: toBytes(low, byteCount), high: toBytes(high, byteCount) };
}

function countRule(rules: QueryRules, field: NumberField): CountRule {
  const set = rules.numbers.get(field) ?? fullSet(numberField(field).byteCount);
  const bounds = integerBounds(rules, field);
  const test = numberTest(set);
  const high = Number(bounds.high);
  return { ...bounds, accepts: (count) => test(count), isPast: (count) => count > high };
}

/** What decides fastest comes first: the type, then small numbers, then bytes. */
function packetTests(rules: QueryRules): readonly PacketTest[] {
  const small: PacketTest[] = [];
  const large: PacketTest[] = [];
  for (const [field, set] of rules.numbers) {
    if (field === "recv" || isLimitField(field)) continue;
    const read = numberReaders[field];
    if (read !== undefined) {
      const accepts = numberTest(set);
      const test: PacketTest = (packet) => accepts(read(packet));
      // The type test is what makes the others mean something, so nothing may come before it.
      if (field === "type") small.unshift(test);
      else small.push(test);
      continue;
    }
    const offset = offsets[field];
    if (offset !== undefined) large.push(bytesTest(set, numberField(field).byteCount, offset));
  }
  if (rules.pathPrefix.length > 0) large.push(prefixTest(rules.pathPrefix));
  for (const [field, listed] of rules.bytes) large.push(rangeTest(listed, ranges[field]));
  return [...small, ...large];
}

/** A test of numbers below 2^53; masks of them below 2^32. */
function numberTest(set: TestSet): (value: number) => boolean {
  const low = Number(set.low);
  const high = Number(set.high);
  const ones = Number(set.ones);
  const zeros = Number(set.zeros);
  return (value) =>
    value >= low &&
    value <= high &&
    (value & ones) >>> 0 === ones &&
    (value | zeros) >>> 0 === zeros;
}

function u16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}

function u32(bytes: Uint8Array, offset: number): number {
  return u16(bytes, offset) * 0x1_0000 + u16(bytes, offset + 2);
}

const point = packetOffsets.point;

function hasPlace(packet: Packet): boolean {
  return packet.kind === "linkpoint" || packet.kind === "keypoint";
}

/** Where the rooted path starts; of points with a place. */
function pathStart(packet: Packet): number {
  return point + u16(packet.bytes, point + pointOffsets.pathOffset);
}

function dataStart(packet: Packet): number {
  if (!hasPlace(packet)) return point + pointOffsets.content;
  return point + u16(packet.bytes, point + pointOffsets.dataOffset);
}

function dataEnd(packet: Packet): number {
  return point + packet.pointBytes - (packet.kind === "keypoint" ? signatureBlockBytes : 0);
}

/** Fields of up to four bytes. */
const numberReaders: { readonly [field in NumberField]?: (packet: Packet) => number } = {
  // By kind, not by byte: later Linkspace renumbered the types, and rules speak of the old numbers.
  type: (packet) => pointTypes[packet.kind],
  netflags: (packet) => packet.bytes[3] ?? 0,
  hop: (packet) => u32(packet.bytes, 4),
  ubits0: (packet) => u32(packet.bytes, 16),
  ubits1: (packet) => u32(packet.bytes, 20),
  ubits2: (packet) => u32(packet.bytes, 24),
  ubits3: (packet) => u32(packet.bytes, 28),
  size: (packet) => packet.bytes.length,
  data_size: (packet) => dataEnd(packet) - dataStart(packet),
  links_len: (packet) => packet.linkCount,
  depth: (packet) => {
    const start = pathStart(packet);
    return start === dataStart(packet) ? 0 : (packet.bytes[start] ?? 0);
  },
};

/** Where longer fields lie, from the start of the packet, or from its end where negative. */
const offsets: { readonly [field in NumberField]?: number } = {
  stamp: 8,
  hash: packetOffsets.hash,
  group: point + pointOffsets.group,
  domain: point + pointOffsets.domain,
  create: point + pointOffsets.stamp,
  pubkey: -signatureBlockBytes,
  signature: -signatureBytes,
};

function bytesTest(set: TestSet, byteCount: number, offset: number): PacketTest {
  const low = toBytes(set.low, byteCount);
  const high = toBytes(set.high, byteCount);
  const ones = toBytes(set.ones, byteCount);
  const zeros = toBytes(set.zeros, byteCount);
  const hasMask = set.ones !== 0n || set.zeros !== fullSet(byteCount).high;
  const start = (bytes: Uint8Array): number => (offset < 0 ? bytes.length + offset : offset);
  const inBounds = (bytes: Uint8Array): boolean =>
    compareAt(bytes, start(bytes), low) >= 0 && compareAt(bytes, start(bytes), high) <= 0;
  if (set.low === set.high && !hasMask) {
    return ({ bytes }) => hasBytesAt(bytes, start(bytes), low);
  }
  if (!hasMask) return ({ bytes }) => inBounds(bytes);
  return ({ bytes }) => inBounds(bytes) && fitsAt(bytes, start(bytes), ones, zeros);
}

function compareAt(bytes: Uint8Array, offset: number, other: Uint8Array): number {
  for (let index = 0; index < other.length; index++) {
    const difference = (bytes[offset + index] ?? 0) - (other[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function fitsAt(bytes: Uint8Array, offset: number, ones: Uint8Array, zeros: Uint8Array): boolean {
  for (let index = 0; index < ones.length; index++) {
    const byte = bytes[offset + index] ?? 0;
    const one = ones[index] ?? 0;
    const zero = zeros[index] ?? 0;
    if ((byte & one) !== one || (byte | zero) !== zero) return false;
  }
  return true;
}

function prefixTest(prefix: Uint8Array): PacketTest {
  return (packet) => {
    if (!hasPlace(packet)) return false;
    const start = pathStart(packet) + pathPrefixBytes;
    // Components begin with their length, so a prefix in bytes is one in whole components.
    return start + prefix.length <= dataStart(packet) && hasBytesAt(packet.bytes, start, prefix);
  };
}

/** Where a field of variable length lies. */
interface FieldRange {
  start(packet: Packet): number;
  end(packet: Packet): number;
}

function rangeTest(rules: ByteRules, range: FieldRange): PacketTest {
  return (packet) => matchesBytes(rules, packet.bytes, range.start(packet), range.end(packet));
}

/** End of component `index` (0-based), from the rooted path's offset table. */
function componentEnd(packet: Packet, index: number): number {
  const start = pathStart(packet);
  const end = dataStart(packet);
  if (start === end || index < 0) return Math.min(start + pathPrefixBytes, end);
  return index >= 7 ? end : start + pathPrefixBytes + (packet.bytes[start + index + 1] ?? 0);
}

/** Component `index`; where there is none, no bytes. */
function component(index: number): FieldRange {
  return {
    start(packet) {
      const start = componentEnd(packet, index - 1);
      return start < componentEnd(packet, index) ? start + 1 : start;
    },
    end: (packet) => componentEnd(packet, index),
  };
}

const ranges: { readonly [field in BytesField]: FieldRange } = {
  rspacename: { start: pathStart, end: dataStart },
  comp0: component(0),
  comp1: component(1),
  comp2: component(2),
  comp3: component(3),
  comp4: component(4),
  comp5: component(5),
  comp6: component(6),
  comp7: component(7),
  data: { start: dataStart, end: dataEnd },
};
