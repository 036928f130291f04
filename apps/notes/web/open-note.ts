/** The note of a notebook: a Yjs document in its space, with presence. */
import { createCrypto } from "@hawser/crypto";
import type { HawserSpace } from "@hawser/hawser";
import { createYjsProvider, type YjsProvider } from "@hawser/yjs";

export interface OpenNote {
  readonly provider: YjsProvider;
}

/** Opens it. Presence reaches whoever is connected to the same relay. */
export async function openNote(space: HawserSpace): Promise<OpenNote> {
  const provider = createYjsProvider(
    {
      source: space.space,
      crypto: await createCrypto(),
      random: (byteCount) => crypto.getRandomValues(new Uint8Array(byteCount)),
      timers: {
        after: (delayMs, callback) => {
          const timer = setTimeout(callback, delayMs);
          return () => clearTimeout(timer);
        },
      },
      channel: space.presence,
      yieldToHost: () => new Promise((resolve) => setTimeout(resolve)),
    },
    { name: "note" },
  );
  return { provider };
}
