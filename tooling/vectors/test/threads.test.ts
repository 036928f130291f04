import { existsSync, readFileSync } from "node:fs";
import { createNobleCrypto } from "@hawser/crypto";
import { formatFailure, runVectors, type Json, type JsonObject } from "@hawser-tooling/vectors";
import { expect, test } from "vitest";

const crypto = createNobleCrypto();
const shared = new URL("../../../../shared/vectors/threads.json", import.meta.url);

/** The ids printed in the Threads paper, and inputs that its implementations refuse. */
const printed: JsonObject = {
  threadIds: [
    {
      string: "bafkxd5bjgi6k4zivuoyxo4ua4mzyy",
      bytes: "015571f429323cae6515a3b1777280e3338c",
      variantName: "raw",
      randomBits: 128,
      multiaddrBytes: "960312015571f429323cae6515a3b1777280e3338c",
    },
    {
      string: "bafyoiobghzefwlidfrwkqmzz2ka66zgmdmgeobw2mimktr5jivsavya",
      bytes: "0170e438263e485b2d032c6ca83339d281ef64cc1b0c4706da6218a9c7a945640ae0",
      variantName: "access_controlled",
      randomBits: 256,
    },
    { bytes: "0156ff", error: "expected Raw or AccessControlled as the id variant, got: 86" },
    { bytes: "", error: "reading varint: buffer too small" },
    { string: "bafkqa", bytes: "015500", jsThreadsId: "error: random component too small." },
  ],
};

async function failuresOf(file: JsonObject): Promise<readonly string[]> {
  return (await runVectors("threads.json", file, { crypto })).failures.map(formatFailure);
}

test("[TH-081] [TH-082] [TH-083] [TH-085] [TH-088] ids printed in the paper", async () => {
  expect(await failuresOf(printed)).toEqual([]);
});

test.skipIf(!existsSync(shared))(
  "[TH-081] [TH-082] [TH-083] [TH-088] [TH-031] [TH-032] ids and addresses of ../shared/vectors/threads.json",
  async () => {
    // Safe: runVectors reports a file that is no object of sections.
    const file = JSON.parse(readFileSync(shared, "utf8")) as JsonObject;
    const names = ["threadIds", "paperExample1", "threadAddr"];
    const chosen = Object.fromEntries(names.map((name) => [name, file[name] ?? null]));
    expect(await failuresOf(chosen)).toEqual([]);
  },
);

test.each<readonly [string, Json]>([
  ["another spelling", { string: "bafkxd5bjgi6k4zivuoyxo4ua4mzyy", bytes: "0155", randomBits: 8 }],
  ["an id said to be refused", { string: "bafkxd5bjgi6k4zivuoyxo4ua4mzyy", error: "variant" }],
  [
    "a refusal for another reason",
    { bytes: "0156ff", error: "expected 1 as the id version number" },
  ],
  ["an unknown statement", { bytes: "0156ff", error: "variant", colour: "red" }],
  ["an unknown error", { bytes: "0156ff", error: "moon" }],
  ["nothing", {}],
])("a vector that states %s fails", async (_name, vector) => {
  expect((await failuresOf({ threadIds: [vector] })).length).toBeGreaterThan(0);
});

test("a section without a runner is reported, never passed over", async () => {
  expect(await failuresOf({ ...printed, records: [] })).toHaveLength(1);
});

test.skipIf(!existsSync(shared))(
  "records, changes, keys and messages of ../shared/vectors/threads.json",
  async () => {
    // Safe: runVectors reports a file that is no object of sections.
    const file = JSON.parse(readFileSync(shared, "utf8")) as JsonObject;
    const report = await runVectors("threads.json", file, { crypto });
    expect(report.failures.map(formatFailure)).toEqual([]);
    expect(report.passedBySection.get("records")).toBeGreaterThan(1);
    expect(report.passedBySection.get("forgedRecords")).toBeGreaterThan(0);
  },
);
