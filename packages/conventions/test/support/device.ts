/** A device with a store, a clock and timers that are set by hand. */
import type { Crypto } from "@hawser/crypto";
import { createMemoryPacketStore, type PacketStore } from "@hawser/query";
import { crypto, startMicros } from "./values.ts";

export interface Device {
  readonly crypto: Crypto;
  readonly store: PacketStore;
  readonly nowMicros: () => number;
  readonly timers: { after(delayMs: number, callback: () => void): () => void };
  /** Moves the clock and lets timers that are due go off, earliest first. */
  advance(micros: number): Promise<void>;
  /** Moves the clock alone. */
  setNow(micros: number): void;
  /** Timers that are set. */
  timerCount(): number;
}

export function createDevice(): Device {
  let now = startMicros;
  const timers = new Map<number, { readonly at: number; readonly callback: () => void }>();
  let nextTimer = 0;
  return {
    crypto,
    store: createMemoryPacketStore({ clock: { nowMicros: () => now } }),
    nowMicros: () => now,
    timers: {
      after(delayMs, callback) {
        const id = nextTimer++;
        timers.set(id, { at: now + delayMs * 1000, callback });
        return () => void timers.delete(id);
      },
    },
    async advance(micros) {
      now += micros;
      const due = [...timers].filter(([, { at }]) => at <= now).sort(([, a], [, b]) => a.at - b.at);
      for (const [id, { callback }] of due) {
        timers.delete(id);
        callback();
      }
      await settle();
    },
    setNow: (micros) => {
      now = micros;
    },
    timerCount: () => timers.size,
  };
}

/** Lets everything run that waits for nothing but promises. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 50; round++) await Promise.resolve();
}
