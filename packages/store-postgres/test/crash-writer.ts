/**
 * A program to be killed: appends to four logs at once for ever and prints the place of each append
 * that was acknowledged. Arguments: schema, number of the first log. Environment: HAWSER_TEST_URL.
 */
import { toHex } from "@hawser/codec";
import { createNobleCrypto } from "@hawser/crypto";
import { seededRandom } from "@hawser/crypto/testing";
import { createLogWriter } from "@hawser/log";
import { testLog } from "@hawser/log/testing";
import { createPostgresStore } from "@hawser/store-postgres";

const [schema = "", first = "0"] = process.argv.slice(2);
const connection = process.env["HAWSER_TEST_URL"] ?? "";
const crypto = createNobleCrypto();
const timers = {
  after: (delayMs: number, callback: () => void): (() => void) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
const store = await createPostgresStore({ crypto, timers }, { connection, schema });
const clock = { nowMicros: () => Date.now() * 1_000 };

async function appendForEver(number: number): Promise<never> {
  const { context, secret } = testLog(number);
  const random = seededRandom(`${number}`);
  const options = { context, secret, sign: "deferred" as const };
  const writer = await createLogWriter({ store, crypto, clock }, options);
  for (;;) {
    const [count = 0, size = 0] = random(2);
    const drafts = Array.from({ length: 1 + (count % 8) }, () => ({ data: random(1 + size) }));
    const last = (await writer.append(drafts)).at(-1);
    process.stdout.write(`${number} ${last?.seq} ${toHex(last?.hash ?? new Uint8Array())}\n`);
  }
}

await Promise.all([0, 1, 2, 3].map((offset) => appendForEver(Number(first) + offset)));
