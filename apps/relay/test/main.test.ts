/** The program itself: what it prints, how it ends. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { defaultRelayLimits, type Relay } from "../src/index.ts";
import { createDevice, hostAt, httpUrl, startRelay, temporaryFolder, write } from "./help.ts";

const mainPath = fileURLToPath(new URL("../src/main.ts", import.meta.url));

/** The program runs on real time, so whoever talks to it has to. */
const realClock = { nowMicros: (): number => Date.now() * 1_000 };

interface Program {
  /** The next line of stdout as JSON. */
  next(): Promise<Record<string, unknown>>;
  kill(signal: NodeJS.Signals): void;
  readonly exitCode: Promise<number | null>;
  readonly errors: () => string;
}

function start(...args: readonly string[]): Program {
  const child = spawn(process.execPath, ["--conditions=hawser-source", mainPath, ...args]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  return {
    next: async () => {
      const { value, done } = await lines.next();
      if (done === true) throw new Error(`no further line; stderr: ${errors}`);
      return JSON.parse(value) as Record<string, unknown>;
    },
    kill: (signal) => void child.kill(signal),
    exitCode: new Promise((resolve) => {
      child.once("close", resolve);
    }),
    errors: () => errors,
  };
}

describe("hawser-relay", () => {
  test("[TH-038] listens, serves, and at SIGTERM says goodbye with its figures", async () => {
    const folder = await temporaryFolder();
    const program = start("--port", "0", "--data", folder, "--json");
    const listening = await program.next();
    expect(listening).toMatchObject({
      event: "listening",
      url: expect.stringMatching(/^ws:\/\/127\.0\.0\.1:\d+$/),
      author: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    // Safe: compared with their patterns above.
    const relay = listening as unknown as Pick<Relay, "url" | "author">;
    expect((await fetch(httpUrl(relay, "/healthz"))).status).toBe(200);

    const ada = await createDevice("ada", { clock: realClock });
    const space = await ada.spaces.create();
    expect((await hostAt(relay, space)).status).toBe(204);
    const session = await ada.connect(relay);
    await write(space, "text");
    expect((await session.synced()).complete).toBe(true);

    program.kill("SIGTERM");
    expect(await session.closed).toMatchObject({ code: "SYNC_DONE", by: "remote" });
    const stopped = await program.next();
    expect(stopped).toMatchObject({ event: "stopped", stats: { topics: 1, logs: 2 } });
    const stats = Object.entries(stopped["stats"] as object);
    expect(stats.filter(([, value]) => !Number.isSafeInteger(value))).toEqual([]);
    const names = ["topics", "logs", "entries", "rangeBytes", "dataBytes", "diskBytes", "signed"];
    for (const name of names) expect(stats.find(([key]) => key === name)?.[1]).toBeGreaterThan(0);
    expect(await program.exitCode).toBe(0);
  });

  test("refuses a database of a newer format, says so, and exits with 1", async () => {
    const folder = await temporaryFolder();
    await (await startRelay({ data: folder })).close();
    const database = new DatabaseSync(join(folder, "relay.sqlite"));
    database.exec("PRAGMA user_version = 99");
    database.close();
    const program = start("--port", "0", "--data", folder, "--json");
    expect(await program.next()).toMatchObject({
      event: "error",
      code: "STORE_NEWER_FORMAT",
      remedy: expect.stringContaining("Update the relay"),
    });
    expect(await program.exitCode).toBe(1);
    expect(program.errors()).toContain("[STORE_NEWER_FORMAT]");
    expect(program.errors()).not.toContain("    at ");
  });

  test("refuses limits that are none", async () => {
    const folder = await temporaryFolder();
    const program = start("--port", "0", "--data", folder, "--topics-max", "0", "--json");
    expect(await program.next()).toMatchObject({ event: "error", code: "RELAY_OPTION" });
    expect(await program.exitCode).toBe(1);
    const wrong = start("--topics-max", "many");
    expect(await wrong.exitCode).toBe(1);
    expect(wrong.errors()).toContain("--topics-max: expected a whole number");
  });

  test("--help names every limit with its default", async () => {
    const child = spawn(process.execPath, ["--conditions=hawser-source", mainPath, "--help"]);
    let text = "";
    for await (const chunk of child.stdout) text += String(chunk);
    for (const [name, value] of Object.entries(defaultRelayLimits)) {
      const option = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      expect(text).toContain(`--${option} <count>`);
      expect(text).toContain(`(default: ${value})`);
    }
  });
});
