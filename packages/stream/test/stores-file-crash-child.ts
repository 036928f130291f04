/** Appends to a stream until it is killed, and tells of each block that is durable. */
import { createCrypto } from "@hawser/crypto";
import { createStream, openStream, type Stream } from "@hawser/stream";
import { openFileBytes } from "@hawser/stream/node";
import { createRandomBytes } from "./stores-helpers.ts";

const path = process.argv[2] ?? "";
const seed = Number(process.argv[3]);
let micros = 1_700_000_000_000_000 + seed * 1_000_000;
const clock = { nowMicros: (): number => (micros += 10) };
const deps = { crypto: await createCrypto(), clock, random: createRandomBytes(seed) };
const secret = new Uint8Array(32).fill(5);

async function open(): Promise<Stream> {
  if (seed === 0)
    return createStream(deps, await openFileBytes(path, { mode: "create" }), { secret });
  const opened = await openStream(deps, await openFileBytes(path), { secret });
  if (!opened.ok) throw new Error(opened.fault.code);
  return opened.stream;
}

const stream = await open();
const random = createRandomBytes(seed + 100);
for (;;) {
  // Small ones and some of many chunks, so that the kill meets both.
  const byteCount = stream.height % 4 === 3 ? 700_000 : 300;
  const { seq } = await stream.append({ height: stream.height }, random(byteCount));
  process.stdout.write(`${seq}\n`);
}
