/**
 * Writes and reads 256 MiB through a file, in a process whose heap is held small by the test that
 * starts it. Prints what it saw as one line of JSON. Arguments: folder, suite (0 = plain).
 */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { parsePacket } from "@hawser/packet";
import { toHex } from "@hawser/codec";
import { createCrypto } from "@hawser/crypto";
import { seededRandom } from "@hawser/crypto/testing";
import {
  openBlob,
  writeBlob,
  type PointSink,
  type PointSource,
  type SealSuite,
} from "@hawser/blob";

const [folder = ".", suiteText = "0"] = process.argv.slice(2);
const suite = Number(suiteText);
const totalBytes = 256 * 1024 * 1024;
const pieceBytes = 1024 * 1024;
const crypto = await createCrypto();
const file = openSync(join(folder, `points-${suite}`), "w+");

/** Where each packet lies in the file: a hundred bytes of heap for 65 kB. */
const places = new Map<string, { readonly offset: number; readonly size: number }>();
let end = 0;
let peakBytes = 0;
/** Array buffers lie outside of V8's heap limit, so they are measured beside it. */
const look = (): void => {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  peakBytes = Math.max(peakBytes, heapUsed + arrayBuffers);
};

const sink: PointSink = {
  put: async ({ hash, bytes }) => {
    writeSync(file, bytes, 0, bytes.length, end);
    places.set(toHex(hash), { offset: end, size: bytes.length });
    end += bytes.length;
    if (places.size % 16 === 0) look();
  },
};
const source: PointSource = {
  get: async (hash) => {
    const place = places.get(toHex(hash));
    if (place === undefined) return undefined;
    const bytes = new Uint8Array(place.size);
    readSync(file, bytes, 0, place.size, place.offset);
    const parsed = parsePacket(bytes);
    return parsed.ok ? parsed.packet : undefined;
  },
};

/** The piece of content at `index`: cheap to make, and no chunk in it is equal to another. */
function pieceAt(index: number, target: Uint8Array): Uint8Array {
  const view = new DataView(target.buffer);
  for (let at = 0; at < pieceBytes; at += 4096) view.setUint32(at, index * pieceBytes + at);
  return target;
}

function* content(): Generator<Uint8Array, void, undefined> {
  const piece = new Uint8Array(pieceBytes);
  for (let index = 0; index < totalBytes / pieceBytes; index++) yield pieceAt(index, piece);
}

const seal = { key: new Uint8Array(32).fill(3) };
const written =
  suite === 0
    ? {}
    : { seal: { ...seal, suite: suite === 1 ? 1 : (2 satisfies SealSuite) } as const };
const ref = await writeBlob({ crypto, random: seededRandom("big") }, content(), sink, written);

const blob = await openBlob({ crypto }, ref, source, suite === 0 ? {} : { seal });
const expected = new Uint8Array(pieceBytes);
let read = 0;
let isEqual = true;
for await (const piece of blob.read()) {
  for (let offset = 0; offset < piece.length;) {
    const at = (read + offset) % pieceBytes;
    if (at === 0 || (read === 0 && offset === 0)) pieceAt((read + offset) / pieceBytes, expected);
    const size = Math.min(piece.length - offset, pieceBytes - at);
    const part = piece.subarray(offset, offset + size);
    if (Buffer.compare(part, expected.subarray(at, at + size)) !== 0) isEqual = false;
    offset += size;
  }
  read += piece.length;
  if (read % 16 === 0) look();
}
closeSync(file);
process.stdout.write(JSON.stringify({ isEqual, read, points: places.size, peakBytes }));
