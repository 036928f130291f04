/**
 * Well-known groups, domains and points (docs/spec/1-packet.md §9). Layer 2; pure.
 *
 * They are functions because a Uint8Array cannot be frozen: every caller gets bytes of its own.
 */
import { fromHex, utf8 } from "@hawser/codec";
import { domainBytes, groupBytes } from "./limits.ts";

/** The all-zero group: what is in it never leaves the device. Also "no public key", "null pointer". */
export function privateGroup(): Uint8Array {
  return new Uint8Array(groupBytes);
}

/** The group of everyone: the hash of the datapoint `publicGroupData()`. */
export function publicGroup(): Uint8Array {
  return constant("62bb3b8b3dd5ce75e1fa882fe1a33ad9598c3715c5893e0fdb8b487d5cfdb139");
}

/** Data of the datapoint whose hash is the public group. */
export function publicGroupData(): Uint8Array {
  return utf8("Hello, Sol!\n");
}

/** A group for tests: the hash of the datapoint `testGroupData()`. */
export function testGroup(): Uint8Array {
  return constant("2d1bf1bc0f64246e348565a55b0a9198b02b33cedc82bfb056c2474185b4367c");
}

/** Data of the datapoint whose hash is the test group. */
export function testGroupData(): Uint8Array {
  return utf8("Test Group");
}

/** The all-zero domain, also what a packet without a named domain has. */
export function nullDomain(): Uint8Array {
  return new Uint8Array(domainBytes);
}

/** Linkspace's domain of exchange processes. A first byte 0xFF marks a meta domain. */
export function exchangeDomain(): Uint8Array {
  return constant("ffffffffffffffff65786368616e6765");
}

/** Linkspace's domain of handshakes. */
export function handshakeDomain(): Uint8Array {
  return constant("000000000000ff68616e647368616b65");
}

/** The domain of the Linkspace name system. */
export function lnsDomain(): Uint8Array {
  return constant("000000000000000000000000006c6e73");
}

/** First path component of status points: 0xFF "status". */
export function statusComponent(): Uint8Array {
  return constant("ff737461747573");
}

function constant(hex: string): Uint8Array {
  return fromHex(hex) ?? new Uint8Array(0);
}
