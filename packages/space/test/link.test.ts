/** Invite links, docs/spec/6-space.md §6. */
import { fromBase64url, fromHex, toBase64url, encodeCbor, concatBytes } from "@hawser/codec";
import { createNobleCrypto } from "@hawser/crypto";
import type { OpId } from "@hawser/auth";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SpaceError } from "../src/errors.ts";
import { createSpaceId, spaceIdBytes } from "../src/ids.ts";
import { formatInviteLink, parseInviteLink, type InviteLink } from "../src/link.ts";

const crypto = createNobleCrypto();
const link: InviteLink = {
  id: createSpaceId(new Uint8Array(32).fill(1), "access-controlled"),
  createOp: "22".repeat(32) as OpId,
  followKey: new Uint8Array(32).fill(3),
  secret: new Uint8Array(32).fill(4),
  addresses: ["wss://relay.example/sync"],
};
const text = formatInviteLink(crypto, link);

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return error instanceof SpaceError ? error.code : `threw ${String(error)}`;
  }
  return "nothing thrown";
}

/** A link with a chosen body and a right checksum. */
function linkWith(body: Uint8Array, version = 1): string {
  const head = concatBytes(Uint8Array.of(version, body.length >> 8, body.length & 0xff), body);
  const checksum = crypto.deriveKey("hawser invite checksum v1", head, 4);
  return `hawser:join/${toBase64url(concatBytes(head, checksum))}`;
}

describe("invite links", () => {
  test("what is written is read, also with slashes and space around", () => {
    expect(parseInviteLink(crypto, text)).toEqual(link);
    expect(parseInviteLink(crypto, ` ${text}\n`)).toEqual(link);
    expect(parseInviteLink(crypto, text.replace("hawser:", "hawser://"))).toEqual(link);
  });

  test("a link with one address stays under 300 characters", () => {
    expect(text.length).toBeLessThan(300);
  });

  test.each([
    ["", "SPACE_LINK_MALFORMED"],
    ["https://example.org", "SPACE_LINK_MALFORMED"],
    ["hawser:join", "SPACE_LINK_MALFORMED"],
    ["hawser:join/%%%", "SPACE_LINK_MALFORMED"],
    ["hawser:join/", "SPACE_LINK_TRUNCATED"],
    [`hawser:join/${"A".repeat(5_000)}`, "SPACE_LINK_MALFORMED"],
  ])("%s gives %s", (input, code) => {
    expect(codeOf(() => parseInviteLink(crypto, input))).toBe(code);
  });

  test("every truncation is told as one", () => {
    for (let size = "hawser:join/".length + 4; size < text.length; size++) {
      const code = codeOf(() => parseInviteLink(crypto, text.slice(0, size)));
      expect([size, code]).toEqual([size, "SPACE_LINK_TRUNCATED"]);
    }
  });

  test("every single wrong character is noticed", () => {
    const start = "hawser:join/".length;
    for (let index = start; index < text.length; index++) {
      const wrong = text[index] === "A" ? "B" : "A";
      const typo = text.slice(0, index) + wrong + text.slice(index + 1);
      const code = codeOf(() => parseInviteLink(crypto, typo));
      // The first five characters hold version and size; a typo there shows as either.
      const expected = index < start + 5 ? /^SPACE_LINK_/ : /^SPACE_LINK_CHECKSUM$/;
      expect(`${index} ${code}`).toMatch(new RegExp(`^${index} ${expected.source.slice(1)}`));
    }
  });

  test("a newer version is told as such", () => {
    const bytes = fromBase64url(text.slice("hawser:join/".length)) ?? new Uint8Array(0);
    bytes[0] = 2;
    const newer = `hawser:join/${toBase64url(bytes)}`;
    expect(codeOf(() => parseInviteLink(crypto, newer))).toBe("SPACE_LINK_VERSION");
  });

  const good = [
    spaceIdBytes(link.id),
    fromHex(link.createOp) ?? new Uint8Array(0),
    link.followKey,
    link.secret,
    ["wss://a.example"],
  ] as const;
  test.each([
    ["no array", 7],
    ["too few fields", good.slice(0, 4)],
    ["a raw space id", [spaceIdBytes(createSpaceId(new Uint8Array(32))), ...good.slice(1)]],
    ["a short secret", [good[0], good[1], good[2], new Uint8Array(31), good[4]]],
    ["a bad address", [...good.slice(0, 4), ["not an address"]]],
    ["nine addresses", [...good.slice(0, 4), Array.from({ length: 9 }, (_, i) => `wss://${i}.x`)]],
  ] as const)("a well-checked body with %s is malformed", (_name, value) => {
    const input = linkWith(encodeCbor(value));
    expect(codeOf(() => parseInviteLink(crypto, input))).toBe("SPACE_LINK_MALFORMED");
  });

  test("bytes after the checksum are noticed", () => {
    const bytes = fromBase64url(text.slice("hawser:join/".length)) ?? new Uint8Array(0);
    const longer = `hawser:join/${toBase64url(concatBytes(bytes, Uint8Array.of(0)))}`;
    expect(codeOf(() => parseInviteLink(crypto, longer))).toBe("SPACE_LINK_CHECKSUM");
  });

  test("errors never quote the link", () => {
    try {
      parseInviteLink(crypto, text.slice(0, -3));
      expect.unreachable();
    } catch (error) {
      expect(String(error)).not.toContain(text.slice(20, 40));
    }
  });

  test("any input gives a link or a SpaceError", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const code = codeOf(() => parseInviteLink(crypto, `hawser:join/${toBase64url(bytes)}`));
        expect(code).toMatch(/^SPACE_LINK_/);
      }),
      { seed: 6, numRuns: 300 },
    );
  });

  test("bad addresses are refused when a link is made", () => {
    const nine = Array.from({ length: 9 }, (_, index) => `wss://${index}.example`);
    for (const addresses of [["no"], nine, [`wss://${"x".repeat(300)}`]]) {
      const code = codeOf(() => formatInviteLink(crypto, { ...link, addresses }));
      expect(code).toBe("SPACE_ADDRESS_INVALID");
    }
  });
});
