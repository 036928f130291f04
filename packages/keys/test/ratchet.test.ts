/** The two-party ratchet (docs/spec/5-keys.md §12). */
import { encodeCbor, decodeCbor, type CborValue, utf8 } from "@hawser/codec";
import { createCrypto, type Crypto, type Random } from "@hawser/crypto";
import { withHybrid } from "@hawser/crypto/hybrid";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  createRatchet,
  type Prekeys,
  type Ratchet,
  type RatchetRefusal,
  type RatchetState,
  ratchetOffersMax,
  ratchetSkippedMax,
  ratchetTextBytesMax,
  rotatePrekey,
  type Suite,
  type VerifiedBundle,
} from "@hawser/keys";
import { recordKnowledge } from "./support/knowledge.ts";
import { createTestRandom, crypto, identityOf, startTime, topic } from "./support/space.ts";

const fast = await createCrypto();
const hybrid = withHybrid(fast);
const lifetime = { notBefore: startTime, notAfter: startTime + 1000 };

interface Side {
  readonly ratchet: Ratchet;
  readonly bundle: VerifiedBundle;
  readonly prekeys: Prekeys;
  readonly random: Random;
  state: RatchetState;
}

interface Pair {
  readonly alice: Side;
  readonly bob: Side;
}

interface PairOptions {
  readonly suite?: Suite;
  readonly deps?: Crypto;
  readonly random?: Random;
  readonly space?: string;
}

function createPair(options: PairOptions = {}): Pair {
  const { suite = 1, deps = hybrid, space = topic } = options;
  const identities = { alice: identityOf("alice"), bob: identityOf("bob") };
  const createSide = (self: "alice" | "bob", peer: "alice" | "bob"): Side => {
    const random = options.random ?? createTestRandom(`ratchet ${self} ${suite}`);
    const identity = identities[self];
    const made = rotatePrekey(deps, [], { identity, time: startTime, suite }, random);
    const ends = { self: identity.id, peer: identities[peer].id };
    const ratchet = createRatchet({ crypto: deps }, { topic: space, ...ends });
    return { ratchet, ...made, random, state: ratchet.empty };
  };
  return { alice: createSide("alice", "bob"), bob: createSide("bob", "alice") };
}

function peerOf(pair: Pair, side: Side): Side {
  return side === pair.alice ? pair.bob : pair.alice;
}

/** Sends; a session begins with the peer's ordinary bundle where there is none. */
function send(pair: Pair, from: Side, text: string): Uint8Array {
  const { bundle } = peerOf(pair, from);
  const input = { plaintext: utf8(text), ...(from.ratchet.needsBundle(from.state) && { bundle }) };
  const sent = from.ratchet.send(from.state, input, from.random);
  from.state = sent.state;
  return sent.bytes;
}

/** The text, or why there is none. */
function receive(to: Side, bytes: Uint8Array): string {
  const { state, verdict } = to.ratchet.receive(to.state, { bytes, prekeys: to.prekeys });
  to.state = state;
  return verdict.ok ? new TextDecoder().decode(verdict.plaintext) : verdict.reason;
}

function roundTrip(pair: Pair, from: Side, text: string): string {
  return receive(peerOf(pair, from), send(pair, from, text));
}

test.each([1, 2] as const)(
  "[P2-K-two_party_secret_messaging_protocol] the steps of the protocol in suite %i: first, second, answer, both at once",
  (suite) => {
    const pair = createPair({ suite });
    const { alice, bob } = pair;
    expect(roundTrip(pair, alice, "1")).toBe("1");
    expect(bob.state.sessions[0]).toMatchObject({ turn: 0, own: undefined, isInitiator: false });
    expect(roundTrip(pair, alice, "2")).toBe("2");
    expect(alice.state.sessions[0]).toMatchObject({ turn: 0, peerKey: undefined });
    expect(roundTrip(pair, bob, "3")).toBe("3");
    expect(alice.state.sessions[0]).toMatchObject({ turn: 1, own: undefined, sending: undefined });
    expect(roundTrip(pair, alice, "4")).toBe("4");
    expect(roundTrip(pair, bob, "5")).toBe("5");
    const crossing = [send(pair, alice, "6"), send(pair, bob, "7")] as const;
    expect(receive(bob, crossing[0])).toBe("6");
    expect(receive(alice, crossing[1])).toBe("7");
    expect(roundTrip(pair, bob, "8")).toBe("8");
  },
);

test("[P2-K-long_term_prekeys] one bundle begins sessions in two spaces, and neither opens the other's", () => {
  const [here, there] = [createPair(), createPair({ space: "71".repeat(32) })];
  const [one, two] = [send(here, here.alice, "here"), send(there, there.alice, "there")];
  expect(receive(here.bob, two)).toBe("UNOPENABLE");
  expect(receive(there.bob, one)).toBe("UNOPENABLE");
  expect(receive(here.bob, one)).toBe("here");
  expect(receive(there.bob, two)).toBe("there");
});

test("[P2-K-invalid_replayed_messages] [P2-M7] no message opens twice, in whatever turn it was sent", () => {
  const pair = createPair();
  const { alice, bob } = pair;
  const sent: [Side, Uint8Array][] = [];
  for (const from of [alice, alice, bob, alice, bob, bob]) {
    const bytes = send(pair, from, "once");
    sent.push([peerOf(pair, from), bytes]);
    expect(receive(peerOf(pair, from), bytes)).toBe("once");
  }
  for (const [to, bytes] of sent) {
    const before = to.ratchet.encode(to.state);
    expect(receive(to, bytes)).toBe("REPLAYED");
    expect(to.ratchet.encode(to.state)).toEqual(before);
  }
  // Nor after a reset: the beginning of a session that ended begins none.
  bob.state = bob.ratchet.reset(bob.state);
  expect(sent.map(([to, bytes]) => (to === bob ? receive(bob, bytes) : ""))).toEqual(
    expect.arrayContaining(["STALE_SESSION", "UNKNOWN_SESSION"]),
  );
  expect(sent.every(([to, bytes]) => receive(to, bytes) !== "once")).toBe(true);
});

test("[P2-K-x3dh] [P2-K-generate_onetime_keys] an offer begins one session and is erased; without it nothing opens", () => {
  const pair = createPair();
  const { alice, bob } = pair;
  const input = { identity: identityOf("bob"), lifetime } as const;
  const offered = bob.ratchet.offer(bob.state, input, bob.random);
  bob.state = offered.state;
  const { bundle } = offered;
  const first = alice.ratchet.send(alice.state, { plaintext: utf8("1"), bundle }, alice.random);
  const again = alice.ratchet.send(
    { ...alice.state, begun: 5 },
    { plaintext: utf8("2"), bundle },
    alice.random,
  );
  expect(receive(bob, first.bytes)).toBe("1");
  expect(bob.state.offers).toEqual([]);
  expect(receive(bob, again.bytes)).toBe("UNOPENABLE");
  // Offers end by their lifetime, and there are never many.
  const late = bob.ratchet.offer(bob.state, input, bob.random).state;
  expect(bob.ratchet.dropOffers(late, lifetime.notAfter).offers).toEqual([]);
  expect(bob.ratchet.dropOffers(late, lifetime.notAfter - 1).offers).toEqual(late.offers);
  let full = bob.state;
  for (let count = 0; count < ratchetOffersMax; count++) {
    full = bob.ratchet.offer(full, input, bob.random).state;
  }
  expect(() => bob.ratchet.offer(full, input, bob.random)).toThrow(
    expect.objectContaining({ code: "KEYS_TOO_MANY" }),
  );
});

test("[TH-211] [P2-K-ratchet_forward] [P2-K-ratchet_out_of_order] out of order within bounds, over turns; what is further ahead waits", () => {
  const pair = createPair();
  const { alice, bob } = pair;
  const first = Array.from({ length: 4 }, (_, index) => send(pair, alice, `a${index}`));
  expect(receive(bob, first[2]!)).toBe("a2");
  expect(roundTrip(pair, bob, "b0")).toBe("b0");
  const second = [send(pair, alice, "a4"), send(pair, alice, "a5")];
  // The next turn says how long the one before was, so its last message is waited for too.
  expect(receive(bob, second[1]!)).toBe("a5");
  expect([first[3]!, second[0]!, first[0]!, first[1]!].map((bytes) => receive(bob, bytes))).toEqual(
    ["a3", "a4", "a0", "a1"],
  );
  const far = Array.from({ length: ratchetSkippedMax + 2 }, () => send(pair, alice, "far"));
  expect(receive(bob, far.at(-1)!)).toBe("TOO_FAR_AHEAD");
  expect(receive(bob, far.at(-2)!)).toBe("far");
  expect(receive(bob, far.at(-1)!)).toBe("far");
});

test("[P2-M7] a message opens for its sender, recipient, space, session, place and associated data alone", () => {
  const pair = createPair();
  const { alice, bob } = pair;
  const sent = alice.ratchet.send(
    alice.state,
    { plaintext: utf8("bound"), associatedData: utf8("entry 7"), bundle: bob.bundle },
    alice.random,
  );
  const { prekeys } = bob;
  const tryWith = (ratchet: Ratchet, bytes: Uint8Array, associatedData: Uint8Array): unknown => {
    const { verdict } = ratchet.receive(ratchet.empty, { bytes, associatedData, prekeys });
    return verdict.ok || verdict.reason;
  };
  const [self, peer] = [identityOf("bob").id, identityOf("alice").id];
  const carol = identityOf("carol").id;
  expect(tryWith(bob.ratchet, sent.bytes, utf8("entry 7"))).toBe(true);
  expect(tryWith(bob.ratchet, sent.bytes, utf8("entry 8"))).toBe("UNOPENABLE");
  for (const ends of [
    { self, peer: carol },
    { self: carol, peer },
    { self: peer, peer: self },
  ]) {
    const other = createRatchet({ crypto }, { topic, ...ends });
    expect(tryWith(other, sent.bytes, utf8("entry 7"))).toBe("UNOPENABLE");
  }
  // Every field is bound: another value of any of them opens nothing.
  const fields = decodeCbor(sent.bytes) as readonly CborValue[];
  for (const [index, field] of fields.entries()) {
    const other =
      typeof field === "number"
        ? field + 1
        : (field as Uint8Array).map((byte, at) => (at === 0 ? byte ^ 1 : byte));
    const bytes = encodeCbor(fields.map((kept, at) => (at === index ? other : kept)));
    expect(tryWith(bob.ratchet, bytes, utf8("entry 7")), `field ${index}`).not.toBe(true);
  }
  // A message that comes back to its sender is none for it.
  expect(receive(alice, sent.bytes)).not.toBe("bound");
});

test("[P2-M17] bytes that are no message are MALFORMED, never an exception, and change nothing", () => {
  const pair = createPair();
  const bytes = send(pair, pair.alice, "text");
  for (let size = 0; size < bytes.length; size++) {
    expect(receive(pair.bob, bytes.subarray(0, size))).toBe("MALFORMED");
  }
  const fields = decodeCbor(bytes) as readonly CborValue[];
  const rows: readonly (readonly [number, CborValue])[] = [
    [0, 2],
    [1, 3],
    [1, 2],
    [2, new Uint8Array(15)],
    [3, -1],
    [4, 2 ** 32],
    [4, 1],
    [5, new Uint8Array(1216)],
    [6, null],
    [7, new Uint8Array(81)],
    [8, "0"],
    [9, true],
    [10, new Uint8Array(12)],
    [11, new Uint8Array(15)],
    [11, new Uint8Array(ratchetTextBytesMax + 17)],
  ];
  for (const [at, value] of rows) {
    const changed = encodeCbor(fields.map((field, index) => (index === at ? value : field)));
    expect(receive(pair.bob, changed), `field ${at}`).toBe("MALFORMED");
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (garbage) => {
      expect(receive(pair.bob, garbage)).toBe("MALFORMED");
    }),
  );
  expect(pair.bob.state).toEqual(pair.bob.ratchet.empty);
});

test("misuse is an error: no session, a stranger's bundle, a long text, short randomness", () => {
  const { alice, bob } = createPair();
  const plaintext = utf8("text");
  const { ratchet, state, random } = alice;
  const codeOf = (code: string): unknown => expect.objectContaining({ code });
  expect(() => ratchet.send(state, { plaintext }, random)).toThrow(codeOf("KEYS_NO_SESSION"));
  const stranger = { plaintext, bundle: alice.bundle };
  expect(() => ratchet.send(state, stranger, random)).toThrow(codeOf("KEYS_NO_SESSION"));
  const { bundle } = bob;
  const long = { plaintext: new Uint8Array(ratchetTextBytesMax + 1), bundle };
  expect(() => ratchet.send(state, long, random)).toThrow(codeOf("KEYS_TEXT_TOO_LONG"));
  const short = (): Uint8Array => new Uint8Array(3);
  expect(() => ratchet.send(state, { plaintext, bundle }, short)).toThrow(
    codeOf("KEYS_BAD_RANDOM"),
  );
  const strong = createPair({ suite: 2 }).bob.bundle;
  const plain = createRatchet(
    { crypto },
    { topic, self: alice.bundle.author, peer: bundle.author },
  );
  expect(() => plain.send(plain.empty, { plaintext, bundle: strong }, random)).toThrow(
    codeOf("KEYS_SUITE_UNAVAILABLE"),
  );
});

test("[P2-M6] [P2-M16] a restored backup is told apart, and one reset heals the pair", () => {
  const pair = createPair();
  const { alice, bob } = pair;
  expect(roundTrip(pair, alice, "1")).toBe("1");
  const backup = alice.ratchet.encode(alice.state);
  expect(roundTrip(pair, alice, "2")).toBe("2");
  expect(roundTrip(pair, bob, "3")).toBe("3");
  alice.state = alice.ratchet.decode(backup)!;
  // Alice seals under a key that was used: Bob takes nothing, and no nonce is met twice.
  const reused = send(pair, alice, "other");
  expect(receive(bob, reused)).toBe("REPLAYED");
  bob.state = bob.ratchet.reset(bob.state);
  expect(roundTrip(pair, bob, "again")).toBe("again");
  expect(roundTrip(pair, alice, "healed")).toBe("healed");
  // The session before is over for both.
  expect(receive(bob, reused)).not.toBe("other");
  expect(bob.state.sessions.length).toBe(1);
});

test("sessions begun by both at once stand beside each other, and both go on in the same one", () => {
  const pair = createPair();
  const { alice, bob } = pair;
  const [hers, his] = [send(pair, alice, "hers"), send(pair, bob, "his")];
  const later = send(pair, bob, "later");
  expect(receive(bob, hers)).toBe("hers");
  expect(receive(alice, his)).toBe("his");
  expect(alice.state.sessions[0]?.id).toEqual(bob.state.sessions[0]?.id);
  expect(roundTrip(pair, bob, "on")).toBe("on");
  expect(receive(alice, later)).toBe("later");
  expect(roundTrip(pair, alice, "and on")).toBe("and on");
});

/** What a random conversation does: each number picks a side and an action. */
const actions = fc.array(fc.nat(999), { minLength: 10, maxLength: 60 });

test("[TH-211] any interleaving of sends and deliveries within bounds opens every message once", () => {
  fc.assert(
    fc.property(actions, (choices) => {
      const pair = createPair();
      const sides = [pair.alice, pair.bob] as const;
      const inbox = new Map<Side, { text: string; bytes: Uint8Array }[]>(
        sides.map((side) => [side, []]),
      );
      const takeOne = (side: Side, choice: number): void => {
        const waiting = inbox.get(side)!;
        const [taken] = waiting.splice(choice % waiting.length, 1);
        const before = side.state;
        expect(receive(side, taken!.bytes)).toBe(taken!.text);
        side.ratchet.forget(before, side.state);
      };
      const [first] = sides;
      inbox.get(pair.bob)!.push({ text: "0", bytes: send(pair, first, "0") });
      takeOne(pair.bob, 0);
      for (const [index, choice] of choices.entries()) {
        const side = sides[choice % 2]!;
        const text = `${index + 1}`;
        if (choice % 3 === 0 && inbox.get(side)!.length > 0) takeOne(side, choice);
        else inbox.get(peerOf(pair, side))!.push({ text, bytes: send(pair, side, text) });
        // A state is what its bytes say.
        side.state = side.ratchet.decode(side.ratchet.encode(side.state))!;
      }
      for (const side of sides) while (inbox.get(side)!.length > 0) takeOne(side, 7);
      expect(sides.flatMap((side) => side.state.sessions.flatMap((s) => s.skipped))).toEqual([]);
    }),
    { numRuns: 20, seed: 211 },
  );
});

test("[P2-M6] whatever is lost, replayed or restored: whoever meets a refusal resets, and soon both talk again", () => {
  fc.assert(
    fc.property(actions, (choices) => {
      const pair = createPair();
      const sides = [pair.alice, pair.bob] as const;
      const backups: RatchetState[] = [pair.alice.ratchet.empty, pair.bob.ratchet.empty];
      for (const [index, choice] of choices.entries()) {
        const which = choice % 2;
        const side = sides[which]!;
        const action = Math.floor(choice / 2) % 5;
        if (action === 0) backups[which] = side.state;
        else if (action === 1) side.state = backups[which]!;
        else {
          const bytes = send(pair, side, `${index}`);
          if (action > 2) receive(peerOf(pair, side), bytes);
        }
      }
      // Now nothing is lost: within three answers the pair is well.
      let from: Side = pair.alice;
      let refusals = 0;
      for (let round = 0; round < 10; round++) {
        const to = peerOf(pair, from);
        if (receive(to, send(pair, from, "hello")) !== "hello") {
          refusals += 1;
          to.state = to.ratchet.reset(to.state);
        }
        from = to;
      }
      expect(refusals).toBeLessThanOrEqual(3);
      expect(roundTrip(pair, pair.alice, "a")).toBe("a");
      expect(roundTrip(pair, pair.bob, "b")).toBe("b");
    }),
    { numRuns: 20, seed: 6 },
  );
});

test("[P2-K-serde] a state has one encoding, for its pair alone, and prints no secret", () => {
  const pair = createPair();
  const { alice, bob } = pair;
  const input = { identity: identityOf("bob"), lifetime } as const;
  bob.state = bob.ratchet.offer(bob.state, input, bob.random).state;
  for (const text of ["1", "2"]) roundTrip(pair, alice, text);
  send(pair, alice, "lost");
  roundTrip(pair, alice, "3");
  roundTrip(pair, bob, "4");
  for (const { ratchet, state } of [alice, bob]) {
    const bytes = ratchet.encode(state);
    expect(ratchet.encode(ratchet.decode(bytes)!)).toEqual(bytes);
    for (let size = 0; size < bytes.length; size += 7) {
      expect(ratchet.decode(bytes.subarray(0, size))).toBeUndefined();
    }
    expect(ratchet.decode(new Uint8Array([...bytes, 0]))).toBeUndefined();
    const stranger = createRatchet(
      { crypto },
      { topic, self: identityOf("carol").id, peer: identityOf("alice").id },
    );
    expect(stranger.decode(bytes)).toBeUndefined();
    expect(JSON.stringify(state.sessions.map(({ root, own }) => [root, own]))).not.toMatch(
      /[0-9]{3}/,
    );
  }
  const bytes = bob.ratchet.encode(bob.state);
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const changed = bytes.slice();
      changed[at] = changed[at]! ^ change;
      const decoded = bob.ratchet.decode(changed);
      if (decoded !== undefined) expect(bob.ratchet.encode(decoded)).toEqual(changed);
    }),
  );
});

test("[TH-211] dropped secrets are overwritten, and the state that goes on is whole", () => {
  const pair = createPair();
  const { alice, bob } = pair;
  const input = { identity: identityOf("bob"), lifetime } as const;
  const offered = bob.ratchet.offer(bob.state, input, bob.random);
  bob.state = offered.state;
  const sent = alice.ratchet.send(
    alice.state,
    { plaintext: utf8("1"), bundle: offered.bundle },
    alice.random,
  );
  alice.state = sent.state;
  const offer = bob.state.offers[0]!.secret.reveal();
  const before = bob.state;
  expect(receive(bob, sent.bytes)).toBe("1");
  bob.ratchet.forget(before, bob.state);
  expect(offer.every((byte) => byte === 0)).toBe(true);
  const chainKey = bob.state.sessions[0]!.receiving!.key.reveal();
  const root = bob.state.sessions[0]!.root.reveal();
  const second = bob.state;
  expect(roundTrip(pair, alice, "2")).toBe("2");
  bob.ratchet.forget(second, bob.state);
  expect(chainKey.every((byte) => byte === 0)).toBe(true);
  expect(root.some((byte) => byte !== 0)).toBe(true);
  expect(roundTrip(pair, bob, "3")).toBe("3");
});

interface Mark {
  readonly side: Side;
  readonly stateBytes: Uint8Array;
  readonly turn: number;
  /** Texts sent or opened by then. */
  readonly past: ReadonlySet<string>;
}

test("[TH-211] [P2-K-ratchet_forward_secrecy] [P2-K-ratchet_message_ratcheting] [P2-K-post_compromise_security] by the recorded derivations: a stolen state opens nothing that was sent or opened before, and nothing from the second turn after", () => {
  fc.assert(
    fc.property(actions, (choices) => {
      const recorder = recordKnowledge(fast, createTestRandom("knowledge"));
      const { random, textOf } = recorder;
      const pair = createPair({ deps: recorder.crypto, random });
      const { alice, bob } = pair;
      const offered = bob.ratchet.offer(
        bob.state,
        { identity: identityOf("bob"), lifetime },
        random,
      );
      bob.state = offered.state;
      const sides = [alice, bob] as const;
      const inbox = new Map<Side, { text: string; bytes: Uint8Array }[]>([
        [alice, []],
        [bob, []],
      ]);
      const past = new Map<Side, Set<string>>(sides.map((side) => [side, new Set()]));
      const turnOf = new Map<string, number>();
      const marks: Mark[] = [];
      let opened = 0;
      const sendOne = (side: Side, text: string): void => {
        const begins = side.ratchet.needsBundle(side.state);
        const input = { plaintext: utf8(text), ...(begins && { bundle: offered.bundle }) };
        const sent = side.ratchet.send(side.state, input, random);
        side.state = sent.state;
        turnOf.set(text, sent.state.sessions[0]!.turn);
        past.get(side)!.add(text);
        inbox.get(peerOf(pair, side))!.push({ text, bytes: sent.bytes });
      };
      const takeOne = (side: Side, choice: number): void => {
        const waiting = inbox.get(side)!;
        const [taken] = waiting.splice(choice % waiting.length, 1);
        // Not vacuous: whoever steals the state before this moment reads the message.
        const secrets = recorder.secretsIn(side.ratchet.encode(side.state));
        expect(recorder.closureOf(secrets).has(textOf(utf8(taken!.text)))).toBe(true);
        const got = side.ratchet.receive(side.state, { bytes: taken!.bytes });
        side.state = got.state;
        expect(got.verdict.ok).toBe(true);
        past.get(side)!.add(taken!.text);
        opened += 1;
      };
      const mark = (side: Side): void => {
        const stateBytes = side.ratchet.encode(side.state);
        const turn = side.state.sessions[0]?.turn ?? -1;
        marks.push({ side, stateBytes, turn, past: new Set(past.get(side)) });
      };
      sendOne(alice, "first");
      takeOne(bob, 0);
      for (const [index, choice] of choices.slice(0, 30).entries()) {
        const side = sides[choice % 2]!;
        if (choice % 3 !== 0 && inbox.get(side)!.length > 0) takeOne(side, choice);
        else sendOne(side, `message ${index}`);
        mark(side);
      }
      for (const { stateBytes, turn, past: before } of marks) {
        const known = recorder.closureOf(recorder.secretsIn(stateBytes));
        for (const text of before) expect(known.has(textOf(utf8(text))), text).toBe(false);
        for (const [text, sentTurn] of turnOf) {
          if (sentTurn >= turn + 2) expect(known.has(textOf(utf8(text))), text).toBe(false);
        }
      }
      expect(opened).toBeGreaterThan(0);
    }),
    { numRuns: 12, seed: 42 },
  );
});

test("every reason to refuse was met above or here", () => {
  const pair = createPair();
  const { alice, bob } = pair;
  roundTrip(pair, alice, "1");
  const backup = bob.state;
  roundTrip(pair, bob, "2");
  roundTrip(pair, alice, "3");
  roundTrip(pair, bob, "4");
  const ahead = send(pair, alice, "5");
  bob.state = backup;
  const reason: RatchetRefusal = "OUT_OF_STEP";
  expect(receive(bob, ahead)).toBe(reason);
});

test("a peer that uses up the numbers of sessions harms what it begins, and nothing is sent that it could not read", () => {
  const pair = createPair();
  const { alice, bob } = pair;
  alice.state = { ...alice.state, begun: 0x7fff_fffe };
  expect(receive(bob, send(pair, alice, "the last number"))).toBe("the last number");
  // The session itself goes on.
  expect(receive(alice, send(pair, bob, "still here"))).toBe("still here");
  bob.state = bob.ratchet.reset(bob.state);
  const before = bob.state;
  expect(() => send(pair, bob, "one more")).toThrow(
    expect.objectContaining({ code: "KEYS_TOO_MANY" }),
  );
  expect(bob.state).toBe(before);
});
