/**
 * One direct connection, from an offer to an open channel (docs/spec/transport-webrtc.md §5): who
 * carries the descriptions is the caller's affair. Layer 5.
 */
import { concatBytes } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import type { Timers } from "@hawser/sync";
import { TransportWebrtcError } from "./errors.ts";
import { createPipe, partBytesMin, type Pipe } from "./pipe.ts";
import { fingerprintIn } from "./sdp.ts";
import type { RtcPeer, RtcPlatform } from "./types.ts";

export interface EstablishDeps {
  readonly platform: RtcPlatform;
  readonly crypto: Crypto;
  readonly timers: Timers;
}

export interface EstablishOptions {
  /** Ends the attempt. */
  readonly signal?: AbortSignal;
  /** How long it may take; default 20 s. */
  readonly timeoutMs?: number;
  /** How long to look for candidates; default 2 s. */
  readonly gatherMs?: number;
  /** 16 bytes, drawn by the side that offers: no two connections have one binding. */
  readonly session: Uint8Array;
  /** What the other side's fingerprint must be, where it is known beforehand. */
  readonly isExpected?: (fingerprint: Uint8Array) => boolean;
}

/**
 * Connects as the side that offers; `exchange` brings the offer over and the answer back. Throws
 * TRANSPORT_WEBRTC_ABORTED, _BAD_DESCRIPTION, _FAILED, and what `exchange` rejects with as `cause`.
 */
export function offerPipe(
  deps: EstablishDeps,
  exchange: (offer: string) => Promise<string>,
  options: EstablishOptions,
): Promise<Pipe> {
  return establish(deps, options, async (peer, bind) => {
    const offer = await peer.offer(options.gatherMs ?? gatherMsDefault);
    const ours = checkFingerprint(offer, {});
    const answer = await exchange(offer);
    bind([ours, checkFingerprint(answer, options)]);
    await peer.accept(answer);
  });
}

/** Connects as the side that answers; `reply` brings the answer over. Throws like `offerPipe`. */
export function answerPipe(
  deps: EstablishDeps,
  parts: { readonly offer: string; readonly reply: (answer: string) => Promise<void> },
  options: EstablishOptions,
): Promise<Pipe> {
  return establish(deps, options, async (peer, bind) => {
    const theirs = checkFingerprint(parts.offer, options);
    const answer = await peer.answer(parts.offer, options.gatherMs ?? gatherMsDefault);
    bind([theirs, checkFingerprint(answer, {})]);
    await parts.reply(answer);
  });
}

const timeoutMsDefault = 20_000;
const gatherMsDefault = 2_000;

/** Both fingerprints and the session, offerer first (docs/spec/transport-webrtc.md §5.3). */
function bindingOf(
  crypto: Crypto,
  session: Uint8Array,
  [offerer, answerer]: Fingerprints,
): Uint8Array {
  return crypto.deriveKey("hawser webrtc binding v1", concatBytes(session, offerer, answerer));
}

function checkFingerprint(
  description: string,
  { isExpected }: Pick<EstablishOptions, "isExpected">,
): Uint8Array {
  const fingerprint = fingerprintIn(description);
  if (fingerprint !== undefined && (isExpected?.(fingerprint) ?? true)) return fingerprint;
  const message = "the description is not of one data channel, or of another device";
  throw new TransportWebrtcError("TRANSPORT_WEBRTC_BAD_DESCRIPTION", message);
}

/** Fingerprints of the side that offers and of the one that answers. */
type Fingerprints = readonly [Uint8Array, Uint8Array];

async function establish(
  deps: EstablishDeps,
  options: EstablishOptions,
  negotiate: (peer: RtcPeer, bind: (fingerprints: Fingerprints) => void) => Promise<void>,
): Promise<Pipe> {
  const { signal, timeoutMs = timeoutMsDefault } = options;
  if (signal?.aborted === true) throw aborted(signal.reason);
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(aborted(signal?.reason));
  signal?.addEventListener("abort", onAbort);
  const stopTimer = deps.timers.after(timeoutMs, () => reject(aborted("no answer in time")));
  const opening = deps.platform.open();
  const connect = async (): Promise<Pipe> => {
    const peer = await opening;
    let channelBinding: Uint8Array | undefined;
    const opened = whenOpen(peer, () => takeOver(deps.timers, peer, channelBinding));
    const negotiated = negotiate(peer, (fingerprints) => {
      channelBinding = bindingOf(deps.crypto, options.session, fingerprints);
    });
    const [pipe] = await Promise.all([opened, negotiated]);
    return pipe;
  };
  try {
    return await Promise.race([connect(), stopped]);
  } catch (cause) {
    void opening.then((peer) => peer.close()).catch(() => {});
    if (cause instanceof TransportWebrtcError) throw cause;
    const message = "the direct connection did not come about";
    throw new TransportWebrtcError("TRANSPORT_WEBRTC_FAILED", message, { cause });
  } finally {
    stopTimer();
    signal?.removeEventListener("abort", onAbort);
  }
}

/** What `take` makes in the very turn in which the channel opens: nothing that comes is missed. */
function whenOpen(peer: RtcPeer, take: () => Pipe): Promise<Pipe> {
  const { channel } = peer;
  return new Promise((resolve, reject) => {
    channel.addEventListener("open", () => {
      // A promise of its own, since what `take` throws would be the listener's affair.
      resolve(new Promise((taken) => taken(take())));
    });
    const fail = (): void => reject(new Error("the channel closed before it opened"));
    channel.addEventListener("close", fail);
    channel.addEventListener("error", fail);
    peer.onLost(fail);
  });
}

function takeOver(timers: Timers, peer: RtcPeer, channelBinding: Uint8Array | undefined): Pipe {
  const messageBytes = peer.messageBytesMax();
  if (channelBinding === undefined || messageBytes <= partBytesMin) {
    const message = "the other side takes no messages of the size that frames are split into";
    throw new TransportWebrtcError("TRANSPORT_WEBRTC_FAILED", message);
  }
  const { channel } = peer;
  const release = (): void => peer.close();
  const pipe = createPipe({ channel, timers, channelBinding, messageBytes, release });
  peer.onLost(() => pipe.lose());
  return pipe;
}

function aborted(cause: unknown): TransportWebrtcError {
  const message = "the attempt was aborted";
  return new TransportWebrtcError("TRANSPORT_WEBRTC_ABORTED", message, { cause });
}
