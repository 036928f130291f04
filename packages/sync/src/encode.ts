/**
 * Messages to frames (docs/spec/3-sync.md §3). Layer 4; pure.
 */
import { type ByteWriter, createByteWriter, fromHex, utf8 } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import {
  accessLevels,
  frontierFlags,
  magic,
  marks,
  messageTypes,
  pieceStates,
  turnStates,
  wantModes,
} from "./codes.ts";
import type {
  AcksMessage,
  ForkMessage,
  FrontierMessage,
  HelloMessage,
  Mark,
  Message,
  RangeMessage,
  ReconcileMessage,
  TopicsMessage,
  WantsMessage,
} from "./message.ts";

/** The frame of a message. The caller keeps within the limits of docs/spec/3-sync.md §9. */
export function encodeMessage(message: Message): Uint8Array<ArrayBuffer> {
  const writer = createByteWriter(capacityOf(message));
  writer.u8(messageTypes[message.type]);
  writeFields(writer, message);
  return writer.finish();
}

/** Encoded bytes of a range message before its payload: at most this many. */
export const rangeHeaderBytesMax: number = 1 + 5 * 8;

/** Encoded bytes of a piece before its point: at most this many. */
const pieceHeaderBytesMax = 10;

function capacityOf(message: Message): number {
  if (message.type === "range") return rangeHeaderBytesMax + message.bytes.length;
  if (message.type === "more") return 1 + message.bytes.length;
  if (message.type === "piece") return pieceHeaderBytesMax + message.bytes.length;
  return 256;
}

function writeFields(writer: ByteWriter, message: Message): void {
  switch (message.type) {
    case "hello":
      return writeHello(writer, message);
    case "identities":
      writer.u8(message.proofs.length);
      for (const { id, signature } of message.proofs) {
        writer.bytes(authorBytes(id));
        writer.bytes(signature);
      }
      return;
    case "topics":
      return writeTopics(writer, message);
    case "proof":
      writer.varint(message.topicNumber);
      writer.varint(message.counter);
      for (const mac of message.macs) writer.bytes(mac);
      return;
    case "frontier":
      return writeFrontier(writer, message);
    case "wants":
      return writeWants(writer, message);
    case "acks":
      return writeAcks(writer, message);
    case "range":
      return writeRange(writer, message);
    case "more":
    case "forkMore":
      return writer.bytes(message.bytes);
    case "credit":
      return writer.varint(message.byteCount);
    case "fork":
      return writeFork(writer, message);
    case "summary":
      writer.varint(message.topicNumber);
      writer.varint(message.generation);
      writer.varint(message.answers);
      writer.u8(accessLevels.indexOf(message.access));
      writer.varint(message.count);
      return writer.bytes(message.fingerprint);
    case "reconcile":
      return writeReconcile(writer, message);
    case "broadcast":
      writer.varint(message.topicNumber);
      writer.u8(message.isForwarded ? 1 : 0);
      return writer.bytes(message.bytes);
    case "ask":
      writer.varint(message.topicNumber);
      writer.bytes(message.name);
      writer.u8(message.depth);
      writer.varint(message.first);
      return writer.varint(message.count);
    case "piece":
      writer.varint(message.askNumber);
      writer.u8(pieceStates.indexOf(message.state));
      return writer.bytes(message.bytes);
    case "have":
      writer.varint(message.topicNumber);
      return writer.bytes(message.name);
    case "heartbeat":
      return;
    case "bye":
      return writer.bytes(utf8(message.code));
  }
}

function writeHello(writer: ByteWriter, message: HelloMessage): void {
  writer.bytes(Uint8Array.from(magic));
  writer.u8(message.versionMin);
  writer.u8(message.versionMax);
  writer.u32(message.features);
  writer.bytes(message.nonce);
  writer.u32(message.windowBytes);
  writer.u32(message.rangeBytes);
}

function writeTopics(writer: ByteWriter, message: TopicsMessage): void {
  writer.u8(message.last ? 1 : 0);
  writer.varint(message.removed.length);
  for (const number of message.removed) writer.varint(number);
  writer.varint(message.added.length);
  for (const hash of message.added) writer.bytes(hash);
}

function writeFrontier(writer: ByteWriter, message: FrontierMessage): void {
  writer.varint(message.topicNumber);
  writer.varint(message.generation);
  writer.varint(message.answers);
  writer.u8(accessLevels.indexOf(message.access));
  writer.u8(
    (message.first ? frontierFlags.first : 0) |
      (message.last ? frontierFlags.last : 0) |
      (message.eager ? frontierFlags.eager : 0),
  );
  writer.varint(message.logs.length);
  let previousDomain = "";
  for (const log of message.logs) {
    writer.bytes(authorBytes(log.author));
    writer.sized(log.domain === previousDomain ? new Uint8Array(0) : utf8(log.domain));
    previousDomain = log.domain;
    writer.varint(log.height);
    writer.varint(log.prunedTo);
    if (log.hash !== undefined) writer.bytes(log.hash);
  }
}

function writeWants(writer: ByteWriter, message: WantsMessage): void {
  writer.varint(message.topicNumber);
  writer.varint(message.generation);
  writer.varint(message.wants.length);
  for (const want of message.wants) {
    writer.varint(want.logNumber);
    writer.u8(wantModes.indexOf(want.mode));
    if (want.mode !== "after" && want.mode !== "again") continue;
    writer.varint(want.from);
    if (want.hashStart !== undefined) writer.bytes(want.hashStart);
  }
}

function writeAcks(writer: ByteWriter, message: AcksMessage): void {
  writer.varint(message.topicNumber);
  writer.varint(message.generation);
  writer.varint(message.acks.length);
  for (const ack of message.acks) {
    writer.varint(ack.logNumber);
    writer.varint(ack.height);
    writer.bytes(ack.hashStart);
  }
}

function writeRange(writer: ByteWriter, message: RangeMessage): void {
  writer.varint(message.topicNumber);
  writer.varint(message.logNumber);
  writer.varint(message.from);
  writer.varint(message.count);
  writer.varint(message.byteCount);
  writer.bytes(message.bytes);
}

function writeFork(writer: ByteWriter, message: ForkMessage): void {
  writer.varint(message.topicNumber);
  writer.bytes(authorBytes(message.author));
  writer.sized(utf8(message.domain));
  writer.varint(message.seq);
  writer.varint(message.firstByteCount);
  writer.varint(message.byteCount);
  writer.bytes(message.bytes);
}

function writeReconcile(writer: ByteWriter, message: ReconcileMessage): void {
  writer.varint(message.topicNumber);
  writer.varint(message.generation);
  writer.varint(message.peerGeneration);
  writer.u8(turnStates.indexOf(message.state));
  writer.varint(message.marks.length);
  for (const part of message.marks) {
    writer.u8(Math.log2(part.length));
    writer.bytes(packMarks(part));
  }
  writer.varint(message.splits.length);
  for (const split of message.splits) {
    writer.u8(split.bits);
    writer.bytes(split.fingerprints);
  }
}

/** Two bits for each mark, the first in the lowest bits; the last byte is filled with zeros. */
function packMarks(part: readonly Mark[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(part.length / 4));
  for (const [index, mark] of part.entries()) {
    const place = index >> 2;
    bytes[place] = (bytes[place] ?? 0) | (marks.indexOf(mark) << ((index & 3) * 2));
  }
  return bytes;
}

function authorBytes(author: AuthorId): Uint8Array {
  const bytes = fromHex(author);
  // Author ids are 64 hex characters by construction: the brand is given by parsers alone.
  if (bytes === undefined) throw new TypeError("author id is not hex");
  return bytes;
}
