/**
 * What both ends of a libp2p connection know of it (docs/spec/transport-libp2p.md §3). Layer 5, pure.
 */
import { compareBytes, createByteWriter, utf8 } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import type { PeerId } from "@libp2p/interface";

/**
 * 32 bytes over the protocol and both peer ids, the same on both sides: whoever sits between two
 * peers has shown each of them another id. js-libp2p does not hand out the hash of the handshake.
 */
export function channelBindingOf(
  crypto: Pick<Crypto, "deriveKey">,
  protocol: string,
  peers: readonly [PeerId, PeerId],
): Uint8Array {
  const ids = peers.map((peer) => peer.toMultihash().bytes).sort(compareBytes);
  const writer = createByteWriter(128);
  writer.sized(utf8(protocol));
  for (const id of ids) writer.sized(id);
  return crypto.deriveKey("hawser libp2p binding v1", writer.finish());
}
