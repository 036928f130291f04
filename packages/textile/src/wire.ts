/**
 * Messages between go-threads peers (docs/spec/textile.md §8), protocol buffers with these fields.
 * Only their form: to speak to such peers is not Hawser's business. Layer 7, pure.
 */
import {
  createByteReader,
  createByteWriter,
  type ByteReader,
  type ByteWriter,
} from "@hawser/codec";

/** What peers said to each other, and the parts of it. */
export type MessageName =
  | "Log"
  | "Record"
  | "GetLogsRequest"
  | "GetLogsBody"
  | "GetLogsReply"
  | "PushLogRequest"
  | "PushLogBody"
  | "PushLogReply"
  | "GetRecordsRequest"
  | "GetRecordsBody"
  | "LogQuery"
  | "GetRecordsReply"
  | "LogRecords"
  | "PushRecordRequest"
  | "PushRecordBody"
  | "PushRecordReply"
  | "ExchangeEdgesRequest"
  | "ExchangeEdgesBody"
  | "ThreadEdges"
  | "ExchangeEdgesReply"
  | "EdgesReply";

/** A message: the fields that are there, by name. Integers are unsigned, 64 bits. */
export interface WireMessage {
  readonly [field: string]: WireValue | readonly WireValue[];
}

export type WireValue = bigint | Uint8Array | WireMessage;

/** Field number, name and kind: bytes, an integer, or a message; a star: any number of them. */
const messages: Readonly<Record<MessageName, string>> = {
  Log: "1 id bytes, 2 publicKey bytes, 3 addresses bytes*, 4 head bytes, 5 counter integer",
  Record: "1 record bytes, 2 event bytes, 3 header bytes, 4 body bytes",
  GetLogsRequest: "2 body GetLogsBody",
  GetLogsBody: "1 threadId bytes, 2 serviceKey bytes",
  GetLogsReply: "1 logs Log*",
  PushLogRequest: "2 body PushLogBody",
  PushLogBody: "1 threadId bytes, 2 serviceKey bytes, 3 readKey bytes, 4 log Log",
  PushLogReply: "",
  GetRecordsRequest: "2 body GetRecordsBody",
  GetRecordsBody: "1 threadId bytes, 2 serviceKey bytes, 3 logs LogQuery*",
  LogQuery: "1 logId bytes, 2 offset bytes, 3 limit integer, 4 counter integer",
  GetRecordsReply: "1 logs LogRecords*",
  LogRecords: "1 logId bytes, 2 records Record*, 3 log Log",
  PushRecordRequest: "2 body PushRecordBody, 3 counter integer",
  PushRecordBody: "1 threadId bytes, 2 logId bytes, 3 record Record",
  PushRecordReply: "",
  ExchangeEdgesRequest: "2 body ExchangeEdgesBody",
  ExchangeEdgesBody: "1 threads ThreadEdges*",
  ThreadEdges: "1 threadId bytes, 2 addressEdge integer, 3 headsEdge integer",
  ExchangeEdgesReply: "1 edges EdgesReply*",
  EdgesReply: "1 threadId bytes, 2 exists integer, 3 addressEdge integer, 4 headsEdge integer",
};

interface Field {
  readonly number: number;
  readonly name: string;
  readonly kind: "bytes" | "integer" | MessageName;
  readonly isMany: boolean;
}

const fieldsOf: ReadonlyMap<string, readonly Field[]> = new Map(
  Object.entries(messages).map(([name, text]) => [name, text === "" ? [] : readFields(text)]),
);

function readFields(text: string): readonly Field[] {
  return text.split(", ").map((one) => {
    const [number = "", name = "", kind = ""] = one.split(" ");
    return {
      number: Number(number),
      name,
      // Safe: the table above names its own messages.
      kind: kind.replace("*", "") as Field["kind"],
      isMany: kind.endsWith("*"),
    };
  });
}

/** Whether a text names a message. */
export function isMessageName(name: string): name is MessageName {
  return Object.hasOwn(messages, name);
}

const valuesMax = 65_536;

/** Bytes of a message, fields in the order of their numbers. */
export function encodeWire(name: MessageName, message: WireMessage): Uint8Array<ArrayBuffer> {
  const writer = createByteWriter();
  for (const { number, name: key, kind, isMany } of fieldsOf.get(name) ?? []) {
    const value = Object.hasOwn(message, key) ? message[key] : undefined;
    if (value === undefined) continue;
    // Safe: `isMany` says which of the two it is.
    const values = (isMany ? value : [value]) as readonly WireValue[];
    for (const one of values) {
      writeVarint(writer, BigInt(number * 8 + (kind === "integer" ? 0 : 2)));
      if (typeof one === "bigint") writeVarint(writer, one);
      else if (one instanceof Uint8Array) writer.sized(one);
      // Safe: a value that is a message belongs to a field that names one.
      else writer.sized(encodeWire(kind as MessageName, one));
    }
  }
  return writer.finish();
}

/** The message in bytes, or `undefined`: malformed, an unknown field, a field twice, too many. */
export function decodeWire(name: MessageName, bytes: Uint8Array): WireMessage | undefined {
  const fields = fieldsOf.get(name) ?? [];
  const found = new Map<string, WireValue | WireValue[]>();
  const reader = createByteReader(bytes);
  let left = valuesMax;
  while (reader.remaining > 0) {
    const key = readVarint(reader);
    const known = fields.find(({ number }) => key !== undefined && BigInt(number) === key >> 3n);
    if (key === undefined || known === undefined || left-- === 0) return undefined;
    const value = readValue(reader, known, Number(key & 7n));
    if (value === undefined) return undefined;
    const before = found.get(known.name);
    if (!known.isMany) {
      if (before !== undefined) return undefined;
      found.set(known.name, value);
    } else if (Array.isArray(before)) before.push(value);
    else found.set(known.name, [value]);
  }
  return Object.fromEntries(found);
}

/** Messages nest three deep at most: the table above has no cycle. */
function readValue(reader: ByteReader, { kind }: Field, wireType: number): WireValue | undefined {
  if (kind === "integer") return wireType === 0 ? readVarint(reader) : undefined;
  if (wireType !== 2) return undefined;
  const bytes = reader.sized(reader.remaining);
  if (reader.failed) return undefined;
  return kind === "bytes" ? bytes.slice() : decodeWire(kind, bytes);
}

/** Protocol buffers have integers of 64 bits, which take up to ten bytes. */
function readVarint(reader: ByteReader): bigint | undefined {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = reader.u8();
    if (reader.failed) return undefined;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return value < 1n << 64n ? value : undefined;
  }
  return undefined;
}

function writeVarint(writer: ByteWriter, value: bigint): void {
  let rest = BigInt.asUintN(64, value);
  while (rest >= 0x80n) {
    writer.u8(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  writer.u8(Number(rest));
}
