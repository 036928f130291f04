/**
 * What was asked of the hosts and what they said: the truth that every check compares with.
 */
import type { LogId, Topic } from "@hawser/log";
import type { Host } from "./host.ts";

/** A put or delete somebody asked for. */
export interface Write {
  readonly number: number;
  readonly host: Host;
  readonly topic: Topic;
  readonly key: string;
  readonly isDelete: boolean;
  isAcknowledged: boolean;
}

/** An invite somebody was given. */
export interface Invite {
  readonly link: string;
  readonly topic: Topic;
  readonly inviter: Host;
  readonly uses: number;
  isRevoked: boolean;
  readonly joiners: Host[];
}

/** How far an own log had come when its owner was told that something is durable. */
export interface AckedHead {
  readonly height: number;
  readonly hash: Uint8Array;
}

/** A flaw: something that must never be. */
export interface Flaw {
  /** `SIM_…`. */
  readonly code: FlawCode;
  readonly detail: string;
  readonly atMs: number;
}

/** Codes of flaws; the guide has a line about each. */
export type FlawCode =
  | "SIM_LOST_WRITE"
  | "SIM_FORK"
  | "SIM_PLAINTEXT"
  | "SIM_LEAK"
  | "SIM_SERVED"
  | "SIM_UNAUTHORISED"
  | "SIM_ERROR"
  | "SIM_PROTOCOL"
  | "SIM_VIEWS_DIFFER"
  | "SIM_DIVERGED"
  | "SIM_STUCK"
  | "SIM_BOUND";

/** The whole record. */
export interface Ledger {
  readonly writes: Write[];
  readonly invites: Invite[];
  /** Who was to be added by its bundle, and by whom. */
  readonly admissions: { readonly by: Host; readonly to: Host; readonly topic: Topic }[];
  /** The link a host used last, by host name and topic. */
  readonly lastJoins: Map<string, Invite>;
  /** By host name, then own log. */
  readonly acked: Map<string, Map<LogId, AckedHead>>;
  /** Operations under way: what, and since when. */
  readonly pending: Map<
    number,
    { readonly what: string; readonly host: Host; readonly sinceMs: number }
  >;
  askedCount: number;
  flaw: Flaw | undefined;
}

/** An empty record. */
export function createLedger(): Ledger {
  return {
    writes: [],
    invites: [],
    admissions: [],
    lastJoins: new Map(),
    acked: new Map(),
    pending: new Map(),
    askedCount: 0,
    flaw: undefined,
  };
}

/** Stands in every honest value in clear: nobody but readers may ever see it. */
export const secretMark = "SIM-SECRET";
/** Stands in everything attackers write: no honest view may ever show it. */
export const evilMark = "SIM-EVIL";

/** The text of a write, by which its event is found again. */
export function valueOf(number: number): string {
  return `${secretMark}-${number}-`;
}

/** The numbers of the writes in an opened body. */
export function numbersIn(body: Uint8Array): readonly number[] {
  const text = Buffer.from(body).toString("latin1");
  return [...text.matchAll(/SIM-SECRET-(\d+)-/g)].map((match) => Number(match[1]));
}
