import {
  buildDatapoint,
  buildKeypoint,
  buildLinkpoint,
  privateGroup,
  publicGroup,
} from "@hawser/packet";
import { describe, expect, test } from "vitest";
import {
  acrossBoundary,
  checkBoundary,
  readerPrivateMode,
  writerPrivateMode,
  type PrivateMode,
} from "../src/index.ts";
import { bytes32, crypto, secretOf } from "./support/values.ts";

const secretGroupPoint = buildLinkpoint(crypto, { group: privateGroup(), stamp: 1 });
const signedPrivate = buildKeypoint(crypto, { group: privateGroup(), stamp: 1 }, secretOf(1));
const publicPoint = buildLinkpoint(crypto, { group: publicGroup(), stamp: 1 });
const almostPrivate = buildLinkpoint(crypto, { group: bytes32(0).fill(1, 31), stamp: 1 });
const data = buildDatapoint(crypto, bytes32(0));

async function through(packets: readonly (typeof data)[], mode: PrivateMode): Promise<unknown[]> {
  const seen: unknown[] = [];
  for await (const item of acrossBoundary(packets, mode)) {
    seen.push(item.ok ? item.packet : item.reason);
  }
  return seen;
}

describe("the boundary of the private group", () => {
  test("[LK-private-group] nothing private passes a reader or writer that was not asked for it", () => {
    for (const packet of [secretGroupPoint, signedPrivate]) {
      expect(checkBoundary(packet, readerPrivateMode(undefined)).ok).toBe(false);
      expect(checkBoundary(packet, readerPrivateMode(false)).ok).toBe(false);
      expect(checkBoundary(packet, writerPrivateMode(undefined))).toEqual({
        ok: true,
        passes: false,
      });
      expect(checkBoundary(packet, writerPrivateMode(false)).ok).toBe(false);
    }
  });

  test("[LK-private-group] what was asked for passes", () => {
    expect(checkBoundary(secretGroupPoint, readerPrivateMode(true))).toEqual({
      ok: true,
      passes: true,
    });
    expect(checkBoundary(signedPrivate, writerPrivateMode(true))).toEqual({
      ok: true,
      passes: true,
    });
  });

  test("[LK-private-group] other groups, and points without a group, pass in every mode", () => {
    for (const mode of ["allow", "skip", "refuse"] as const) {
      for (const packet of [publicPoint, almostPrivate, data]) {
        expect(checkBoundary(packet, mode)).toEqual({ ok: true, passes: true });
      }
    }
  });

  test("[LK-private-group] a writer leaves private packets out and goes on", async () => {
    const packets = [publicPoint, secretGroupPoint, data, signedPrivate];
    expect(await through(packets, "skip")).toEqual([publicPoint, data]);
    expect(await through(packets, "allow")).toEqual(packets);
  });

  test("[LK-private-group] a stream that refuses ends there: nothing after it gets through", async () => {
    const seen = await through([publicPoint, secretGroupPoint, data], "refuse");
    expect(seen).toEqual([publicPoint, "PACKET_GROUP_PRIVATE"]);
  });
});
