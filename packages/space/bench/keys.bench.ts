/**
 * `pnpm bench keys`: sealing and opening 1 kB with the keys of an epoch, the layers alone: no log, no
 * signature, no store. tooling/bench/src/keys.ts has the same with all of these, beside a peer.
 */
import { formatTable, measure } from "@hawser-tooling/measure";
import {
  type AuthorId,
  createCrypto,
  createNobleCrypto,
  type Crypto,
  type Random,
} from "@hawser/crypto";
import { type LogId, type Topic } from "@hawser/log";
import { contentKeyAt, openEvent, parseEnvelope, sealEvent } from "../src/layers.ts";
import { placesIn } from "../src/place.ts";

const count = 10_000;
const random: Random = (byteCount) => globalThis.crypto.getRandomValues(new Uint8Array(byteCount));
const epoch = { id: random(32), readKey: random(32) };
const content = { type: "note", sequence: undefined, body: random(1_000) };
// Safe: 64 hex characters are what each of the three brands stands for.
const placeAt = placesIn(
  "11".repeat(32) as Topic,
  "22".repeat(32) as LogId,
  "33".repeat(32) as AuthorId,
);

function sealAll(crypto: Crypto): readonly Uint8Array[] {
  const sealed: Uint8Array[] = [];
  for (let seq = 0; seq < count; seq++) {
    sealed.push(sealEvent({ crypto, random }, epoch, placeAt(seq), content));
  }
  return sealed;
}

function openAll(crypto: Crypto, entries: readonly Uint8Array[]): void {
  for (const [seq, data] of entries.entries()) {
    const envelope = parseEnvelope(data);
    if (envelope?.mode !== "sealed") throw new Error("an entry is not sealed");
    const key = contentKeyAt(crypto, epoch.readKey, placeAt(seq), envelope.nonce);
    const opened = openEvent(crypto, key, placeAt(seq), { epochId: epoch.id, envelope });
    if (opened?.body?.length !== content.body.length) throw new Error("an entry does not open");
  }
}

const rows: string[][] = [];
for (const [name, crypto] of [
  ["chosen", await createCrypto()],
  ["noble", createNobleCrypto()],
] as const) {
  const entries = sealAll(crypto);
  const options = { operations: count, runs: 3 };
  const sealing = await measure("seal", () => sealAll(crypto), options);
  const opening = await measure("open", () => openAll(crypto, entries), options);
  const rates = [sealing, opening].map((rate) => `${Math.round(rate.opsPerSecond)}/s`);
  rows.push([name, ...rates]);
}
console.log(formatTable(["1 kB, layers alone", "encrypt", "decrypt"], rows));
