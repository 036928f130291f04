/** Test pages for a browser: the sources and what they import, as one module. */
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

/** The module of `test/support/<name>` as a browser loads it. */
export async function bundlePage(): Promise<string> {
  const input = fileURLToPath(new URL("page.ts", import.meta.url));
  const conditionNames = ["hawser-source", "browser", "import", "default"];
  const build = await rolldown({
    input,
    platform: "browser",
    resolve: { conditionNames },
    logLevel: "silent",
  });
  try {
    const { output } = await build.generate({ format: "esm", codeSplitting: false });
    return output[0].code;
  } finally {
    await build.close();
  }
}
