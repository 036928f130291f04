/** A hash stream that refuses to be used after its digest, whatever is behind it. Layer 1. */
import { CryptoError } from "./errors.ts";
import type { HashStream } from "./types.ts";

/** Wraps `inner`; a second `digest` or a late `update` throws `CRYPTO_FINISHED`. */
export function createGuardedStream(inner: HashStream): HashStream {
  let isFinished = false;
  const assertOpen = (): void => {
    if (isFinished) throw new CryptoError("CRYPTO_FINISHED", "the digest was already taken");
  };
  return {
    update: (bytes) => {
      assertOpen();
      inner.update(bytes);
    },
    digest: () => {
      assertOpen();
      isFinished = true;
      return inner.digest();
    },
  };
}
