/** Building points from options: place, stamp, links, data, signature. */
import {
  buildKeypoint,
  buildLinkpoint,
  datapointDataBytesMax,
  encodePath,
  linkBytes,
  linkHeaderBytes,
  pathPrefixBytes,
  pointHeaderBytes,
  signatureBlockBytes,
  type LinkDraft,
  type Packet,
} from "@hawser/packet";
import type { AbeContext } from "@hawser/query";
import { explainBuild } from "./errors.ts";
import { evaluateStamp, type Place } from "./expressions.ts";
import { openKey } from "./keys.ts";
import type { PointOptions } from "./options.ts";
import type { Session } from "./session.ts";

/** The secret to sign with, or `undefined` for linkpoints. */
export async function openSigner(
  session: Session,
  options: PointOptions,
): Promise<Uint8Array | undefined> {
  return options.sign === true ? await openKey(session, options) : undefined;
}

/** The stamp: `--create-int`, `--create`, or now. */
export function readStamp(
  session: Session,
  options: Pick<PointOptions, "create" | "createInt" | "stamp">,
  scope: AbeContext,
): bigint {
  if (options.createInt !== undefined) return options.createInt;
  const expression = options.create ?? options.stamp;
  if (expression === undefined) return BigInt(session.io.nowMicros());
  return evaluateStamp(expression, scope, "--create");
}

/** Bytes of data a point has room for; negative when links and path alone are too much. */
export function dataRoom(place: Place, linkCount: number, isSigned: boolean): number {
  const path = place.path.length === 0 ? 0 : encodePathBytes(place) + pathPrefixBytes;
  const header = linkHeaderBytes - pointHeaderBytes;
  const signature = isSigned ? signatureBlockBytes : 0;
  return datapointDataBytesMax - header - linkCount * linkBytes - path - signature;
}

function encodePathBytes({ path }: Place): number {
  try {
    return encodePath(path).length;
  } catch (error) {
    throw explainBuild(error);
  }
}

export interface PointContent {
  readonly place: Place;
  readonly links: readonly LinkDraft[];
  readonly stamp: bigint;
  readonly data: Uint8Array;
}

/** A keypoint with a secret, a linkpoint without. Throws CliError with the builder's code. */
export function buildPoint(
  session: Session,
  { place, links, stamp, data }: PointContent,
  secret: Uint8Array | undefined,
): Packet<"verified"> {
  const draft = { ...place, links, stamp, data };
  try {
    return secret === undefined
      ? buildLinkpoint(session.io.crypto, draft)
      : buildKeypoint(session.io.crypto, draft, secret);
  } catch (error) {
    throw explainBuild(error);
  }
}
