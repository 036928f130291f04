/** Packet commands as processes in real pipes of a shell. */
import { createHash, randomBytes } from "node:crypto";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "hawser-pipes-"));
const program = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const stepMsMax = 60_000;

/** Process groups of the shells: what a test that failed left behind is ended. */
const groups = new Set<number>();

afterAll(() => {
  for (const group of groups) process.kill(-group, "SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

interface ShellEnd {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a line of bash in which `lk` is `hawser packet`, with a home of its own. */
function bash(line: string): Promise<ShellEnd> {
  const lk = `lk() { "${process.execPath}" --conditions=hawser-source "${program}" packet "$@"; }`;
  const env = {
    ...process.env,
    HAWSER_HOME: join(folder, "home"),
    // Compiled sources are kept from one process to the next: each starts in half the time.
    NODE_COMPILE_CACHE: join(folder, "compiled"),
  };
  const child = spawn("bash", ["-c", `${lk}\n${line}`], { cwd: folder, env, detached: true });
  const { pid } = child;
  if (pid !== undefined) groups.add(pid);
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString("utf8")));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString("utf8")));
  return new Promise((resolve, fail) => {
    child.on("error", fail);
    child.on("close", (code) => {
      if (pid !== undefined) groups.delete(pid);
      resolve({ code, out, err });
    });
  });
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

describe.skipIf(process.platform === "win32")("[LK-cli-pipeline] real pipes", () => {
  test(
    "datapoint | collect | save | filter | print, as in the guide",
    async () => {
      const { code, out, err } = await bash(
        `set -o pipefail; head -c 300000 /dev/zero | tr '\\0' - | lk data` +
          ` | lk collect example:: --create '[epoch]' --collect-tag data --max-links 3` +
          ` --chain-tag continue | lk save -f | lk filter example:: | lk pktf '[links_len:str]'`,
      );
      expect({ code, out, err }).toEqual({ code: 0, out: "3\n3\n", err: "" });
      const store = join(folder, "home", "packets", "packets.sqlite");
      expect(statSync(store).mode & 0o777).toBe(0o600);
    },
    stepMsMax,
  );

  test(
    "5 MB of random bytes through the store and back",
    async () => {
      const bytes = randomBytes(5_000_000);
      writeFileSync(join(folder, "random"), bytes);
      const { code, err } = await bash(
        `set -o pipefail; lk d < random | lk collect app::/random --collect-tag data -f db` +
          ` | lk get-links error -f null | lk dedup | lk print -d '' '[data]' > back`,
      );
      expect({ code, err }).toEqual({ code: 0, err: "" });
      expect(digest(readFileSync(join(folder, "back")))).toBe(digest(bytes));
    },
    stepMsMax,
  );

  test(
    "a reader that takes a hundred bytes stops everybody before it, without a word",
    async () => {
      const { code, out, err } = await bash(
        `yes | lk d | lk route hop:=:[u32:1] | lk d | head -c 100 | wc -c; echo "\${PIPESTATUS[@]}"`,
      );
      expect(err).toBe("");
      expect(code).toBe(0);
      const [count, statuses = ""] = out.trim().split("\n");
      expect(count?.trim()).toBe("100");
      expect(statuses.split(" ").slice(1, 4)).toEqual(["141", "141", "141"]);
    },
    stepMsMax,
  );

  test(
    "rubbish, keys, and one store watched by another process",
    async () => {
      const rubbish = await bash(`echo rubbish | lk print`);
      expect(rubbish.code).toBe(1);
      expect(rubbish.err).toContain("packet 1 of stdin, at byte 0");
      const key = await bash(
        `lk key --decrypt-cost 0 > /dev/null && lk keypoint app | lk p '[/?:[pubkey]/@]'`,
      );
      expect(key).toMatchObject({ code: 0, err: "" });
      expect(key.out).toBe("[@:me:local]\n");
      // The second packet is made when the first one has come out, so after the watch began.
      const watched = await bash(
        `make() { lk linkpoint app::/w --data-str "$1" -w db; }; make first` +
          ` && lk watch app::/w --mode log-asc --max 2 --until 50s | lk p '[data]'` +
          ` | while read -r line; do echo "$line"; [ "$line" != first ] || make later; done`,
      );
      expect(watched).toEqual({ code: 0, out: "first\nlater\n", err: "" });
    },
    stepMsMax,
  );
});
