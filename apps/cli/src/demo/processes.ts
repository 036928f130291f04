/**
 * Processes of this package's programs: each prints JSON lines, which become awaitable events here.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A line that a program printed with `--json`. */
export interface ProgramEvent {
  readonly event: string;
  readonly [field: string]: unknown;
}

export interface Program extends AsyncDisposable {
  readonly name: string;
  readonly events: readonly ProgramEvent[];
  /** Lines on stderr. */
  readonly trouble: readonly string[];
  /** The first event, past or future, that fits. Rejects when the process ends or time is up. */
  waitFor(fits: (event: ProgramEvent) => boolean, timeoutMs: number): Promise<ProgramEvent>;
  /** Resolves with the exit code when the process has ended; `null` when a signal ended it. */
  readonly ended: Promise<number | null>;
  /** Sends a signal; nothing happens after the end. */
  signal(name: NodeJS.Signals): void;
  /** Asks the process to end and waits for it. */
  stop(): Promise<void>;
}

export interface Launch {
  /** How messages call it. */
  readonly name: string;
  readonly program: "hawser" | "relay";
  readonly args: readonly string[];
  /** All of its standard input; none unless said. */
  readonly input?: string;
}

const entryPoints = {
  hawser: fileURLToPath(new URL("../main.ts", import.meta.url)),
  relay: fileURLToPath(new URL("../../../relay/src/main.ts", import.meta.url)),
} as const;

const nodeOptions = ["--conditions=hawser-source", "--disable-warning=ExperimentalWarning"];

/** Time a process has to end when it is asked to. */
const stopMsMax = 10_000;
/** Lines of stderr that an error shows. */
const troubleLinesMax = 8;

interface Waiter {
  readonly fits: (event: ProgramEvent) => boolean;
  readonly settle: (event: ProgramEvent) => void;
  readonly fail: (problem: string) => void;
}

/** Starts a program with this version of node and the sources of this repository. */
export function launch({ name, program, args, input }: Launch): Program {
  const words = [...nodeOptions, entryPoints[program], "--json", ...args];
  const child = spawn(process.execPath, words, { stdio: ["pipe", "pipe", "pipe"] });
  // A program that reads none of it may end before it is written.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input ?? "");
  const events: ProgramEvent[] = [];
  const waiters = new Set<Waiter>();
  const trouble: string[] = [];
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  createInterface({ input: child.stdout }).on("line", (line) => {
    const event = parseEvent(line);
    if (event === undefined) return;
    events.push(event);
    for (const waiter of waiters) if (waiter.fits(event)) waiter.settle(event);
  });
  createInterface({ input: child.stderr }).on("line", (line) => void trouble.push(line));
  const ended = watchEnd(child);
  let hasEnded = false;
  void ended.then(() => {
    hasEnded = true;
    for (const waiter of waiters) waiter.fail("ended early");
  });

  const stop = async (): Promise<void> => {
    if (isRunning()) child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), stopMsMax);
    await ended;
    clearTimeout(timer);
  };
  return {
    name,
    events,
    trouble,
    ended,
    waitFor: (fits, timeoutMs) => {
      const past = events.find(fits);
      if (past !== undefined) return Promise.resolve(past);
      return new Promise((resolve, reject) => {
        const fail = (problem: string): void => {
          clearTimeout(timer);
          waiters.delete(waiter);
          const detail = trouble.slice(-troubleLinesMax).join("\n");
          reject(new Error(`${name} ${problem}\n${detail}`.trimEnd()));
        };
        const settle = (event: ProgramEvent): void => {
          clearTimeout(timer);
          waiters.delete(waiter);
          resolve(event);
        };
        const timer = setTimeout(() => fail(`took over ${timeoutMs} ms`), timeoutMs);
        const waiter: Waiter = { fits, settle, fail };
        waiters.add(waiter);
        if (hasEnded) fail("has ended");
      });
    },
    signal: (signal) => {
      if (isRunning()) child.kill(signal);
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function watchEnd(child: ChildProcess): Promise<number | null> {
  return new Promise((settle) => {
    child.once("error", () => settle(null));
    child.once("close", (code) => settle(code));
  });
}

function parseEvent(line: string): ProgramEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const isEvent = typeof value === "object" && value !== null && "event" in value;
    // Safe: our own programs print objects with a text as `event` in this mode.
    return isEvent ? (value as ProgramEvent) : undefined;
  } catch {
    // A line that is no JSON is chatter of the runtime, not an event.
    return undefined;
  }
}
