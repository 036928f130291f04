/** Mailboxes at a relay, over HTTP (docs/spec/account.md §2.2). Layer 6. */
import { AccountError } from "./errors.ts";
import { mailboxBytesMax, type Mailbox, type Rendezvous } from "./rendezvous.ts";

type Options = { readonly signal: AbortSignal };

/** Between two questions, where a relay answers at once that there is nothing yet. */
const pauseMs = 250;
/** For a relay to hear that a mailbox is done with. */
const closeMsMax = 2_000;
const nameCharactersMax = 64;
const httpSchemes: Readonly<Record<string, string>> = {
  "ws:": "http:",
  "wss:": "https:",
  "http:": "http:",
  "https:": "https:",
};

/**
 * The mailboxes of the relay at a base URL (`wss:`, `https:`; `ws:`, `http:` for tests). The relay
 * learns that two addresses pair, and when. Throws `ACCOUNT_RELAY_UNREACHABLE` for anything else.
 */
export function createRelayRendezvous(address: string): Rendezvous {
  const base = baseOf(address);
  return {
    claim: async ({ signal }) => {
      const answer = await request(`${base}/v1/pair`, { method: "POST", signal });
      const name = nameOf(new TextDecoder().decode(await bounded(answer, nameCharactersMax)));
      if (name === undefined) throw unreachable(new Error("not a relay's answer"));
      return mailboxAt(base, name);
    },
    open: (name) => Promise.resolve(mailboxAt(base, name)),
  };
}

function mailboxAt(base: string, name: string): Mailbox {
  const url = `${base}/v1/pair/${name}`;
  return {
    name,
    put: async (slot, message, { signal }) => {
      const headers = { "content-type": "application/octet-stream" };
      const body = message.slice();
      await discard(await request(`${url}/${slot}`, { method: "PUT", headers, body, signal }));
    },
    take: async (slot, options) => {
      for (;;) {
        const answer = await request(`${url}/${slot}`, options);
        if (answer.status === 200) return bounded(answer, mailboxBytesMax);
        await discard(answer);
        await pause(options);
      }
    },
    close: async () => {
      // The relay drops it by itself after a while: nobody waits long, or is told of a failure here.
      const signal = AbortSignal.timeout(closeMsMax);
      const init: RequestInit = { method: "DELETE", keepalive: true, redirect: "error", signal };
      await fetch(url, init)
        .then(discard)
        .catch(() => undefined);
    },
  };
}

function baseOf(address: string): string {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const scheme = url === undefined ? undefined : httpSchemes[url.protocol];
  if (url === undefined || scheme === undefined) {
    throw unreachable(new Error("a relay's address begins with wss:// or https://"));
  }
  return `${scheme}//${url.host}`;
}

async function request(url: string, init: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(url, { ...init, redirect: "error" });
  } catch (cause) {
    init.signal?.throwIfAborted();
    throw unreachable(cause);
  }
  if (answer.ok) return answer;
  await discard(answer);
  if (answer.status === 404 || answer.status === 409) {
    throw new AccountError("ACCOUNT_MAILBOX_CLOSED", "nobody waits behind this code");
  }
  throw unreachable(new Error(`the relay answers ${answer.status}`));
}

/** The body, read no further than it may be long. */
async function bounded(answer: Response, bytesMax: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(bytesMax);
  let byteCount = 0;
  const reader = answer.body?.getReader();
  try {
    for (;;) {
      const part = await reader?.read();
      if (part?.value === undefined) return bytes.slice(0, byteCount);
      if (byteCount + part.value.length > bytesMax) throw unreachable(new Error("too long"));
      bytes.set(part.value, byteCount);
      byteCount += part.value.length;
    }
  } finally {
    await reader?.cancel();
  }
}

async function discard(answer: Response): Promise<void> {
  await answer.body?.cancel();
}

function nameOf(text: string): string | undefined {
  return /^\{"name":"([0-9]{4})"\}$/.exec(text)?.[1];
}

function pause({ signal }: Options): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, pauseMs);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

function unreachable(cause: unknown): AccountError {
  return new AccountError("ACCOUNT_RELAY_UNREACHABLE", "the relay does not help with pairing", {
    cause,
  });
}
