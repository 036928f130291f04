/** What the tests of the query language share. */
import { createNobleCrypto, type Crypto } from "@hawser/crypto";
import { utf8 } from "@hawser/codec";
import {
  buildDatapoint,
  buildKeypoint,
  buildLinkpoint,
  publicGroup,
  type LinkpointDraft,
  type Packet,
} from "@hawser/packet";
import {
  parseQuery,
  printQuery,
  type AbeContext,
  type Query,
  type QueryFailure,
} from "@hawser/query";

export const crypto: Crypto = createNobleCrypto();

export const nowMicros = 1_700_000_000_000_000;

export const context: AbeContext = { nowMicros: () => nowMicros };

export type QueryText = string | Uint8Array | readonly string[];

/** The query of a text that is one. */
export function queryOf(text: QueryText, given: AbeContext = context): Query {
  const verdict = parseQuery(text, given);
  if (!verdict.ok) throw new Error(`${verdict.code} at ${verdict.index}: ${verdict.message}`);
  return verdict.query;
}

/** The failure of a text that is no query. */
export function failureOf(text: QueryText, given: AbeContext = context): QueryFailure {
  const verdict = parseQuery(text, given);
  if (verdict.ok) throw new Error(`a query: ${printQuery(verdict.query)}`);
  return verdict;
}

/** Canonical text of a text. */
export function printed(text: QueryText, expressions = true): string {
  return printQuery(queryOf(text), { expressions });
}

/** Printed rules, one a line, without options and the empty line. */
export function rulesOf(text: QueryText): readonly string[] {
  return printed(text).split("\n\n").slice(-1).join("").trim().split("\n");
}

export function datapoint(data: string): Packet<"verified"> {
  return buildDatapoint(crypto, utf8(data));
}

export function linkpoint(draft: Partial<LinkpointDraft> = {}): Packet<"verified"> {
  return buildLinkpoint(crypto, { group: publicGroup(), stamp: 0, ...draft });
}

export function keypoint(draft: Partial<LinkpointDraft> = {}, secret = 1): Packet<"verified"> {
  const full = { group: publicGroup(), stamp: 0, ...draft };
  return buildKeypoint(crypto, full, new Uint8Array(32).fill(secret));
}
