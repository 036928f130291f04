import { defineConfig, type ViteUserConfig } from "vitest/config";

// Sources run untranspiled: the `hawser-source` condition resolves every workspace package to its
// TypeScript. No build stands between an edit and its test.
const config: ViteUserConfig = defineConfig({
  resolve: { conditions: ["hawser-source"] },
  ssr: { resolve: { conditions: ["hawser-source", "node", "import", "module", "default"] } },
  test: {
    environment: "node",
    include: ["packages/*/test/**/*.test.ts", "apps/*/test/**/*.test.ts", "tooling/*/test/**/*.test.ts"],
    testTimeout: 30_000,
    execArgv: ["--conditions=hawser-source"],
  },
});

export default config;
