/** Tabs of one test: what each of them leads and follows with is written down. */
import type { Connection } from "@hawser/sync";
import { createTabs, platformTabs, type Tabs, type TabsDeps } from "@hawser/transport-tabs";

/** One tab, and what happened to it. */
export interface TestTab {
  readonly tabs: Tabs;
  /** Connections of followers, while it leads. */
  readonly accepted: Connection[];
  /** Connections to leaders. */
  readonly connected: Connection[];
  /** Times `lead` and `end` were called. */
  readonly led: { begun: number; ended: number };
  until(condition: () => boolean): Promise<void>;
}

export interface TestTabOptions {
  readonly deps?: TabsDeps;
  readonly lead?: () => Promise<void>;
  /** How `end` is held up. */
  readonly end?: () => Promise<void>;
}

/** All frames that are left, to the end of the connection. */
export async function framesOf(frames: AsyncIterable<Uint8Array>): Promise<readonly Uint8Array[]> {
  const all: Uint8Array[] = [];
  for await (const frame of frames) all.push(frame);
  return all;
}

let count = 0;

/** A name that no other test uses. */
export function newName(): string {
  count += 1;
  return `test ${count}`;
}

export function openTestTab(name: string, options: TestTabOptions = {}): TestTab {
  const accepted: Connection[] = [];
  const connected: Connection[] = [];
  const led = { begun: 0, ended: 0 };
  const waiting = new Set<() => void>();
  const changed = (): void => {
    for (const look of waiting) look();
  };
  const tabs = createTabs(options.deps ?? platformTabs(), {
    name,
    lead: async () => {
      led.begun += 1;
      await options.lead?.();
      changed();
      return {
        accept: (connection) => {
          accepted.push(connection);
          changed();
        },
        end: async () => {
          await options.end?.();
          led.ended += 1;
          changed();
        },
      };
    },
    follow: async (connection) => {
      connected.push(connection);
      changed();
    },
    onChange: () => queueMicrotask(changed),
  });
  const until = (condition: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!condition()) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
  return { tabs, accepted, connected, led, until };
}
