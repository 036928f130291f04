/**
 * Frames to messages (docs/spec/3-sync.md §3). Layer 4; pure. Untrusted bytes: every count is
 * checked against its limit and against the bytes that are left before anything is allocated.
 */
import { type ByteReader, createByteReader, fromUtf8, toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import {
  accessLevels,
  frontierFlags,
  magic,
  marks as markNames,
  messageTypes,
  pieceStates,
  turnStates,
  wantModes,
} from "./codes.ts";
import {
  askCountMax,
  askDepthMax,
  askFanOut,
  broadcastBytesMax,
  closeCodeBytesMax,
  creditBytesMax,
  entriesPerRangeMax,
  forkBytesMax,
  frameBytesMax,
  helloExtensionBytesMax,
  identitiesMax,
  itemsPerMessageMax,
  pieceBytesMax,
  proofsPerTopic,
  rangeBytesMax,
  reconciledLogsMax,
  splitBitsMax,
  splitsPerMessageMax,
  topicsPerMessageMax,
} from "./limits.ts";
import type { Ack, LogAnnouncement, Mark, Message, Split, Want } from "./message.ts";

/** The message of a frame, or `undefined` when it is malformed, over a limit or of unknown type. */
export function decodeMessage(frame: Uint8Array): Message | undefined {
  if (frame.length === 0 || frame.length > frameBytesMax) return undefined;
  const reader = createByteReader(frame);
  const parse = parsers.get(reader.u8());
  const message = parse?.(reader);
  return message !== undefined && reader.finished ? message : undefined;
}

type Parser = (reader: ByteReader) => Message | undefined;

const parsers: ReadonlyMap<number, Parser> = new Map<number, Parser>([
  [messageTypes.hello, readHello],
  [messageTypes.identities, readIdentities],
  [messageTypes.topics, readTopics],
  [messageTypes.proof, readProof],
  [messageTypes.frontier, readFrontier],
  [messageTypes.wants, readWants],
  [messageTypes.acks, readAcks],
  [messageTypes.range, readRange],
  [messageTypes.more, (reader) => readPart(reader, "more")],
  [messageTypes.forkMore, (reader) => readPart(reader, "forkMore")],
  [messageTypes.credit, readCredit],
  [messageTypes.fork, readFork],
  [messageTypes.heartbeat, () => ({ type: "heartbeat" })],
  [messageTypes.bye, readBye],
  [messageTypes.summary, readSummary],
  [messageTypes.reconcile, readReconcile],
  [messageTypes.broadcast, readBroadcast],
  [messageTypes.ask, readAsk],
  [messageTypes.piece, readPiece],
  [messageTypes.have, readHave],
]);

/** `count` items, or none at all when the count is over its limit or cannot fit in what is left. */
function readItems<Item>(
  reader: ByteReader,
  limits: { readonly countMax: number; readonly bytesMin: number },
  readItem: () => Item | undefined,
): readonly Item[] | undefined {
  const count = reader.varint();
  if (count > limits.countMax || count * limits.bytesMin > reader.remaining) return undefined;
  const items: Item[] = [];
  for (let index = 0; index < count; index++) {
    const item = readItem();
    if (item === undefined || reader.failed) return undefined;
    items.push(item);
  }
  return items;
}

function readHello(reader: ByteReader): Message | undefined {
  const start = reader.bytes(magic.length);
  if (!magic.every((byte, index) => start[index] === byte)) return undefined;
  const versionMin = reader.u8();
  const versionMax = reader.u8();
  const features = reader.u32();
  const nonce = reader.bytes(32).slice();
  const windowBytes = reader.u32();
  const rangeBytes = reader.u32();
  if (versionMin === 0 || versionMin > versionMax) return undefined;
  // Later versions may add fields: they count in the transcript and are otherwise passed over.
  if (reader.remaining > helloExtensionBytesMax) return undefined;
  reader.bytes(reader.remaining);
  return { type: "hello", versionMin, versionMax, features, nonce, windowBytes, rangeBytes };
}

function readIdentities(reader: ByteReader): Message | undefined {
  const count = reader.u8();
  if (count === 0 || count > identitiesMax || reader.remaining !== count * 96) return undefined;
  const proofs = Array.from({ length: count }, () => ({
    id: readAuthor(reader),
    signature: reader.bytes(64).slice(),
  }));
  if (new Set(proofs.map((proof) => proof.id)).size !== count) return undefined;
  return { type: "identities", proofs };
}

function readTopics(reader: ByteReader): Message | undefined {
  const last = readBit(reader);
  const removed = readItems(reader, { countMax: topicsPerMessageMax, bytesMin: 1 }, () =>
    reader.varint(),
  );
  const added = readItems(reader, { countMax: topicsPerMessageMax, bytesMin: 16 }, () =>
    reader.bytes(16).slice(),
  );
  if (last === undefined || removed === undefined || added === undefined) return undefined;
  return { type: "topics", removed, added, last };
}

function readProof(reader: ByteReader): Message | undefined {
  const topicNumber = reader.varint();
  const counter = reader.varint();
  if (reader.remaining !== proofsPerTopic * 32) return undefined;
  const macs = Array.from({ length: proofsPerTopic }, () => reader.bytes(32).slice());
  return { type: "proof", topicNumber, counter, macs };
}

function readFrontier(reader: ByteReader): Message | undefined {
  const topicNumber = reader.varint();
  const generation = reader.varint();
  const answers = reader.varint();
  const access = accessLevels[reader.u8()];
  const flags = reader.u8();
  if (access === undefined || flags > 7) return undefined;
  let domain = "";
  const logs = readItems(reader, { countMax: itemsPerMessageMax, bytesMin: 35 }, () => {
    const log = readAnnouncement(reader, domain);
    domain = log?.domain ?? "";
    return log;
  });
  if (logs === undefined) return undefined;
  return {
    type: "frontier",
    topicNumber,
    generation,
    answers,
    access,
    first: (flags & frontierFlags.first) !== 0,
    last: (flags & frontierFlags.last) !== 0,
    eager: (flags & frontierFlags.eager) !== 0,
    logs,
  };
}

function readAnnouncement(reader: ByteReader, previousDomain: string): LogAnnouncement | undefined {
  const author = readAuthor(reader);
  const domain = readDomain(reader, previousDomain);
  const height = reader.varint();
  const prunedTo = reader.varint();
  const hash = height > 0 ? reader.bytes(32).slice() : undefined;
  if (domain === undefined || prunedTo > height) return undefined;
  return { author, domain, height, prunedTo, hash };
}

/** 1–16 printable ASCII characters; an empty field, and nothing else, repeats `previous`. */
function readDomain(reader: ByteReader, previous: string): string | undefined {
  const bytes = reader.sized(16);
  if (bytes.length === 0) return previous === "" ? undefined : previous;
  if (!bytes.every((byte) => byte > 0x20 && byte < 0x7f)) return undefined;
  const domain = fromUtf8(bytes);
  return domain === previous ? undefined : domain;
}

function readWants(reader: ByteReader): Message | undefined {
  const topicNumber = reader.varint();
  const generation = reader.varint();
  const wants = readItems(reader, { countMax: itemsPerMessageMax, bytesMin: 2 }, () =>
    readWant(reader),
  );
  return wants === undefined ? undefined : { type: "wants", topicNumber, generation, wants };
}

function readWant(reader: ByteReader): Want | undefined {
  const logNumber = reader.varint();
  const mode = wantModes[reader.u8()];
  if (mode === undefined) return undefined;
  if (mode !== "after" && mode !== "again")
    return { logNumber, mode, from: 0, hashStart: undefined };
  const from = reader.varint();
  const hashStart = from > 0 ? reader.bytes(16).slice() : undefined;
  return { logNumber, mode, from, hashStart };
}

function readAcks(reader: ByteReader): Message | undefined {
  const topicNumber = reader.varint();
  const generation = reader.varint();
  const acks = readItems(reader, { countMax: itemsPerMessageMax, bytesMin: 18 }, (): Ack => ({
    logNumber: reader.varint(),
    height: reader.varint(),
    hashStart: reader.bytes(16).slice(),
  }));
  return acks === undefined ? undefined : { type: "acks", topicNumber, generation, acks };
}

function readRange(reader: ByteReader): Message | undefined {
  const topicNumber = reader.varint();
  const logNumber = reader.varint();
  const from = reader.varint();
  const count = reader.varint();
  const byteCount = reader.varint();
  const bytes = reader.bytes(reader.remaining);
  if (count === 0 || count > entriesPerRangeMax || !Number.isSafeInteger(from + count)) {
    return undefined;
  }
  if (byteCount > rangeBytesMax || bytes.length === 0 || bytes.length > byteCount) return undefined;
  // An entry takes at least three bytes, so a count cannot promise more than the bytes can hold.
  if (count * 3 > byteCount) return undefined;
  return { type: "range", topicNumber, logNumber, from, count, byteCount, bytes };
}

function readPart(reader: ByteReader, type: "more" | "forkMore"): Message | undefined {
  const bytes = reader.bytes(reader.remaining);
  return bytes.length === 0 ? undefined : { type, bytes };
}

function readCredit(reader: ByteReader): Message | undefined {
  const byteCount = reader.varint();
  return byteCount === 0 || byteCount > creditBytesMax ? undefined : { type: "credit", byteCount };
}

function readFork(reader: ByteReader): Message | undefined {
  const topicNumber = reader.varint();
  const author = readAuthor(reader);
  const domain = readDomain(reader, "");
  const seq = reader.varint();
  const firstByteCount = reader.varint();
  const byteCount = reader.varint();
  const bytes = reader.bytes(reader.remaining).slice();
  if (domain === undefined || byteCount > forkBytesMax || firstByteCount > byteCount) {
    return undefined;
  }
  if (bytes.length === 0 || bytes.length > byteCount) return undefined;
  return { type: "fork", topicNumber, author, domain, seq, firstByteCount, byteCount, bytes };
}

function readSummary(reader: ByteReader): Message | undefined {
  const topicNumber = reader.varint();
  const generation = reader.varint();
  const answers = reader.varint();
  const access = accessLevels[reader.u8()];
  const count = reader.varint();
  const fingerprint = reader.bytes(32).slice();
  if (access === undefined || access === "none" || count > reconciledLogsMax) return undefined;
  return { type: "summary", topicNumber, generation, answers, access, count, fingerprint };
}

function readReconcile(reader: ByteReader): Message | undefined {
  const topicNumber = reader.varint();
  const generation = reader.varint();
  const peerGeneration = reader.varint();
  const state = turnStates[reader.u8()];
  // The fewest children are two: a byte of marks, or two fingerprints, after the byte of bits.
  const marks = readItems(reader, { countMax: splitsPerMessageMax, bytesMin: 2 }, () =>
    readMarks(reader),
  );
  const splits = readItems(reader, { countMax: splitsPerMessageMax, bytesMin: 25 }, () =>
    readSplit(reader),
  );
  if (state === undefined || marks === undefined || splits === undefined) return undefined;
  if (state === "off" && marks.length + splits.length > 0) return undefined;
  return { type: "reconcile", topicNumber, generation, peerGeneration, state, marks, splits };
}

function readMarks(reader: ByteReader): readonly Mark[] | undefined {
  const bits = readSplitBits(reader);
  if (bits === undefined) return undefined;
  const bytes = reader.bytes(Math.ceil(2 ** bits / 4));
  const found: Mark[] = [];
  for (let index = 0; index < 2 ** bits; index++) {
    const mark = markNames[((bytes[index >> 2] ?? 0) >> ((index & 3) * 2)) & 3];
    if (mark === undefined) return undefined;
    found.push(mark);
  }
  // Of two marks the byte's upper half is filler, and filler is zero.
  return bits === 1 && (bytes[0] ?? 0) > 15 ? undefined : found;
}

function readSplit(reader: ByteReader): Split | undefined {
  const bits = readSplitBits(reader);
  if (bits === undefined) return undefined;
  return { bits, fingerprints: reader.bytes(2 ** bits * 12).slice() };
}

function readSplitBits(reader: ByteReader): number | undefined {
  const bits = reader.u8();
  return bits === 0 || bits > splitBitsMax ? undefined : bits;
}

function readBroadcast(reader: ByteReader): Message | undefined {
  const topicNumber = reader.varint();
  const isForwarded = readBit(reader);
  if (isForwarded === undefined || reader.remaining > broadcastBytesMax) return undefined;
  const bytes = reader.bytes(reader.remaining).slice();
  return bytes.length === 0 ? undefined : { type: "broadcast", topicNumber, isForwarded, bytes };
}

function readAsk(reader: ByteReader): Message | undefined {
  const topicNumber = reader.varint();
  const name = reader.bytes(32).slice();
  const depth = reader.u8();
  const first = reader.varint();
  const count = reader.varint();
  if (depth > askDepthMax || count === 0 || count > askCountMax) return undefined;
  if (first + count > askFanOut ** depth) return undefined;
  return { type: "ask", topicNumber, name, depth, first, count };
}

function readPiece(reader: ByteReader): Message | undefined {
  const askNumber = reader.varint();
  const state = pieceStates[reader.u8()];
  if (state === undefined || reader.remaining > pieceBytesMax) return undefined;
  if ((state === "point") !== reader.remaining > 0) return undefined;
  return { type: "piece", askNumber, state, bytes: reader.bytes(reader.remaining).slice() };
}

function readHave(reader: ByteReader): Message | undefined {
  return { type: "have", topicNumber: reader.varint(), name: reader.bytes(32).slice() };
}

function readBye(reader: ByteReader): Message | undefined {
  if (reader.remaining > closeCodeBytesMax) return undefined;
  const bytes = reader.bytes(reader.remaining);
  const isPlain = bytes.every((byte) => (byte >= 0x41 && byte <= 0x5a) || byte === 0x5f);
  const code = fromUtf8(bytes);
  return isPlain && code !== undefined ? { type: "bye", code } : undefined;
}

function readBit(reader: ByteReader): boolean | undefined {
  const value = reader.u8();
  return value > 1 ? undefined : value === 1;
}

function readAuthor(reader: ByteReader): AuthorId {
  // Safe: 32 bytes in lower-case hex are an author id; a failed reader voids the whole message.
  return toHex(reader.bytes(32)) as AuthorId;
}
