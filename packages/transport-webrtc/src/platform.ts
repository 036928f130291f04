/**
 * RTCPeerConnection and timers of the platform. Layer 5: platform globals are allowed here.
 */
import type { Timers } from "@hawser/sync";
import { TransportWebrtcError } from "./errors.ts";
import { fingerprintIn } from "./sdp.ts";
import type { RtcChannel, RtcPeer, RtcPlatform } from "./types.ts";

/** A STUN or TURN server, as RTCPeerConnection takes it. */
export interface IceServer {
  readonly urls: string | readonly string[];
  readonly username?: string;
  readonly credential?: string;
}

export interface PlatformRtcOptions {
  /**
   * Servers that help through NATs; they learn network addresses. Default: none, which connects
   * devices of one network, and those with public addresses.
   */
  readonly iceServers?: readonly IceServer[];
}

interface Description {
  readonly type: "offer" | "answer";
  readonly sdp: string;
}

/** The part of RTCPeerConnection that is used. */
interface PeerConnectionLike {
  readonly localDescription: Description | null;
  readonly connectionState: string;
  readonly iceGatheringState: string;
  readonly sctp: { readonly maxMessageSize: number } | null;
  createDataChannel(
    label: string,
    options: { readonly negotiated: true; readonly id: number; readonly ordered: true },
  ): RtcChannel;
  createOffer(): Promise<Description>;
  createAnswer(): Promise<Description>;
  setLocalDescription(description: Description): Promise<void>;
  setRemoteDescription(description: Description): Promise<void>;
  addEventListener(type: string, listener: () => void): void;
  close(): void;
}

interface PeerConnectionClass {
  new (configuration: {
    readonly certificates: readonly unknown[];
    readonly iceServers: readonly IceServer[];
  }): PeerConnectionLike;
  generateCertificate(algorithm: {
    readonly name: "ECDSA";
    readonly namedCurve: "P-256";
  }): Promise<unknown>;
}

/** Where the path does not come back in this time, it is lost. */
const disconnectedMsMax = 10_000;
/** What SCTP takes when the other side does not say (RFC 8841 §6.1). */
const messageBytesDefault = 65_536;

/** setTimeout and clearTimeout. */
export const platformTimers: Timers = {
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

/**
 * What the platform has, with a new certificate for each call. Throws TRANSPORT_WEBRTC_UNSUPPORTED.
 */
export function platformRtc(options: PlatformRtcOptions = {}): RtcPlatform {
  const PeerConnection = findClass();
  if (PeerConnection === undefined) {
    const message = "there is no RTCPeerConnection";
    throw new TransportWebrtcError("TRANSPORT_WEBRTC_UNSUPPORTED", message);
  }
  const certificate = PeerConnection.generateCertificate({ name: "ECDSA", namedCurve: "P-256" });
  // Whoever opens a peer hears of it; until then nobody waits.
  certificate.catch(() => {});
  const open = async (): Promise<RtcPeer> => {
    const { iceServers = [] } = options;
    return wrap(new PeerConnection({ certificates: [await certificate], iceServers }));
  };
  return {
    open,
    fingerprint: async () => {
      const peer = new PeerConnection({ certificates: [await certificate], iceServers: [] });
      try {
        openChannel(peer);
        const { sdp } = await peer.createOffer();
        const fingerprint = fingerprintIn(sdp);
        if (fingerprint !== undefined) return fingerprint;
        const message = "the platform's own description has no SHA-256 fingerprint";
        throw new TransportWebrtcError("TRANSPORT_WEBRTC_UNSUPPORTED", message);
      } finally {
        peer.close();
      }
    },
  };
}

function findClass(): PeerConnectionClass | undefined {
  // Node's types do not name what browsers have.
  const found = globalThis as { readonly RTCPeerConnection?: PeerConnectionClass };
  return found.RTCPeerConnection;
}

function openChannel(peer: PeerConnectionLike): RtcChannel {
  const channel = peer.createDataChannel("hawser", { negotiated: true, id: 0, ordered: true });
  channel.binaryType = "arraybuffer";
  return channel;
}

function wrap(peer: PeerConnectionLike): RtcPeer {
  const channel = openChannel(peer);
  const describe = async (made: Description, gatherMs: number): Promise<string> => {
    await peer.setLocalDescription(made);
    await gathered(peer, gatherMs);
    return peer.localDescription?.sdp ?? made.sdp;
  };
  return {
    channel,
    offer: async (gatherMs) => describe(await peer.createOffer(), gatherMs),
    answer: async (offer, gatherMs) => {
      await peer.setRemoteDescription({ type: "offer", sdp: offer });
      return describe(await peer.createAnswer(), gatherMs);
    },
    accept: (answer) => peer.setRemoteDescription({ type: "answer", sdp: answer }),
    messageBytesMax: () => {
      const said = peer.sctp?.maxMessageSize ?? messageBytesDefault;
      // 0 and Infinity both stand for no limit.
      return said > 0 ? Math.min(said, messageBytesDefault) : messageBytesDefault;
    },
    onLost: (listener) => watchPath(peer, listener),
    close: () => peer.close(),
  };
}

/** Resolves when all candidates are known, or enough time has passed. */
async function gathered(peer: PeerConnectionLike, gatherMs: number): Promise<void> {
  if (peer.iceGatheringState === "complete") return;
  const done = Promise.withResolvers<void>();
  const cancel = platformTimers.after(gatherMs, done.resolve);
  peer.addEventListener("icegatheringstatechange", () => {
    if (peer.iceGatheringState === "complete") done.resolve();
  });
  await done.promise;
  cancel();
}

function watchPath(peer: PeerConnectionLike, listener: () => void): void {
  let cancel = (): void => {};
  peer.addEventListener("connectionstatechange", () => {
    cancel();
    const state = peer.connectionState;
    if (state === "failed" || state === "closed") listener();
    if (state === "disconnected") cancel = platformTimers.after(disconnectedMsMax, listener);
  });
}
