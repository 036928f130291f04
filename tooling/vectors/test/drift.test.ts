import { createNobleCrypto } from "@hawser/crypto";
import { buildDatapoint, hashToText, pointTypes } from "@hawser/packet";
import { utf8 } from "@hawser/codec";
import { expect, test } from "vitest";
import { runVectors, type JsonObject } from "@hawser-tooling/vectors";

const crypto = createNobleCrypto();
const data = utf8("Hello\n");
const first = hashToText(buildDatapoint(crypto, data).hash);
const types = { ...pointTypes, datapoint: 3, linkpoint: -1, keypoint: -1 };
const later = hashToText(buildDatapoint(crypto, data, { types }).hash);

async function failuresOf(vector: JsonObject): Promise<number> {
  const report = await runVectors("f", { v0_7_drift: { vectors: [vector] } }, { crypto });
  return report.failed;
}

test("[LK-documented-packets] a datapoint of 0.7 has the hash that its documents print", () => {
  expect(later.startsWith("iHzk-ATX")).toBe(true);
});

test.each<readonly [string, JsonObject]>([
  ["the later hash", { hash_b64: later }],
  ["both hashes by their type byte", { hash_type_1_b64: first, hash_type_3_b64: later }],
  ["another hash of either", { hash_b64: later, printed_hash_b64: first }],
])("[LK-documented-packets] reads %s", async (_name, facts) => {
  expect(await failuresOf({ data_utf8: "Hello\n", ...facts })).toBe(0);
});

test.each<readonly [string, JsonObject]>([
  ["the first hash for the later", { hash_b64: first }],
  ["hashes at the wrong type byte", { hash_type_1_b64: later }],
  [
    "the hash of something else",
    { hash_b64: later, printed_hash_b64: hashToText(crypto.hash(data)) },
  ],
  ["what it does not know", { hash_b64: later, colour: "red" }],
])("[LK-documented-packets] fails %s", async (_name, facts) => {
  expect(await failuresOf({ data_utf8: "Hello\n", ...facts })).toBe(1);
});
