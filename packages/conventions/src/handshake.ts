/**
 * The handshake (docs/spec/conventions.md §6): four phases in which two sides prove to each other
 * that they hold their keys. Layer 4; pure: packets come in, packets and verdicts go out.
 *
 *   client                                   server
 *   phase 0  group own key              ───►
 *                                       ◄─── phase 1  group c ^ s, "auth" → phase 0
 *   phase 2  group c ^ s, "signed" → 1  ───►
 *                                            phase 3  verifies
 */
import { equalBytes, utf8 } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { buildKeypoint, handshakeDomain, type Packet } from "@hawser/packet";
import { isAt, isTag } from "./place.ts";

/** Why a packet is not the phase that was due. */
export type HandshakeReason =
  /** It is no keypoint. */
  | "HANDSHAKE_UNSIGNED"
  /** Domain, path, group, links or data are not those of the phase. */
  | "HANDSHAKE_SHAPE"
  /** Its hop count is 0: it did not come over a connection, or a mirror sent it. */
  | "HANDSHAKE_HOP"
  /** Its stamp is too far from our clock: an old recording, or clocks that disagree. */
  | "HANDSHAKE_STAMP"
  /** The other side shows our own key. */
  | "HANDSHAKE_SAME_KEY"
  /** It answers another packet than ours. */
  | "HANDSHAKE_TRANSCRIPT"
  /** The key changed between two phases. */
  | "HANDSHAKE_KEY_CHANGED"
  /** A packet came when none was due. */
  | "HANDSHAKE_OVER";

export interface HandshakeRefusal {
  readonly ok: false;
  readonly reason: HandshakeReason;
}

export interface HandshakeDeps {
  readonly crypto: Pick<Crypto, "hash" | "publicKey" | "signPoint">;
  /** Our signing secret. */
  readonly secret: Uint8Array;
  /** µs since the Unix epoch. */
  readonly nowMicros: () => number;
}

export interface HandshakeOptions {
  /** A stamp must be nearer to our clock than this; default 15 s. */
  readonly differenceMicrosMax?: number;
}

/** Linkspace's allowance between two clocks: 15 s. */
export const handshakeDifferenceMicros = 15_000_000;

const phasePath = [utf8("sentinal")];

/** The group of two keys: their XOR, the same from both sides. Both have 32 bytes. */
export function unicastGroup(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, index) => byte ^ (b[index] ?? 0));
}

/** Phase 0: the client shows its key. */
export function handshakePhase0(deps: HandshakeDeps): Packet<"verified"> {
  return buildPhase(deps, deps.crypto.publicKey(deps.secret), []);
}

/** Phase 1: the server checks phase 0 and signs it. */
export function handshakePhase1(
  deps: HandshakeDeps,
  phase0: Packet<"verified">,
  options: HandshakeOptions = {},
): { readonly ok: true; readonly packet: Packet<"verified"> } | HandshakeRefusal {
  const checked = checkReceived(deps, phase0, options);
  if (!checked.ok) return checked;
  if (!isPhase0(phase0)) return refuse("HANDSHAKE_SHAPE");
  const group = unicastGroup(checked.peer, deps.crypto.publicKey(deps.secret));
  return { ok: true, packet: buildPhase(deps, group, [{ tag: "auth", pointer: phase0.hash }]) };
}

/** Phase 2: the client checks phase 1, learns the server's key, and signs phase 1. */
export function handshakePhase2(
  deps: HandshakeDeps,
  phase0: Packet<"verified">,
  phase1: Packet<"verified">,
  options: HandshakeOptions = {},
):
  | { readonly ok: true; readonly packet: Packet<"verified">; readonly peer: Uint8Array }
  | HandshakeRefusal {
  const own = deps.crypto.publicKey(deps.secret);
  if (phase0.publicKey === undefined || !equalBytes(phase0.publicKey, own)) {
    return refuse("HANDSHAKE_KEY_CHANGED");
  }
  const checked = checkReceived(deps, phase1, options);
  if (!checked.ok) return checked;
  const group = unicastGroup(own, checked.peer);
  const reason = checkAnswer(phase1, { group, tag: "auth", answers: phase0 });
  if (reason !== undefined) return refuse(reason);
  const packet = buildPhase(deps, group, [{ tag: "signed", pointer: phase1.hash }]);
  return { ok: true, packet, peer: checked.peer };
}

/** Phase 3: the server checks phase 2 and knows the client's key. */
export function handshakePhase3(
  deps: HandshakeDeps,
  phases: readonly [
    phase0: Packet<"verified">,
    phase1: Packet<"verified">,
    phase2: Packet<"verified">,
  ],
  options: HandshakeOptions = {},
): { readonly ok: true; readonly peer: Uint8Array } | HandshakeRefusal {
  const [phase0, phase1, phase2] = phases;
  const own = deps.crypto.publicKey(deps.secret);
  if (phase1.publicKey === undefined || !equalBytes(phase1.publicKey, own)) {
    return refuse("HANDSHAKE_KEY_CHANGED");
  }
  const checked = checkReceived(deps, phase2, options);
  if (!checked.ok) return checked;
  if (phase0.publicKey === undefined || !equalBytes(phase0.publicKey, checked.peer)) {
    return refuse("HANDSHAKE_KEY_CHANGED");
  }
  const group = unicastGroup(own, checked.peer);
  // Phase 1 is ours, but which client it answered is what the caller says: check that as well.
  const reason =
    checkAnswer(phase1, { group, tag: "auth", answers: phase0 }) ??
    checkAnswer(phase2, { group, tag: "signed", answers: phase1 });
  return reason === undefined ? { ok: true, peer: checked.peer } : refuse(reason);
}

/** Where one side of a handshake stands. */
export type HandshakeState =
  | { readonly role: "client"; readonly phase0: Packet<"verified"> }
  | { readonly role: "server" }
  | {
      readonly role: "server";
      readonly phase0: Packet<"verified">;
      readonly phase1: Packet<"verified">;
    }
  | { readonly role: "over" };

/** What a packet from the other side leads to: a new state, a packet to send, a proven key. */
export interface HandshakeStep {
  readonly ok: true;
  readonly state: HandshakeState;
  readonly send: Packet<"verified"> | undefined;
  /** The other side's key, from the moment it is proven; the handshake is then over here. */
  readonly peer: Uint8Array | undefined;
}

/** The client's first step. */
export function startHandshake(deps: HandshakeDeps): HandshakeStep {
  const phase0 = handshakePhase0(deps);
  return { ok: true, state: { role: "client", phase0 }, send: phase0, peer: undefined };
}

/** The server before anything came. */
export function awaitHandshake(): HandshakeState {
  return { role: "server" };
}

/**
 * One received packet. A refusal is final for the connection: whoever hears one ends it, because a
 * second attempt in the same transcript would let the other side search.
 */
export function stepHandshake(
  deps: HandshakeDeps,
  state: HandshakeState,
  received: Packet<"verified">,
  options: HandshakeOptions = {},
): HandshakeStep | HandshakeRefusal {
  if (state.role === "over") return refuse("HANDSHAKE_OVER");
  if (state.role === "client") {
    const result = handshakePhase2(deps, state.phase0, received, options);
    if (!result.ok) return result;
    return { ok: true, state: { role: "over" }, send: result.packet, peer: result.peer };
  }
  if (!("phase0" in state)) {
    const result = handshakePhase1(deps, received, options);
    if (!result.ok) return result;
    const next = { role: "server", phase0: received, phase1: result.packet } as const;
    return { ok: true, state: next, send: result.packet, peer: undefined };
  }
  const result = handshakePhase3(deps, [state.phase0, state.phase1, received], options);
  if (!result.ok) return result;
  return { ok: true, state: { role: "over" }, send: undefined, peer: result.peer };
}

function buildPhase(
  { crypto, secret, nowMicros }: HandshakeDeps,
  group: Uint8Array,
  links: readonly { readonly tag: string; readonly pointer: Uint8Array }[],
): Packet<"verified"> {
  const draft = { group, domain: handshakeDomain(), path: phasePath, links, stamp: nowMicros() };
  return buildKeypoint(crypto, draft, secret);
}

/** What holds of every packet from the other side: signed, travelled, fresh, not our own. */
function checkReceived(
  deps: HandshakeDeps,
  packet: Packet<"verified">,
  options: HandshakeOptions,
): { readonly ok: true; readonly peer: Uint8Array } | HandshakeRefusal {
  const { publicKey } = packet;
  if (publicKey === undefined) return refuse("HANDSHAKE_UNSIGNED");
  if (equalBytes(publicKey, deps.crypto.publicKey(deps.secret))) {
    return refuse("HANDSHAKE_SAME_KEY");
  }
  if (packet.netHeader.hop === 0) return refuse("HANDSHAKE_HOP");
  const max = options.differenceMicrosMax ?? handshakeDifferenceMicros;
  const stamp = packet.stampNumber;
  if (stamp === undefined || Math.abs(stamp - deps.nowMicros()) >= max) {
    return refuse("HANDSHAKE_STAMP");
  }
  return { ok: true, peer: publicKey };
}

function isPhase0(packet: Packet<"verified">): boolean {
  const group = packet.publicKey;
  return (
    group !== undefined &&
    isAt(packet, { group, domain: handshakeDomain(), path: phasePath }) &&
    packet.linkCount === 0 &&
    packet.data.length === 0
  );
}

/** Why `packet` is not the one link of that tag to `answers`, in that group. */
function checkAnswer(
  packet: Packet<"verified">,
  due: { readonly group: Uint8Array; readonly tag: string; readonly answers: Packet<"verified"> },
): HandshakeReason | undefined {
  const place = { group: due.group, domain: handshakeDomain(), path: phasePath };
  const link = packet.link(0);
  if (!isAt(packet, place) || packet.data.length > 0) return "HANDSHAKE_SHAPE";
  if (packet.linkCount !== 1 || link === undefined) return "HANDSHAKE_SHAPE";
  if (!isTag(link.tag, due.tag)) return "HANDSHAKE_SHAPE";
  return equalBytes(link.pointer, due.answers.hash) ? undefined : "HANDSHAKE_TRANSCRIPT";
}

function refuse(reason: HandshakeReason): HandshakeRefusal {
  return { ok: false, reason };
}
