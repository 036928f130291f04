/**
 * Scope "microseconds": stamps as 8 bytes (docs/spec/query.md §2.5.9). Layer 3; pure: the context has
 * the clock.
 */
import { utf8 } from "@hawser/codec";
import { success, type Result } from "../fault.ts";
import { bigEndian, fromBigEndian, nameText } from "../join.ts";
import { parseUnsigned } from "../numbers.ts";
import { createScope, functionFault, type Call, type Scope, type ScopeFunction } from "../scope.ts";
import { shownText } from "../text.ts";

const stampMax = 0xffff_ffff_ffff_ffffn;
const stampBytes = 8;
const none = new Uint8Array(0);

/** Units of durations in µs, in the order in which a duration must name them. */
const units: readonly (readonly [string, bigint])[] = [
  // 365 days and 6 hours.
  ["Y", 31_557_600_000_000n],
  // 30 days.
  ["M", 2_592_000_000_000n],
  ["W", 604_800_000_000n],
  ["D", 86_400_000_000n],
  ["h", 3_600_000_000n],
  ["m", 60_000_000n],
  ["s", 1_000_000n],
  ["l", 1_000n],
  ["u", 1n],
];

/** `1D2h`: counts with their units, each unit once at most, larger units first. */
function parseDuration(call: Call, text: Uint8Array): Result<bigint> {
  let total = 0n;
  let nextUnit = 0;
  for (let start = 0; start < text.length;) {
    const letter = text.findIndex((byte, at) => at >= start && isLetter(byte));
    const end = letter < 0 ? text.length - 1 : letter;
    const count = parseUnsigned(call, text.subarray(start, end), 0xffff_ffffn);
    if (!count.ok) return count;
    const name = String.fromCharCode(text[end] ?? 0);
    const unit = units.findIndex(([id], at) => at >= nextUnit && id === name);
    const size = units[unit]?.[1];
    if (size === undefined) {
      const isKnown = units.some(([id]) => id === name);
      return functionFault(
        call,
        "counts with the units Y M W D h m s l u, in this order",
        isKnown ? `Out of order '${name}'` : `Could not find unit ${name} `,
      );
    }
    total += count.value * size;
    nextUnit = unit + 1;
    start = end + 1;
  }
  return success(total);
}

function isLetter(byte: number): boolean {
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}

/** The prefixes of durations; the doubled ones stop at the first and the last stamp. */
const shifts = [
  { prefix: "++", sign: 1n, saturates: true },
  { prefix: "+", sign: 1n, saturates: false },
  { prefix: "--", sign: -1n, saturates: true },
  { prefix: "-", sign: -1n, saturates: false },
] as const;

function shiftStamp(call: Call, stamp: bigint, arg: Uint8Array): Result<bigint> | undefined {
  const text = nameText(arg);
  const shift = shifts.find(({ prefix }) => text.startsWith(prefix));
  if (shift === undefined) return undefined;
  const duration = parseDuration(call, arg.subarray(shift.prefix.length));
  if (!duration.ok) return duration;
  const moved = stamp + shift.sign * duration.value;
  if (moved >= 0n && moved <= stampMax) return success(moved);
  if (shift.saturates) return success(moved < 0n ? 0n : stampMax);
  return shift.sign > 0n
    ? functionFault(call, "a stamp of 64 bits", "stamp overflow. use '++' for saturating add")
    : functionFault(call, "a stamp of 0 or more", "stamp underflow. use '--' for saturating sub");
}

/** Applies the arguments in order; a form of printing ends them. */
function applyStamp(call: Call, start: bigint, args: readonly Uint8Array[]): Result<Uint8Array> {
  let stamp = start;
  for (const [place, arg] of args.entries()) {
    if (arg.length === 0) continue;
    const moved = shiftStamp(call, stamp, arg);
    if (moved?.ok === false) return moved;
    if (moved !== undefined) {
      stamp = moved.value;
      continue;
    }
    const print = printers.get(nameText(arg));
    const rest = args.slice(place + 1);
    if (print !== undefined && rest.length === 0) return success(utf8(print(stamp, call)));
    const [problem, shown] =
      print === undefined ? ["unknown args", args.slice(place)] : ["bad trailing args", rest];
    return functionFault(
      call,
      "+DUR, -DUR, ++DUR or --DUR, then one of str, val, ticks, delta",
      `${problem} '${shown.map(shownText).join(":")}'`,
    );
  }
  return success(bigEndian(stamp, stampBytes));
}

const printers: ReadonlyMap<string, (stamp: bigint, call: Call) => string> = new Map([
  ["str", (stamp) => printDate(stamp) ?? printDelta(0n, stamp, units.length)],
  ["val", (stamp) => printDelta(0n, stamp, units.length)],
  ["ticks", (stamp) => printDelta(0n, stamp, 2)],
  ["delta", (stamp, call) => printDelta(now(call), stamp, 2)],
]);

/** The difference in its `unitCount` largest units: `+ 1D 2h`, `- 3s 4l`, `-0u` for none. */
function printDelta(from: bigint, to: bigint, unitCount: number): string {
  const sign = to > from ? "+" : "-";
  let rest = to > from ? to - from : from - to;
  const used = units.filter(([, size]) => size <= rest).slice(0, unitCount);
  if (used.length === 0) return `${sign}0u`;
  let text = sign;
  for (const [name, size] of used) {
    text += ` ${rest / size}${name}`;
    rest %= size;
  }
  return text;
}

/** First µs that has no four-digit year any more. */
const dateEnd = 253_402_300_800_000_000n;
const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** RFC 2822 in UTC, or `undefined` past the year 9999. */
function printDate(stamp: bigint): string | undefined {
  if (stamp >= dateEnd) return undefined;
  const date = new Date(Number(stamp / 1000n));
  const two = (value: number): string => value.toString().padStart(2, "0");
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(":");
  const day = `${days[date.getUTCDay()]}, ${two(date.getUTCDate())}`;
  const year = date.getUTCFullYear().toString().padStart(4, "0");
  return `${day} ${months[date.getUTCMonth()]} ${year} ${time} +0000`;
}

/** The context's clock as a stamp; clocks before 1970 or past the range count as its ends. */
function now(call: Call): bigint {
  return toStamp(call.run.context.nowMicros());
}

/** A number of µs as a stamp, its fraction dropped. */
export function toStamp(micros: number): bigint {
  if (!(micros > 0)) return 0n;
  const stamp = BigInt(Math.floor(Math.min(micros, Number(stampMax))));
  return stamp > stampMax ? stampMax : stamp;
}

function stampFunction(id: string, help: string, start: (call: Call) => bigint): ScopeFunction {
  return {
    id,
    use: "open",
    counts: [0, 16],
    help,
    apply: (call) => applyStamp(call, start(call), call.args),
  };
}

export const timeScope: Scope = createScope(
  "microseconds",
  `utilities for microseconds values (big endian u64 microsecond since unix epoch)
arguments consists of ( [+-][YMWDhmslu]usize : )* (str | delta | ticks | val)?
`,
  [
    {
      id: "us",
      use: "any",
      counts: [0, 16],
      help:
        "if chained, mutate 8 bytes input as stamp (see scope help). " +
        "if used as head assume stamp 0",
      apply: (call) => {
        if (call.opens) return applyStamp(call, 0n, call.args);
        const [stamp = none, ...args] = call.args;
        if (stamp.length === stampBytes) return applyStamp(call, fromBigEndian(stamp), args);
        return functionFault(call, "a stamp of 8 bytes", "could not convert slice to array");
      },
    },
    stampFunction("now", "current systemtime", now),
    stampFunction("epoch", "unix epoch / zero time", () => 0n),
    stampFunction("us++", "max stamp", () => stampMax),
  ],
);
