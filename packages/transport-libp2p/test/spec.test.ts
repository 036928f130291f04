/** The examples of docs/spec/transport-libp2p.md, and the rules of its frames. */
import { concatBytes, fromHex, toHex, utf8 } from "@hawser/codec";
import { createCrypto } from "@hawser/crypto";
import type { Topic } from "@hawser/log";
import { createSeededNumbers, createSeededRandom } from "@hawser/sync/testing";
import { gossipName } from "@hawser/transport-libp2p";
import type { PeerId } from "@libp2p/interface";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { channelBindingOf } from "../src/channel-binding.ts";
import { createFrameDecoder, encodeFrame } from "../src/frames.ts";
import { openEnvelope, sealEnvelope } from "./support/envelope.ts";

const crypto = await createCrypto();
const bytes = (hex: string): Uint8Array => fromHex(hex) ?? new Uint8Array(0);
const topic = "aef14581d815dd4c27b191c1e28a2fda43b72c31db2a371e992b52296f5b8018" as Topic;

describe("examples of the chapter", () => {
  test("§2: two frames", () => {
    const stream = concatBytes(encodeFrame(utf8("hi")), encodeFrame(new Uint8Array(300)));
    expect(toHex(stream)).toBe(`026869ac02${"00".repeat(300)}`);
  });

  test("§3: a channel binding, whoever dialled", () => {
    const ids = ["11", "22"].map((byte) => bytes(`002408011220${byte.repeat(32)}`));
    const [one, two] = ids.map((id) => ({ toMultihash: () => ({ bytes: id }) }) as PeerId);
    if (one === undefined || two === undefined) throw new Error("two peers");
    const binding = channelBindingOf(crypto, "/hawser/sync/1", [one, two]);
    expect(toHex(binding)).toBe("d79797f857d17e7cad66b6dfe767b47ca4271a6f97469d8575a6e9e718f2d5b1");
    expect(channelBindingOf(crypto, "/hawser/sync/1", [two, one])).toEqual(binding);
  });

  test("§4: a name", () => {
    expect(gossipName(crypto, topic, new Uint8Array(32).fill(0x88))).toBe(
      "98657dd42cc59758a30d1ac66668895e5915b954a15fa7788a934eeacd3cac7e",
    );
  });

  test("the envelope of the tests is that of chapter 6 §5", () => {
    const followKey = new Uint8Array(32).fill(0x88);
    const packet = utf8("packet");
    const nonce = (byteCount: number): Uint8Array => new Uint8Array(byteCount).fill(0x77);
    const sealed = sealEnvelope(crypto, nonce, followKey, { kind: "packet", packet });
    expect(toHex(sealed)).toBe(
      `01aa107e087a48f8c4${"77".repeat(24)}36de5c773d0bc52080a5a761466c67df9f043f65562e2d11`,
    );
    expect(openEnvelope(crypto, followKey, sealed)).toEqual({ kind: "packet", packet });
  });

  test.each([
    ["11".repeat(31), 32],
    ["", 32],
    ["zz".repeat(32), 32],
    [topic, 31],
    [topic, 33],
  ])("no name for topic %s and a key of %d bytes", (text, keyBytes) => {
    expect(() => gossipName(crypto, text as Topic, new Uint8Array(keyBytes))).toThrow(
      expect.objectContaining({ code: "TRANSPORT_LIBP2P_BAD_OPTION" }),
    );
  });
});

/** A stream cut anywhere. */
function cut(stream: Uint8Array, seed: number, sizeMax: number): readonly Uint8Array[] {
  const numbers = createSeededNumbers(seed);
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < stream.length;) {
    const size = 1 + Math.floor(numbers() * sizeMax);
    chunks.push(stream.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

describe("frames", () => {
  test("come out as they went in, wherever the stream is cut", () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 20_000 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(sizes, fc.nat(), fc.integer({ min: 1, max: 30_000 }), (all, seed, sizeMax) => {
        const random = createSeededRandom(seed);
        const frames = all.map((size) => random(size));
        const decoder = createFrameDecoder();
        const chunks = cut(concatBytes(...frames.map(encodeFrame)), seed, sizeMax);
        const out = chunks.flatMap((chunk) => decoder.push(chunk) ?? []);
        expect(out.map(toHex)).toEqual(frames.map(toHex));
      }),
      { numRuns: 50 },
    );
  });

  test("of the largest size pass, byte by byte too", () => {
    const frame = createSeededRandom(1)(256 * 1024);
    const decoder = createFrameDecoder();
    const out = Array.from(encodeFrame(frame), (byte) => decoder.push(Uint8Array.of(byte)) ?? []);
    expect(out.flat()).toEqual([frame]);
  });

  test.each([
    ["8000", "nothing, in two bytes"],
    ["818000", "one byte, in three"],
    ["81801000", "262,145 bytes"],
    ["ffffff7f", "four bytes of length"],
    ["01aa8000", "nothing after a frame, in two bytes"],
  ])("a stream of %s (%s) is broken", (hex) => {
    expect(createFrameDecoder().push(bytes(hex))).toBeUndefined();
    const decoder = createFrameDecoder();
    const results = Array.from(bytes(hex), (byte) => decoder.push(Uint8Array.of(byte)));
    expect(results).toContain(undefined);
  });

  test("a claimed length costs nothing before its bytes come", () => {
    const before = process.memoryUsage().arrayBuffers;
    const decoders = Array.from({ length: 2_000 }, () => createFrameDecoder());
    for (const decoder of decoders) decoder.push(bytes("80801000"));
    const grown = process.memoryUsage().arrayBuffers - before;
    // All of them together claim 512 MiB.
    expect(grown).toBeLessThan(32 * 1024 * 1024);
  });
});
