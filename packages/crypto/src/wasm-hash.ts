/**
 * BLAKE3 by hash-wasm. Layer 1, internal, loaded by dynamic import. This is the hot path: a few
 * hundred bytes at a time, millions of times, so three instances are made once and used again.
 */
import { createBLAKE3 } from "hash-wasm";
import type { HashFamily } from "./back-end.ts";
import { createGuardedStream } from "./hash-stream.ts";
import { nobleHash } from "./noble.ts";
import { keyBytes } from "./sizes.ts";
import type { HashStream } from "./types.ts";

type Blake3 = Awaited<ReturnType<typeof createBLAKE3>>;

/** The hash family on WebAssembly. Rejects where WebAssembly is missing or forbidden. */
export async function createWasmHash(): Promise<HashFamily> {
  const keyInput = new Uint8Array(keyBytes);
  const [plain, keyed, streaming] = await Promise.all([
    createBLAKE3(256),
    createBLAKE3(256, keyInput),
    createBLAKE3(256),
  ]);
  return {
    backEnd: "wasm",
    hash: (bytes) => {
      plain.init();
      plain.update(bytes);
      return plain.digest("binary");
    },
    createHash: createStreams(streaming),
    // The instance was made with a *view* of `keyInput` and reads it at each `init`, so writing
    // there changes the key. The check at load hashes under two keys and would notice a copy.
    keyedHash: (key, bytes) => {
      keyInput.set(key);
      keyed.init();
      keyInput.fill(0);
      keyed.update(bytes);
      const digest = keyed.digest("binary");
      // Replaces the key that the module still holds.
      keyed.init();
      return digest;
    },
    // hash-wasm has no derive-key mode, and this mode is not hot.
    deriveKey: (context, material, byteCount) => nobleHash.deriveKey(context, material, byteCount),
  };
}

interface StreamState {
  /** The module's state while another stream has the instance; `undefined` before the first use. */
  saved: Uint8Array | undefined;
}

/** Streams that share one instance: the last one used stays in it, the others are saved. */
function createStreams(instance: Blake3): () => HashStream {
  let current: StreamState | undefined;
  const enter = (state: StreamState): void => {
    if (current === state) return;
    if (current !== undefined) current.saved = instance.save();
    if (state.saved === undefined) instance.init();
    else instance.load(state.saved);
    current = state;
  };
  return () => {
    const state: StreamState = { saved: undefined };
    return createGuardedStream({
      update: (bytes) => {
        enter(state);
        instance.update(bytes);
      },
      digest: () => {
        enter(state);
        current = undefined;
        return instance.digest("binary");
      },
    });
  };
}
