import { createNobleCrypto } from "@hawser/crypto";
import { expect, test } from "vitest";
import { runVectors, type Json, type JsonObject } from "@hawser-tooling/vectors";

const crypto = createNobleCrypto();

async function failuresOf(section: string, vectors: readonly Json[]): Promise<number> {
  const report = await runVectors("f", { [section]: { vectors } }, { crypto });
  return report.failed;
}

const linkpoints: readonly Json[] = [{ data: "3", create: 3 }, { data: "2", create: 2 }, ["1", 1]];
const afterFirst = "recv:>:<recv of first>";
const datapoints: readonly Json[] = ["1", "2", "3"];

test.each<readonly [string, JsonObject]>([
  [
    "tree-asc by stamp, whatever came first",
    { linkpoints, statements: [afterFirst, ":mode:tree-asc"], order: ["1", "2"], total: 2 },
  ],
  ["tree-desc", { linkpoints, statements: [":mode:tree-desc"], order: ["3", "2", "1"] }],
  [
    "places before stamps, also in tree-desc",
    {
      linkpoints: [{ data: "far", create: 9, space: "/a/b" }, ...linkpoints],
      statements: [":mode:tree-desc"],
      order: ["3", "2", "1", "far"],
    },
  ],
  [
    "hash-asc",
    {
      datapoints,
      statements: ['recv:>:<recv of "1">', ":mode:hash-asc"],
      order: ["3", "2"],
    },
  ],
  ["a contradiction", { statements: ["prefix:=:/some/space", "depth:=:[u8:0]"], ok: false }],
])("[LK-query-behaviour] reads %s", async (_name, vector) => {
  expect(await failuresOf("query_behaviour", [vector])).toBe(0);
});

test.each<readonly [string, JsonObject]>([
  ["another order", { linkpoints, statements: [":mode:tree-asc"], order: ["3", "2", "1"] }],
  ["another total", { linkpoints, statements: [":mode:tree-asc"], total: 2 }],
  ["a field it does not know", { datapoints, statements: [":mode:log-asc"], colour: "red" }],
  ["a linkpoint's field it does not know", { linkpoints: [{ data: "", create: 1, x: 1 }] }],
  ["a contradiction that is none", { statements: ["depth:=:[u8:0]"], ok: false }],
])("[LK-query-behaviour] fails %s", async (_name, vector) => {
  expect(await failuresOf("query_behaviour", [vector])).toBe(1);
});

const fewerThanThree = [
  ["data_size", "<", "0004"],
  ["data_size", "<", "0014"],
  ["data_size", "<", "0003"],
];
const tooMany = {
  after_previous_push: ["data_size", ">", "0064"],
  error:
    "Error adding rule 'data_size'\n\nCaused by:\n" +
    "    0: data_size:>:[u16:100]\n    1: incompatible Greater 100",
};

test("[LK-query-print] the guide's printouts, text and expressions", async () => {
  const vectors: readonly Json[] = [
    {
      push: fewerThanThree,
      print_text: "type:1:\\x01\ndata_size:<:\\0\\x03\n",
      print_expr: "type:1:[b2:00000001]\ndata_size:<:[u16:3]\n",
    },
    tooMany,
    {
      statements: ["group:=:[#:pub]"],
      print_text:
        "type:1:\\x02\ngroup:=:b\\xbb;\\x8b=\\xd5\\xceu\\xe1\\xfa\\x88\\/\\xe1\\xa3\\:\\xd9Y\\x8c7" +
        "\\x15\\xc5\\x89>\\x0f\\xdb\\x8bH}\\\\\\xfd\\xb19\n",
    },
  ];
  expect(await failuresOf("query", vectors)).toBe(0);
});

test("[LK-query-print] fails a push that the one before it allows", async () => {
  const vectors: readonly Json[] = [
    { push: ["data_size", "<", "0100"], print_expr: "type:1:[b2:00000001]\ndata_size:<:[u16:256]" },
    tooMany,
  ];
  expect(await failuresOf("query", vectors)).toBe(1);
});
