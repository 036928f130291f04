/** The vectors of docs/spec/query.md §5–6. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { fromHex } from "@hawser/codec";
import { parsePacket, type Packet } from "@hawser/packet";
import { compileQuery, parseQuery, parseSelector, printQuery } from "@hawser/query";
import { context, failureOf, queryOf } from "./query-support.ts";

interface Vectors {
  readonly meta: { readonly nowMicros: number };
  readonly canonical: {
    readonly vectors: readonly {
      readonly name: string;
      readonly text: string;
      readonly argv?: readonly string[];
      readonly expressions: string;
      readonly plain: string;
    }[];
  };
  readonly refused: {
    readonly vectors: readonly {
      readonly name: string;
      readonly text: string;
      readonly error: { readonly code: string; readonly statement: number; readonly index: number };
    }[];
  };
  readonly matches: {
    readonly packets: readonly string[];
    readonly vectors: readonly { readonly text: string; readonly matches: readonly boolean[] }[];
  };
  readonly selectors: {
    readonly vectors: readonly {
      readonly selector: string;
      readonly statements?: readonly string[];
      readonly error?: { readonly code: string; readonly index: number };
    }[];
  };
}

const url = new URL("../../../docs/spec/vectors/query/v1/query.json", import.meta.url);
// Safe: the file is ours and committed; a wrong shape fails the tests below.
const vectors = JSON.parse(readFileSync(url, "utf8")) as Vectors;
const now = { ...context, nowMicros: () => vectors.meta.nowMicros };

function bytesOf(hex: string): Uint8Array {
  return fromHex(hex) ?? new Uint8Array(0);
}

describe("vectors", () => {
  test.each(vectors.canonical.vectors)("[LK-query-print] canonical: $name", (vector) => {
    const argv = (vector.argv ?? []).map(bytesOf);
    const query = queryOf(vector.text, { ...now, argv });
    expect(printQuery(query)).toBe(vector.expressions);
    expect(printQuery(query, { expressions: false })).toBe(vector.plain);
    for (const text of [vector.expressions, vector.plain]) {
      expect(printQuery(queryOf(text))).toBe(vector.expressions);
    }
  });

  test.each(vectors.refused.vectors)("[LK-query-contradiction] refused: $name", (vector) => {
    expect(failureOf(vector.text, now)).toMatchObject(vector.error);
  });

  test.each(vectors.matches.vectors)("[LK-query-behaviour] matches: $text", (vector) => {
    const verdict = parseQuery(vector.text, now);
    const compiled = verdict.ok ? compileQuery(verdict.query) : undefined;
    const packets = vectors.matches.packets.map((hex): Packet => {
      const parsed = parsePacket(bytesOf(hex));
      if (!parsed.ok) throw new Error(parsed.reason);
      return parsed.packet;
    });
    expect(packets.map((packet) => compiled?.test(packet))).toEqual(vector.matches);
  });

  test.each(vectors.selectors.vectors)("[LK-selector] selector: $selector", (vector) => {
    const parsed = parseSelector(vector.selector, now);
    if (parsed.ok) expect(parsed.statements).toEqual(vector.statements);
    else expect(parsed).toMatchObject(vector.error ?? {});
  });
});
