/** docs/spec/vectors/blob: the committed file against the oracle, and the code against the file. */
import { readFileSync } from "node:fs";
import { fromHex, toHex } from "@hawser/codec";
import { describe, expect, it } from "vitest";
import {
  convergentKey,
  createChunkOpener,
  createChunkSealer,
  createMemoryPoints,
  hashContent,
  writeBlob,
  type SealSuite,
} from "@hawser/blob";
import { crypto, readAll } from "./help.ts";
import { deriveVectors, vectorsFile } from "./support-vectors.ts";

interface SealVector {
  readonly suite: SealSuite;
  readonly key: string;
  readonly salt: string;
  readonly context: string;
}

interface FilledVector {
  readonly name: string;
  readonly byte: number;
  readonly byte_count: number;
  readonly root: string;
}

interface Vectors {
  readonly trees: {
    readonly vectors: readonly (FilledVector &
      Partial<SealVector> & { readonly points: readonly string[] })[];
  };
  readonly chains: {
    readonly vectors: readonly (FilledVector & {
      readonly domain: string;
      readonly link_count_max: number;
    })[];
  };
  readonly seals: {
    readonly vectors: readonly (SealVector & {
      readonly content: string;
      readonly chunk_bytes: number;
      readonly header: string;
      readonly chunks: readonly string[];
    })[];
  };
  readonly convergent: {
    readonly vectors: readonly {
      readonly suite: SealSuite;
      readonly space_secret: string;
      readonly content: string;
      readonly key: string;
      readonly salt: string;
      readonly root: string;
    }[];
  };
}

const text = readFileSync(vectorsFile, "utf8");
// Safe: the file is committed and compared with its derivation below.
const file = JSON.parse(text) as Vectors;
const bytes = (hex: string): Uint8Array => fromHex(hex)!;

it("the committed file is what the oracle derives", () => {
  expect(text).toBe(deriveVectors());
});

describe("trees", () => {
  it.each(file.trees.vectors)("$name", async (vector) => {
    const content = new Uint8Array(vector.byte_count).fill(vector.byte);
    const seal =
      vector.suite === undefined
        ? undefined
        : { key: bytes(vector.key!), suite: vector.suite, context: bytes(vector.context!) };
    const points = createMemoryPoints();
    const random = (): Uint8Array => bytes(vector.salt!);
    const options = seal === undefined ? {} : { seal };
    const ref = await writeBlob({ crypto, random }, content, points, options);
    expect(toHex(ref.hash)).toBe(vector.root);
    expect(
      points
        .packets()
        .map(({ hash }) => toHex(hash))
        .toSorted(),
    ).toEqual(vector.points);
    expect(Buffer.compare(await readAll(ref, points, options), content)).toBe(0);
  });
});

describe("[LK-bigdata] chains", () => {
  it.each(file.chains.vectors)("$name", async (vector) => {
    const content = new Uint8Array(vector.byte_count).fill(vector.byte);
    const ref = await writeBlob({ crypto }, content, createMemoryPoints(), {
      shape: "chain",
      domain: vector.domain,
      linkCountMax: vector.link_count_max,
    });
    expect(toHex(ref.hash)).toBe(vector.root);
  });
});

it("seals", () => {
  for (const vector of file.seals.vectors) {
    const { suite, key, salt, context, content, header, chunks } = vector;
    const size = vector.chunk_bytes;
    const sealKey = { key: bytes(key), context: bytes(context) };
    const random = (): Uint8Array => bytes(salt);
    const sealer = createChunkSealer({ crypto, random }, { ...sealKey, suite });
    expect(toHex(sealer.header)).toBe(header);
    const verdict = createChunkOpener({ crypto }, sealKey, bytes(header));
    if (!verdict.ok) throw new Error(verdict.reason);
    for (const [index, chunk] of chunks.entries()) {
      const part = bytes(content).subarray(index * size, (index + 1) * size);
      const isLast = index === chunks.length - 1;
      expect(toHex(sealer.seal(part, isLast))).toBe(chunk);
      expect(toHex(verdict.opener.open(bytes(chunk), index, isLast)!)).toBe(toHex(part));
    }
  }
});

it("convergent", async () => {
  for (const vector of file.convergent.vectors) {
    const content = bytes(vector.content);
    const contentHash = await hashContent(crypto, content);
    const key = convergentKey(crypto, bytes(vector.space_secret), contentHash);
    expect(toHex(key)).toBe(vector.key);
    const points = createMemoryPoints();
    const seal = { key, suite: vector.suite, contentHash };
    const ref = await writeBlob({ crypto }, content, points, { seal });
    expect(toHex(ref.hash)).toBe(vector.root);
    const root = await points.get(ref.hash);
    expect(toHex(root!.data.subarray(2, 34))).toBe(vector.salt);
  }
});
