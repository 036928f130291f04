/**
 * Streams for sync on a libp2p node (docs/spec/transport-libp2p.md §1): opened to peers, and
 * accepted from them. Layer 5; the node is the application's.
 */
import type { Crypto } from "@hawser/crypto";
import type { Connection, Timers } from "@hawser/sync";
import type { Connection as NodeConnection, Libp2p, PeerId, Stream } from "@libp2p/interface";
import { channelBindingOf } from "./channel-binding.ts";
import { TransportLibp2pError } from "./errors.ts";
import { streamsPerConnectionMax } from "./limits.ts";
import { createStreamConnection } from "./stream-connection.ts";

/** The name of the protocol on a libp2p connection. */
export const syncProtocol = "/hawser/sync/1";

/** The part of a libp2p node that is used. */
export type SyncNode = Pick<Libp2p, "peerId" | "dial" | "handle" | "unhandle">;

export interface SyncStreamsDeps {
  readonly node: SyncNode;
  readonly crypto: Pick<Crypto, "deriveKey">;
  readonly timers: Timers;
  /** A peer opened a stream: `syncPeer.attach(connection)`. Must not throw. */
  onConnection(connection: Connection, peer: PeerId): void;
}

export interface SyncStreamsOptions {
  /** Streams of peers that are open at once; default 256, 1 to 65,536. */
  readonly streamsMax?: number;
  /** Whether streams may run through a circuit relay, which bounds bytes and time; default no. */
  readonly limitedConnections?: boolean;
}

/** Where a peer is: its id when the node knows an address of it, or an address. */
export type DialTarget = Parameters<Libp2p["dial"]>[0];

export interface SyncStreams extends AsyncDisposable {
  /**
   * A connection to a peer. Throws TRANSPORT_LIBP2P_DIAL_FAILED, TRANSPORT_LIBP2P_ABORTED,
   * TRANSPORT_LIBP2P_CLOSED.
   */
  dial(target: DialTarget, options?: { readonly signal?: AbortSignal }): Promise<Connection>;
  /** Takes no more streams and closes those that are open. Idempotent. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Offers the protocol on a node. Throws TRANSPORT_LIBP2P_BAD_OPTION, and what `handle` throws when
 * the node offers the protocol already.
 */
export async function createSyncStreams(
  deps: SyncStreamsDeps,
  options: SyncStreamsOptions = {},
): Promise<SyncStreams> {
  const { node } = deps;
  const { streamsMax = 256, limitedConnections: runOnLimitedConnection = false } = options;
  if (!Number.isSafeInteger(streamsMax) || streamsMax < 1 || streamsMax > 65_536) {
    throw new TransportLibp2pError("TRANSPORT_LIBP2P_BAD_OPTION", "streamsMax is 1 to 65,536");
  }
  const open = new Set<Connection>();
  let accepted = 0;
  let isClosed = false;

  const wrap = (stream: Stream, connection: NodeConnection): Connection => {
    const wrapped = createStreamConnection({
      stream,
      timers: deps.timers,
      channelBinding: bindingOf(deps, connection),
    });
    open.add(wrapped);
    stream.addEventListener("close", () => open.delete(wrapped), { once: true });
    return wrapped;
  };
  const accept = (stream: Stream, connection: NodeConnection): void => {
    if (isClosed || accepted >= streamsMax) {
      stream.abort(new Error("no more streams are taken"));
      return;
    }
    accepted++;
    stream.addEventListener("close", () => accepted--, { once: true });
    deps.onConnection(wrap(stream, connection), connection.remotePeer);
  };
  await node.handle(syncProtocol, accept, {
    maxInboundStreams: streamsPerConnectionMax,
    runOnLimitedConnection,
  });
  return {
    dial: async (target, { signal } = {}) => {
      if (isClosed) throw new TransportLibp2pError("TRANSPORT_LIBP2P_CLOSED", "it was disposed");
      const dialOptions = signal === undefined ? {} : { signal };
      try {
        const connection = await node.dial(target, dialOptions);
        const streamOptions = { ...dialOptions, runOnLimitedConnection };
        return wrap(await connection.newStream(syncProtocol, streamOptions), connection);
      } catch (cause) {
        throw dialError(cause, signal);
      }
    },
    [Symbol.asyncDispose]: async () => {
      if (isClosed) return;
      isClosed = true;
      await node.unhandle(syncProtocol);
      for (const connection of open) connection.close();
    },
  };
}

/** None where no handshake proved the peer's id. */
function bindingOf(deps: SyncStreamsDeps, connection: NodeConnection): Uint8Array | undefined {
  if (connection.encryption?.startsWith("/plaintext") === true) return undefined;
  return channelBindingOf(deps.crypto, syncProtocol, [deps.node.peerId, connection.remotePeer]);
}

function dialError(cause: unknown, signal: AbortSignal | undefined): TransportLibp2pError {
  if (signal?.aborted === true) {
    return new TransportLibp2pError("TRANSPORT_LIBP2P_ABORTED", "the attempt was aborted", {
      cause,
    });
  }
  return new TransportLibp2pError("TRANSPORT_LIBP2P_DIAL_FAILED", "no stream to the peer", {
    cause,
  });
}
