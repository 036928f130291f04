/**
 * Derives the vectors of docs/spec/blob.md §8 from fixed inputs; trees and seals come from the
 * oracle. To write the file anew (never once its version is released; a change of bytes is a new
 * version):
 *
 *     node --conditions=hawser-source packages/blob/test/support-vectors.ts
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { blake3 } from "@noble/hashes/blake3.js";
import { toHex, utf8 } from "@hawser/codec";
import { buildDatapoint, buildLinkpoint, publicGroup, type LinkDraft } from "@hawser/packet";
import { crypto } from "./help.ts";
import { oracleSeal, oracleTree } from "./oracle.ts";

export const vectorsFile: URL = new URL(
  "../../../docs/spec/vectors/blob/v1/blob.json",
  import.meta.url,
);

const fill = (byte: number, count = 32): Uint8Array => new Uint8Array(count).fill(byte);
const derive = (label: string, material: Uint8Array): Uint8Array =>
  blake3(material, { context: utf8(label) });

const trees: readonly (readonly [name: string, byte: number, count: number, suite?: 1 | 2])[] = [
  ["nothing", 0, 0],
  ["one byte", 0x61, 1],
  ["a full chunk", 0, 65_020],
  ["a full chunk and a byte", 0, 65_021],
  ["the example of §2.3", 0, 100_000],
  ["a full node", 0, 1024 * 65_020],
  ["a full node and a byte", 0, 1024 * 65_020 + 1],
  ["nothing, sealed", 0, 0, 1],
  ["a full sealed chunk", 0x62, 65_004, 1],
  ["a full sealed chunk and a byte", 0x62, 65_005, 1],
  ["nothing, sealed by suite 2", 0, 0, 2],
  ["three chunks, sealed by suite 2", 0x63, 150_000, 2],
];
const chains: readonly (readonly [name: string, byte: number, count: number, max: number])[] = [
  ["nothing", 0, 0, 1333],
  ["one chunk", 0x2d, 65_020, 1333],
  ["a full linkpoint", 0x2d, 2 * 65_020, 2],
  ["a full linkpoint and a byte", 0x2d, 2 * 65_020 + 1, 2],
  ["the guide's example", 0x2d, 200_000_000, 1333],
];

const seal = { key: fill(1), salt: fill(2), context: utf8("here") };

function treeVectors(): readonly object[] {
  return trees.map(([name, byte, byteCount, suite]) => {
    const sealed = suite === undefined ? undefined : { ...seal, suite };
    const { root, points } = oracleTree(fill(byte, byteCount), sealed);
    return {
      name,
      byte,
      byte_count: byteCount,
      ...(suite === undefined ? {} : { ...hexSeal(), suite }),
      root: toHex(root.hash),
      points: [...points.keys()].toSorted(),
    };
  });
}

function hexSeal(): { readonly key: string; readonly salt: string; readonly context: string } {
  return { key: toHex(seal.key), salt: toHex(seal.salt), context: toHex(seal.context) };
}

/** The chain, whose chunks are all equal but the last. */
function chainRoot(byte: number, byteCount: number, max: number): string {
  const size = 65_020;
  const count = Math.max(1, Math.ceil(byteCount / size));
  const full = buildDatapoint(crypto, fill(byte, size)).hash;
  const last = buildDatapoint(crypto, fill(byte, byteCount - (count - 1) * size)).hash;
  let previous: Uint8Array | undefined;
  for (let at = 0; at < count; at += max) {
    const links: LinkDraft[] = [];
    if (previous !== undefined) links.push({ tag: "continue", pointer: previous });
    for (let index = at; index < Math.min(count, at + max); index++) {
      links.push({ tag: "data", pointer: index === count - 1 ? last : full });
    }
    const draft = { group: publicGroup(), domain: "example", links, stamp: 0 };
    previous = buildLinkpoint(crypto, draft).hash;
  }
  return toHex(previous ?? fill(0));
}

function sealVectors(): readonly object[] {
  return ([1, 2] as const).flatMap((suite) =>
    // Seals know no chunk size, so that small chunks show the same as large ones.
    ["hello", "", "three small chunks"].map((text) => {
      const bytes = utf8(text);
      const { header, chunks } = oracleSeal(bytes, { ...seal, suite }, 7);
      return {
        suite,
        ...hexSeal(),
        content: toHex(bytes),
        chunk_bytes: 7,
        header: toHex(header),
        chunks: chunks.map(toHex),
      };
    }),
  );
}

function convergentVectors(): readonly object[] {
  const spaceSecret = fill(4);
  const content = utf8("the same for all");
  const contentHash = blake3(content);
  const key = derive("hawser blob v1 convergent key", Buffer.concat([spaceSecret, contentHash]));
  const salt = derive("hawser blob v1 convergent salt", Buffer.concat([key, contentHash]));
  return ([1, 2] as const).map((suite) => ({
    suite,
    space_secret: toHex(spaceSecret),
    content: toHex(content),
    key: toHex(key),
    salt: toHex(salt),
    root: toHex(oracleTree(content, { key, salt, suite, context: fill(0, 0) }).root.hash),
  }));
}

/** The whole file, as it is committed. */
export function deriveVectors(): string {
  const vectors = {
    meta: {
      title: "Blobs",
      spec: "docs/spec/blob.md",
      generator: "packages/blob/test/support-vectors.ts",
      conventions:
        "Byte strings are lower-case hex. Contents are `byte` repeated `byte_count` times.",
    },
    trees: { vectors: treeVectors() },
    chains: {
      vectors: chains.map(([name, byte, byteCount, max]) => ({
        name,
        byte,
        byte_count: byteCount,
        domain: "example",
        link_count_max: max,
        root: chainRoot(byte, byteCount, max),
      })),
    },
    seals: { vectors: sealVectors() },
    convergent: { vectors: convergentVectors() },
  };
  return `${JSON.stringify(vectors, undefined, 2)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(vectorsFile, deriveVectors());
}
