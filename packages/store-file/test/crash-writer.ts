/**
 * A program to be killed: appends to one log for ever, counts in a value, prunes now and then, and
 * prints what was acknowledged. Arguments: folder, seed, whether to prune.
 */
import { flushCompileCache } from "node:module";
import { toHex } from "@hawser/codec";
import { createNobleCrypto, type AuthorId } from "@hawser/crypto";
import { seededRandom } from "@hawser/crypto/testing";
import { createLogWriter, type Topic } from "@hawser/log";
import { createFileStore } from "@hawser/store-file";

// Whoever is killed writes nothing at its end: the next run starts in half the time.
flushCompileCache();
const [path = "", seed = "0", prunes = ""] = process.argv.slice(2);
const crypto = createNobleCrypto();
const random = seededRandom(seed);
const secret = new Uint8Array(32).fill(7);
// Safe: both are 64 hex characters.
const author = toHex(crypto.publicKey(secret)) as AuthorId;
const topic = "11".repeat(32) as Topic;
// Small segments: each run seals some, and rewrites what the counter left.
const options = { path, durability: "normal", segmentBytes: 8_192 } as const;
const store = await createFileStore({ crypto }, options);
const clock = { nowMicros: () => Date.now() * 1_000 };
const writer = await createLogWriter(
  { store, crypto, clock },
  { context: { topic, domain: "crash", author }, secret, sign: "deferred" },
);
const known = await store.get("counter");
let counter = known === undefined ? 0 : new DataView(known.buffer).getUint32(0);
for (;;) {
  const [count = 0, mode = 0, size = 0] = random(3);
  const drafts = Array.from({ length: 1 + (count % 8) }, () => ({ data: random(1 + size) }));
  const value = new Uint8Array(400);
  new DataView(value.buffer).setUint32(0, ++counter);
  const [entries] = await Promise.all([
    writer.append(drafts, { sign: mode % 4 === 0 ? "now" : "deferred" }),
    store.commit({ writes: [{ key: "counter", value }] }),
  ]);
  const last = entries.at(-1);
  process.stdout.write(`${last?.seq} ${toHex(last?.hash ?? new Uint8Array())} ${counter}\n`);
  if (prunes !== "" && mode % 8 === 1 && last !== undefined) {
    await store.prune(last.logId, last.seq - 40);
  }
}
