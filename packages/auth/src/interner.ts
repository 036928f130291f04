/**
 * Small numbers for members and invites, so that states are tries over integers. The numbers depend
 * on arrival order and never leave the replica. Layer 4.
 */
import type { AuthorId } from "@hawser/crypto";
import type { Member } from "./types.ts";

/** Numbers in, names out. */
export interface Interner {
  readonly numberOf: (member: Member) => number;
  /** The number of a member that has one: questions about strangers leave no trace. */
  readonly find: (member: Member) => number | undefined;
  readonly memberOf: (number: number) => Member;
  readonly inviteNumberOf: (invite: AuthorId) => number;
}

/** An interner with nothing in it. */
export function createInterner(): Interner {
  const members: Member[] = [];
  const memberNumbers = new Map<string, number>();
  const inviteNumbers = new Map<string, number>();
  return {
    numberOf: (member) => {
      const key = `${member.kind} ${member.id}`;
      const known = memberNumbers.get(key);
      if (known !== undefined) return known;
      memberNumbers.set(key, members.length);
      members.push(member);
      return members.length - 1;
    },
    find: (member) => memberNumbers.get(`${member.kind} ${member.id}`),
    memberOf: (number) => {
      const member = members[number];
      if (member === undefined) throw new RangeError("no member has this number");
      return member;
    },
    inviteNumberOf: (invite) => {
      const known = inviteNumbers.get(invite);
      if (known !== undefined) return known;
      inviteNumbers.set(invite, inviteNumbers.size);
      return inviteNumbers.size - 1;
    },
  };
}
