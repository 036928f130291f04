/**
 * Signature checks of a run, each done once: every host checks the same ones, and they take the
 * largest part of a run's time.
 */
import { createHash } from "node:crypto";
import type { Crypto } from "@hawser/crypto";

/** As `crypto`, but the same check is not made again. Keys hold all that a check depends on. */
export function rememberVerdicts(crypto: Crypto): Crypto {
  const known = new Map<string, boolean>();
  const once = (parts: readonly (string | Uint8Array)[], check: () => boolean): boolean => {
    const hash = createHash("sha256");
    for (const part of parts) hash.update(`${part.length} `).update(part);
    const key = hash.digest("base64");
    const verdict = known.get(key) ?? check();
    known.set(key, verdict);
    return verdict;
  };
  return {
    ...crypto,
    verifyPoint: (bytes, signature, publicKey) =>
      once(["point", bytes, signature, publicKey], () =>
        crypto.verifyPoint(bytes, signature, publicKey),
      ),
    verifyTagged: (label, bytes, signature, publicKey) =>
      once(["tagged", label, bytes, signature, publicKey], () =>
        crypto.verifyTagged(label, bytes, signature, publicKey),
      ),
  };
}
