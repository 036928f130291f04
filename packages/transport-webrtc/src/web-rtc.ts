/**
 * Direct connections as a device's front door takes them. Layer 5.
 */
import type { Crypto, Random } from "@hawser/crypto";
import type { Connection } from "@hawser/sync";
import { createDirect, type Direct, type DirectOptions } from "./direct.ts";
import { platformRtc, platformTimers, type PlatformRtcOptions } from "./platform.ts";
import { createRelaySignalling } from "./relay-signalling.ts";
import type { DirectTopic } from "./types.ts";

/** What a device gives: its topics, its relays, and who takes connections. */
export interface DirectHost {
  readonly crypto: Crypto;
  readonly random: Random;
  topics(): readonly DirectTopic[];
  /** Relays that carry signals, and a frame pipe to each of them. */
  relays(): readonly {
    readonly address: string;
    signal(options: { readonly signal: AbortSignal }): Promise<Connection>;
  }[];
  attach(connection: Connection): void;
}

/** A way to reach other devices without a relay in between. */
export interface DirectTransport {
  start(host: DirectHost): Direct;
}

/**
 * Direct connections over WebRTC, for `createHawser({ direct: webRtc() })`. Throws
 * TRANSPORT_WEBRTC_UNSUPPORTED where the platform has none.
 */
export function webRtc(options: PlatformRtcOptions & DirectOptions = {}): DirectTransport {
  const platform = platformRtc(options);
  return {
    start: (host) =>
      createDirect(
        {
          crypto: host.crypto,
          random: host.random,
          timers: platformTimers,
          platform,
          signallings: () =>
            host.relays().map(({ address, signal }) => createRelaySignalling(address, signal)),
          topics: () => host.topics(),
          onConnection: (connection) => host.attach(connection),
        },
        options,
      ),
  };
}
