import { packetOffsets, parsePackets } from "@hawser/packet";
import { createCrypto } from "@hawser/crypto";
import { createMemoryBytes, openStream, StreamError, verifyStreamProof } from "@hawser/stream";
import { equalBytes } from "@hawser/codec";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { make, noise, remembering, secretOf, testDeps, text, untext } from "./support/streams.ts";

const crypto = remembering(await createCrypto());
const deps = () => testDeps(0, crypto);

async function sample(): Promise<{ bytes: Uint8Array; count: number }> {
  const { stream, store } = await make({}, deps());
  const drafts = Array.from({ length: 260 }, (_, n) => ({ content: text(`b${n}`) }));
  await stream.appendMany(drafts, { signEvery: 100 });
  await stream.append({}, noise(66_000));
  await stream.append({}, text("last"));
  return { bytes: store.contents(), count: stream.height };
}

/** Places of the index packets in a stream. */
function indexPlaces(
  bytes: Uint8Array,
): { offset: number; byteCount: number; dataBytes: number }[] {
  const places = [];
  let offset = 0;
  for (const parsed of parsePackets(bytes, { allowPrivate: true })) {
    if (!parsed.ok) throw new Error(parsed.reason);
    const { packet } = parsed;
    const byteCount = packet.bytes.length;
    const isIndex = packet.kind === "linkpoint" && packet.group.every((byte) => byte === 0);
    if (isIndex) places.push({ offset, byteCount, dataBytes: packet.data.length });
    offset += byteCount;
  }
  return places;
}

describe("hostile files", () => {
  test("an index that lies, with right hashes, makes no read false and keeps no writer out", async () => {
    const { bytes, count } = await sample();
    const places = indexPlaces(bytes);
    const lie = fc.record({
      place: fc.nat(places.length - 1),
      changes: fc.array(fc.record({ at: fc.nat(400), value: fc.nat(255) }), {
        minLength: 1,
        maxLength: 4,
      }),
    });
    let lied = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(lie, { minLength: 1, maxLength: 4 }), async (lies) => {
        const forged = bytes.slice();
        for (const { place, changes } of lies) {
          const { offset, byteCount, dataBytes } = places[place] ?? places[0] ?? failed();
          const packet = forged.subarray(offset, offset + byteCount);
          for (const { at, value } of changes) {
            // In the data alone: before the trailer in a tail.
            const index = byteCount - dataBytes + (at % Math.max(1, dataBytes - 20));
            packet[index] = value;
          }
          packet.set(crypto.hash(packet.subarray(packetOffsets.point)), packetOffsets.hash);
        }
        const secret = secretOf(1);
        const opened = await openStream(deps(), createMemoryBytes({ bytes: forged }), { secret });
        if (!opened.ok) throw new Error(opened.fault.message);
        const { stream } = opened;
        expect(stream.height).toBe(count);
        for (const seq of [1, 99, 100, 101, 255, 256, 258, 260]) {
          expect(untext((await stream.read(seq))?.bytes)).toBe(`b${seq - 1}`);
        }
        const large = (await stream.read(261))?.bytes ?? text("");
        expect(equalBytes(large, noise(66_000))).toBe(true);
        const proof = await stream.proof(50);
        expect(verifyStreamProof({ crypto }, proof)).toMatchObject({
          ok: true,
          entry: { seq: 50 },
        });
        const verdict = await stream.verify("full");
        expect(verdict.ok).toBe(true);
        if (verdict.ok) lied += verdict.indexFaultCount;
        await stream.append({}, text("goes on"));
        expect((await stream.verify("head")).ok).toBe(true);
      }),
      { numRuns: 40, seed: 3 },
    );
    expect(lied).toBeGreaterThan(20);
  }, 60_000);

  test("random bytes are no stream, and nothing but StreamError is thrown", async () => {
    const { bytes } = await sample();
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 300 }),
        fc.nat(bytes.length),
        fc.boolean(),
        async (random, cut, isPrefixed) => {
          const forged = new Uint8Array(isPrefixed ? cut + random.length : random.length);
          if (isPrefixed) forged.set(bytes.subarray(0, cut));
          forged.set(random, forged.length - random.length);
          try {
            const opened = await openStream(deps(), createMemoryBytes({ bytes: forged }));
            if (!opened.ok) return;
            expect(opened.stream.byteCount).toBeLessThanOrEqual(forged.length);
            await opened.stream.verify("full");
          } catch (error) {
            if (!(error instanceof StreamError)) throw error;
          }
        },
      ),
      { numRuns: 150, seed: 5 },
    );
  }, 60_000);

  test("packets of a stream in any order are refused or give a true beginning", async () => {
    const { stream, store } = await make({}, deps());
    for (const word of ["a", "b", "c", "d"]) await stream.append({}, text(word));
    const packets: Uint8Array[] = [];
    for (const parsed of parsePackets(store.contents(), { allowPrivate: true })) {
      if (parsed.ok) packets.push(parsed.packet.bytes);
    }
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(packets.length - 1), { maxLength: 14 }), async (order) => {
        const parts = [0, 1, ...order].map((index) => packets[index] ?? text(""));
        const forged = Uint8Array.from(parts.flatMap((part) => [...part]));
        const opened = await openStream(deps(), createMemoryBytes({ bytes: forged }), {
          pin: stream.id,
        });
        if (!opened.ok) throw new Error(opened.fault.message);
        const words = ["a", "b", "c", "d"];
        for (let seq = 1; seq < opened.stream.height; seq++) {
          expect(untext((await opened.stream.read(seq))?.bytes)).toBe(words[seq - 1]);
        }
      }),
      { numRuns: 150, seed: 11 },
    );
  }, 60_000);
});

function failed(): never {
  throw new Error("no index packet");
}
