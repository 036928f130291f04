/**
 * Hello and identities (docs/spec/3-sync.md §4). Layer 4; pure.
 */
import { featuresKnown, version } from "./codes.ts";
import { encodeMessage } from "./encode.ts";
import {
  identitiesHold,
  identityBytes,
  identityLabel,
  otherRole,
  roleOf,
  sessionOf,
  transcriptOf,
} from "./handshake.ts";
import { frameBytesMax } from "./limits.ts";
import type { Turn } from "./machine-types.ts";
import type { HelloMessage, IdentitiesMessage } from "./message.ts";
import { close, sendFrame } from "./turn.ts";

/** Sends our hello and starts the clock of the handshake. */
export function start(turn: Turn): void {
  const { state, deps } = turn;
  state.phase = "hello";
  state.ownHello = encodeMessage({
    type: "hello",
    versionMin: version,
    versionMax: version,
    features: deps.options.features,
    nonce: state.seed.nonce,
    windowBytes: deps.options.windowBytes,
    rangeBytes: deps.options.rangeBytes,
  });
  state.granted = deps.options.windowBytes;
  turn.effects.push({
    type: "startTimer",
    name: "handshake",
    delayMs: deps.options.handshakeMs,
  });
  sendFrame(turn, state.ownHello);
}

/** Fixes version, features, roles and transcript; answers with our identities. */
export function onHello(turn: Turn, message: HelloMessage, frame: Uint8Array): void {
  const { state, deps } = turn;
  const role = roleOf(state.seed.nonce, message.nonce);
  if (role === undefined) return close(turn, "SYNC_SELF");
  if (version < message.versionMin || version > message.versionMax) {
    return close(turn, "SYNC_VERSION");
  }
  // A smaller window could never carry a full frame, so the session could not move.
  if (message.windowBytes < frameBytesMax) return close(turn, "SYNC_BAD_MESSAGE");
  state.phase = "identities";
  state.role = role;
  state.peerNonce = message.nonce;
  state.features = message.features & deps.options.features & featuresKnown;
  state.credit = message.windowBytes;
  state.peerRangeBytes = message.rangeBytes;
  state.transcript = transcriptOf(deps.crypto, role, {
    ownHello: state.ownHello,
    peerHello: frame.slice(),
    channelBinding: state.seed.channelBinding,
  });
  const bytes = identityBytes(state.transcript, role);
  state.ownIdentities = encodeMessage({
    type: "identities",
    proofs: state.seed.identities.map((identity) => ({
      id: identity.id,
      signature: identity.sign(identityLabel, bytes),
    })),
  });
  sendFrame(turn, state.ownIdentities);
}

/** Checks the peer's keys; from here on the session is open. */
export function onIdentities(turn: Turn, message: IdentitiesMessage, frame: Uint8Array): void {
  const { state, deps } = turn;
  const isHeld = identitiesHold(deps.crypto, message.proofs, {
    transcript: state.transcript,
    role: otherRole(state.role),
  });
  if (!isHeld) return close(turn, "SYNC_BAD_IDENTITY");
  if (message.proofs[0]?.id === state.seed.identities[0]?.id) return close(turn, "SYNC_SELF");
  state.phase = "open";
  state.peerIdentities = message.proofs.map((proof) => proof.id);
  state.session = sessionOf(deps.crypto, state.role, {
    transcript: state.transcript,
    ownIdentities: state.ownIdentities,
    peerIdentities: frame.slice(),
  });
  turn.effects.push(
    { type: "stopTimer", name: "handshake" },
    { type: "startTimer", name: "heartbeat", delayMs: deps.options.heartbeatMs },
    { type: "readTopics", identities: state.peerIdentities },
  );
}
