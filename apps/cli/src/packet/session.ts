/**
 * Session: what one run of a packet command shares between its parts: settings, buffered output,
 * the packet store (opened when it is first needed), and what expressions may see.
 */
import { join, resolve } from "node:path";
import type { Packet } from "@hawser/packet";
import type { AbeContext, PacketStore } from "@hawser/query";
import { usage } from "./errors.ts";
import { createByteSink, type ByteSink, type PacketIo } from "./io.ts";
import { createKeyNames } from "./key-files.ts";

/** Options that every packet command takes. */
export interface CommonOptions {
  readonly dir?: string;
  readonly db?: string;
  readonly private?: boolean;
  readonly privateRead?: boolean;
  readonly privateWrite?: boolean;
  readonly hop?: boolean;
  readonly skipHash?: boolean;
  readonly env?: boolean;
}

export interface Session {
  readonly io: PacketIo;
  readonly stdout: ByteSink;
  readonly stderr: ByteSink;
  /** Folder of keys and packets. */
  readonly folder: string;
  /** Whether private packets may cross; `undefined` when nobody said. */
  readonly privateRead: boolean | undefined;
  readonly privateWrite: boolean | undefined;
  /** Whether readers count a hop; `undefined` leaves it to the command. */
  readonly hop: boolean | undefined;
  readonly skipHash: boolean;
  /** What an expression may see, with a packet of its own or without. */
  scope(given?: Pick<AbeContext, "packet" | "recv" | "argv">): AbeContext;
  /** The packet store; made when it is not there. */
  store(): Promise<PacketStore>;
  /**
   * Queues a packet for the store. Packets are stored in the order of these calls, several in one
   * transaction, and before anything that is written to stdout after them.
   */
  save(packet: Packet<"verified">): Promise<void>;
  /** Called before every wait: packets become durable, then what is queued goes out. */
  flush(): Promise<void>;
  /** Adds something to do at each flush. */
  onFlush(action: () => Promise<void>): void;
  /** Adds something to do at the end. */
  onClose(action: () => Promise<void>): void;
  close(): Promise<void>;
}

/** Packets a transaction takes at most: about 16 MB. */
const transactionPacketsMax = 256;

export function createSession(io: PacketIo, options: CommonOptions): Session {
  const folder = resolve(options.dir ?? io.env["LK_DIR"] ?? io.folder);
  const stderr = createByteSink(io.writeStderr);
  const atFlush: (() => Promise<void>)[] = [];
  const atClose: (() => Promise<void>)[] = [];
  const names = createKeyNames(folder);
  let opened: Promise<PacketStore> | undefined;
  const store = (): Promise<PacketStore> =>
    (opened ??= io.openStore(resolve(options.db ?? join(folder, "packets.sqlite"))));
  let unsaved: Packet<"verified">[] = [];
  const saveAll = async (): Promise<void> => {
    if (unsaved.length === 0) return;
    const packets = unsaved;
    unsaved = [];
    await (await store()).add(packets);
  };
  const stdout = createByteSink(async (bytes) => {
    // Whoever reads of a packet may look for what it links.
    await saveAll();
    await io.writeStdout(bytes);
  });
  const isPrivate = options.private ?? readFlag(io.env, "LK_PRIVATE");
  return {
    io,
    stdout,
    stderr,
    folder,
    privateRead: options.privateRead ?? readFlag(io.env, "LK_PRIVATE_READ") ?? isPrivate,
    privateWrite: options.privateWrite ?? readFlag(io.env, "LK_PRIVATE_WRITE") ?? isPrivate,
    hop: options.hop ?? readFlag(io.env, "LK_HOP"),
    skipHash: options.skipHash ?? readFlag(io.env, "LK_SKIP_HASH") ?? false,
    scope: (given = {}) => ({
      nowMicros: io.nowMicros,
      names,
      ...(options.env === true ? { env: (name: string) => io.env[name] } : {}),
      ...given,
    }),
    store,
    save: async (packet) => {
      unsaved.push(packet);
      if (unsaved.length >= transactionPacketsMax) await saveAll();
    },
    flush: async () => {
      await saveAll();
      for (const action of atFlush) await action();
      await stdout.flush();
      await stderr.flush();
    },
    onFlush: (action) => void atFlush.push(action),
    onClose: (action) => void atClose.push(action),
    close: async () => {
      for (const action of atClose) await action();
      await (await opened)?.close();
    },
  };
}

/** `true`/`1` and `false`/`0`; unset or empty is `undefined`. */
function readFlag(env: PacketIo["env"], name: string): boolean | undefined {
  const text = env[name];
  if (text === undefined || text === "") return undefined;
  if (text === "true" || text === "1") return true;
  if (text === "false" || text === "0") return false;
  throw usage(`${name} is ${text}`, "Set it to true or false, or unset it.");
}
