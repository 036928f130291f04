/**
 * The processes of the demo: each prints JSON lines, which become awaitable events here.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";

export interface DemoEvent {
  readonly event: string;
  readonly [field: string]: unknown;
}

export interface DemoProcess extends AsyncDisposable {
  readonly name: string;
  readonly events: readonly DemoEvent[];
  /** The first event, past or future, that fits. Rejects when the process ends or time is up. */
  waitFor(fits: (event: DemoEvent) => boolean, timeoutMs: number): Promise<DemoEvent>;
  /** Asks the process to end and waits for it. */
  stop(): Promise<void>;
}

export interface Launch {
  readonly name: string;
  /** Arguments for node. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

interface Waiter {
  readonly fits: (event: DemoEvent) => boolean;
  readonly settle: (event: DemoEvent) => void;
  readonly fail: (error: Error) => void;
}

/** Starts a process of this node version. */
export function launch({ name, args, env = {} }: Launch): DemoProcess {
  const child = spawn(process.execPath, [...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  const events: DemoEvent[] = [];
  const waiters = new Set<Waiter>();
  const trouble: string[] = [];
  const ended = watchEnd(child, () => {
    const detail = trouble.slice(-8).join("\n");
    for (const waiter of waiters) waiter.fail(new Error(`${name} ended early\n${detail}`));
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    const event = parseEvent(line);
    if (event === undefined) return;
    events.push(event);
    for (const waiter of waiters) if (waiter.fits(event)) waiter.settle(event);
  });
  createInterface({ input: child.stderr }).on("line", (line) => void trouble.push(line));

  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
    await ended;
    clearTimeout(timer);
  };
  return {
    name,
    events,
    waitFor: (fits, timeoutMs) => waitForEvent({ name, events, waiters, trouble }, fits, timeoutMs),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function watchEnd(child: ChildProcess, onEnd: () => void): Promise<void> {
  return new Promise((settle) => {
    child.once("error", () => {
      onEnd();
      settle();
    });
    child.once("close", () => {
      onEnd();
      settle();
    });
  });
}

function parseEvent(line: string): DemoEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    // Safe: our own programs print objects with an `event` in this mode.
    if (typeof value === "object" && value !== null && "event" in value) return value as DemoEvent;
  } catch {
    // A line that is no JSON is chatter of the runtime, not an event.
  }
  return undefined;
}

interface Source {
  readonly name: string;
  readonly events: readonly DemoEvent[];
  readonly waiters: Set<Waiter>;
  readonly trouble: readonly string[];
}

function waitForEvent(
  source: Source,
  fits: (event: DemoEvent) => boolean,
  timeoutMs: number,
): Promise<DemoEvent> {
  const past = source.events.find(fits);
  if (past !== undefined) return Promise.resolve(past);
  return new Promise((resolve, reject) => {
    const done = (): void => {
      clearTimeout(timer);
      source.waiters.delete(waiter);
    };
    const waiter: Waiter = {
      fits,
      settle: (event) => {
        done();
        resolve(event);
      },
      fail: (error) => {
        done();
        reject(error);
      },
    };
    const timer = setTimeout(
      () =>
        waiter.fail(
          new Error(
            `${source.name} took over ${timeoutMs} ms\n${source.trouble.slice(-8).join("\n")}`,
          ),
        ),
      timeoutMs,
    );
    source.waiters.add(waiter);
  });
}
