/**
 * A byte store that lives in another thread: calls travel over a message port
 * (docs/spec/stream.md, "Byte stores"). Layer 4; pure. An append is pulled part by part, so that a
 * fast source fills no queue between the threads.
 */
import type { ByteStore, ByteStoreAbilities } from "../byte-store.ts";
import { StreamError, type StreamErrorCode } from "../errors.ts";
import { closedError, toStreamError, type ByteParts } from "./common.ts";

/** A MessagePort, a Worker, or the scope of a dedicated worker. */
export interface BytePort {
  postMessage(message: unknown): void;
  addEventListener(type: string, listener: (event: { readonly data?: unknown }) => void): void;
  start?(): void;
}

type Call =
  | { readonly name: "open"; readonly subject: unknown }
  | { readonly name: "size" | "flush" | "close" }
  | { readonly name: "read"; readonly offset: number; readonly length: number }
  | { readonly name: "append"; readonly expectedSize: number }
  | { readonly name: "truncate"; readonly size: number };

/** What the caller's side sends. */
type Question =
  | { readonly id: number; readonly call: Call }
  | { readonly id: number; readonly part: Uint8Array | undefined };

/** What the store's side sends. */
type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly pull: true }
  | { readonly id: number; readonly code: StreamErrorCode; readonly message: string };

/**
 * Serves one store over `port`: `open` is called with the subject of the first call, and may refuse
 * it by throwing a StreamError. Messages of other kinds are ignored.
 */
export function serveBytes(port: BytePort, open: (subject: unknown) => Promise<ByteStore>): void {
  let store: ByteStore | undefined;
  let isTaken = false;
  const pulls = new Map<number, (part: Uint8Array | undefined) => void>();

  async function* pullParts(id: number): AsyncGenerator<Uint8Array> {
    for (;;) {
      const pulled = Promise.withResolvers<Uint8Array | undefined>();
      pulls.set(id, pulled.resolve);
      port.postMessage({ id, pull: true } satisfies Answer);
      const part = await pulled.promise;
      pulls.delete(id);
      if (part === undefined) return;
      yield part;
    }
  }

  const run = async (id: number, call: Call): Promise<unknown> => {
    if (call.name === "open") {
      if (isTaken) throw new StreamError("BYTES_MISUSE", "the port serves one store");
      isTaken = true;
      store = await open(call.subject);
      return store.abilities;
    }
    if (store === undefined) throw closedError();
    switch (call.name) {
      case "size":
        return store.size();
      case "read":
        return store.read(call.offset, call.length);
      case "append":
        return store.append(call.expectedSize, pullParts(id));
      case "flush":
        return store.flush();
      case "truncate":
        return store.truncate(call.size);
      case "close":
        return store.close();
    }
  };

  port.addEventListener("message", ({ data }) => {
    if (!isQuestion(data)) return;
    const { id } = data;
    if (!("call" in data)) {
      pulls.get(id)?.(data.part);
      return;
    }
    void run(id, data.call).then(
      (value) => port.postMessage({ id, value } satisfies Answer),
      (error: unknown) => {
        const { code, message } = toStreamError(error, "the store");
        port.postMessage({ id, code, message } satisfies Answer);
      },
    );
  });
  port.start?.();
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: unknown): void;
  pull(): void;
}

/**
 * The store that the other side serves; `subject` tells it which, and must survive a structured
 * clone. When the other side fails as a whole, every call rejects with BYTES_IO.
 */
export async function connectBytes(port: BytePort, subject: unknown): Promise<ByteStore> {
  const pending = new Map<number, Pending>();
  let lastId = 0;
  let failure: StreamError | undefined;

  port.addEventListener("message", ({ data }) => {
    if (!isAnswer(data)) return;
    const waiting = pending.get(data.id);
    if (waiting === undefined) return;
    if ("pull" in data) return waiting.pull();
    pending.delete(data.id);
    if ("code" in data) waiting.reject(new StreamError(data.code, data.message));
    else waiting.resolve(data.value);
  });
  port.addEventListener("error", () => {
    failure = new StreamError("BYTES_IO", "the thread of the store failed");
    for (const { reject } of pending.values()) reject(failure);
    pending.clear();
  });
  port.start?.();

  const ask = (call: Call, pull: (id: number) => void = () => undefined): Promise<unknown> => {
    if (failure !== undefined) return Promise.reject(failure);
    const id = ++lastId;
    return new Promise((resolve, reject) => {
      pending.set(id, { resolve, reject, pull: () => pull(id) });
      port.postMessage({ id, call } satisfies Question);
    });
  };
  const abilities = await ask({ name: "open", subject });
  // Safe: the other side is this module, in a thread of the same program.
  return createPortStore(port, ask, abilities as ByteStoreAbilities);
}

type Ask = (call: Call, pull?: (id: number) => void) => Promise<unknown>;

function createPortStore(port: BytePort, ask: Ask, abilities: ByteStoreAbilities): ByteStore {
  let isClosed = false;
  const begin = (signal?: AbortSignal): void => {
    signal?.throwIfAborted();
    if (isClosed) throw closedError();
  };
  const close = async (): Promise<void> => {
    if (isClosed) return;
    isClosed = true;
    await ask({ name: "close" });
  };
  return {
    abilities,
    size: async (signal) => {
      begin(signal);
      return Number(await ask({ name: "size" }));
    },
    read: async (offset, length, signal) => {
      begin(signal);
      const bytes = await ask({ name: "read", offset, length });
      if (bytes instanceof Uint8Array) return bytes;
      throw new StreamError("BYTES_IO", "the thread of the store answered with no bytes");
    },
    append: async (expectedSize, parts, signal) => {
      begin(signal);
      const source = createSource(parts, signal);
      const pull = (id: number): void => {
        void source.next().then((part) => port.postMessage({ id, part } satisfies Question));
      };
      try {
        const size = await ask({ name: "append", expectedSize }, pull);
        source.throwFailure();
        return Number(size);
      } finally {
        await source.end();
      }
    },
    flush: async () => {
      begin();
      await ask({ name: "flush" });
    },
    truncate: async (size) => {
      begin();
      await ask({ name: "truncate", size });
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

interface PartSource {
  /** The next part, or `undefined` at the end or after a failure. Never rejects. */
  next(): Promise<Uint8Array | undefined>;
  /** Lets go of the parts. */
  end(): Promise<void>;
  throwFailure(): void;
}

/** Parts one at a time. A failure of the source stays on its own side, as it is. */
function createSource(parts: ByteParts, signal: AbortSignal | undefined): PartSource {
  const iterator = iterate(parts);
  let failure: { readonly error: unknown } | undefined;
  return {
    next: async () => {
      try {
        signal?.throwIfAborted();
        const result = await iterator.next();
        if (result.done === true) return undefined;
        if (result.value instanceof Uint8Array) return result.value;
        throw new StreamError("BYTES_MISUSE", "a part of an append is no Uint8Array");
      } catch (error) {
        failure = { error };
        return undefined;
      }
    },
    end: async () => {
      await iterator.return(undefined);
    },
    throwFailure: () => {
      if (failure !== undefined) throw failure.error;
    },
  };
}

async function* iterate(parts: ByteParts): AsyncGenerator<Uint8Array, undefined> {
  yield* parts;
  return undefined;
}

function isQuestion(data: unknown): data is Question {
  return hasId(data) && ("call" in data || "part" in data);
}

function isAnswer(data: unknown): data is Answer {
  return hasId(data) && ("value" in data || "pull" in data || "code" in data);
}

function hasId(data: unknown): data is { readonly id: number } {
  return typeof data === "object" && data !== null && "id" in data && typeof data.id === "number";
}
