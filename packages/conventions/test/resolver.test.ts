import {
  buildKeypoint,
  buildLinkpoint,
  lnsDomain,
  privateGroup,
  publicGroup,
  testGroup,
  type Packet,
} from "@hawser/packet";
import { abeBytes, encodeAbe, evaluateAbe, type AbeNames } from "@hawser/query";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  buildClaim,
  buildReverseEntry,
  buildVote,
  claimUntilMax,
  createNameResolver,
  createNames,
  nameToPath,
  printName,
  setLocalClaim,
  toName,
  withNames,
  type Claim,
  type ClaimDraft,
} from "../src/index.ts";
import { createDevice, type Device } from "./support/device.ts";
import { bytes32, crypto, secretOf, startMicros } from "./support/values.ts";

const now = BigInt(startMicros);
const later = now + 1_000_000_000n;

/** A root with three authorities, the secrets 1, 2 and 3. */
const rootPacket = buildLinkpoint(crypto, {
  group: publicGroup(),
  domain: lnsDomain(),
  path: ["claims"],
  links: [1, 2, 3].map((seed) => ({ tag: `root_${seed}^`, pointer: keyOf(seed) })),
  stamp: 1,
});

function keyOf(seed: number): Uint8Array {
  return crypto.publicKey(secretOf(seed));
}

function claimOf(name: string, fields: Partial<ClaimDraft> = {}): Claim {
  return buildClaim(crypto, { name: toName(name), until: later, publicKey: bytes32(1), ...fields });
}

function voteFor(claim: Claim, seed: number, stamp: bigint = now - 10n): Packet<"verified"> {
  return buildVote(crypto, claim, { secret: secretOf(seed), stamp });
}

function resolverOf(device: Device) {
  return createNameResolver(device, { root: rootPacket });
}

describe("local names", () => {
  test("[LK-lns] the newest claim in the private group is the name", async () => {
    const device = createDevice();
    const names = createNameResolver(device);
    const name = toName("me:local");
    expect(await names.resolve(name)).toEqual({ ok: false, reason: "NAME_UNKNOWN", at: name });
    await device.store.add([claimOf("me:local", { stamp: 5n, publicKey: bytes32(2) }).packet]);
    await device.store.add([claimOf("me:local", { publicKey: bytes32(3) }).packet]);
    expect(await names.publicKey(name)).toEqual(bytes32(2));
  });

  test("[LK-lns] names below a local name resolve at their own path", async () => {
    const device = createDevice();
    await device.store.add([claimOf("a:b:local", { group: bytes32(8) }).packet]);
    const names = createNameResolver(device);
    expect(await names.group(toName("a:b:local"))).toEqual(bytes32(8));
    expect(await names.group(toName("b:local"))).toBeUndefined();
    expect(await names.publicKey(toName("a:b:local"))).toEqual(bytes32(1));
  });

  test("[LK-lns] a claim that has ended is none, and the one before it does not come back", async () => {
    // The reference never looks at `until` when it walks.
    const device = createDevice();
    const names = createNameResolver(device);
    const name = toName("me:local");
    await device.store.add([claimOf("me:local", { until: claimUntilMax }).packet]);
    await device.store.add([claimOf("me:local", { until: now + 1n, stamp: 3n }).packet]);
    expect((await names.resolve(name)).ok).toBe(true);
    await device.advance(1);
    expect(await names.resolve(name)).toEqual({ ok: false, reason: "NAME_EXPIRED", at: name });
  });

  test("[LK-lns] a stamp from the future does not take a name for ever", async () => {
    const device = createDevice();
    const names = createNameResolver(device);
    const future = { stamp: now + 10_000_000n, publicKey: bytes32(9) };
    await device.store.add([claimOf("me:local").packet, claimOf("me:local", future).packet]);
    expect(await names.publicKey(toName("me:local"))).toEqual(bytes32(1));
  });

  test("[LK-lns] packets that are no claims do not hide one", async () => {
    const device = createDevice();
    const place = {
      group: privateGroup(),
      domain: lnsDomain(),
      path: nameToPath(toName("me:local")),
    };
    await device.store.add([
      claimOf("me:local").packet,
      buildLinkpoint(crypto, { ...place, stamp: 9 }),
      buildKeypoint(
        crypto,
        { ...place, stamp: 8, links: [{ tag: "pubkey@", pointer: bytes32(6) }] },
        secretOf(1),
      ),
    ]);
    const names = createNameResolver(device);
    expect(await names.publicKey(toName("me:local"))).toEqual(bytes32(1));
  });

  test("[LK-lns] a local claim in the public group is no claim", async () => {
    const device = createDevice();
    await device.store.add([
      buildLinkpoint(crypto, {
        group: publicGroup(),
        domain: lnsDomain(),
        path: nameToPath(toName("me:local")),
        links: [{ tag: "pubkey@", pointer: bytes32(6) }],
        stamp: 0,
      }),
    ]);
    expect(await createNameResolver(device).publicKey(toName("me:local"))).toBeUndefined();
  });
});

describe("public names", () => {
  test("[LK-lns] the claim with the votes of the root's authorities is the name", async () => {
    const device = createDevice();
    const wanted = claimOf("test", { publicKey: bytes32(2) });
    const other = claimOf("test", { publicKey: bytes32(3) });
    await device.store.add([
      wanted.packet,
      other.packet,
      voteFor(wanted, 1),
      voteFor(other, 2),
      voteFor(wanted, 3),
    ]);
    const result = await resolverOf(device).resolve(toName("test"));
    if (!result.ok) throw new Error(result.reason);
    expect(result.claim.packet.hash).toEqual(wanted.packet.hash);
    expect(result.chain.map(({ votes }) => votes.length)).toEqual([0, 2]);
  });

  test("[LK-lns] names deeper than one level resolve, down to the seventh", async () => {
    // The reference's walk asks for depth 2 at every level, so below the first nothing is found.
    const device = createDevice();
    const components: string[] = [];
    for (let depth = 1; depth <= 7; depth++) {
      components.unshift(`n${depth}`);
      const authorities = [{ key: keyOf(10 + depth) }];
      const claim = claimOf(components.join(":"), { authorities, group: bytes32(depth) });
      const voter = depth === 1 ? 2 : 9 + depth;
      await device.store.add([claim.packet, voteFor(claim, voter)]);
      const name = toName(components.join(":"));
      expect(await resolverOf(device).group(name)).toEqual(bytes32(depth));
    }
    expect(components.length).toBe(7);
  });

  test("[LK-lns] without a root only local and static names resolve", async () => {
    const device = createDevice();
    const claim = claimOf("test");
    await device.store.add([claim.packet, voteFor(claim, 1)]);
    const names = createNameResolver(device);
    expect(await names.resolve(toName("test"))).toMatchObject({
      ok: false,
      reason: "NAME_NO_ROOT",
    });
    expect(await names.group(toName("pub"))).toEqual(publicGroup());
    expect(await names.group(toName("test"))).toEqual(testGroup());
    expect(await names.group(toName("0"))).toEqual(privateGroup());
    expect(await names.publicKey(toName("none"))).toEqual(privateGroup());
    expect(await names.groupName(publicGroup())).toBe("pub");
    expect(await names.publicKeyName(privateGroup())).toBe("none");
    expect(() => createNameResolver(device, { root: claim.packet })).toThrow(
      expect.objectContaining({ code: "CONVENTIONS_CLAIM" }),
    );
  });

  const claim = claimOf("test", { publicKey: bytes32(2) });
  const other = claimOf("other", { publicKey: bytes32(2) });
  const ended = claimOf("test", { until: now, publicKey: bytes32(5) });
  const misdirected = buildKeypoint(
    crypto,
    {
      group: publicGroup(),
      domain: lnsDomain(),
      path: nameToPath(toName("test")),
      links: [{ tag: "vote", pointer: other.packet.hash }],
      stamp: now - 5n,
    },
    secretOf(1),
  );
  const refused: readonly (readonly [string, readonly Packet<"verified">[], string])[] = [
    ["a claim that nobody voted for", [claim.packet], "NAME_UNKNOWN"],
    ["votes of strangers", [claim.packet, voteFor(claim, 7), voteFor(claim, 8)], "NAME_UNKNOWN"],
    ["votes of the future", [claim.packet, voteFor(claim, 1, now + 2_000_000n)], "NAME_UNKNOWN"],
    ["a claim that is not here", [voteFor(claim, 1)], "NAME_CLAIM_MISSING"],
    // The reference takes it, and goes on below the other name.
    ["a vote at this name for another", [other.packet, misdirected], "NAME_CLAIM_INVALID"],
    [
      "the winner has ended; the loser does not take its place",
      [ended.packet, claim.packet, voteFor(ended, 1), voteFor(ended, 2), voteFor(claim, 3)],
      "NAME_EXPIRED",
    ],
    ["a tie", [claim.packet, ended.packet, voteFor(claim, 1), voteFor(ended, 2)], "NAME_TIED"],
    [
      "more votes for a claim that is not here than for one that is",
      [claim.packet, voteFor(claim, 1), voteFor(ended, 2), voteFor(ended, 3)],
      "NAME_CLAIM_MISSING",
    ],
  ];
  for (const [title, packets, reason] of refused) {
    test(`[LK-lns] does not resolve: ${title}`, async () => {
      const device = createDevice();
      await device.store.add(packets);
      const name = toName("test");
      expect(await resolverOf(device).resolve(name)).toEqual({ ok: false, reason, at: name });
    });
  }

  test("[LK-lns] a name fails at the level above it, and says so", async () => {
    const device = createDevice();
    const names = resolverOf(device);
    const below = claimOf("a:test");
    await device.store.add([below.packet, voteFor(below, 1)]);
    expect(await names.resolve(toName("a:test"))).toMatchObject({
      reason: "NAME_UNKNOWN",
      at: toName("test"),
    });
    // `test` names nobody, so the root's own authorities have no say below it either.
    await device.store.add([claim.packet, voteFor(claim, 1)]);
    expect(await names.resolve(toName("a:test"))).toMatchObject({
      reason: "NAME_NO_AUTHORITY",
      at: toName("a:test"),
    });
  });

  test("[LK-lns] a claim that ends takes the names below it along", async () => {
    const device = createDevice();
    const names = resolverOf(device);
    const parent = claimOf("test", { until: now + 5n, authorities: [{ key: keyOf(9) }] });
    const child = claimOf("a:test", { until: claimUntilMax });
    await device.store.add([parent.packet, child.packet, voteFor(parent, 1), voteFor(child, 9)]);
    expect((await names.resolve(toName("a:test"))).ok).toBe(true);
    await device.advance(5);
    expect(await names.resolve(toName("a:test"))).toMatchObject({
      reason: "NAME_EXPIRED",
      at: toName("test"),
    });
  });

  test("[LK-lns] what no name is, resolves to nothing", async () => {
    const names = resolverOf(createDevice());
    for (const name of [[], [new Uint8Array(0)], Array.from({ length: 8 }, () => bytes32(1))]) {
      expect(await names.resolve(name)).toMatchObject({ ok: false, reason: "NAME_INVALID" });
    }
  });

  test("[LK-lns] the answer is the same in whatever order the packets came", async () => {
    const claims = [
      claimOf("test", { publicKey: bytes32(2) }),
      claimOf("test", { publicKey: bytes32(3) }),
    ];
    const packets = [
      ...claims.map(({ packet }) => packet),
      ...claims.flatMap((one) => [1, 2, 3].map((seed) => voteFor(one, seed, now - BigInt(seed)))),
    ];
    const answerOf = async (order: readonly Packet<"verified">[]) => {
      const device = createDevice();
      for (const packet of order) await device.store.add([packet]);
      return resolverOf(device).publicKey(toName("test"));
    };
    const expected = await answerOf(packets);
    await fc.assert(
      fc.asyncProperty(
        fc.shuffledSubarray(packets, { minLength: packets.length }),
        async (order) => {
          expect(await answerOf(order)).toEqual(expected);
        },
      ),
      { numRuns: 30 },
    );
  });

  test("[LK-lns] ten thousand claims of strangers cost a resolution nothing", async () => {
    const device = createDevice();
    const flood = Array.from(
      { length: 10_000 },
      (_, index) => claimOf("test", { stamp: BigInt(index + 1) }).packet,
    );
    await device.store.add([...flood, claim.packet, voteFor(claim, 1)]);
    let rowCount = 0;
    const counting: Device = {
      ...device,
      store: {
        ...device.store,
        treeRows: async (from, options) => {
          const rows = await device.store.treeRows(from, options);
          rowCount += rows.length;
          return rows;
        },
      },
    };
    expect(await resolverOf(counting).publicKey(toName("test"))).toEqual(bytes32(2));
    expect(rowCount).toBeLessThanOrEqual(3);
  });
});

describe("names of groups and keys", () => {
  test("[LK-lns] finds the local name that a key or group has now", async () => {
    const device = createDevice();
    const names = createNameResolver(device);
    await setLocalClaim(device, claimOf("me:local", { group: bytes32(4) }));
    expect(await names.groupName(bytes32(4))).toBe("me:local");
    expect(await names.publicKeyName(bytes32(1))).toBe("me:local");
    expect(await names.groupName(bytes32(1))).toBeUndefined();
  });

  test("[LK-lns] a newer claim takes the old group and key out of the entries", async () => {
    const device = createDevice();
    const names = createNameResolver(device);
    await setLocalClaim(device, claimOf("me:local", { group: bytes32(4) }));
    await setLocalClaim(device, claimOf("me:local", { group: bytes32(5), stamp: 1n }));
    expect(await names.groupName(bytes32(4))).toBeUndefined();
    expect(await names.groupName(bytes32(5))).toBe("me:local");
    expect(await names.publicKeyName(bytes32(1))).toBe("me:local");
  });

  test("[LK-lns] of two names of one key the first of the entry is given", async () => {
    const device = createDevice();
    const names = createNameResolver(device);
    await setLocalClaim(device, claimOf("a:local"));
    await setLocalClaim(device, claimOf("b:local"));
    expect(await names.publicKeyName(bytes32(1))).toBe("b:local");
    await setLocalClaim(device, claimOf("c:local"), { order: "last" });
    expect(await names.publicKeyName(bytes32(1))).toBe("b:local");
    // b goes to another key: the next name of the entry is right again.
    await setLocalClaim(device, claimOf("b:local", { publicKey: bytes32(2), stamp: 1n }));
    expect(await names.publicKeyName(bytes32(1))).toBe("a:local");
  });

  test("[LK-lns] an entry that says more than the claims do is not believed", async () => {
    const device = createDevice();
    const claim = claimOf("me:local");
    const links = [{ until: claimUntilMax, claim: claim.packet.hash }];
    const entry = { tag: "pubkey@", pointer: bytes32(9), links, stamp: 1n } as const;
    await device.store.add([claim.packet, buildReverseEntry(crypto, entry)]);
    expect(await createNameResolver(device).publicKeyName(bytes32(9))).toBeUndefined();
  });

  test("[LK-lns] neither an ended link nor an ended claim gives a name", async () => {
    const device = createDevice();
    const names = createNameResolver(device);
    await setLocalClaim(device, claimOf("me:local", { until: now + 5n }));
    expect(await names.publicKeyName(bytes32(1))).toBe("me:local");
    await device.advance(5);
    expect(await names.publicKeyName(bytes32(1))).toBeUndefined();
  });

  test("[LK-lns] sets neither public names nor a claim older than the one that stands", async () => {
    const device = createDevice();
    await expect(setLocalClaim(device, claimOf("test"))).rejects.toMatchObject({
      code: "CONVENTIONS_CLAIM",
    });
    await setLocalClaim(device, claimOf("me:local", { stamp: 5n }));
    await expect(
      setLocalClaim(device, claimOf("me:local", { stamp: 5n, publicKey: bytes32(7) })),
    ).rejects.toMatchObject({ code: "CONVENTIONS_CLAIM_OLDER" });
    await setLocalClaim(device, claimOf("me:local", { stamp: 5n }));
    expect(await createNameResolver(device).publicKey(toName("me:local"))).toEqual(bytes32(1));
  });
});

describe("names in expressions", () => {
  test("[LK-lns] an evaluation gets every name it asks for, also one that depends on another", async () => {
    const device = createDevice();
    await setLocalClaim(device, claimOf("a:local", { group: bytes32(4) }));
    await setLocalClaim(device, claimOf("b:local", { publicKey: bytes32(4) }));
    let runs = 0;
    const evaluate = (names: AbeNames) => {
      runs += 1;
      const group = names.group(toName("a:local"));
      return group === undefined ? "unknown" : names.publicKeyName(group);
    };
    expect(await withNames(createNameResolver(device), evaluate)).toBe("b:local");
    expect(runs).toBe(3);
  });

  test("[LK-lns] [LK-key-management] expressions resolve local names, both ways", async () => {
    const device = createDevice();
    const resolver = createNameResolver(device);
    await setLocalClaim(device, claimOf("me:local", { group: bytes32(4) }));
    const evaluated = (text: string) =>
      withNames(resolver, (names) => {
        const verdict = evaluateAbe(text, { nowMicros: device.nowMicros, names });
        return verdict.ok ? abeBytes(verdict.value) : verdict.code;
      });
    expect(await evaluated("[#:me:local]")).toEqual(bytes32(4));
    expect(await evaluated("[@:me:local]")).toEqual(bytes32(1));
    const encoded = await withNames(resolver, (names) =>
      encodeAbe(bytes32(1), "@/b", { nowMicros: device.nowMicros, names }),
    );
    expect(encoded).toBe("[@:me:local]");
    expect(await evaluated("[#:you:local]")).toMatch(/^ABE_/);
    expect(await evaluated("[#:pub]")).toEqual(publicGroup());
  });

  test("[LK-lns] a name that is unknown is asked for once", async () => {
    let asked = 0;
    const none = async () => {
      asked += 1;
      return undefined;
    };
    const resolver = {
      ...createNameResolver(createDevice()),
      group: none,
    };
    const value = await withNames(resolver, (names) => names.group(toName("x:local")));
    expect([value, asked]).toEqual([undefined, 1]);
  });

  test("[LK-lns] static names need no look-up", async () => {
    const resolver = createNameResolver(createDevice());
    const names = await createNames(resolver, {});
    expect(names.group(toName("pub"))).toEqual(publicGroup());
    expect(names.groupName(testGroup())).toBe("test");
    expect(names.publicKeyName(privateGroup())).toBe("none");
  });

  test("[LK-lns] names looked up before stay as they were", async () => {
    const device = createDevice();
    await setLocalClaim(device, claimOf("a:local", { group: bytes32(4) }));
    const wanted = { names: [toName("a:local")], groups: [bytes32(4)], publicKeys: [bytes32(1)] };
    const names = await createNames(createNameResolver(device), wanted);
    expect(names.group(toName("a:local"))).toEqual(bytes32(4));
    expect(names.groupName(bytes32(4))).toBe("a:local");
    expect(names.publicKeyName(bytes32(1))).toBe("a:local");
  });

  test("[LK-lns] an expression that makes up names without end is stopped", async () => {
    const resolver = createNameResolver(createDevice());
    let round = 0;
    const endless = (names: AbeNames) => names.group(toName(`n${round++}:local`));
    await expect(withNames(resolver, endless)).rejects.toMatchObject({
      code: "CONVENTIONS_NAME_ROUNDS",
    });
  });

  test("[LK-lns] a printed name is the name", () => {
    expect(printName(toName("a:local"))).toBe("a:local");
  });
});
