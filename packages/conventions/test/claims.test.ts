import { toHex, utf8 } from "@hawser/codec";
import {
  buildKeypoint,
  buildLinkpoint,
  lnsDomain,
  privateGroup,
  publicGroup,
  publicGroupData,
  type LinkDraft,
} from "@hawser/packet";
import { describe, expect, test } from "vitest";
import {
  authorityCountMax,
  buildClaim,
  buildReverseEntry,
  buildVote,
  claimAuthorities,
  claimEncKey,
  claimGroup,
  claimPublicKey,
  claimUntilMax,
  ConventionsError,
  nameToPath,
  readClaim,
  readReverseEntry,
  readRootClaim,
  readVote,
  reversePath,
  toName,
  type ClaimDraft,
} from "../src/index.ts";
import { bytes32, crypto, hex, secretOf } from "./support/values.ts";

const until = 1_800_000_000_000_000n;
const name = toName("example:test");
const encKey =
  "$argon2d$v=19$m=8,t=1,p=1$tb0anwpH0rSbYe6JLd1Bgtf00QQUAYuhOcBqeSjAgW4$" +
  "kYAtGyF78cfPjRqcm4Y/s1hgQTRysELK/L910P2u27c";

/** A linkpoint that is a claim but for the fields given. */
function raw(fields: Partial<Parameters<typeof buildLinkpoint>[1]>) {
  const links: readonly LinkDraft[] = [{ tag: "pubkey@", pointer: bytes32(1) }];
  const base = {
    group: publicGroup(),
    domain: lnsDomain(),
    path: nameToPath(name),
    links,
    stamp: 0,
  };
  return buildLinkpoint(crypto, { ...base, ...fields });
}

describe("claims", () => {
  test("[LK-lns] says what it was built with", () => {
    const claim = buildClaim(crypto, {
      name,
      until,
      publicKey: bytes32(1),
      group: bytes32(2),
      authorities: [{ key: bytes32(3), label: "root_1" }, { key: bytes32(4) }],
      encKeyHash: bytes32(5),
      data: publicGroupData(),
    });
    const read = readClaim(claim.packet);
    expect(read).toMatchObject({ ok: true, claim: { until, name } });
    expect(claimPublicKey(claim)).toEqual(bytes32(1));
    expect(claimGroup(claim)).toEqual(bytes32(2));
    expect(claimAuthorities(claim)).toEqual([bytes32(3), bytes32(4)]);
    expect(claimEncKey(claim)).toEqual({ hash: bytes32(5) });
    expect(claim.packet.stamp).toBe(0n);
    expect(claim.packet.group).toEqual(publicGroup());
  });

  test("[LK-lns] the until lies in the first eight bytes of the first tag", () => {
    const claim = buildClaim(crypto, { name, until: claimUntilMax, publicKey: bytes32(1) });
    expect(toHex(claim.packet.link(0)?.tag ?? bytes32(0))).toBe("ffffffffffffffff007075626b657940");
  });

  test("[LK-lns] a key is the first link that ends in pubkey@, whatever is before it", () => {
    const links = [
      { tag: "pubkey^", pointer: bytes32(1) },
      { tag: "xpubkey@", pointer: bytes32(2) },
      { tag: "pubkey@", pointer: bytes32(3) },
    ];
    const read = readClaim(raw({ links }));
    if (!read.ok) throw new Error(read.reason);
    expect(claimPublicKey(read.claim)).toEqual(bytes32(2));
    expect(claimAuthorities(read.claim)).toEqual([bytes32(1)]);
    expect(claimGroup(read.claim)).toBeUndefined();
  });

  test("[LK-lns] a key that is listed twice is one authority", () => {
    const links = [1, 2, 1, 1].map((fill) => ({ tag: "a^", pointer: bytes32(fill) }));
    const read = readClaim(raw({ links }));
    expect(read.ok && claimAuthorities(read.claim)).toEqual([bytes32(1), bytes32(2)]);
  });

  test("[LK-lns] a claim with a thousand authorities costs no thousand look-ups", () => {
    const links = Array.from({ length: 1000 }, (_, index) => {
      const pointer = bytes32(0);
      new DataView(pointer.buffer).setUint32(0, index);
      return { tag: "a^", pointer };
    });
    const read = readClaim(raw({ links }));
    expect(read.ok && claimAuthorities(read.claim).length).toBe(authorityCountMax);
  });

  test("[LK-key-management] an enckey in the first line of the data is found before a link", () => {
    const draft = { name, until, encKeyHash: bytes32(1) };
    const claim = buildClaim(crypto, { ...draft, data: utf8(`${encKey}\nmore`) });
    expect(claimEncKey(claim)).toEqual({ text: encKey });
    for (const data of ["", "\n", `x${encKey}`, `${encKey} \n`, "$argon2d$", "é".repeat(200)]) {
      expect(claimEncKey(buildClaim(crypto, { ...draft, data: utf8(data) }))).toEqual({
        hash: bytes32(1),
      });
    }
  });

  test("[LK-lns] builds no claim without links", () => {
    expect(() => buildClaim(crypto, { name, until })).toThrow(
      expect.objectContaining({ code: "CONVENTIONS_CLAIM" }),
    );
  });

  const misuse: readonly (readonly [string, Partial<ClaimDraft>, string])[] = [
    ["that ends before it begins", { until: 5n, stamp: 5n }, "CONVENTIONS_CLAIM"],
    ["that ends after all time", { until: 2n ** 64n }, "CONVENTIONS_CLAIM"],
    ["of no name", { name: [] }, "CONVENTIONS_NAME"],
    [
      "of a name too deep",
      { name: Array.from({ length: 8 }, () => utf8("a")) },
      "PACKET_PATH_DEPTH",
    ],
  ];
  for (const [title, fields, code] of misuse) {
    test(`[LK-lns] builds no claim ${title}`, () => {
      const build = () => buildClaim(crypto, { name, until, publicKey: bytes32(1), ...fields });
      expect(build).toThrow(expect.objectContaining({ code }));
    });
  }

  test("[LK-lns] builds no first tag over the until", () => {
    const links = [{ tag: "123456789", pointer: bytes32(1) }];
    expect(() => buildClaim(crypto, { name, until, links })).toThrow(ConventionsError);
    expect(() =>
      buildClaim(crypto, { name, until, authorities: [{ key: bytes32(1), label: "12345678" }] }),
    ).toThrow(ConventionsError);
    const enough = [{ tag: "12345678", pointer: bytes32(1) }];
    expect(buildClaim(crypto, { name, until, links: enough }).until).toBe(until);
  });

  const bad: readonly (readonly [string, Parameters<typeof raw>[0], string])[] = [
    ["of another domain", { domain: "lnx" }, "CLAIM_DOMAIN"],
    ["of no name", { path: ["claims"] }, "CLAIM_NAME"],
    ["below another path", { path: ["claim", "test"] }, "CLAIM_NAME"],
    ["of a public name in the private group", { group: privateGroup() }, "CLAIM_GROUP"],
    ["of a local name in the public group", { path: ["claims", "local", "me"] }, "CLAIM_GROUP"],
    ["in a group of its own", { group: bytes32(7) }, "CLAIM_GROUP"],
    ["without links", { links: [] }, "CLAIM_LINKS"],
  ];
  for (const [title, fields, reason] of bad) {
    test(`[LK-lns] reads no claim ${title}`, () => {
      expect(readClaim(raw(fields))).toEqual({ ok: false, reason });
    });
  }

  test("[LK-lns] reads no signed claim", () => {
    const draft = {
      group: publicGroup(),
      domain: lnsDomain(),
      path: nameToPath(name),
      links: [{ tag: "pubkey@", pointer: bytes32(1) }],
      stamp: 0,
    };
    expect(readClaim(buildKeypoint(crypto, draft, secretOf(1)))).toEqual({
      ok: false,
      reason: "CLAIM_KIND",
    });
  });
});

describe("root claims", () => {
  const links = [1, 2, 3].map((fill) => ({ tag: `root_${fill}^`, pointer: bytes32(fill) }));

  test("[LK-lns] a claim at /claims names the authorities of public names", () => {
    const read = readRootClaim(raw({ path: ["claims"], links, stamp: 1_688_459_451_750_173 }));
    expect(read.ok && claimAuthorities(read.claim)).toEqual([bytes32(1), bytes32(2), bytes32(3)]);
  });

  const bad: readonly (readonly [string, Parameters<typeof raw>[0], string])[] = [
    ["a claim of a name", { links }, "CLAIM_NAME"],
    ["another path", { path: ["roots"], links }, "CLAIM_NAME"],
    ["no path", { path: [], links }, "CLAIM_NAME"],
    ["another domain", { path: ["claims"], domain: "x", links }, "CLAIM_DOMAIN"],
    ["the private group", { path: ["claims"], group: privateGroup(), links }, "CLAIM_GROUP"],
    ["nobody who votes", { path: ["claims"] }, "CLAIM_AUTHORITIES"],
  ];
  for (const [title, fields, reason] of bad) {
    test(`[LK-lns] no root: ${title}`, () => {
      expect(readRootClaim(raw(fields))).toEqual({ ok: false, reason });
    });
  }
});

describe("votes and reverse entries", () => {
  const claim = buildClaim(crypto, { name, until, publicKey: bytes32(1) });

  test("[LK-lns] a vote is a keypoint at the claim's place whose first link is the claim", () => {
    const packet = buildVote(crypto, claim, { secret: secretOf(1), stamp: 7n, data: utf8("why") });
    expect(readVote(packet)).toMatchObject({
      claim: claim.packet.hash,
      publicKey: crypto.publicKey(secretOf(1)),
      stamp: 7n,
    });
    expect(packet.unrootedPath).toEqual(claim.packet.unrootedPath);
    expect(packet.group).toEqual(publicGroup());
  });

  test("[LK-lns] reads no vote that is unsigned, elsewhere, or has another first link", () => {
    const links = [{ tag: "vote", pointer: claim.packet.hash }];
    const draft = {
      group: publicGroup(),
      domain: lnsDomain(),
      path: nameToPath(name),
      links,
      stamp: 1,
    };
    const signed = (fields: object) =>
      readVote(buildKeypoint(crypto, { ...draft, ...fields }, secretOf(1)));
    expect(signed({})).toBeDefined();
    expect(readVote(buildLinkpoint(crypto, draft))).toBeUndefined();
    expect(signed({ domain: "x" })).toBeUndefined();
    expect(signed({ path: ["claims"] })).toBeUndefined();
    expect(signed({ links: [] })).toBeUndefined();
    expect(signed({ links: [{ tag: "voted", pointer: bytes32(1) }] })).toBeUndefined();
    expect(signed({ links: [{ tag: "a", pointer: bytes32(1) }, ...links] })).toBeUndefined();
  });

  test("[LK-lns] a reverse entry lists claims with their until", () => {
    const links = [
      { until, claim: bytes32(1) },
      { until: 5n, claim: bytes32(2) },
    ];
    const entry = { tag: "group#", pointer: bytes32(9), links, stamp: 3n } as const;
    const packet = buildReverseEntry(crypto, entry);
    expect(readReverseEntry(packet)).toEqual(links);
    expect(packet.group).toEqual(privateGroup());
    expect(packet.path).toEqual([
      utf8("by-tag"),
      hex(`${"00".repeat(10)}67726f757023`),
      bytes32(9),
    ]);
    expect(packet.link(1)?.tag).toEqual(hex("00000000000000050000000000000000"));
    expect(() => reversePath("group#", new Uint8Array(31))).toThrow(ConventionsError);
  });
});
