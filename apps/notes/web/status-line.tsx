/** The status line: one sentence that is true. */
import type { Hawser, HawserSpace } from "@hawser/hawser";
import { useDocs } from "@hawser/react";
import type { YjsProvider } from "@hawser/yjs";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { statusOf, type Facts } from "../src/index.ts";

const clockText = (ms: number): string =>
  new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

export function StatusLine(props: {
  readonly hawser: Hawser;
  readonly space: HawserSpace;
  readonly provider: YjsProvider;
  readonly hasRelay: boolean;
}): ReactNode {
  const facts = useFacts(props);
  const { tone, text } = statusOf(facts, clockText);
  // What comes and goes with every key is not read out.
  const said = useRef("");
  if (tone !== "busy") said.current = text;
  return (
    <footer className={tone} data-tone={tone}>
      <span className="lamp" aria-hidden="true" />
      <span>{text}</span>
      <span className="unseen" role="status">
        {said.current}
      </span>
    </footer>
  );
}

/** How often what has no event of its own is looked at. */
const lookMs = 500;

function useFacts({ hawser, space, provider, hasRelay }: Parameters<typeof StatusLine>[0]): Facts {
  const docs = useDocs();
  const [facts, setFacts] = useState<Facts>(() => ({
    isRemoved: false,
    problem: undefined,
    isTyping: false,
    hasRelay,
    isConnected: false,
    misbehaviour: undefined,
    entriesToSend: 0,
    entriesToReceive: 0,
    syncedAtMs: undefined,
    isChanged: true,
    mayBeEvicted: false,
  }));
  useEffect(() => {
    const ending = new AbortController();
    const change = (changes: Partial<Facts>): void => {
      if (ending.signal.aborted) return;
      setFacts((before) => {
        const isSame = Object.entries(changes).every(
          ([key, value]) => before[key as keyof Facts] === value,
        );
        return isSame ? before : { ...before, ...changes };
      });
    };
    const look = (): void => change(readFacts(hawser, space, provider));
    const timer = setInterval(look, lookMs);
    look();
    void space.accessLost.then(() => change({ isRemoved: true }));
    void navigator.storage?.persisted?.().then((kept) => change({ mayBeEvicted: !kept }));
    void followSync(space, ending.signal, change);
    // What was just written is nowhere else, before any comparison says so.
    const written = (): void => change({ isChanged: true });
    const ends = [provider.subscribe(written), docs.subscribe(written)];
    return () => {
      clearInterval(timer);
      for (const end of ends) end();
      ending.abort();
    };
  }, [hawser, space, provider, docs]);
  return facts;
}

function readFacts(hawser: Hawser, space: HawserSpace, provider: YjsProvider): Partial<Facts> {
  const relays = hawser.relays();
  const { unsavedBytes, problem } = provider.status();
  const { entriesToSend, entriesToReceive } = space.progress();
  return {
    problem: problem?.message,
    isTyping: unsavedBytes > 0,
    // A socket notices late that its network is gone; the browser knows at once.
    isConnected: navigator.onLine && relays.some((relay) => relay.isConnected),
    misbehaviour: relays.find((relay) => relay.misbehaviour !== undefined)?.misbehaviour,
    entriesToSend,
    entriesToReceive,
  };
}

/** Says when the relay has everything that was here at a time, and whether more is here now. */
async function followSync(
  space: HawserSpace,
  signal: AbortSignal,
  change: (changes: Partial<Facts>) => void,
): Promise<void> {
  let syncedHeight: number | undefined;
  const compare = async (): Promise<void> => {
    const height = await heightOf(space);
    change({ isChanged: height !== syncedHeight });
  };
  const sync = async (): Promise<void> => {
    while (!signal.aborted) {
      const height = await heightOf(space);
      const isSynced = await space.synced({ signal }).then(
        () => true,
        () => false,
      );
      if (isSynced) {
        syncedHeight = height;
        change({ syncedAtMs: Date.now() });
      }
      await compare();
      await pause();
    }
  };
  void sync();
  while (!signal.aborted) {
    await compare();
    await pause();
  }
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, lookMs));

/** How many entries are here. */
async function heightOf(space: HawserSpace): Promise<number> {
  const frontier = await space.frontier();
  let sum = 0;
  for (const height of frontier.values()) sum += height;
  return sum;
}
