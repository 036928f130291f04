/** Writes one block of as many MiB as it is told, reads it back, and compares; run in a small heap. */
import { createCrypto } from "@hawser/crypto";
import { createStream, openStream } from "@hawser/stream";
import { openFileBytes } from "@hawser/stream/node";
import { noise, secretOf, testDeps } from "./support/streams.ts";

const [path = "", mebibytes = "1", sealed = "plain"] = process.argv.slice(2);
const crypto = await createCrypto();
const deps = testDeps(0, crypto);
const piece = noise(1 << 20);
const count = Number(mebibytes);
const reading = secretOf(3);
const recipients = sealed === "plain" ? [] : [crypto.agreementKey(reading)];

async function* content(): AsyncGenerator<Uint8Array> {
  for (let index = 0; index < count; index++) {
    new DataView(piece.buffer).setUint32(0, index);
    yield piece;
  }
}

const started = performance.now();
const store = await openFileBytes(path, { mode: "create" });
const stream = await createStream(deps, store, { secret: secretOf(1), recipients, suite: 2 });
await stream.append({ name: "large" }, content());
await stream.close();
const written = performance.now();
const decrypt = { secrets: [reading] };
const opened = await openStream(deps, await openFileBytes(path, { mode: "read" }), { decrypt });
if (!opened.ok) throw new Error(opened.fault.message);
const expected = crypto.createHash();
const found = crypto.createHash();
for await (const bytes of content()) expected.update(bytes);
let byteCount = 0;
for await (const bytes of opened.stream.readStream(1)) {
  found.update(bytes);
  byteCount += bytes.length;
}
const isEqual = Buffer.from(expected.digest()).equals(Buffer.from(found.digest()));
await opened.stream.close();
const read = performance.now();
const rssMiB = Math.round(process.resourceUsage().maxRSS / 1024);
const result = {
  byteCount,
  isEqual,
  writeMs: Math.round(written - started),
  readMs: Math.round(read - written),
  rssMiB,
};
process.stdout.write(JSON.stringify(result));
