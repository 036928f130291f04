/**
 * Counting votes for the claims of one name (docs/spec/conventions.md §7.5). Layer 4; pure. The
 * result is a function of the set of votes: the order in which they arrived has no part in it.
 */
import { compareBytes, toHex } from "@hawser/codec";
import type { Vote } from "./claim.ts";

export type VoteCount =
  | { readonly ok: true; readonly claim: Uint8Array; readonly votes: readonly Vote[] }
  /** Claims with equally many votes, complete at the same moment; by hash. */
  | { readonly ok: false; readonly reason: "VOTES_TIED"; readonly claims: readonly Uint8Array[] }
  | { readonly ok: false; readonly reason: "VOTES_NONE" };

/**
 * The claim that the authorities chose. Of each authority the newest vote counts (by stamp, then
 * hash); most votes win, among equals the claim whose last vote came first.
 *
 * Every vote is looked at. Linkspace stops at (n + 1) / 2 votes, which for an even n is no majority
 * and makes the order of the authorities decide.
 */
export function countVotes(authorities: readonly Uint8Array[], votes: readonly Vote[]): VoteCount {
  const allowed = new Set(authorities.map(toHex));
  const newest = new Map<string, Vote>();
  for (const vote of votes) {
    const author = toHex(vote.publicKey);
    if (!allowed.has(author)) continue;
    const other = newest.get(author);
    if (other === undefined || isNewer(vote, other)) newest.set(author, vote);
  }
  const [first, second] = ranked([...newest.values()]);
  if (first === undefined) return { ok: false, reason: "VOTES_NONE" };
  if (second === undefined || compareTallies(first, second) < 0) {
    return { ok: true, claim: first.claim, votes: first.votes };
  }
  const tied = ranked([...newest.values()]).filter((tally) => compareTallies(first, tally) === 0);
  return {
    ok: false,
    reason: "VOTES_TIED",
    claims: tied.map(({ claim }) => claim).sort(compareBytes),
  };
}

interface Tally {
  readonly claim: Uint8Array;
  readonly votes: Vote[];
  /** Stamp of the newest of the votes: when the claim had all of them. */
  completeAt: bigint;
}

/** Best first. */
function ranked(votes: readonly Vote[]): readonly Tally[] {
  const tallies = new Map<string, Tally>();
  for (const vote of votes) {
    const id = toHex(vote.claim);
    const tally = tallies.get(id) ?? { claim: vote.claim, votes: [], completeAt: 0n };
    tally.votes.push(vote);
    if (vote.stamp > tally.completeAt) tally.completeAt = vote.stamp;
    tallies.set(id, tally);
  }
  return [...tallies.values()].sort(compareTallies);
}

function compareTallies(a: Tally, b: Tally): number {
  if (a.votes.length !== b.votes.length) return b.votes.length - a.votes.length;
  if (a.completeAt === b.completeAt) return 0;
  return a.completeAt < b.completeAt ? -1 : 1;
}

function isNewer(a: Vote, b: Vote): boolean {
  if (a.stamp !== b.stamp) return a.stamp > b.stamp;
  return compareBytes(a.packet.hash, b.packet.hash) > 0;
}
