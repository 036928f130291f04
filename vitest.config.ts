import { fileURLToPath } from "node:url";
import { defineConfig, type ViteUserConfig } from "vitest/config";
import { createConformanceReporter } from "./tooling/conformance/src/reporter.ts";

const documentPath = fileURLToPath(new URL("docs/conformance.md", import.meta.url));
/** Where to leave vitest's JSON result as well; `.ci/run` counts from it. */
const jsonPath = process.env["HAWSER_TEST_JSON"];
const jsonReporters: ["json", { outputFile: string }][] =
  jsonPath === undefined ? [] : [["json", { outputFile: jsonPath }]];

// Sources run untranspiled: the `hawser-source` condition resolves every workspace package to its
// TypeScript. No build stands between an edit and its test.
const config: ViteUserConfig = defineConfig({
  resolve: { conditions: ["hawser-source"] },
  ssr: { resolve: { conditions: ["hawser-source", "node", "module", "default"] } },
  test: {
    environment: "node",
    include: [
      "packages/*/test/**/*.test.ts",
      "apps/*/test/**/*.test.ts",
      "tooling/*/test/**/*.test.ts",
    ],
    // A wait for a condition ends with it; a busy machine takes its time.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Many tests wait for processes and disks: a core left free, as by default, would idle.
    maxWorkers: "100%",
    execArgv: ["--conditions=hawser-source"],
    reporters: ["default", createConformanceReporter({ documentPath }), ...jsonReporters],
  },
});

export default config;
