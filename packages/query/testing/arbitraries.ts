/**
 * fast-check arbitraries of packets and queries that meet often: values come from small pools, so
 * that random rules accept some random packets and refuse others. Needs fast-check.
 */
import { createNobleCrypto, type Crypto } from "@hawser/crypto";
import {
  buildDatapoint,
  buildErrorPoint,
  buildKeypoint,
  buildLinkpoint,
  defaultNetHeader,
  privateGroup,
  publicGroup,
  testGroup,
  withNetHeader,
  type LinkpointDraft,
  type NetHeader,
  type Packet,
} from "@hawser/packet";
import fc from "fast-check";

const crypto: Crypto = createNobleCrypto();

/** Secrets of a handful of authors. */
const secrets: readonly Uint8Array[] = [1, 2, 3].map((value) => new Uint8Array(32).fill(value));

/** Groups that packets and rules share. */
export const groupPool: readonly Uint8Array[] = [publicGroup(), testGroup(), privateGroup()];

/** Public keys of the authors. */
export const publicKeyPool: readonly Uint8Array[] = secrets.map((secret) =>
  crypto.publicKey(secret),
);

/** Domains, unpadded. */
export const domainPool: readonly string[] = ["", "a", "chat", "chau"];

/** Paths: prefixes of each other, and neighbours. */
export const pathPool: readonly (readonly string[])[] = [
  [],
  ["a"],
  ["a", "b"],
  ["a", "b", "c"],
  ["a", "bb"],
  ["b"],
  ["1", "2", "3", "4", "5", "6", "7", "8"],
];

/** Stamps, the least and the greatest among them. */
export const stampPool: readonly bigint[] = [0n, 1n, 5n, 255n, 256n, 1000n, (1n << 64n) - 1n];

/** Data, few and short. */
export const dataPool: readonly string[] = ["", "a", "ab", "b", "hello"];

const text = new TextEncoder();

const netHeaderArbitrary: fc.Arbitrary<NetHeader> = fc.oneof(
  { weight: 2, arbitrary: fc.constant(defaultNetHeader) },
  {
    weight: 1,
    arbitrary: fc.record({
      magic: fc.constant(defaultNetHeader.magic),
      flags: fc.constantFrom(0, 1, 2, 3, 8),
      hop: fc.constantFrom(0, 1, 2, 0xffff_ffff),
      stamp: fc.constantFrom(...stampPool),
      ubits: fc.tuple(bits(), bits(), bits(), bits()),
    }),
  },
);

function bits(): fc.Arbitrary<number> {
  return fc.constantFrom(0, 1, 2, 0x8000_0000, 0xffff_ffff);
}

const draftArbitrary: fc.Arbitrary<LinkpointDraft> = fc.record({
  group: fc.constantFrom(...groupPool),
  domain: fc.constantFrom(...domainPool),
  path: fc.constantFrom(...pathPool),
  links: fc.array(
    fc.record({ tag: fc.constantFrom("x", "tag"), pointer: fc.constantFrom(...groupPool) }),
    { maxLength: 3 },
  ),
  stamp: fc.constantFrom(...stampPool),
  data: fc.constantFrom(...dataPool).map((data) => text.encode(data)),
});

/** What a random packet is made of, before it is hashed. */
interface PacketPlan {
  readonly kind: "datapoint" | "errorpoint" | "linkpoint" | "keypoint";
  readonly draft: LinkpointDraft;
  /** Which of the keypoints, for those. */
  readonly keypoint: number;
  readonly netHeader: NetHeader;
}

/** Signing is slow, so there are only so many keypoints; each is signed when it is first drawn. */
const keypointCount = 84;

const planArbitrary: fc.Arbitrary<PacketPlan> = fc.record({
  kind: fc.constantFrom("datapoint", "errorpoint", "linkpoint", "linkpoint", "keypoint"),
  draft: draftArbitrary,
  keypoint: fc.nat({ max: keypointCount - 1 }),
  netHeader: netHeaderArbitrary,
});

const keypoints: Map<number, Packet<"verified">> = new Map();

/** Keypoint `index`: every pool in turn, so that neighbours differ in all their fields. */
function keypointAt(index: number): Packet<"verified"> {
  const known = keypoints.get(index);
  if (known !== undefined) return known;
  const at = <Item>(pool: readonly Item[], fallback: Item): Item =>
    pool[index % pool.length] ?? fallback;
  const draft: LinkpointDraft = {
    group: at(groupPool, publicGroup()),
    domain: at(domainPool, ""),
    path: at(pathPool, []),
    links: groupPool.slice(index % groupPool.length).map((pointer) => ({ tag: "x", pointer })),
    stamp: stampPool[Math.floor(index / 2) % stampPool.length] ?? 0n,
    data: text.encode(at(dataPool, "")),
  };
  const secret = secrets[Math.floor(index / 3) % secrets.length] ?? new Uint8Array(32).fill(1);
  const packet = buildKeypoint(crypto, draft, secret);
  keypoints.set(index, packet);
  return packet;
}

function buildPlanned(plan: PacketPlan): Packet<"verified"> {
  const { draft, netHeader } = plan;
  const data = draft.data ?? new Uint8Array(0);
  switch (plan.kind) {
    case "datapoint":
      return buildDatapoint(crypto, data, { netHeader });
    case "errorpoint":
      return buildErrorPoint(crypto, data, { netHeader });
    case "linkpoint":
      return buildLinkpoint(crypto, draft, { netHeader });
    case "keypoint":
      return withNetHeader(keypointAt(plan.keypoint), netHeader);
  }
}

/** Any packet: all kinds, groups, domains, paths, stamps and net headers out of the pools. */
export const packetArbitrary: fc.Arbitrary<Packet<"verified">> = planArbitrary.map(buildPlanned);

/** A rule as its three parts, the value in bytes of the field's size. */
export interface ArbitraryRule {
  readonly field: string;
  readonly operator: string;
  readonly value: Uint8Array;
}

/** Which packets a random query is about; the store's cases use narrow ones. */
export interface RuleArbitraryOptions {
  /** Fields to choose from; default all that say something about packets, `recv` excepted. */
  readonly fields?: readonly string[];
}

const pools: ReadonlyMap<string, fc.Arbitrary<Uint8Array>> = new Map([
  ["type", numbers(1, [1n, 2n, 3n, 4n, 7n, 0x80n, 0xfbn])],
  ["netflags", numbers(1, [0n, 1n, 2n, 3n, 0xfen])],
  ["hop", numbers(4, [0n, 1n, 2n, 0xffff_ffffn])],
  ["stamp", numbers(8, stampPool)],
  ...[0, 1, 2, 3].map((index): [string, fc.Arbitrary<Uint8Array>] => [
    `ubits${index}`,
    numbers(4, [0n, 1n, 2n, 0x8000_0000n, 0xffff_fffen, 0xffff_ffffn]),
  ]),
  ["domain", fc.constantFrom(...domainPool.map(padded), new Uint8Array(16).fill(0xff))],
  ["group", fc.constantFrom(...groupPool, new Uint8Array(32).fill(0xff))],
  ["pubkey", fc.constantFrom(...publicKeyPool, new Uint8Array(32))],
  ["hash", fc.uint8Array({ minLength: 32, maxLength: 32 })],
  ["size", numbers(2, [72n, 80n, 128n, 136n, 144n, 240n, 65535n])],
  ["data_size", numbers(2, [0n, 1n, 2n, 5n, 65535n])],
  ["links_len", numbers(2, [0n, 1n, 2n, 3n])],
  ["depth", numbers(1, [0n, 1n, 2n, 3n, 8n, 255n])],
  ["create", numbers(8, stampPool)],
  ["signature", fc.uint8Array({ minLength: 64, maxLength: 64 })],
  ...Array.from({ length: 8 }, (_, index): [string, fc.Arbitrary<Uint8Array>] => [
    `comp${index}`,
    fc.constantFrom("", "a", "b", "bb", "c", "3").map((each) => text.encode(each)),
  ]),
  ["rspacename", fc.constantFrom(...pathPool).map(rooted)],
  ["data", fc.constantFrom(...dataPool).map((each) => text.encode(each))],
  ["prefix", fc.constantFrom(...pathPool).map(unrooted)],
  ["spacename", fc.constantFrom(...pathPool).map(unrooted)],
]);

function numbers(byteCount: number, values: readonly bigint[]): fc.Arbitrary<Uint8Array> {
  return fc.constantFrom(...values).map((value) => bigEndian(value, byteCount));
}

function bigEndian(value: bigint, byteCount: number): Uint8Array {
  const hex = value.toString(16).padStart(2 * byteCount, "0");
  return Uint8Array.from({ length: byteCount }, (_, index) =>
    Number.parseInt(hex.slice(2 * index, 2 * index + 2), 16),
  );
}

function padded(domain: string): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set(text.encode(domain), 16 - domain.length);
  return bytes;
}

/** Length-prefixed components. */
function unrooted(path: readonly string[]): Uint8Array {
  return Uint8Array.from(path.flatMap((each) => [each.length, ...text.encode(each)]));
}

function rooted(path: readonly string[]): Uint8Array {
  return buildLinkpoint(crypto, { group: publicGroup(), path, stamp: 0 }).rootedPath;
}

/** Fields whose rules are about a packet alone. */
export const packetFields: readonly string[] = [...pools.keys()];

/** One rule with a value of the right size for its operator. */
export function ruleArbitrary(options: RuleArbitraryOptions = {}): fc.Arbitrary<ArbitraryRule> {
  return fc.constantFrom(...(options.fields ?? packetFields)).chain((field) => {
    const isPath = field === "prefix" || field === "spacename";
    const operator = isPath
      ? fc.constant("=")
      : fc.constantFrom("=", "=", "<", ">", "<=", ">=", "0", "1", "?", "=*", "*=");
    const value = pools.get(field) ?? fc.constant(new Uint8Array(0));
    return fc
      .record({ field: fc.constant(field), operator, value, cut: fc.nat({ max: 3 }) })
      .map(({ cut, ...rule }) => ({ ...rule, value: cutFor(rule.operator, rule.value, cut) }));
  });
}

/** Head and tail operators take a part of a value. */
function cutFor(operator: string, value: Uint8Array, cut: number): Uint8Array {
  if (operator === "=*") return value.subarray(0, cut);
  if (operator === "*=") return value.subarray(Math.max(0, value.length - cut));
  return value;
}

/** A rule as a statement of text, every byte of its value escaped. */
export function ruleStatement({ field, operator, value }: ArbitraryRule): string {
  const escaped = Array.from(value, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
  return `${field}:${operator}:${escaped}`;
}

/** 0–6 statements in text. Together they may contradict each other. */
export function queryStatementsArbitrary(
  options: RuleArbitraryOptions = {},
): fc.Arbitrary<readonly string[]> {
  return fc
    .array(ruleArbitrary(options), { maxLength: 6 })
    .map((rules) => rules.map(ruleStatement));
}
