import { MessageChannel } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { createMemoryBytes, StreamError, type ByteStore } from "@hawser/stream";
import {
  connectBytes,
  openOpfsBytes,
  serveBytes,
  type BytePort,
  type OpfsDirectory,
  type OpfsMode,
  type SyncHandle,
} from "@hawser/stream/opfs";
import { byteStoreCases, type ByteStoreHarness } from "@hawser/stream/testing";
import { asyncChunks } from "./stores-helpers.ts";

interface DoubleFile {
  bytes: Uint8Array<ArrayBuffer>;
  isOpen: boolean;
}

interface DoubleDirectory {
  readonly directory: OpfsDirectory;
  readonly files: Map<string, DoubleFile>;
  /** The most bytes of one file, and whether running out throws or writes less. */
  quota: { bytesMax: number; throws: boolean };
  isWorker: boolean;
  /** Whether handles throw whatever is asked, as when site data were cleared. */
  isGone: boolean;
}

const domError = (name: string): Error => new DOMException(name, name);

/** A directory as browsers have it, in memory. */
function createDirectory(): DoubleDirectory {
  const files = new Map<string, DoubleFile>();
  const double: DoubleDirectory = {
    files,
    quota: { bytesMax: Infinity, throws: true },
    isWorker: true,
    isGone: false,
    directory: {
      getFileHandle: async (name, { create }) => {
        if (!files.has(name) && !create) throw domError("NotFoundError");
        const file = files.get(name) ?? { bytes: new Uint8Array(0), isOpen: false };
        files.set(name, file);
        const getFile = async (): Promise<Blob> => new Blob([file.bytes]);
        if (!double.isWorker) return { getFile };
        return { getFile, createSyncAccessHandle: async () => openHandle(file, double) };
      },
    },
  };
  return double;
}

function openHandle(file: DoubleFile, double: DoubleDirectory): SyncHandle {
  if (file.isOpen) throw domError("NoModificationAllowedError");
  file.isOpen = true;
  const check = (): void => {
    if (double.isGone) throw domError("InvalidStateError");
  };
  return {
    getSize: () => {
      check();
      return file.bytes.length;
    },
    read: (into, { at }) => {
      check();
      const part = file.bytes.subarray(at, at + into.length);
      into.set(part);
      return part.length;
    },
    write: (bytes, { at }) => {
      check();
      const room = Math.max(0, double.quota.bytesMax - at);
      if (bytes.length > room && double.quota.throws) throw domError("QuotaExceededError");
      const part = bytes.subarray(0, room);
      const grown = new Uint8Array(Math.max(file.bytes.length, at + part.length));
      grown.set(file.bytes);
      grown.set(part, at);
      file.bytes = grown;
      return part.length;
    },
    truncate: (size) => {
      check();
      file.bytes = file.bytes.slice(0, size);
    },
    flush: check,
    close: () => {
      file.isOpen = false;
    },
  };
}

const channels: { close(): void }[] = [];

/** The store as the main thread sees it. */
async function throughPort(
  directory: OpfsDirectory,
  name: string,
  mode: OpfsMode,
): Promise<ByteStore> {
  const { port1, port2 } = new MessageChannel();
  channels.push(port1);
  // Safe: node's ports have these methods; their event type is another name for the same.
  const [near, far] = [port1, port2] as unknown as readonly [BytePort, BytePort];
  serveBytes(far, (subject) => openOpfsBytes(directory, String(subject), { mode }));
  const store = await connectBytes(near, name).catch((error: unknown) => {
    port1.close();
    throw error;
  });
  const close = async (): Promise<void> => {
    await store.close();
    port1.close();
  };
  return { ...store, close, [Symbol.asyncDispose]: close };
}

type Open = (directory: OpfsDirectory, name: string, mode: OpfsMode) => Promise<ByteStore>;

function opfsHarness(open: Open): ByteStoreHarness {
  const { directory } = createDirectory();
  return {
    open: async (bytes) => {
      const store = await open(directory, "a", "create");
      await store.append(0, [bytes]);
      return store;
    },
    reopen: async (store) => {
      await store.close();
      return open(directory, "a", "append");
    },
    second: () => open(directory, "a", "append"),
    reader: () => open(directory, "a", "read"),
  };
}

const direct: Open = (directory, name, mode) => openOpfsBytes(directory, name, { mode });

describe("the OPFS store keeps the contract on a double of the handle", () => {
  for (const { name, run, needs } of byteStoreCases) {
    const row = needs.includes("second") ? "[IW-two-writers]" : "[IW-bytestore]";
    test(`${row} OPFS in a worker: ${name}`, () => run(opfsHarness(direct)));
    test(`${row} OPFS over a port: ${name}`, () => run(opfsHarness(throughPort)));
  }
});

describe("what a browser may do", () => {
  const code = (value: string): unknown => expect.objectContaining({ code: value });

  for (const throws of [true, false]) {
    test(`[IW-bytestore] OPFS: a used-up quota that ${throws ? "throws" : "writes less"} is BYTES_FULL`, async () => {
      const double = createDirectory();
      await using store = await openOpfsBytes(double.directory, "a", { mode: "create" });
      double.quota = { bytesMax: 100, throws };
      await expect(store.append(0, [new Uint8Array(101)])).rejects.toEqual(code("BYTES_FULL"));
      await store.truncate(0);
      expect(await store.append(0, [new Uint8Array(100)])).toBe(100);
    });
  }

  test("[IW-bytestore] OPFS: each mode does what it says", async () => {
    const double = createDirectory();
    const { directory } = double;
    await expect(openOpfsBytes(directory, "a")).rejects.toEqual(code("BYTES_ABSENT"));
    await expect(openOpfsBytes(directory, "a", { mode: "read" })).rejects.toEqual(
      code("BYTES_ABSENT"),
    );
    const store = await openOpfsBytes(directory, "a", { mode: "create" });
    await store.append(0, [new Uint8Array(5)]);
    await expect(openOpfsBytes(directory, "a", { mode: "create" })).rejects.toEqual(
      code("BYTES_EXISTS"),
    );
    await expect(openOpfsBytes(directory, "a", { mode: "replace" })).rejects.toEqual(
      code("BYTES_LOCKED"),
    );
    expect(await store.size()).toBe(5);
    await store.close();
    await using replaced = await openOpfsBytes(directory, "a", { mode: "replace" });
    expect(await replaced.size()).toBe(0);
  });

  test("[IW-bytestore] OPFS: the main thread can read, not write, and the error says why", async () => {
    const double = createDirectory();
    await (await openOpfsBytes(double.directory, "a", { mode: "create" })).close();
    double.isWorker = false;
    await expect(openOpfsBytes(double.directory, "a")).rejects.toEqual(code("BYTES_MISUSE"));
    await using reader = await openOpfsBytes(double.directory, "a", { mode: "read" });
    expect(await reader.size()).toBe(0);
  });
});

/** Two ends of a wire whose messages a test can see. */
function createWire(): { near: BytePort; far: BytePort; fail(): void; sent: unknown[] } {
  const sent: unknown[] = [];
  type Listener = (event: { readonly data?: unknown }) => void;
  const listeners = { near: new Map<string, Listener>(), far: new Map<string, Listener>() };
  const end = (own: "near" | "far", other: "near" | "far"): BytePort => ({
    postMessage: (data) => {
      sent.push(data);
      queueMicrotask(() => listeners[other].get("message")?.({ data: structuredClone(data) }));
    },
    addEventListener: (type, listener) => void listeners[own].set(type, listener),
  });
  const fail = (): void => listeners.near.get("error")?.({});
  return { near: end("near", "far"), far: end("far", "near"), fail, sent };
}

describe("a store behind a port", () => {
  test("[IW-bytestore] a part is sent when the one before was taken", async () => {
    const { near, far, sent } = createWire();
    serveBytes(far, async () => createMemoryBytes());
    const store = await connectBytes(near, "x");
    sent.length = 0;
    expect(await store.append(0, asyncChunks(new Uint8Array(30), 10))).toBe(30);
    const kinds = sent.map((message) => {
      const names = Object.keys(Object(message)).filter((name) => name !== "id");
      return names.join("");
    });
    const round = ["pull", "part"];
    expect(kinds).toEqual(["call", ...round, ...round, ...round, ...round, "value"]);
  });

  test("[IW-bytestore] a source's own error comes back as it is, and is let go of", async () => {
    const { near, far } = createWire();
    serveBytes(far, async () => createMemoryBytes());
    const store = await connectBytes(near, "x");
    let isReleased = false;
    const error = new Error("mine");
    const source = async function* (): AsyncGenerator<Uint8Array> {
      try {
        yield new Uint8Array(3);
        throw error;
      } finally {
        isReleased = true;
      }
    };
    await expect(store.append(0, source())).rejects.toBe(error);
    expect(isReleased).toBe(true);
    await expect(store.append(99, asyncChunks(new Uint8Array(3), 1))).rejects.toMatchObject({
      code: "BYTES_MOVED",
    });
  });

  test("[IW-bytestore] a thread that dies rejects what waits and what comes", async () => {
    const { near, far, fail } = createWire();
    const gate = Promise.withResolvers<number>();
    serveBytes(far, async () => ({ ...createMemoryBytes(), size: () => gate.promise }));
    const store = await connectBytes(near, "x");
    const waiting = store.size();
    fail();
    await expect(waiting).rejects.toMatchObject({ code: "BYTES_IO" });
    await expect(store.read(0, 1)).rejects.toMatchObject({ code: "BYTES_IO" });
  });

  test("[IW-bytestore] the server's refusal arrives; strange messages are ignored", async () => {
    const { near, far } = createWire();
    serveBytes(far, async () => {
      throw new StreamError("BYTES_LOCKED", "taken");
    });
    for (const strange of [null, 5, "x", {}, { id: 1 }, { id: 9, part: new Uint8Array(1) }]) {
      near.postMessage(strange);
      far.postMessage(strange);
    }
    await expect(connectBytes(near, "x")).rejects.toMatchObject({
      code: "BYTES_LOCKED",
      message: "taken",
    });
  });
});

test("[IW-bytestore] a handle that the browser took away fails with a code, in every method", async () => {
  const double = createDirectory();
  const store = await openOpfsBytes(double.directory, "log", { mode: "create" });
  await store.append(0, [new Uint8Array(4)]);
  double.isGone = true;
  for (const work of [
    () => store.size(),
    () => store.read(0, 2),
    () => store.append(4, [new Uint8Array(1)]),
    () => store.truncate(1),
    () => store.flush(),
  ]) {
    await expect(work()).rejects.toMatchObject({ name: "StreamError", code: "BYTES_IO" });
  }
  await store.close();
  const replacing = openOpfsBytes(double.directory, "log", { mode: "replace" });
  await expect(replacing).rejects.toMatchObject({ code: "BYTES_IO" });
  double.isGone = false;
  await using again = await openOpfsBytes(double.directory, "log");
  expect(await again.size()).toBe(4);
});
