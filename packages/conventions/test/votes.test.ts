import { compareBytes, toHex } from "@hawser/codec";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { buildClaim, buildVote, countVotes, readVote, toName, type Vote } from "../src/index.ts";
import { bytes32, crypto, secretOf } from "./support/values.ts";

const name = toName("test");
const claims = [1, 2, 3].map((fill) =>
  buildClaim(crypto, { name, until: 2n ** 60n, publicKey: bytes32(fill) }),
);
const keys = [0, 1, 2, 3, 4].map((seed) => crypto.publicKey(secretOf(seed)));

/** Signing is slow, so each vote is signed once. */
const made = new Map<string, Vote>();
function vote(author: number, claim: number, stamp: number): Vote {
  const id = `${author} ${claim} ${stamp}`;
  const known = made.get(id);
  if (known !== undefined) return known;
  const of = claims[claim];
  if (of === undefined) throw new Error("no such claim");
  const packet = buildVote(crypto, of, { secret: secretOf(author), stamp: BigInt(stamp) });
  const read = readVote(packet);
  if (read === undefined) throw new Error("no vote");
  made.set(id, read);
  return read;
}

function winner(authorities: readonly Uint8Array[], votes: readonly Vote[]): string {
  const count = countVotes(authorities, votes);
  if (count.ok) return toHex(count.claim);
  return count.reason === "VOTES_TIED" ? count.claims.map(toHex).join("=") : count.reason;
}

const hashOf = (claim: number): string => toHex(claims[claim]?.packet.hash ?? bytes32(0));

/** The rule said plainly, from the whole set, with no index. */
function naiveWinner(authorities: readonly Uint8Array[], votes: readonly Vote[]): string {
  const counted = authorities.flatMap((key) => {
    const own = votes.filter((one) => compareBytes(one.publicKey, key) === 0);
    own.sort((a, b) => Number(a.stamp - b.stamp) || compareBytes(a.packet.hash, b.packet.hash));
    return own.slice(-1);
  });
  const scores = [...new Set(counted.map((one) => toHex(one.claim)))].map((id) => {
    const own = counted.filter((one) => toHex(one.claim) === id);
    return { id, count: own.length, last: Math.max(...own.map(({ stamp }) => Number(stamp))) };
  });
  const most = Math.max(...scores.map(({ count }) => count));
  const leading = scores.filter(({ count }) => count === most);
  const first = Math.min(...leading.map(({ last }) => last));
  const best = leading.filter(({ last }) => last === first).map(({ id }) => id);
  return best.length === 0 ? "VOTES_NONE" : best.sort().join("=");
}

describe("counting votes", () => {
  const table: readonly (readonly [string, readonly Vote[], string])[] = [
    ["nobody voted", [], "VOTES_NONE"],
    ["strangers do not count", [vote(4, 0, 1)], "VOTES_NONE"],
    ["one vote is enough when it is the only one", [vote(0, 1, 1)], hashOf(1)],
    ["most votes win", [vote(0, 0, 1), vote(1, 1, 2), vote(2, 1, 3)], hashOf(1)],
    ["the newest of an authority counts", [vote(0, 0, 1), vote(0, 1, 2)], hashOf(1)],
    ["an older one that comes later does not", [vote(0, 1, 2), vote(0, 0, 1)], hashOf(1)],
    [
      "among equals the one complete first",
      [vote(0, 0, 1), vote(1, 0, 9), vote(2, 1, 7), vote(3, 1, 8)],
      hashOf(1),
    ],
    [
      "complete at one moment is a tie",
      [vote(0, 0, 5), vote(1, 1, 5)],
      [0, 1].map(hashOf).sort().join("="),
    ],
  ];
  for (const [title, votes, expected] of table) {
    test(`[LK-lns] ${title}`, () => {
      expect(winner(keys.slice(0, 4), votes)).toBe(expected);
    });
  }

  test("[LK-lns] two against two is decided by the stamps, not by who is listed first", () => {
    // The reference stops at (4 + 1) / 2 = 2 votes: claim 0 wins there in one order of the
    // authorities and claim 1 in the other.
    const votes = [vote(0, 0, 8), vote(1, 0, 9), vote(2, 1, 1), vote(3, 1, 2)];
    const four = keys.slice(0, 4);
    expect(winner(four, votes)).toBe(hashOf(1));
    expect(winner(four.toReversed(), votes)).toBe(hashOf(1));
  });

  test("[LK-lns] the count equals the plain rule, in every order of arrival", () => {
    const votes = fc.array(
      fc
        .tuple(fc.nat({ max: 4 }), fc.nat({ max: 2 }), fc.integer({ min: 1, max: 3 }))
        .map(([author, claim, stamp]) => vote(author, claim, stamp)),
      { maxLength: 12 },
    );
    const authorities = fc.integer({ min: 0, max: 5 }).map((count) => keys.slice(0, count));
    fc.assert(
      fc.property(votes, authorities, fc.infiniteStream(fc.nat()), (all, who, order) => {
        const expected = naiveWinner(who, all);
        expect(winner(who, all)).toBe(expected);
        const shuffled = all
          .map((one) => ({ one, key: order.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ one }) => one);
        expect(winner(who.toReversed(), shuffled)).toBe(expected);
      }),
    );
  });
});
