/** The relay under load: the program as operators run it, in a folder that is gone afterwards. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A running relay. */
export interface RelayProcess extends AsyncDisposable {
  readonly url: string;
  readonly author: string;
  /** The figures of `/metrics`, those without labels. */
  figures(): Promise<ReadonlyMap<string, number>>;
}

const mainPath = fileURLToPath(new URL("../../../apps/relay/src/main.ts", import.meta.url));
const many = "1000000";
const flags = [
  ["--port", "0"],
  ["--metrics-port", "0"],
  ["--log-level", "warn"],
  ["--connections-max", many],
  ["--connections-per-address-max", many],
  ["--connects-per-minute-max", many],
  ["--host-requests-per-hour-max", many],
].flat();

/** MiB of heap: Node collects late when it may take more, which would look like a leak. */
const heapMib = 512;

/** Starts a relay on SQLite; resolves when it listens. */
export async function startRelayProcess(): Promise<RelayProcess> {
  const folder = await mkdtemp(join(tmpdir(), "hawser-load-"));
  const node = [`--max-old-space-size=${String(heapMib)}`, "--conditions=hawser-source"];
  const args = [...node, mainPath, ...flags, "--data", folder, "--json"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { value } = await lines.next();
  // Safe: what the program prints first, or the parser throws.
  const event = JSON.parse(String(value)) as { url: string; author: string; metricsPort: number };
  return {
    url: event.url,
    author: event.author,
    figures: async () => {
      // A connection of its own each time: one that was kept could be closed under the request.
      const headers = { connection: "close" };
      const answer = await fetch(`http://127.0.0.1:${event.metricsPort}/metrics`, { headers });
      const rows = (await answer.text()).split("\n").filter((line) => /^[a-z_]+ /.test(line));
      return new Map(rows.map((row) => [row.split(" ")[0] ?? "", Number(row.split(" ")[1])]));
    },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
