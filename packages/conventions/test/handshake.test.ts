import { equalBytes } from "@hawser/codec";
import { buildKeypoint, buildLinkpoint, handshakeDomain, type Packet } from "@hawser/packet";
import { describe, expect, test } from "vitest";
import {
  awaitHandshake,
  handshakePhase0,
  handshakePhase1,
  handshakePhase2,
  handshakePhase3,
  startHandshake,
  stepHandshake,
  unicastGroup,
  type HandshakeDeps,
  type HandshakeRefusal,
} from "../src/index.ts";
import { bytes32, crypto, hex, received, secretOf, startMicros } from "./support/values.ts";

function party(seed: number, clock: { now: number }): HandshakeDeps & { key: Uint8Array } {
  const secret = secretOf(seed);
  return { crypto, secret, nowMicros: () => clock.now, key: crypto.publicKey(secret) };
}

const clock = { now: startMicros };
const client = party(1, clock);
const server = party(2, clock);
const mallory = party(3, clock);

function unwrap<Value extends { readonly ok: true }>(value: Value | HandshakeRefusal): Value {
  if (!value.ok) throw new Error(value.reason);
  return value;
}

/** All packets of a good run, as the other side gets them. */
function run() {
  const phase0 = handshakePhase0(client);
  const phase1 = unwrap(handshakePhase1(server, received(phase0))).packet;
  const phase2 = unwrap(handshakePhase2(client, phase0, received(phase1))).packet;
  return { phase0: received(phase0), phase1: received(phase1), phase2: received(phase2) };
}

const good = run();
const path = ["sentinal"];
const group = unicastGroup(client.key, server.key);

function forged(
  by: HandshakeDeps,
  draft: Partial<Parameters<typeof buildKeypoint>[1]> = {},
): Packet<"verified"> {
  const base = { group, domain: handshakeDomain(), path, stamp: clock.now };
  return received(buildKeypoint(crypto, { ...base, ...draft }, by.secret));
}

describe("a handshake without anybody in between", () => {
  test("[LK-handshake] both sides end with the key of the other", () => {
    const start = startHandshake(client);
    const first = unwrap(stepHandshake(server, awaitHandshake(), received(start.send ?? fail())));
    expect(first.peer).toBeUndefined();
    const second = unwrap(stepHandshake(client, start.state, received(first.send ?? fail())));
    expect(second.peer).toEqual(server.key);
    const third = unwrap(stepHandshake(server, first.state, received(second.send ?? fail())));
    expect(third.peer).toEqual(client.key);
    expect(third.send).toBeUndefined();
  });

  test("[LK-handshake] the packets are those of Linkspace", () => {
    const { phase0, phase1, phase2 } = good;
    expect(phase0.domain).toEqual(hex("000000000000ff68616e647368616b65"));
    expect(phase0.rootedPath).toEqual(hex("01090909090909090873656e74696e616c"));
    expect(phase0.group).toEqual(client.key);
    expect(phase0.links).toEqual([]);
    expect(phase1.group).toEqual(group);
    expect(phase1.link(0)?.tag).toEqual(hex(`${"00".repeat(12)}61757468`));
    expect(phase1.link(0)?.pointer).toEqual(phase0.hash);
    expect(phase2.group).toEqual(group);
    expect(phase2.link(0)?.tag).toEqual(hex(`${"00".repeat(10)}7369676e6564`));
    expect(phase2.link(0)?.pointer).toEqual(phase1.hash);
  });

  test("[LK-handshake] the group of two keys is the same from both sides", () => {
    expect(unicastGroup(client.key, server.key)).toEqual(unicastGroup(server.key, client.key));
    expect(unicastGroup(client.key, client.key)).toEqual(bytes32(0));
  });

  test("[LK-handshake] a machine that is done takes no more packets", () => {
    const { phase0, phase1 } = good;
    const state = { role: "client", phase0 } as const;
    const step = unwrap(stepHandshake(client, state, phase1));
    expect(stepHandshake(client, step.state, phase1)).toEqual({
      ok: false,
      reason: "HANDSHAKE_OVER",
    });
  });
});

describe("what a server refuses as phase 0", () => {
  const cases: readonly (readonly [string, () => Packet<"verified">, string])[] = [
    ["unsigned", () => unsigned(client.key), "HANDSHAKE_UNSIGNED"],
    ["not relayed", () => handshakePhase0(client), "HANDSHAKE_HOP"],
    ["our own key", () => received(handshakePhase0(server)), "HANDSHAKE_SAME_KEY"],
    // The reference looks at none of the following in phase 0.
    ["another domain", () => forged(client, { group: client.key, domain: "x" }), "HANDSHAKE_SHAPE"],
    ["another path", () => forged(client, { group: client.key, path: ["x"] }), "HANDSHAKE_SHAPE"],
    [
      "a longer path",
      () => forged(client, { group: client.key, path: ["sentinal", "x"] }),
      "HANDSHAKE_SHAPE",
    ],
    ["the group of another key", () => forged(client, { group: mallory.key }), "HANDSHAKE_SHAPE"],
    [
      "a link",
      () => forged(client, { group: client.key, links: [{ tag: "auth", pointer: bytes32(1) }] }),
      "HANDSHAKE_SHAPE",
    ],
    ["data", () => forged(client, { group: client.key, data: bytes32(1) }), "HANDSHAKE_SHAPE"],
    ["phase 1 of another run", () => good.phase1, "HANDSHAKE_SAME_KEY"],
    ["phase 2 of another run", () => good.phase2, "HANDSHAKE_SHAPE"],
  ];
  for (const [name, packet, reason] of cases) {
    test(`[LK-handshake] ${name}`, () => {
      expect(handshakePhase1(server, packet())).toEqual({ ok: false, reason });
    });
  }
});

describe("what a client refuses as phase 1", () => {
  const link = { tag: "auth", pointer: good.phase0.hash };
  const cases: readonly (readonly [string, () => Packet<"verified">, string])[] = [
    ["unsigned", () => unsigned(group, [link]), "HANDSHAKE_UNSIGNED"],
    ["its own phase 0, reflected", () => good.phase0, "HANDSHAKE_SAME_KEY"],
    ["its own phase 2, reflected", () => good.phase2, "HANDSHAKE_SAME_KEY"],
    ["not relayed", () => unwrap(handshakePhase1(server, good.phase0)).packet, "HANDSHAKE_HOP"],
    ["no link", () => forged(server), "HANDSHAKE_SHAPE"],
    ["two links", () => forged(server, { links: [link, link] }), "HANDSHAKE_SHAPE"],
    // The reference takes any tag, so a phase 2 could stand for a phase 1.
    [
      "another tag",
      () => forged(server, { links: [{ ...link, tag: "signed" }] }),
      "HANDSHAKE_SHAPE",
    ],
    [
      "an answer to another phase 0",
      () => forged(server, { links: [{ tag: "auth", pointer: bytes32(9) }] }),
      "HANDSHAKE_TRANSCRIPT",
    ],
    [
      "the group of other keys: an answer meant for somebody else",
      () => forged(server, { group: unicastGroup(mallory.key, server.key), links: [link] }),
      "HANDSHAKE_SHAPE",
    ],
    ["another domain", () => forged(server, { domain: "x", links: [link] }), "HANDSHAKE_SHAPE"],
    ["another path", () => forged(server, { path: ["y"], links: [link] }), "HANDSHAKE_SHAPE"],
    ["data", () => forged(server, { data: bytes32(0), links: [link] }), "HANDSHAKE_SHAPE"],
  ];
  for (const [name, packet, reason] of cases) {
    test(`[LK-handshake] ${name}`, () => {
      const result = handshakePhase2(client, good.phase0, packet());
      expect(result).toEqual({ ok: false, reason });
    });
  }

  test("[LK-handshake] a phase 0 of another key is not continued", () => {
    const result = handshakePhase2(mallory, good.phase0, good.phase1);
    expect(result).toEqual({ ok: false, reason: "HANDSHAKE_KEY_CHANGED" });
  });
});

describe("what a server refuses as phase 2", () => {
  const link = { tag: "signed", pointer: good.phase1.hash };
  const cases: readonly (readonly [string, () => Packet<"verified">, string])[] = [
    ["unsigned", () => unsigned(group, [link]), "HANDSHAKE_UNSIGNED"],
    ["its own phase 1, reflected", () => good.phase1, "HANDSHAKE_SAME_KEY"],
    [
      "another key than in phase 0",
      () => forged(mallory, { group: unicastGroup(mallory.key, server.key), links: [link] }),
      "HANDSHAKE_KEY_CHANGED",
    ],
    ["phase 0 again", () => good.phase0, "HANDSHAKE_SHAPE"],
    ["another tag", () => forged(client, { links: [{ ...link, tag: "auth" }] }), "HANDSHAKE_SHAPE"],
    [
      "a signature of another phase 1",
      () => forged(client, { links: [{ tag: "signed", pointer: bytes32(5) }] }),
      "HANDSHAKE_TRANSCRIPT",
    ],
    [
      "the client's own group",
      () => forged(client, { group: client.key, links: [link] }),
      "HANDSHAKE_SHAPE",
    ],
    ["two links", () => forged(client, { links: [link, link] }), "HANDSHAKE_SHAPE"],
    ["data", () => forged(client, { links: [link], data: bytes32(1) }), "HANDSHAKE_SHAPE"],
  ];
  for (const [name, packet, reason] of cases) {
    test(`[LK-handshake] ${name}`, () => {
      const result = handshakePhase3(server, [good.phase0, good.phase1, packet()]);
      expect(result).toEqual({ ok: false, reason });
    });
  }

  test("[LK-handshake] a phase 1 of another key is not continued", () => {
    const result = handshakePhase3(mallory, [good.phase0, good.phase1, good.phase2]);
    expect(result).toEqual({ ok: false, reason: "HANDSHAKE_KEY_CHANGED" });
  });

  test("[LK-handshake] a phase 1 that answered another client proves nothing about this one", () => {
    const other = unwrap(handshakePhase1(server, received(handshakePhase0(mallory)))).packet;
    const phase2 = forged(client, { links: [{ tag: "signed", pointer: other.hash }] });
    const result = handshakePhase3(server, [good.phase0, other, phase2]);
    expect(result).toEqual({ ok: false, reason: "HANDSHAKE_SHAPE" });
  });
});

describe("recordings", () => {
  // The reference checks no stamp in its last phase, so an old phase 2 is good for ever there.
  const late = { now: startMicros + 15_000_000 };
  const lateClient = { ...client, nowMicros: () => late.now };
  const lateServer = { ...server, nowMicros: () => late.now };
  const stale = { ok: false, reason: "HANDSHAKE_STAMP" };

  test("[LK-handshake] each phase is refused 15 s after its stamp", () => {
    expect(handshakePhase1(lateServer, good.phase0)).toEqual(stale);
    expect(handshakePhase2(lateClient, good.phase0, good.phase1)).toEqual(stale);
    expect(handshakePhase3(lateServer, [good.phase0, good.phase1, good.phase2])).toEqual(stale);
  });

  test("[LK-handshake] one microsecond earlier each is taken", () => {
    late.now -= 1;
    expect(handshakePhase1(lateServer, good.phase0).ok).toBe(true);
    expect(handshakePhase2(lateClient, good.phase0, good.phase1).ok).toBe(true);
    expect(handshakePhase3(lateServer, [good.phase0, good.phase1, good.phase2]).ok).toBe(true);
    late.now += 1;
  });

  test("[LK-handshake] a stamp of the future is as bad as one of the past", () => {
    for (const stamp of [startMicros + 15_000_000, 2n ** 64n - 1n]) {
      const packet = forged(client, { group: client.key, stamp });
      expect(handshakePhase1(server, packet)).toEqual(stale);
    }
  });

  test("[LK-handshake] the allowance is the caller's", () => {
    const options = { differenceMicrosMax: 1_000 };
    const packet = forged(client, { group: client.key, stamp: startMicros - 1_000 });
    expect(handshakePhase1(server, packet, options)).toEqual(stale);
    expect(handshakePhase1(server, packet).ok).toBe(true);
  });

  test("[LK-handshake] a fresh phase 0 with a recorded phase 2 of the same client does not do", () => {
    clock.now += 1_000_000;
    const phase0 = received(handshakePhase0(client));
    const phase1 = unwrap(handshakePhase1(server, phase0)).packet;
    clock.now -= 1_000_000;
    expect(equalBytes(phase1.hash, good.phase1.hash)).toBe(false);
    expect(handshakePhase3(server, [phase0, phase1, good.phase2])).toEqual({
      ok: false,
      reason: "HANDSHAKE_TRANSCRIPT",
    });
  });

  test("[LK-handshake] who passes a client's packets on ends without a key of his own", () => {
    // Mallory hands the client's phase 0 to the server and the server's phase 1 to the client.
    const phase1 = good.phase1;
    // To the client he can only be the server; to make him Mallory he would have to sign it himself.
    const own = forged(mallory, { links: [{ tag: "auth", pointer: good.phase0.hash }] });
    expect(handshakePhase2(client, good.phase0, own).ok).toBe(false);
    expect(unwrap(handshakePhase2(client, good.phase0, phase1)).peer).toEqual(server.key);
  });
});

function unsigned(
  inGroup: Uint8Array,
  links: readonly { readonly tag: string; readonly pointer: Uint8Array }[] = [],
): Packet<"verified"> {
  const draft = { group: inGroup, domain: handshakeDomain(), path, links, stamp: clock.now };
  return received(buildLinkpoint(crypto, draft));
}

function fail(): never {
  throw new Error("nothing to send");
}
