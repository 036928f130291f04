/** Storages over spaces in one process, with timers of a test's own. */
// Makes Automerge ready, which the adapters leave to the application.
import "@automerge/automerge-repo";
import { createCrypto, type Crypto } from "@hawser/crypto";
import type { Space } from "@hawser/space";
import { createVirtualTimers, drain, type VirtualTimers } from "@hawser/sync/testing";
import { createMemorySource, type MemorySource } from "@hawser/view/testing";
import {
  createAutomergeStorage,
  type AutomergeDeps,
  type AutomergeStorage,
} from "@hawser/automerge";
import { toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";

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

export const timers: VirtualTimers = createVirtualTimers();

export function open(source: AutomergeDeps["source"] | Space): AutomergeStorage {
  return createAutomergeStorage({ source, crypto, timers });
}

/** Lets what is ready run. */
export async function breathe(turns = 5): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await drain();
}

/** Waits for a condition: repos use timers of their own. */
export async function until(isSo: () => boolean, what: string): Promise<void> {
  for (let turn = 0; turn < 500; turn++) {
    if (isSo()) return;
    await new Promise((resolve) => void setTimeout(resolve, 10));
  }
  throw new Error(`never: ${what}`);
}
