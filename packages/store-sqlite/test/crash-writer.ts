/**
 * A program to be killed: appends to one log for ever and prints the height after each append that
 * was acknowledged. Arguments: database path, seed.
 */
import { flushCompileCache } from "node:module";
import { createNobleCrypto, type AuthorId } from "@hawser/crypto";
import { seededRandom } from "@hawser/crypto/testing";
import { toHex } from "@hawser/codec";
import { createLogWriter, type Topic } from "@hawser/log";
import { createSqliteStore } from "@hawser/store-sqlite";

// Whoever is killed writes nothing at its end: the next run starts in half the time.
flushCompileCache();
const [path = "", seed = "0"] = process.argv.slice(2);
const crypto = createNobleCrypto();
const random = seededRandom(seed);
const secret = new Uint8Array(32).fill(7);
// Safe: both are 64 hex characters.
const author = toHex(crypto.publicKey(secret)) as AuthorId;
const topic = "11".repeat(32) as Topic;
const store = createSqliteStore({ crypto }, { path, durability: "normal" });
const clock = { nowMicros: () => Date.now() * 1_000 };
const writer = await createLogWriter(
  { store, crypto, clock },
  { context: { topic, domain: "crash", author }, secret, sign: "deferred" },
);
for (;;) {
  const [count = 0, mode = 0, size = 0] = random(3);
  const drafts = Array.from({ length: 1 + (count % 8) }, () => ({ data: random(1 + size) }));
  const entries = await writer.append(drafts, { sign: mode % 4 === 0 ? "now" : "deferred" });
  const last = entries.at(-1);
  process.stdout.write(`${last?.seq} ${toHex(last?.hash ?? new Uint8Array())}\n`);
  // Lets the process hear that nobody reads any more: it must not outlive a test that was given up.
  await new Promise((resume) => setImmediate(resume));
}
