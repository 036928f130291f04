/** Values that the tests of this package share. */
import { fromHex } from "@hawser/codec";
import { createNobleCrypto, type Crypto } from "@hawser/crypto";
import { hop, withNetHeader, type Packet } from "@hawser/packet";

export const crypto: Crypto = createNobleCrypto();

/** 2023-11-14, in µs. */
export const startMicros = 1_700_000_000_000_000;

/** A signing secret for a small number. */
export function secretOf(seed: number): Uint8Array {
  const secret = new Uint8Array(32).fill(0x11);
  secret[31] = seed + 1;
  return secret;
}

/** The packet as it is after one relay. */
export function received(packet: Packet<"verified">): Packet<"verified"> {
  return withNetHeader(packet, hop(packet.netHeader));
}

export function bytes32(fill: number): Uint8Array {
  return new Uint8Array(32).fill(fill);
}

export function hex(text: string): Uint8Array {
  const bytes = fromHex(text);
  if (bytes === undefined) throw new Error("no hex");
  return bytes;
}

/** A repeatable source of random bytes. */
export function seededRandom(seed: number): (byteCount: number) => Uint8Array {
  let state = seed >>> 0 || 1;
  return (byteCount) =>
    Uint8Array.from({ length: byteCount }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state >>> 24;
    });
}
