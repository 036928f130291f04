/**
 * The status line: what is true, in one sentence. It never says that something is safe elsewhere
 * before it is. Layer 10, pure.
 */

/** What the page knows. */
export interface Facts {
  /** This device lost its access: the newest writing of others does not come any more. */
  readonly isRemoved: boolean;
  /** What could not be written to this device's storage. */
  readonly problem: string | undefined;
  /** Typed and not on this device's storage yet. */
  readonly isTyping: boolean;
  readonly hasRelay: boolean;
  readonly isConnected: boolean;
  /** Why the relay was hung up on. */
  readonly misbehaviour: string | undefined;
  readonly entriesToSend: number;
  readonly entriesToReceive: number;
  /** When the relay last had everything, ms since 1970. */
  readonly syncedAtMs: number | undefined;
  /** Something was written here, or came, since then. */
  readonly isChanged: boolean;
  /** The browser may delete what it stores when space runs out. */
  readonly mayBeEvicted: boolean;
}

/** How alarming it is. */
export type Tone = "fine" | "busy" | "waiting" | "alarm";

export interface Status {
  readonly tone: Tone;
  readonly text: string;
}

/** The one sentence that matters most. `clockText` shows a time as people read it. */
export function statusOf(facts: Facts, clockText: (ms: number) => string): Status {
  const alarm = alarmOf(facts);
  if (alarm !== undefined) return { tone: "alarm", text: alarm };
  if (facts.isTyping) return { tone: "busy", text: "Writing to this device …" };
  if (!facts.hasRelay) {
    return { tone: "waiting", text: `Only on this device: no relay is set.${evictionOf(facts)}` };
  }
  if (!facts.isConnected) return { tone: "waiting", text: offlineText(facts, clockText) };
  const moving = movingText(facts);
  if (moving !== undefined) return { tone: "busy", text: moving };
  if (facts.syncedAtMs === undefined || facts.isChanged) {
    return { tone: "busy", text: "Comparing with the relay …" };
  }
  return { tone: "fine", text: `Saved here and at the relay at ${clockText(facts.syncedAtMs)}` };
}

function alarmOf({ problem, isRemoved, misbehaviour }: Facts): string | undefined {
  if (problem !== undefined) return `Not saved: ${problem}`;
  if (isRemoved) return "You are no member any more: this is your old copy";
  return misbehaviour === undefined
    ? undefined
    : `Saved here; the relay misbehaved (${misbehaviour}) and was left`;
}

function offlineText(facts: Facts, clockText: (ms: number) => string): string {
  const since =
    facts.syncedAtMs === undefined
      ? "the relay has none of it yet"
      : facts.isChanged
        ? `the relay has it as of ${clockText(facts.syncedAtMs)}`
        : `the relay has all of it, as of ${clockText(facts.syncedAtMs)}`;
  return `Offline. Saved on this device; ${since}.${evictionOf(facts)}`;
}

function evictionOf({ mayBeEvicted }: Facts): string {
  return mayBeEvicted ? " The browser may delete it when space runs out." : "";
}

function movingText({ entriesToSend, entriesToReceive }: Facts): string | undefined {
  if (entriesToSend > 0) return `Sending ${counted(entriesToSend)} …`;
  return entriesToReceive > 0 ? `Fetching ${counted(entriesToReceive)} …` : undefined;
}

function counted(count: number): string {
  return count === 1 ? "1 change" : `${String(count)} changes`;
}
