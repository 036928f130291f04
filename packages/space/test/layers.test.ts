/** The nested layers, docs/spec/6-space.md §4 and §5. */
import { concatBytes, toHex, utf8 } from "@hawser/codec";
import { createNobleCrypto, type AuthorId } from "@hawser/crypto";
import type { LogId, Topic } from "@hawser/log";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  bodyBytesMax,
  contentKeyAt,
  openEvent,
  openForRecipient,
  openPlain,
  parseEnvelope,
  plainEvent,
  recipientCountMax,
  sealEvent,
  sealEventTo,
  sealOverheadBytesMax,
  type DataEnvelope,
  type OpenedEvent,
} from "../src/layers.ts";
import { followIdOf, openOuter, sealOuter } from "../src/outer.ts";
import { padmeFloor, padmeSize } from "../src/padding.ts";
import type { Place } from "../src/place.ts";
import { seededRandom } from "./help.ts";

const crypto = createNobleCrypto();
const random = seededRandom(4);
const deps = { crypto, random };
const place: Place = {
  topic: "0a".repeat(32) as Topic,
  logId: "0b".repeat(32) as LogId,
  author: "0c".repeat(32) as AuthorId,
  seq: 7,
};
const epoch = { id: new Uint8Array(32).fill(0x0d), readKey: new Uint8Array(32).fill(5) };
const content = { type: "note", sequence: undefined, body: utf8("hello") };

function envelopeOf(data: Uint8Array): DataEnvelope & { mode: "sealed" } {
  const envelope = parseEnvelope(data);
  if (envelope?.mode !== "sealed") throw new Error("not sealed");
  return envelope;
}

function openAt(at: Place, data: Uint8Array, key = epoch.readKey): OpenedEvent | undefined {
  const envelope = envelopeOf(data);
  const contentKey = contentKeyAt(crypto, key, at, envelope.nonce);
  return openEvent(crypto, contentKey, at, { epochId: epoch.id, envelope });
}

describe("content and read layer", () => {
  test("[TH-050] [TH-058] sealed content opens with the read key and shows nothing without", () => {
    const data = sealEvent(deps, epoch, place, content);
    expect(openAt(place, data)).toEqual({ ...content, forRecipients: undefined });
    expect(openAt(place, data, new Uint8Array(32).fill(6))).toBeUndefined();
    expect(toHex(data)).not.toContain(toHex(content.body));
    expect(toHex(data)).not.toContain(toHex(utf8("note")));
  });

  test("[TH-053] the content key of one entry opens that entry and no other", () => {
    const first = sealEvent(deps, epoch, place, content);
    const second = sealEvent(deps, epoch, { ...place, seq: 8 }, content);
    const key = contentKeyAt(crypto, epoch.readKey, place, envelopeOf(first).nonce);
    const sealed = { epochId: epoch.id, envelope: envelopeOf(first) };
    expect(openEvent(crypto, key, place, sealed)?.body).toEqual(content.body);
    const other = { epochId: epoch.id, envelope: envelopeOf(second) };
    expect(openEvent(crypto, key, { ...place, seq: 8 }, other)).toBeUndefined();
  });

  test("[TH-052] 10,000 entries have 10,000 content keys", () => {
    const keys = new Set<string>();
    for (let seq = 0; seq < 10_000; seq++) {
      keys.add(toHex(contentKeyAt(crypto, epoch.readKey, { ...place, seq }, random(24))));
    }
    expect(keys.size).toBe(10_000);
  });

  test("[P2-M7] a ciphertext moved to another author, log, topic, seq or epoch does not open", () => {
    const data = sealEvent(deps, epoch, place, content);
    const moved: readonly Place[] = [
      { ...place, seq: 8 },
      { ...place, author: "0e".repeat(32) as AuthorId },
      { ...place, logId: "0e".repeat(32) as LogId },
      { ...place, topic: "0e".repeat(32) as Topic },
    ];
    for (const at of moved) expect(openAt(at, data)).toBeUndefined();
    const envelope = envelopeOf(data);
    const key = contentKeyAt(crypto, epoch.readKey, place, envelope.nonce);
    const epochId = new Uint8Array(32).fill(0x0f);
    expect(openEvent(crypto, key, place, { epochId, envelope })).toBeUndefined();
  });

  test("no flipped bit goes unnoticed", () => {
    const data = sealEvent(deps, epoch, place, content);
    for (let bit = 0; bit < data.length * 8; bit++) {
      const changed = data.slice();
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const envelope = parseEnvelope(changed);
      if (envelope?.mode !== "sealed") continue;
      // The reference only names the epoch; which epoch it is, is bound by its whole id.
      if (bit >= 8 && bit < 40) continue;
      expect([bit, openAt(place, changed)]).toEqual([bit, undefined]);
    }
  });

  test("encryption adds at most 80 bytes to a small entry", () => {
    for (const size of [0, 1, 5, 20, 60, 100, 200]) {
      const body = new Uint8Array(size);
      const data = sealEvent(deps, epoch, place, { type: "kv", sequence: undefined, body });
      expect(data.length - size).toBeLessThanOrEqual(sealOverheadBytesMax);
    }
  });

  test("limits of a draft", () => {
    const wrong = [
      [{ ...content, body: new Uint8Array(bodyBytesMax + 1) }, "SPACE_BODY_TOO_LARGE"],
      [{ ...content, type: "" }, "SPACE_DRAFT_INVALID"],
      [{ ...content, type: "x".repeat(65) }, "SPACE_DRAFT_INVALID"],
      [{ ...content, sequence: "" }, "SPACE_DRAFT_INVALID"],
      [{ ...content, sequence: "x".repeat(129) }, "SPACE_DRAFT_INVALID"],
    ] as const;
    for (const [draft, code] of wrong) {
      expect(() => sealEvent(deps, epoch, place, draft)).toThrow(expect.objectContaining({ code }));
    }
    const full = { ...content, body: new Uint8Array(bodyBytesMax).fill(1) };
    expect(openAt(place, sealEvent(deps, epoch, place, full))?.body).toEqual(full.body);
  });

  test("[TH-055] plain content is readable by anybody", () => {
    const data = plainEvent({ ...content, sequence: "room" });
    const envelope = parseEnvelope(data);
    expect(envelope === undefined ? undefined : openPlain(envelope)).toEqual({
      ...content,
      sequence: "room",
      forRecipients: undefined,
    });
  });

  test("any event survives; no bytes make the parsers throw", () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 16 }),
        fc.option(fc.string({ minLength: 1, maxLength: 20 }), { nil: undefined }),
        fc.uint8Array({ maxLength: 300 }),
        (type, sequence, body) => {
          const data = sealEvent(deps, epoch, place, { type, sequence, body });
          expect(openAt(place, data)).toMatchObject({ type, body });
          const envelope = parseEnvelope(body);
          if (envelope !== undefined) openPlain(envelope);
        },
      ),
      { seed: 6, numRuns: 200 },
    );
  });
});

describe("bodies for chosen recipients", () => {
  const secrets = [random(32), random(32), random(32)];
  const authors = ["a1", "a2", "a3"].map((byte) => byte.repeat(32) as AuthorId);
  const recipients = authors
    .slice(0, 2)
    .map((author, index) => ({ author, prekey: crypto.agreementKey(secrets[index]!) }));
  const data = sealEventTo(deps, epoch, place, { ...content, recipients });

  function openAs(index: number, at: Place = place): Uint8Array | undefined {
    const body = openAt(place, data)?.forRecipients;
    if (body === undefined) throw new Error("not for recipients");
    return openForRecipient(crypto, at, body, {
      author: authors[index]!,
      hpkeOpen: (sealed, message) => crypto.hpkeOpen(secrets[index]!, sealed, message),
    });
  }

  test("[TH-054] only they open the body; other readers see type and recipients", () => {
    expect(openAs(0)).toEqual(content.body);
    expect(openAs(1)).toEqual(content.body);
    expect(openAs(2)).toBeUndefined();
    const opened = openAt(place, data);
    expect(opened?.body).toBeUndefined();
    expect(opened?.type).toBe("note");
    expect(opened?.forRecipients?.recipients).toEqual(authors.slice(0, 2));
    expect(openAs(0, { ...place, seq: 8 })).toBeUndefined();
  });

  test("two recipients cannot be shown two bodies of one entry", () => {
    const body = openAt(place, data)!.forRecipients!;
    const forged = body.sealed.slice();
    // The commitment stands in front: without it no key is taken.
    forged[0] = (forged[0] ?? 0) ^ 1;
    const opened = openForRecipient(
      crypto,
      place,
      { ...body, sealed: forged },
      {
        author: authors[0]!,
        hpkeOpen: (sealed, message) => crypto.hpkeOpen(secrets[0]!, sealed, message),
      },
    );
    expect(opened).toBeUndefined();
  });

  test("none, doubled and too many recipients are refused", () => {
    const one = recipients[0]!;
    const many = Array.from({ length: recipientCountMax + 1 }, (_, index) => ({
      author: index.toString(16).padStart(64, "0") as AuthorId,
      prekey: one.prekey,
    }));
    for (const wrong of [[], [one, one], many]) {
      expect(() => sealEventTo(deps, epoch, place, { ...content, recipients: wrong })).toThrow(
        expect.objectContaining({ code: "SPACE_DRAFT_INVALID" }),
      );
    }
  });
});

describe("follow layer", () => {
  const followKey = new Uint8Array(32).fill(8);
  const packet = concatBytes(utf8("LK1"), random(200));
  const range = {
    context: { topic: place.topic, domain: "hawser.data", author: place.author },
    from: 3,
    count: 2,
    bytes: random(120),
  };

  test("[TH-057] packet and range open with the follow key and show nothing without", () => {
    const sealed = sealOuter(deps, followKey, { kind: "packet", packet });
    expect(openOuter(crypto, [followKey], sealed)).toEqual({ kind: "packet", packet });
    expect(openOuter(crypto, [new Uint8Array(32), followKey], sealed)?.kind).toBe("packet");
    expect(openOuter(crypto, [new Uint8Array(32)], sealed)).toBeUndefined();
    expect(toHex(sealed)).not.toContain(toHex(utf8("LK1")));
    const outer = sealOuter(deps, followKey, { kind: "range", range });
    expect(openOuter(crypto, [followKey], outer)).toEqual({ kind: "range", range });
    for (const hidden of [place.author, place.topic, toHex(range.bytes)]) {
      expect(toHex(outer)).not.toContain(hidden);
    }
  });

  test("truncated, changed and foreign envelopes do not open", () => {
    const sealed = sealOuter(deps, followKey, { kind: "range", range });
    for (let size = 0; size < sealed.length; size += 7) {
      expect(openOuter(crypto, [followKey], sealed.subarray(0, size))).toBeUndefined();
    }
    for (let index = 0; index < sealed.length; index += 5) {
      const changed = sealed.slice();
      changed[index] = (changed[index] ?? 0) ^ 1;
      expect(openOuter(crypto, [followKey], changed)).toBeUndefined();
    }
  });

  test("the follow id does not give the key away", () => {
    expect(followIdOf(crypto, followKey).length).toBe(8);
    expect(toHex(followKey)).not.toContain(toHex(followIdOf(crypto, followKey)));
  });
});

describe("padding", () => {
  test("sizes grow by 12 % at most, are fixed points and never shrink", () => {
    for (let size = 0; size < 70_000; size += size < 3_000 ? 1 : 97) {
      const padded = padmeSize(size);
      expect(padded).toBeGreaterThanOrEqual(size);
      expect(padmeSize(padded)).toBe(padded);
      expect(padded).toBeLessThanOrEqual(Math.max(size, Math.ceil(size * 1.12)));
      expect(padmeSize(padmeFloor(size))).toBe(padmeFloor(size));
      expect(padmeFloor(size)).toBeLessThanOrEqual(size);
    }
  });
});
