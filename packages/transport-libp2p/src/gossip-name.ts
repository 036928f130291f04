/**
 * What a topic is called on pub/sub (docs/spec/transport-libp2p.md §4). Layer 5, pure.
 */
import { concatBytes, fromHex, toHex } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import type { Topic } from "@hawser/log";
import { TransportLibp2pError } from "./errors.ts";

/**
 * 64 hex characters that only holders of the follow key can compute, or link to the topic or to the
 * name under another key. Throws TRANSPORT_LIBP2P_BAD_OPTION unless both have 32 bytes.
 */
export function gossipName(
  crypto: Pick<Crypto, "deriveKey">,
  topic: Topic,
  followKey: Uint8Array,
): string {
  const topicBytes = fromHex(topic);
  if (topicBytes?.length !== 32 || followKey.length !== 32) {
    throw new TransportLibp2pError(
      "TRANSPORT_LIBP2P_BAD_OPTION",
      "topic and key have 32 bytes each",
    );
  }
  return toHex(crypto.deriveKey("hawser gossip name v1", concatBytes(followKey, topicBytes)));
}
