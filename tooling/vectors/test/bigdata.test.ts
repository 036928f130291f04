import { createNobleCrypto } from "@hawser/crypto";
import { expect, test } from "vitest";
import { runVectors, type JsonObject } from "@hawser-tooling/vectors";

const crypto = createNobleCrypto();
const printed: JsonObject = {
  vectors: [
    { hash_b64: "JIhVzkxzP5kfPhjdudu0a6nDcbnOGKixsEvd4SXeoNc", links_len: 1333 },
    { hash_b64: "KxvjqFFRCRDFpzyNsXr80K3wMkBUD9Sszhfcjpt9qro", links_len: 1334 },
    { output: "1FAKPrMTY8nBQ4zeoXVvgn_ESQJcjJQ8l9fJDSmDEgA 411", datapoints: 3076 },
  ],
};
const first = { hash_b64: "JIhVzkxzP5kfPhjdudu0a6nDcbnOGKixsEvd4SXeoNc" };

test("[LK-bigdata] the guide's printout is what the rebuilt example says", async () => {
  const report = await runVectors("f", { bigdata: printed }, { crypto });
  expect(report.failures).toEqual([]);
  expect(report.passed).toBe(3);
});

test.each<readonly [string, JsonObject]>([
  ["another hash", { hash_b64: "JIhVzkxzP5kfPhjdudu0a6nDcbnOGKixsEvd4SXeoNd" }],
  ["another hash in words", { output: "AIhVzkxzP5kfPhjdudu0a6nDcbnOGKixsEvd4SXeoNc 1333" }],
  ["the link count of another linkpoint", { ...first, links_len: 411 }],
  ["a number of nothing", { ...first, datapoints: 3077 }],
  ["another packet", { ...first, inner: ["00".repeat(80)] }],
  ["no hash", { links_len: 1333 }],
])("[LK-bigdata] fails %s", async (_name, vector) => {
  const report = await runVectors("f", { bigdata: { vectors: [vector] } }, { crypto });
  expect(report.failed).toBe(1);
});
