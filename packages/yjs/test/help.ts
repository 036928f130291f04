/** Providers over spaces in one process, and over a source in memory. */
import { toHex } from "@hawser/codec";
import { createCrypto, type AuthorId, type Crypto } from "@hawser/crypto";
import { seededRandom } from "@hawser/crypto/testing";
import type { Space } from "@hawser/space";
import type { Device, World } from "@hawser/space/testing";
import { createVirtualTimers, drain, type VirtualTimers } from "@hawser/sync/testing";
import { createMemorySource, type MemorySource } from "@hawser/view/testing";
import type { EventDraft } from "@hawser/view";
import { createYjsProvider, type YjsDeps, type YjsOptions, type YjsProvider } from "@hawser/yjs";
import type { Doc } from "yjs";
import { encodeBodies } from "../src/body.ts";

export const crypto: Crypto = await createCrypto();

/** The author of writer `log` of a memory source. */
export function authorOf(log: number): AuthorId {
  // Safe: 64 hex characters.
  return toHex(new Uint8Array(32).fill(log + 1)) as AuthorId;
}

/** A source in memory that says who it is. */
export function memorySource(log = 0): MemorySource & { readonly author: AuthorId } {
  return Object.assign(createMemorySource(log), { author: authorOf(log) });
}

/** The draft of an event with an update. */
export function draftOf(name: string, session: number, update: Uint8Array): EventDraft {
  const [body = new Uint8Array(0)] = encodeBodies(name, session, update);
  return { type: "yjs", body };
}

/** All providers of one test. */
export interface Stage {
  readonly timers: VirtualTimers;
  /** A provider on a source; seeded by how many there were before. */
  open(source: YjsDeps["source"], options?: YjsOptions, more?: Partial<YjsDeps>): YjsProvider;
  /** Lets time pass for the providers. */
  pass(ms: number): Promise<void>;
  close(): Promise<void>;
}

export function createStage(seed = "stage"): Stage {
  const timers = createVirtualTimers();
  const providers: YjsProvider[] = [];
  return {
    timers,
    open: (source, options = {}, more = {}) => {
      const random = seededRandom(`${seed} ${providers.length}`);
      const provider = createYjsProvider({ source, crypto, random, timers, ...more }, options);
      providers.push(provider);
      return provider;
    },
    pass: async (ms) => {
      await timers.advance(ms);
      for (let turn = 0; turn < 5; turn++) await drain();
    },
    close: async () => {
      for (const provider of providers)
        await provider[Symbol.asyncDispose]().catch(() => undefined);
    },
  };
}

/** Lets everything travel and be folded. */
export async function settle(
  world: World,
  stage: Stage,
  ...devices: readonly Device[]
): Promise<void> {
  await stage.pass(100);
  await world.settle(...devices);
  await stage.pass(400);
}

/** Text of a document. */
export function textOf({ doc }: { readonly doc: Doc }): string {
  // oxlint-disable-next-line typescript/no-base-to-string -- a text has a toString of its own
  return doc.getText("text").toString();
}

/** A space of a device. */
export function atSpace(spaces: readonly Space[], index: number): Space {
  const space = spaces[index];
  if (space === undefined) throw new Error(`no space ${index}`);
  return space;
}
