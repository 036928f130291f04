import { readFileSync } from "node:fs";
import { publicGroup, readPacket, type Packet } from "@hawser/packet";
import { describe, expect, test } from "vitest";
import {
  handshakePhase1,
  handshakePhase2,
  handshakePhase3,
  readClaim,
  readPull,
  readReverseEntry,
  readStatus,
  readVote,
} from "../src/index.ts";
import { crypto, hex, secretOf } from "./support/values.ts";
import {
  handshakeMicros,
  vectorFile,
  type VectorCase,
  type VectorFile,
} from "./support/vectors.ts";

const url = new URL("../../../docs/spec/vectors/conventions/v1/conventions.json", import.meta.url);
// Safe: the first test compares it with what has that type.
const file = JSON.parse(readFileSync(url, "utf8")) as VectorFile;
const nowMicros = () => handshakeMicros;

function packetOf(vector: VectorCase): Packet<"verified"> {
  const read = readPacket(crypto, hex(vector.packet), { allowPrivate: true });
  if (!read.ok) throw new Error(read.reason);
  return read.packet;
}

function rowOf({ as }: VectorCase): string {
  if (as.startsWith("phase")) return "[LK-handshake]";
  return as === "status" || as === "pull" ? `[LK-${as}]` : "[LK-lns]";
}

/** `"ok"` or the reason. */
function verdictOf(vector: VectorCase): string {
  const packet = packetOf(vector);
  const [phase0, phase1] = ["phase 0", "phase 1"].map((as) => {
    const found = file.good.find((one) => one.as === as);
    if (found === undefined) throw new Error(as);
    return packetOf(found);
  });
  if (phase0 === undefined || phase1 === undefined) throw new Error("unreachable");
  const client = { crypto, secret: secretOf(1), nowMicros };
  const server = { crypto, secret: secretOf(2), nowMicros };
  const readers: Readonly<
    Record<string, () => { readonly ok: boolean; readonly reason?: string }>
  > = {
    status: () =>
      readStatus({ domain: "app", group: publicGroup(), objectType: "process" }, packet),
    pull: () => readPull(packet, { nowMicros }),
    claim: () => readClaim(packet),
    vote: () => ({ ok: readVote(packet) !== undefined }),
    reverse: () => ({ ok: readReverseEntry(packet).length === 1 }),
    "phase 0": () => handshakePhase1(server, packet),
    "phase 1": () => handshakePhase2(client, phase0, packet),
    "phase 2": () => handshakePhase3(server, [phase0, phase1, packet]),
  };
  const verdict = readers[vector.as]?.();
  return verdict?.ok === true ? "ok" : (verdict?.reason ?? "refused");
}

describe("the vectors of the chapter", () => {
  test("[LK-status] [LK-pull] [LK-handshake] [LK-lns] [LK-key-management] are what the builders make", () => {
    expect(file).toEqual(vectorFile());
  });

  for (const vector of file.good) {
    test(`${rowOf(vector)} reads: ${vector.name}`, () => {
      expect(verdictOf(vector)).toBe("ok");
    });
  }

  for (const vector of file.bad) {
    test(`${rowOf(vector)} refuses: ${vector.name}`, () => {
      expect(verdictOf(vector)).toBe(vector.reason);
    });
  }
});
