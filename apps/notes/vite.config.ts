/** Builds the page from the sources of all packages, without a build of theirs. */
import { fileURLToPath } from "node:url";
import { defineConfig, type UserConfig } from "vite";

const config: UserConfig = defineConfig({
  root: fileURLToPath(new URL("web", import.meta.url)),
  // Served from any folder of any host.
  base: "./",
  resolve: { conditions: ["hawser-source", "browser", "module", "import", "default"] },
  build: {
    outDir: fileURLToPath(new URL("dist/page", import.meta.url)),
    emptyOutDir: true,
    target: "es2022",
  },
});

export default config;
