import { existsSync, readFileSync } from "node:fs";
import { createNobleCrypto } from "@hawser/crypto";
import { committedVectors, type Json, type JsonObject, runVectors } from "@hawser-tooling/vectors";
import { describe, expect, test } from "vitest";

const crypto = createNobleCrypto();
const recorded = new URL("../../../../shared/vectors/auth.json", import.meta.url);

const history: JsonObject = {
  name: "mutual",
  ops: [
    {
      id: "0",
      author: "A",
      action: "create",
      deps: [],
      members: [
        ["A", "manage"],
        ["B", "manage"],
      ],
    },
    { id: "9", author: "A", action: "remove", deps: ["0"], member: "B" },
    { id: "10", author: "B", action: "remove", deps: ["0"], member: "A" },
  ],
  expect: { removeAll: {}, seniorWins: { A: "manage" } },
};

async function failuresOf(file: Json): Promise<readonly string[]> {
  const report = await runVectors("f", file, { crypto });
  return report.failures.map(({ section, name }) => `${section} ${name}`);
}

describe("auth vectors", () => {
  test.skipIf(!existsSync(recorded))(
    "[P2-vectors] every recorded history, of both resolvers",
    async () => {
      const file: Json = JSON.parse(readFileSync(recorded, "utf8"));
      const report = await runVectors("auth.json", file, { crypto });
      expect(report.failures).toEqual([]);
      expect(report.passed).toBeGreaterThanOrEqual(240);
    },
  );

  test("[P2-M14] the committed ops", async () => {
    const committed = committedVectors.find(({ path }) => path.includes("/auth/"));
    const file = committed?.derive(crypto) ?? {};
    expect(await failuresOf(file)).toEqual([]);
    const { vectors } = file["ops"] as { readonly vectors: readonly JsonObject[] };
    for (const vector of vectors) {
      const spoiled = { ...vector, [vector["reason"] === undefined ? "op_id" : "reason"]: "00" };
      expect(await failuresOf({ ops: { vectors: [spoiled] } })).toHaveLength(1);
    }
  });

  test("a small history passes", async () => {
    expect(await failuresOf({ hardened: [history] })).toEqual([]);
  });

  test.each([
    ["other members", { expect: { removeAll: { A: "manage" } } }],
    ["a policy nobody knows", { expect: { p2panda: {} } }],
    ["a level nobody knows", { expect: { removeAll: { A: "rule" } } }],
    ["an unknown statement", { weather: "fair" }],
    ["an unknown action", { ops: [{ id: "0", author: "A", deps: [], action: "sing" }] }],
    ["no create", { ops: [] }],
    ["no ops", { ops: null }],
  ] as const)("fails %s", async (_title, change) => {
    const changed = { ...history, ...change } as JsonObject;
    expect((await failuresOf({ hardened: [changed] })).length).toBeGreaterThan(0);
  });

  test("fails the original's result where it is another", async () => {
    const p2panda = { ...history, expect: { p2panda: { A: "manage" } } };
    expect((await failuresOf({ p2panda: [p2panda] })).length).toBe(1);
    expect(await failuresOf({ p2panda: [{ ...history, expect: { p2panda: {} } }] })).toEqual([]);
    expect((await failuresOf({ hardened: [], p2panda: 7 })).length).toBe(1);
  });
});
