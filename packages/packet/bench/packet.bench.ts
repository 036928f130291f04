/**
 * `pnpm bench packet`: packets with 300 bytes of data a second, parsed, verified and built, over the
 * chosen crypto back end and over noble.
 */
import { compare, measure, type Comparison, type Measurement } from "@hawser-tooling/measure";
import { createCrypto, createNobleCrypto, type Crypto } from "@hawser/crypto";
import {
  buildDatapoint,
  buildKeypoint,
  buildLinkpoint,
  encodeLinkPoint,
  linkPointBytes,
  parsePacket,
  publicGroup,
  verifyPacket,
  type LinkPointFields,
  type Packet,
} from "@hawser/packet";

const batch = 20_000;
const signedBatch = 200;
const secret = new Uint8Array(32).fill(7);

const fields: LinkPointFields = {
  signed: false,
  group: publicGroup(),
  domain: new TextEncoder().encode("bench"),
  path: [],
  links: [
    { tag: new TextEncoder().encode("prev"), pointer: publicGroup() },
    { tag: new TextEncoder().encode("author"), pointer: publicGroup() },
  ],
  stamp: 1_700_000_000_000_000,
  data: new Uint8Array(300).fill(0x61),
};

/** Runs `work` `count` times. */
function times(count: number, work: () => unknown): () => void {
  return () => {
    for (let index = 0; index < count; index++) work();
  };
}

function parse(bytes: Uint8Array): Packet<"unverified"> {
  const parsed = parsePacket(bytes);
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.packet;
}

function verify(crypto: Crypto, packet: Packet): void {
  const verified = verifyPacket(crypto, packet);
  if (!verified.ok) throw new Error(verified.reason);
}

interface Work {
  readonly name: string;
  readonly run: () => unknown;
  readonly operations: number;
}

/** Work in which no crypto takes part. */
function plainWorks(crypto: Crypto): readonly Work[] {
  const datapoint = buildDatapoint(crypto, fields.data).bytes;
  const linkpoint = buildLinkpoint(crypto, fields).bytes;
  const target = new Uint8Array(linkPointBytes(fields));
  const operations = batch;
  return [
    { name: "parse a datapoint", run: () => parse(datapoint), operations },
    { name: "parse a linkpoint", run: () => parse(linkpoint), operations },
    {
      name: "parse a linkpoint, read data and stamp",
      run: () => readSome(parse(linkpoint)),
      operations,
    },
    {
      name: "write a point into a buffer",
      run: () => encodeLinkPoint(target, 0, fields),
      operations,
    },
  ];
}

/** Work whose speed is that of its crypto. */
function cryptoWorks(crypto: Crypto): readonly Work[] {
  const linkpoint = buildLinkpoint(crypto, fields).bytes;
  const keypoint = buildKeypoint(crypto, fields, secret).bytes;
  const { point } = parse(linkpoint);
  return [
    { name: "hash a linkpoint", run: () => crypto.hash(point), operations: batch },
    {
      name: "parse and verify a linkpoint",
      run: () => verify(crypto, parse(linkpoint)),
      operations: batch,
    },
    {
      name: "parse and verify a keypoint",
      run: () => verify(crypto, parse(keypoint)),
      operations: signedBatch,
    },
    {
      name: "build a datapoint",
      run: () => buildDatapoint(crypto, fields.data),
      operations: batch,
    },
    { name: "build a linkpoint", run: () => buildLinkpoint(crypto, fields), operations: batch },
    {
      name: "build a keypoint",
      run: () => buildKeypoint(crypto, fields, secret),
      operations: signedBatch,
    },
  ];
}

function readSome(packet: Packet): number {
  return packet.data.length + (packet.stampNumber ?? 0);
}

function timed({ name, run, operations }: Work, label = name): Promise<Measurement> {
  return measure(label, times(operations, run), { operations, runs: 5, warmUps: 2 });
}

const chosen = await createCrypto();
const comparisons: Comparison[] = [];
for (const work of plainWorks(chosen)) {
  comparisons.push({ work: work.name, ours: await timed(work) });
}
const floor = cryptoWorks(createNobleCrypto());
for (const [index, work] of cryptoWorks(chosen).entries()) {
  const ours = await timed(work);
  const noble = floor[index];
  comparisons.push({
    work: work.name,
    ours,
    ...(noble === undefined ? {} : { peer: await timed(noble, "noble") }),
  });
}
console.log(compare(comparisons));
