/**
 * Proofs of requests that change something, remembered where a restart and the other nodes find them
 * (docs/spec/relay-http.md §2). Layer 9.
 */
import { toHex, utf8 } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import type { Clock, LogStore, Topic } from "@hawser/log";
import { proofSecondsMax } from "./follow-proof.ts";
import { nowSeconds } from "./gate.ts";

/** Which proof. */
export interface UsedProof {
  readonly topic: Topic;
  /** 16 bytes. */
  readonly nonce: Uint8Array;
}

/** The proofs that changed something. */
export interface UsedProofs {
  /** True once for each proof, whichever node is asked; durable when it resolves. */
  take(proof: UsedProof): Promise<boolean>;
}

/**
 * How long a proof is remembered, in seconds: as long as it may hold, and as much again for nodes
 * whose clocks differ.
 */
export const proofKeptSeconds: number = 4 * proofSecondsMax;
/** How often what is older is dropped. */
const dropSeconds = 60;
const prefix = "relay/proof/";

/** For a relay that has its store for itself: the gate lets each proof through once a process. */
export function createUsedProofs(deps: {
  readonly store: LogStore;
  readonly crypto: Crypto;
  readonly clock: Clock;
}): UsedProofs {
  const { store, crypto, clock } = deps;
  let droppedAt = Number.NEGATIVE_INFINITY;
  const dropOld = async (now: number): Promise<void> => {
    if (Math.abs(now - droppedAt) < dropSeconds) return;
    droppedAt = now;
    const writes = (await store.list(prefix))
      .filter(({ value }) => Math.abs(now - readSeconds(value)) > proofKeptSeconds)
      .map(({ key }) => ({ key, value: undefined }));
    if (writes.length > 0) await store.commit({ writes });
  };
  return {
    take: async (proof) => {
      const now = nowSeconds(clock);
      const key = prefix + toHex(usedProofId(crypto, proof));
      if ((await store.get(key)) !== undefined) return false;
      await store.commit({ writes: [{ key, value: utf8(String(now)) }] });
      await dropOld(now);
      return true;
    },
  };
}

/** 16 bytes that stand for a proof and tell nothing of its space. */
export function usedProofId(crypto: Crypto, { topic, nonce }: UsedProof): Uint8Array {
  const material = utf8(`${topic} ${toHex(nonce)}`);
  return crypto.deriveKey("hawser relay used proof v1", material, 16);
}

function readSeconds(value: Uint8Array): number {
  return Number(Buffer.from(value).toString("latin1"));
}
