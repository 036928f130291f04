/**
 * Feeds a machine one event at a time (docs/spec/3-sync.md §2). Layer 4.
 */
import type { Machine } from "./machine.ts";
import type { MachineSeed, MachineState, SyncEffect, SyncEvent } from "./machine-types.ts";

export interface EventLoop {
  /** Handles an event and all that follows from it; while one is handled, others wait. */
  dispatch(event: SyncEvent): void;
  state(): MachineState;
}

/** A loop over a new machine state; `perform` may dispatch in turn. */
export function createEventLoop(
  machine: Machine,
  seed: MachineSeed,
  perform: (effect: SyncEffect) => void,
): EventLoop {
  let state = machine.initial(seed);
  const waiting: SyncEvent[] = [];
  let isStepping = false;
  return {
    dispatch: (event) => {
      waiting.push(event);
      if (isStepping) return;
      isStepping = true;
      try {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
          const stepped = machine.step(state, next);
          state = stepped.state;
          for (const effect of stepped.effects) perform(effect);
        }
      } finally {
        isStepping = false;
      }
    },
    state: () => state,
  };
}
