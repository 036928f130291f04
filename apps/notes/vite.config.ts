/** Builds the page from the sources of all packages, without a build of theirs. */
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin, type UserConfig } from "vite";

/**
 * What the built page may load and reach: its own files and relays. Nothing that somebody writes into
 * a note can fetch anything, even if it got past everything else.
 */
const policy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src http: https: ws: wss:",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

const contentSecurity: Plugin = {
  name: "content-security-policy",
  apply: "build",
  transformIndexHtml: () => [
    {
      tag: "meta",
      attrs: { "http-equiv": "Content-Security-Policy", content: policy },
      injectTo: "head-prepend",
    },
  ],
};

const config: UserConfig = defineConfig({
  root: fileURLToPath(new URL("web", import.meta.url)),
  // Served from any folder of any host.
  base: "./",
  plugins: [contentSecurity],
  resolve: { conditions: ["hawser-source", "browser", "module", "import", "default"] },
  build: {
    outDir: fileURLToPath(new URL("dist/page", import.meta.url)),
    emptyOutDir: true,
    target: "es2022",
  },
});

export default config;
