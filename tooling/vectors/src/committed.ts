/**
 * The vector files this repository derives itself: where they lie, and what they must hold.
 */
import type { Crypto } from "@hawser/crypto";
import type { JsonObject } from "./claims.ts";
import { deriveAuthVectors } from "./derive-auth.ts";
import { derivePacketVectors } from "./derive-packet.ts";

export interface CommittedVectors {
  /** Path from the root of the repository. */
  readonly path: string;
  readonly derive: (crypto: Crypto) => JsonObject;
}

/** Every derived file. A released `vN` folder is never derived anew: changes go to `vN+1`. */
export const committedVectors: readonly CommittedVectors[] = [
  { path: "docs/spec/vectors/packet/v1/packet.json", derive: derivePacketVectors },
  { path: "docs/spec/vectors/auth/v1/auth.json", derive: deriveAuthVectors },
];

/** The text of a derived file. */
export function vectorText(vectors: JsonObject): string {
  return `${JSON.stringify(vectors, undefined, 1)}\n`;
}
