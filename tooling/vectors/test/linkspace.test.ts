import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createNobleCrypto } from "@hawser/crypto";
import {
  committedVectors,
  formatFailure,
  runVectors,
  vectorText,
  type JsonObject,
} from "@hawser-tooling/vectors";
import { expect, test } from "vitest";

const crypto = createNobleCrypto();
const root = fileURLToPath(new URL("../../..", import.meta.url));

function readVectors(path: string): JsonObject | undefined {
  const file = new URL(path, `file://${root}`);
  if (!existsSync(file)) return undefined;
  // Safe: these files are objects of sections; runVectors reports one that is not.
  return JSON.parse(readFileSync(file, "utf8")) as JsonObject;
}

/** Which sections prove which row. */
const rows: readonly (readonly [string, readonly string[]])[] = [
  ["LK-encode", ["encode", "constants", "bytes2uniform"]],
  ["LK-decode", ["decode", "verdicts"]],
  ["LK-strict", ["verdicts"]],
  ["LK-netheader", ["netheader"]],
  ["LK-documented-packets", ["documented_packets", "lns_root", "v0_7_drift"]],
  ["LK-documented-printouts", ["documented_printouts"]],
  ["LK-keys", ["documented_keys"]],
  ["LK-enckey", ["enckey"]],
  ["LK-hashes", ["documented_hashes"]],
  ["LK-path", ["spacename"]],
  ["LK-tree-index", ["tree_index"]],
  // One section, whose parts the rows tell apart.
  ["LK-abe-eval", ["abe"]],
  ["LK-abe-encode", ["abe"]],
  ["LK-abe-b64", ["abe"]],
  ["LK-abe-tokenize", ["abe"]],
  ["LK-abe-errors", ["abe"]],
  ["LK-abe-template", ["abe"]],
];

/** Committed vectors, and those of the reference where they lie beside the repository. */
const files: readonly string[] = [
  "docs/spec/vectors/packet/v1/packet.json",
  "../shared/vectors/linkspace.json",
];

/** One test a file and row; of a file that is not there all of them, to be shown as not run. */
const cases = files.flatMap((path) => {
  const vectors = readVectors(path);
  return rows
    .map(([row, names]) => ({
      path,
      row,
      vectors,
      sections: names.filter((name) => vectors === undefined || vectors[name] !== undefined),
    }))
    .filter(({ sections }) => sections.length > 0);
});

for (const { path, row, vectors, sections } of cases) {
  const place = vectors === undefined ? `${path}, which is not beside the repository` : path;
  test.skipIf(vectors === undefined)(
    `[${row}] every vector of ${sections.join(", ")} in ${place}`,
    async () => {
      const chosen = Object.fromEntries(sections.map((name) => [name, vectors?.[name] ?? null]));
      const report = await runVectors(path, chosen, { crypto });
      expect(report.failures.map(formatFailure)).toEqual([]);
      for (const name of sections) {
        expect(report.passedBySection.get(name), name).toBeGreaterThanOrEqual(1);
      }
    },
  );
}

test.each(committedVectors.map(({ path, derive }) => [path, derive] as const))(
  "%s is what its generator derives",
  (path, derive) => {
    expect(readFileSync(new URL(path, `file://${root}`), "utf8")).toBe(vectorText(derive(crypto)));
  },
);
