/**
 * The small file that a home keeps beside its database: the relay, and which folder is which space.
 */
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CliError, isMissing } from "./errors.ts";
import type { Home } from "./home.ts";

export interface Config {
  readonly relay: string | undefined;
  /** Absolute folder → space id. */
  readonly folders: Readonly<Record<string, string>>;
}

const emptyConfig: Config = { relay: undefined, folders: {} };

export async function readConfig(home: Home): Promise<Config> {
  const path = join(home.folder, "config.json");
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return emptyConfig;
    throw error;
  }
  const value: unknown = parseJson(text, path);
  if (typeof value !== "object" || value === null) return emptyConfig;
  const { relay, folders } = value as { relay?: unknown; folders?: unknown };
  const known = typeof folders === "object" && folders !== null ? Object.entries(folders) : [];
  return {
    relay: typeof relay === "string" ? relay : undefined,
    folders: Object.fromEntries(known.filter(([, id]) => typeof id === "string")),
  };
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CliError("CLI_USAGE", `${path} is not JSON`, "Mend it by hand or delete it.", {
      cause,
    });
  }
}

export async function writeConfig(home: Home, config: Config): Promise<void> {
  const path = join(home.folder, "config.json");
  const text = `${JSON.stringify(config, null, 2)}\n`;
  // Space ids are secrets: who knows one can find the space at a relay.
  await writeFile(`${path}.new`, text, { flush: true, mode: 0o600 });
  await rename(`${path}.new`, path);
}
