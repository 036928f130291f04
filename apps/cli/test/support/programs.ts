/** Programs for tests: started as processes of their own, ended with the test file. */
import { randomUUID } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { launch, type Program, type ProgramEvent } from "../../src/demo/processes.ts";

/** Longer than any step takes, shorter than the test's own limit. */
export const stepMsMax = 60_000;

export interface Outcome {
  readonly exitCode: number | null;
  readonly events: readonly ProgramEvent[];
  readonly stderr: string;
}

/** A temporary folder with programs that work in it; disposing ends and removes all of it. */
export interface Workshop extends AsyncDisposable {
  readonly folder: string;
  /** A new folder with files in it. */
  makeFolder(files: Readonly<Record<string, string | Uint8Array>>): Promise<string>;
  /** The path of a home that no other test uses. */
  newHome(): string;
  /** Starts `hawser` and leaves it running. */
  start(home: string, ...args: readonly string[]): Program;
  /** Runs `hawser` to its end. */
  run(home: string, ...args: readonly string[]): Promise<Outcome>;
  /** The same, with something on standard input. */
  feed(input: string, home: string, ...args: readonly string[]): Promise<Outcome>;
  startRelay(data: string, ...args: readonly string[]): Promise<{ url: string; program: Program }>;
}

/** Nothing is made before it is needed: a file whose tests are all skipped is not tidied up after. */
export function openWorkshop(): Workshop {
  // Short: sockets lie below it, and their paths have little room.
  const folder = join(tmpdir(), `hawser-cli-${randomUUID().slice(0, 8)}`);
  // Compiled sources are kept from one process to the next, which halves the time each takes to start.
  process.env["NODE_COMPILE_CACHE"] = join(folder, "compiled");
  const programs: Program[] = [];
  let count = 0;
  const next = (name: string): string => join(folder, `${name}-${++count}`);
  const startWith = (input: string | undefined, home: string, args: readonly string[]): Program => {
    const name = `hawser ${args[0] ?? ""}`;
    const program = launch({
      name,
      program: "hawser",
      args: ["--home", home, ...args],
      ...(input === undefined ? {} : { input }),
    });
    programs.push(program);
    return program;
  };
  const outcomeOf = async (program: Program): Promise<Outcome> => {
    const exitCode = await program.ended;
    return { exitCode, events: program.events, stderr: program.trouble.join("\n") };
  };
  return {
    folder,
    makeFolder: async (files) => {
      const root = next("folder");
      await mkdir(root, { recursive: true });
      for (const [path, content] of Object.entries(files)) {
        await mkdir(dirname(join(root, path)), { recursive: true });
        await writeFile(join(root, path), content);
      }
      return root;
    },
    newHome: () => next("home"),
    start: (home, ...args) => startWith(undefined, home, args),
    run: (home, ...args) => outcomeOf(startWith(undefined, home, args)),
    feed: (input, home, ...args) => outcomeOf(startWith(input, home, args)),
    startRelay: async (data, ...args) => {
      const program = launch({ name: "relay", program: "relay", args: ["--data", data, ...args] });
      programs.push(program);
      const { url } = await program.waitFor(named("listening"), stepMsMax);
      return { url: String(url), program };
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(programs.map((program) => program.stop()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export const named =
  (name: string) =>
  ({ event }: ProgramEvent): boolean =>
    event === name;

/** The event of that name, which must be among those of a run that has ended. */
export function eventOf(outcome: Outcome, name: string): ProgramEvent {
  const event = outcome.events.find(named(name));
  if (event !== undefined) return event;
  throw new Error(`no event ${name}\n${JSON.stringify(outcome, null, 1)}`);
}
