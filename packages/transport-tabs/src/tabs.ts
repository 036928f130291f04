/**
 * Tabs of one origin that share one device: one leads and owns store and relays, the others talk to
 * it through pipes, and one of them leads when it goes. Layer 5.
 */
import { toHex } from "@hawser/codec";
import { TransportTabsError } from "./errors.ts";
import { namesOf, parseTabMessage, wrapMessage, type TabMessage } from "./message.ts";
import { createPipe, type Pipe } from "./pipe.ts";
import type { Leading, TabRole, Tabs, TabsDeps, TabsOptions } from "./types.ts";

/** Tabs that follow one leader at once. */
export const followersMax = 256;
const nameCharactersMax = 128;
/** Before a pipe is opened again to a leader that has just closed one. */
const reopenMs = 500;
/** What a tab said before it went may arrive after its lock. */
const lastWordsMs = 100;

/** Starts at once. Throws TRANSPORT_TABS_BAD_OPTION. Dispose it to leave. */
export function createTabs(deps: TabsDeps, options: TabsOptions): Tabs {
  const { name } = options;
  if (name.length === 0 || name.length > nameCharactersMax || !name.isWellFormed()) {
    const message = `a name has 1 to ${nameCharactersMax} characters`;
    throw new TransportTabsError("TRANSPORT_TABS_BAD_OPTION", message);
  }
  const names = namesOf(name);
  const id = toHex(deps.random(16));
  const stop = new AbortController();
  const stopped = whenAborted(stop.signal);
  const channel = deps.openChannel(names.channel);
  const state = createState(options, stop.signal);
  const post = (message: Exclude<TabMessage, { kind: "foreign" }>): void =>
    channel.post(wrapMessage(name, message));
  const pipes: PipeDeps = { deps, name, stop: stop.signal };
  const leader = createLeader(pipes, id);

  channel.listen((value) => {
    const message = stop.signal.aborted ? undefined : parseTabMessage(value, name);
    switch (message?.kind) {
      case "hello":
        if (leader.isLeading()) post({ kind: "leads", from: id });
        return;
      case "leads":
        return state.setLeader(message.from);
      case "open":
        if (message.to === id) leader.open(message);
        return;
      case "foreign":
        return state.setProblem("TRANSPORT_TABS_VERSION", "the leading tab has another version");
      case undefined:
    }
  });

  const lead = async (): Promise<void> => {
    if (stop.signal.aborted) return;
    state.setRole("leading");
    try {
      const led = await options.lead();
      leader.begin(led);
      post({ kind: "leads", from: id });
      await stopped;
      leader.finish();
      await led.end();
    } catch (cause) {
      state.setProblem("TRANSPORT_TABS_LEAD_FAILED", "this tab could not lead", cause);
      state.setRole("waiting");
    }
  };
  const follow = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const to = await state.leader();
      if (to === undefined) return;
      const pipe = toHex(deps.random(16));
      const opened = openPipe(pipes, { pipe, peer: to });
      state.onLead(() => opened.pipe.connection.close());
      post({ kind: "open", from: id, to, pipe });
      await useLeader(state, opened.pipe, options);
      if (await opened.isPeerGone()) state.forgetLeader(to);
      else await pause(deps, stop.signal, reopenMs);
    }
  };
  const over = Promise.withResolvers<void>();
  const begin = async (): Promise<void> => {
    const asked = Promise.withResolvers<void>();
    const own = deps.locks.hold(
      names.tabLock(id),
      async () => {
        asked.resolve();
        await over.promise;
      },
      neverAborted,
    );
    // Whoever hears of this tab can tell from its lock whether it is there.
    await asked.promise;
    post({ kind: "hello", from: id });
    const leading = deps.locks.hold(names.leaderLock, lead, stop.signal).catch(ignoreAbort(stop));
    await Promise.all([leading, follow()]);
    over.resolve();
    await own;
    channel.close();
  };
  const running = begin();
  // Whoever disposes hears of it; until then nobody waits.
  running.catch(() => {});
  return {
    id,
    role: state.role,
    problem: state.problem,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      state.setRole("stopped");
      await running;
    },
  };
}

const neverAborted: AbortSignal = new AbortController().signal;

function ignoreAbort(stop: AbortController): (error: unknown) => void {
  return (error) => {
    if (!stop.signal.aborted) throw error;
  };
}

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

interface PipeDeps {
  readonly deps: TabsDeps;
  readonly name: string;
  readonly stop: AbortSignal;
}

interface WatchedPipe {
  readonly pipe: Pipe;
  /** Once the pipe is closed: is the tab at its other end gone, as far as its lock says? */
  isPeerGone(): Promise<boolean>;
}

/** A pipe that ends with this tab, and with the other one. */
function openPipe(
  { deps, name, stop }: PipeDeps,
  parts: { readonly pipe: string; readonly peer: string },
): WatchedPipe {
  const names = namesOf(name);
  const pipe = createPipe(deps.openChannel(names.pipe(parts.pipe)), name);
  const watch = new AbortController();
  let isGone = false;
  const onGone = async (): Promise<void> => {
    isGone = true;
    await pause(deps, stop, lastWordsMs);
    pipe.lose();
  };
  const watching = deps.locks
    .hold(names.tabLock(parts.peer), onGone, watch.signal)
    .catch(() => pipe.lose());
  const onStop = (): void => pipe.connection.close();
  stop.addEventListener("abort", onStop, { once: true });
  const ended = pipe.closed.then(async () => {
    stop.removeEventListener("abort", onStop);
    // A tab that goes closes its pipes first: its lock follows soon.
    if (!stop.aborted) await pause(deps, stop, lastWordsMs);
    watch.abort();
    await watching;
  });
  return {
    pipe,
    isPeerGone: async () => {
      await ended;
      return isGone;
    },
  };
}

/** The side of the tab that leads. */
interface LeaderSide {
  isLeading(): boolean;
  begin(led: Leading): void;
  finish(): void;
  open(message: TabMessage & { readonly kind: "open" }): void;
}

function createLeader(pipes: PipeDeps, id: string): LeaderSide {
  const open = new Map<string, Pipe>();
  let led: Leading | undefined;
  return {
    isLeading: () => led !== undefined,
    begin: (leading) => {
      led = leading;
    },
    finish: () => {
      led = undefined;
      for (const pipe of open.values()) pipe.connection.close();
    },
    open: ({ from, pipe: pipeId }) => {
      if (led === undefined || from === id || open.has(pipeId)) return;
      const { pipe } = openPipe(pipes, { pipe: pipeId, peer: from });
      if (open.size >= followersMax) return pipe.connection.close("SYNC_OVER_LIMIT");
      open.set(pipeId, pipe);
      void pipe.closed.then(() => open.delete(pipeId));
      pipe.accept();
      led.accept(pipe.connection);
    },
  };
}

/** What this tab knows of the others. */
interface TabState {
  role(): TabRole;
  setRole(role: TabRole): void;
  problem(): TransportTabsError | undefined;
  setProblem(code: TransportTabsError["code"], message: string, cause?: unknown): void;
  setLeader(leader: string): void;
  forgetLeader(leader: string): void;
  /** The leader as soon as one is known; `undefined` when this tab stops or leads. */
  leader(): Promise<string | undefined>;
  onLead(callback: () => void): void;
}

function createState({ onChange = () => {} }: TabsOptions, stop: AbortSignal): TabState {
  let role: TabRole = "waiting";
  let problem: TransportTabsError | undefined;
  let leader: string | undefined;
  let wake = (): void => {};
  let endFollowing = (): void => {};
  const setRole = (next: TabRole): void => {
    if (role === next || role === "stopped") return;
    role = next;
    wake();
    if (next === "leading") endFollowing();
    onChange();
  };
  stop.addEventListener("abort", () => wake(), { once: true });
  return {
    role: () => role,
    setRole,
    problem: () => problem,
    setProblem: (code, message, cause) => {
      problem = new TransportTabsError(code, message, { cause });
      onChange();
    },
    setLeader: (next) => {
      leader = next;
      if (problem?.code === "TRANSPORT_TABS_VERSION") problem = undefined;
      wake();
    },
    forgetLeader: (old) => {
      if (leader === old) leader = undefined;
      if (role === "following") setRole("waiting");
    },
    leader: async () => {
      while (!stop.aborted && (leader === undefined || role === "leading")) {
        await new Promise<void>((resume) => {
          wake = resume;
        });
      }
      return stop.aborted ? undefined : leader;
    },
    onLead: (callback) => {
      endFollowing = callback;
    },
  };
}

/** Hands the pipe over once the leader has accepted it, until both are done with it. */
async function useLeader(
  state: TabState,
  { opened, connection, closed }: Pipe,
  options: TabsOptions,
): Promise<void> {
  if (!(await opened)) return;
  // The lock may have come in between.
  if (state.role() === "leading") return connection.close();
  state.setRole("following");
  try {
    await options.follow(connection);
  } catch {
    // What its user makes of a connection is its user's affair; the connection is not used any more.
    connection.close();
  }
  await closed;
}

async function pause({ timers }: TabsDeps, signal: AbortSignal, delayMs: number): Promise<void> {
  if (signal.aborted) return;
  const done = Promise.withResolvers<void>();
  const cancel = timers.after(delayMs, done.resolve);
  const onStop = (): void => done.resolve();
  signal.addEventListener("abort", onStop, { once: true });
  await done.promise;
  cancel();
  signal.removeEventListener("abort", onStop);
}
