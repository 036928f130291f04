/**
 * Tells hooks that their space has news (docs/spec/relay-http.md §5, §6). Layer 9.
 *
 * There is no queue: a hook has a place in receive order up to which it was told, and is behind or is
 * not. So a burst is one notice, a hook that fails for hours holds one notice and no more, and after
 * a restart the same comparison says who has to be told.
 */
import { concatBytes, toBase64url, utf8 } from "@hawser/codec";
import type { AuthorId, Crypto, Random } from "@hawser/crypto";
import type { Clock, LogStore, StoredRange, Topic } from "@hawser/log";
import type { Timers } from "@hawser/sync";
import { followIdOf, hookIdOf, hookSecretOf } from "./follow-proof.ts";
import { keyLagSeconds, nowSeconds, type Gate, type Holder } from "./gate.ts";
import { createHookStore, type DeadLetter, type Hook, type HookPlace } from "./hook-store.ts";
import { createOpenCount } from "./limits.ts";
import type { Puller } from "./pull.ts";
import type { Json, PushNotice, PushOutcome, PushProvider, PushTarget } from "./push-provider.ts";

/** Tells hooks. */
export interface Notifier {
  /** Confirms the target and then keeps the hook; again for a hook that is there. */
  register(
    holder: Holder,
    provider: PushProvider,
    target: PushTarget,
  ): Promise<
    | { readonly status: "active"; readonly id: string }
    | { readonly status: "full" | "unconfirmed" | "busy" }
  >;
  list(topic: Topic): Promise<readonly Hook[]>;
  /** Whether there was one. */
  remove(place: HookPlace): Promise<boolean>;
  /** `undefined` when there is no such hook. */
  dead(place: HookPlace): Promise<readonly DeadLetter[] | undefined>;
  /** Sends a dead letter once more, now; it goes when it was taken. */
  replay(place: HookPlace, messageId: string): Promise<"absent" | "delivered" | "failed" | "busy">;
  /** Spaces or their keys changed. */
  topicsChanged(): void;
  /** Resolves when nothing is written any more. What is on its way is sent again another time. */
  stop(): Promise<void>;
}

export interface NotifierDeps {
  readonly store: LogStore;
  readonly crypto: Crypto;
  readonly random: Random;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly relay: AuthorId;
  readonly gate: Gate;
  readonly puller: Pick<Puller, "last" | "cursorOf">;
  readonly providers: ReadonlyMap<string, PushProvider>;
  /** Of several nodes one tells; the others only register. */
  readonly isTeller: () => boolean;
  /** Whether other nodes register too. */
  readonly isShared: boolean;
  readonly onFailure: (cause: unknown) => void;
  readonly limits: { readonly hooksPerTopicMax: number; readonly hooksMax: number };
}

/** After the first entry of a burst, in ms. */
const burstMs = 1_000;
/** Attempts for one notice, the first included: over about two hours. */
export const attemptsMax = 8;
const retryMsFirst = 5_000;
const retryMsMax = 60 * 60 * 1_000;
/** Dead letters in a row after which a hook waits to be registered again. */
export const strikesMax = 5;
/** Notices on their way at once, in all and to one host. */
const sendingMax = 16;
const sendingPerHostMax = 2;
const slotWaitMs = 500;
/** Targets asked at once whether they want notices; one a host. */
const askingMax = 8;
/** How soon a teller hears of what other nodes registered. */
const sweepMs = 15_000;

/** A hook at work. */
interface Work {
  readonly place: HookPlace;
  readonly shown: string;
  /** The newest place in receive order. */
  latest: number;
  /** The notice that is being sent, over all its attempts. */
  sending: number | undefined;
  attempts: number;
  isBusy: boolean;
  stopTimer: (() => void) | undefined;
}

/** A notice for a hook. */
interface News {
  readonly provider: PushProvider;
  readonly hook: Hook;
  readonly notice: PushNotice;
}

/** Begins to tell; resolves when it knows the hooks in the store. */
export async function openNotifier(deps: NotifierDeps): Promise<Notifier> {
  const { store, crypto, clock, timers, gate, puller, providers, onFailure } = deps;
  const hooks = createHookStore(store);
  const worksByTopic = new Map<Topic, Map<string, Work>>();
  const slots = createOpenCount({ perKeyMax: sendingPerHostMax, totalMax: sendingMax });
  const asking = createOpenCount({ perKeyMax: 1, totalMax: askingMax });
  const writing = new Set<Promise<void>>();
  let isStopped = false;
  let registering: Promise<unknown> = Promise.resolve();
  let stopSweep: (() => void) | undefined;
  let stopExpiry: (() => void) | undefined;

  /** Runs what may write, unless all is over; nobody waits for it but `stop`. */
  const background = (work: () => Promise<void>): void => {
    if (isStopped) return;
    const running = work()
      .catch((cause: unknown) => {
        if (!isStopped) onFailure(cause);
      })
      .finally(() => writing.delete(running));
    writing.add(running);
  };
  const forget = ({ topic, id }: HookPlace): void => {
    const works = worksByTopic.get(topic);
    works?.get(id)?.stopTimer?.();
    works?.delete(id);
    if (works?.size === 0) worksByTopic.delete(topic);
  };
  const drop = async (place: HookPlace): Promise<void> => {
    forget(place);
    await hooks.remove(place);
  };
  const wake = (work: Work, delayMs: number): void => {
    if (isStopped || work.isBusy || work.stopTimer !== undefined) return;
    work.stopTimer = timers.after(delayMs, () => {
      work.stopTimer = undefined;
      background(() => run(work));
    });
  };
  const watch = (hook: Hook): Work => {
    const works = worksByTopic.get(hook.topic) ?? new Map<string, Work>();
    worksByTopic.set(hook.topic, works);
    const work = works.get(hook.id) ?? {
      place: { topic: hook.topic, id: hook.id },
      shown: hook.shown,
      latest: 0,
      sending: undefined,
      attempts: 0,
      isBusy: false,
      stopTimer: undefined,
    };
    works.set(hook.id, work);
    return work;
  };

  /**
   * Whether its follow key was replaced. A hook that is new may belong to a key that this node does
   * not know yet: another one registered it a moment ago.
   */
  const isOver = ({ topic, followId, created }: Hook): boolean =>
    gate.find(topic, followId) === "replaced" &&
    (!deps.isShared || nowSeconds(clock) - created > keyLagSeconds);

  /** Waits for a slot without looking at the store: thousands may wait for one slow host. */
  const run = async (work: Work): Promise<void> => {
    const release = work.isBusy ? undefined : slots.open(hostOf(work));
    if (release === undefined) return wake(work, jittered(slotWaitMs));
    work.isBusy = true;
    const free = (): void => {
      release();
      work.isBusy = false;
    };
    let news: News | undefined;
    try {
      news = await newsFor(work);
    } finally {
      if (news === undefined) free();
    }
    if (news === undefined) return;
    // Not waited for by `stop`: the other side may take its time.
    void attempt(news.provider, news.hook, news.notice).then((outcome) => {
      free();
      background(() => settle(work, outcome));
    });
  };
  /** What a hook has to be told now. */
  const newsFor = async (work: Work): Promise<News | undefined> => {
    const hook = await hooks.get(work.place);
    if (hook === undefined) forget(work.place);
    if (hook === undefined || !deps.isTeller() || hook.strikes >= strikesMax) return undefined;
    if (work.latest <= hook.told) return undefined;
    const holder = gate.find(hook.topic, hook.followId);
    if (holder === "replaced" && isOver(hook)) await drop(work.place);
    const provider = providers.get(hook.provider);
    if (typeof holder === "string" || provider === undefined) return undefined;
    // Another node told it more in the meantime.
    if ((work.sending ?? 0) <= hook.told) [work.sending, work.attempts] = [work.latest, 0];
    work.sending ??= work.latest;
    return { provider, hook, notice: newsOf(deps, holder, hook, work.sending) };
  };
  const attempt = async (
    provider: PushProvider,
    hook: Hook,
    notice: PushNotice,
  ): Promise<PushOutcome> => {
    try {
      return await provider.send({ address: hook.address, shown: hook.shown }, notice);
    } catch (cause) {
      onFailure(cause);
      return { status: "later", reason: "provider" };
    }
  };
  const settle = async (work: Work, outcome: PushOutcome): Promise<void> => {
    const hook = await hooks.get(work.place);
    const place = work.sending;
    if (hook === undefined || place === undefined) return forget(work.place);
    switch (outcome.status) {
      case "gone":
        return drop(work.place);
      case "delivered":
        return done(work, { ...hook, told: Math.max(hook.told, place), strikes: 0 });
      case "refused":
        return bury(work, hook, outcome.reason);
      case "later":
        work.attempts += 1;
        if (work.attempts >= attemptsMax) return bury(work, hook, outcome.reason);
        return wake(work, retryMs(work.attempts, outcome.afterSeconds));
    }
  };
  const done = async (work: Work, hook: Hook, dead?: DeadLetter): Promise<void> => {
    await hooks.advance(hook, dead);
    work.sending = undefined;
    work.attempts = 0;
    if (work.latest > hook.told) wake(work, burstMs);
  };
  const bury = (work: Work, hook: Hook, reason: string): Promise<void> => {
    const place = work.sending ?? 0;
    const messageId = messageIdOf(crypto, hook, place);
    const attempts = Math.max(1, work.attempts);
    const dead = { messageId, seconds: nowSeconds(clock), place, attempts, reason };
    const told = Math.max(hook.told, place);
    return done(work, { ...hook, told, strikes: hook.strikes + 1 }, dead);
  };
  const fraction = (): number => {
    const [high = 0, low = 0] = deps.random(2);
    return (high * 256 + low) / 65_536;
  };
  const jittered = (ms: number): number => Math.round(ms * (0.5 + fraction() / 2));
  const retryMs = (attempts: number, afterSeconds = 0): number => {
    const grown = Math.min(retryMsMax, retryMsFirst * 4 ** (attempts - 1));
    return Math.max(jittered(grown), Math.min(retryMsMax, afterSeconds * 1_000));
  };

  /** Takes in what the store holds: at the start, and what other nodes did. */
  const sweep = async (): Promise<void> => {
    const here = new Set<string>();
    for (const hook of await hooks.all()) {
      if (isOver(hook)) {
        await drop(hook);
        continue;
      }
      here.add(`${hook.topic}/${hook.id}`);
      const work = watch(hook);
      work.latest = Math.max(work.latest, await puller.last(hook.topic));
      if (work.latest > hook.told && hook.strikes < strikesMax) wake(work, jittered(burstMs));
    }
    for (const works of worksByTopic.values()) {
      for (const { place } of works.values()) {
        if (!here.has(`${place.topic}/${place.id}`)) forget(place);
      }
    }
  };
  const sweepLater = (): void => {
    if (!deps.isShared || isStopped) return;
    stopSweep = timers.after(sweepMs, () => {
      background(async () => {
        if (deps.isTeller()) await sweep();
      });
      sweepLater();
    });
  };
  /** Ends the hooks of those whose follow key was replaced. */
  const expire = async (): Promise<void> => {
    for (const topic of worksByTopic.keys()) {
      for (const hook of await hooks.ofTopic(topic)) {
        if (isOver(hook)) await drop(hook);
      }
    }
  };

  const notice = (ranges: readonly StoredRange[]): void => {
    for (const { context, cursor } of ranges) {
      for (const work of worksByTopic.get(context.topic)?.values() ?? []) {
        work.latest = Math.max(work.latest, cursor);
        wake(work, burstMs);
      }
    }
  };
  const hasRoom = async (topic: Topic, id: string): Promise<boolean> => {
    const before = await hooks.ofTopic(topic);
    if (before.some((hook) => hook.id === id)) return true;
    const { hooksPerTopicMax, hooksMax } = deps.limits;
    return before.length < hooksPerTopicMax && (await hooks.all()).length < hooksMax;
  };
  const keep = async (hook: Hook): Promise<boolean> => {
    if (!(await hasRoom(hook.topic, hook.id))) return false;
    const old = await hooks.get(hook);
    await hooks.put({ ...hook, told: old?.told ?? hook.told });
    const work = watch(hook);
    // What came while the target was asked.
    work.latest = Math.max(work.latest, await puller.last(hook.topic));
    if (work.latest > hook.told || old !== undefined) wake(work, burstMs);
    return true;
  };
  const register: Notifier["register"] = async (holder, provider, target) => {
    const { topic, followKey } = holder;
    const id = hookIdOf(crypto, followKey, { provider: provider.name, address: target.address });
    if (!(await hasRoom(topic, id))) return { status: "full" };
    const told = await puller.last(topic);
    const release = asking.open(hostOf(target));
    if (release === undefined) return { status: "busy" };
    try {
      const challenge = toBase64url(deps.random(24));
      const asked = challengeOf(deps, holder, { id, challenge });
      if (!(await provider.confirm(target, asked, challenge))) return { status: "unconfirmed" };
    } finally {
      release();
    }
    const followId = followIdOf(crypto, followKey);
    const created = nowSeconds(clock);
    const hook = { ...target, topic, id, provider: provider.name, followId, created };
    // One after another: two at once would both find the last place free.
    const turn = registering.then(() => keep({ ...hook, told, strikes: 0 }));
    registering = turn.catch(() => undefined);
    return (await turn) ? { status: "active", id } : { status: "full" };
  };
  const replay: Notifier["replay"] = async (place, messageId) => {
    const hook = await hooks.get(place);
    const letter = (await hooks.dead(place)).find((dead) => dead.messageId === messageId);
    const provider = providers.get(hook?.provider ?? "");
    if (hook === undefined || letter === undefined || provider === undefined) return "absent";
    const holder = gate.find(hook.topic, hook.followId);
    if (typeof holder === "string") return "absent";
    const release = slots.open(hostOf(hook));
    if (release === undefined) return "busy";
    try {
      const outcome = await attempt(provider, hook, newsOf(deps, holder, hook, letter.place));
      if (outcome.status !== "delivered") return "failed";
      await hooks.dropDead(place, messageId);
      return "delivered";
    } finally {
      release();
    }
  };

  const unsubscribe = store.onCommit(notice);
  await sweep();
  sweepLater();
  return {
    register,
    replay,
    list: (topic) => hooks.ofTopic(topic),
    remove: async (place) => {
      if ((await hooks.get(place)) === undefined) return false;
      await drop(place);
      return true;
    },
    dead: async (place) => ((await hooks.get(place)) === undefined ? undefined : hooks.dead(place)),
    topicsChanged: () => {
      if (isStopped || worksByTopic.size === 0) return;
      stopExpiry ??= timers.after(burstMs, () => {
        stopExpiry = undefined;
        background(expire);
      });
    },
    stop: async () => {
      isStopped = true;
      unsubscribe();
      stopSweep?.();
      stopExpiry?.();
      for (const works of worksByTopic.values()) {
        for (const work of works.values()) work.stopTimer?.();
      }
      await Promise.all(writing);
    },
  };
}

/** Whatever the port: it is one machine that has to bear it. */
function hostOf({ shown }: Pick<PushTarget, "shown">): string {
  return shown.replace(/:\d+$/, "");
}

type NoticeDeps = Pick<NotifierDeps, "crypto" | "clock" | "relay" | "puller" | "random">;

function newsOf(deps: NoticeDeps, holder: Holder, hook: Hook, place: number): PushNotice {
  const { topic, name } = holder;
  return noticeOf(deps, holder, {
    type: "hawser.topic.news",
    hookId: hook.id,
    messageId: messageIdOf(deps.crypto, hook, place),
    data: { topic: name, cursor: deps.puller.cursorOf(topic, place) },
  });
}

function challengeOf(
  deps: NoticeDeps,
  holder: Holder,
  { id, challenge }: { readonly id: string; readonly challenge: string },
): PushNotice {
  return noticeOf(deps, holder, {
    type: "hawser.hook.challenge",
    hookId: id,
    messageId: `msg_${toBase64url(deps.random(16))}`,
    data: { topic: holder.name, challenge },
  });
}

function noticeOf(
  { crypto, clock, relay }: NoticeDeps,
  { followKey }: Holder,
  content: {
    readonly type: string;
    readonly hookId: string;
    readonly messageId: string;
    readonly data: Json;
  },
): PushNotice {
  const { type, hookId, messageId, data } = content;
  const seconds = nowSeconds(clock);
  const timestamp = new Date(seconds * 1_000).toISOString();
  const body = utf8(JSON.stringify({ type, timestamp, data }));
  const secret = hookSecretOf(crypto, followKey, { relay, id: hookId });
  return { messageId, hookId, seconds, body, secret };
}

/** The same for the same news: who gets it twice can tell, after a restart too. */
function messageIdOf(crypto: Crypto, { topic, id }: HookPlace, place: number): string {
  const material = concatBytes(utf8(`${topic}/${id}/`), utf8(String(place)));
  return `msg_${toBase64url(crypto.deriveKey("hawser relay message id v1", material, 16))}`;
}
