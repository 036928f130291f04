/**
 * A program to be killed: adds batches of packets for ever and prints the receive stamps after each
 * add that was acknowledged. Arguments: database path, number of the first packet.
 */
import { flushCompileCache } from "node:module";
import { createNobleCrypto } from "@hawser/crypto";
import { buildDatapoint, buildLinkpoint, publicGroup } from "@hawser/packet";
import { createSqlitePacketStore } from "@hawser/store-sqlite";

// Whoever is killed writes nothing at its end: the next run starts in half the time.
flushCompileCache();
const [path = "", first = "0"] = process.argv.slice(2);
const crypto = createNobleCrypto();
const clock = { nowMicros: () => Date.now() * 1_000 };
const store = createSqlitePacketStore({ clock }, { path, durability: "normal" });
for (let number = Number(first); ; number += 3) {
  const data = (index: number): Uint8Array => new TextEncoder().encode(`${number + index}`);
  const { packets } = await store.add([
    buildDatapoint(crypto, data(0)),
    buildLinkpoint(crypto, { group: publicGroup(), stamp: number, data: data(1) }),
    buildDatapoint(crypto, new Uint8Array(30_000).fill(number & 0xff)),
    buildDatapoint(crypto, data(2)),
  ]);
  process.stdout.write(`${number} ${packets.map(({ recv }) => recv).join(" ")}\n`);
  // Lets the process hear that nobody reads any more: it must not outlive a test that was given up.
  await new Promise((resume) => setImmediate(resume));
}
