/**
 * What tabs need from the platform, and what they give. Layer 5.
 */
import type { Random } from "@hawser/crypto";
import type { Connection, Timers } from "@hawser/sync";
import type { TransportTabsError } from "./errors.ts";

/** A channel to all other tabs that opened the same name. */
export interface TabChannel {
  post(message: unknown): void;
  /** Called for each message of another tab; set once. */
  listen(onMessage: (message: unknown) => void): void;
  close(): void;
}

/** Locks that the platform drops with the tab that holds them, a crashed one too. */
export interface TabLocks {
  /**
   * Waits for the lock, and has it until `held` settles. Aborting ends the wait, not the holding;
   * rejects with the signal's reason then.
   */
  hold(name: string, held: () => Promise<void>, signal: AbortSignal): Promise<void>;
}

/** What is injected; `platformTabs()` has all of it. */
export interface TabsDeps {
  openChannel(name: string): TabChannel;
  readonly locks: TabLocks;
  readonly timers: Timers;
  readonly random: Random;
}

/** What the leading tab does. */
export interface Leading {
  /** Another tab wants to talk; the callee closes the connection when done. */
  accept(connection: Connection): void;
  /** This tab leads no more: close store and relays. The next tab leads when it has settled. */
  end(): Promise<void>;
}

/** How tabs share one device. */
export interface TabsOptions {
  /**
   * What they share: 1 to 128 characters, such as the name of the database. Tabs of another name do
   * not hear each other.
   */
  readonly name: string;
  /**
   * This tab leads: open store and relays. No other tab of the name leads until `end` has settled, or
   * the tab is gone. When it rejects another tab gets its turn, and this one follows.
   */
  lead(): Promise<Leading>;
  /**
   * This tab follows: use the connection to the leader. The next one comes when this promise has
   * settled and the connection is closed.
   */
  follow(connection: Connection): Promise<unknown>;
  /** Called after `role` or `problem` changed. */
  readonly onChange?: () => void;
}

/** `waiting`: no leader is known yet. */
export type TabRole = "waiting" | "leading" | "following" | "stopped";

/** This tab among the others. */
export interface Tabs extends AsyncDisposable {
  /** 32 hex characters, random. */
  readonly id: string;
  role(): TabRole;
  /** What keeps this tab from leading or following, or `undefined`. */
  problem(): TransportTabsError | undefined;
}
