/** Cuts of forked control logs and their branches, docs/spec/6-space.md §7. */
import type { OpId } from "@hawser/auth";
import { toHex } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { Entry, LogId, Topic } from "@hawser/log";
import { expect, test } from "vitest";
import type { ControlFold, ControlRange } from "../src/fold.ts";
import { cutsOf } from "../src/forks.ts";
import { createAcks, type JudgeDeps } from "../src/judge.ts";

const hash = (line: number, seq: number): Uint8Array => new Uint8Array(32).fill(line * 32 + seq);

function entry(logId: LogId, line: number, seq: number, seen: readonly Uint8Array[] = []): Entry {
  return {
    logId,
    seq,
    hash: hash(line, seq),
    stamp: seq + 1,
    deps: seen.map((item) => ({ seq: 0, hash: item })),
    path: [],
    data: new Uint8Array(0),
    body: undefined,
    signature: new Uint8Array(64),
  };
}

function rangeOf(name: string, entries: readonly Entry[]): ControlRange {
  const context = { topic: "00".repeat(32) as Topic, author: name as AuthorId, domain: "d" };
  return { logId: name as LogId, context, entries };
}

test("[P2-M12] a branch that counts keeps what comes before it, also behind an earlier fork", () => {
  const log = "log" as LogId;
  const main = rangeOf(
    log,
    Array.from({ length: 12 }, (_, seq) => entry(log, 0, seq)),
  );
  const tail = [9, 10, 11].map((seq) => entry(log, 1, seq));
  const branch: ControlRange = {
    ...rangeOf("log/branch", tail),
    branch: { of: log, before: main.entries.slice(0, 9) },
  };
  const other = rangeOf("other", [entry("other" as LogId, 2, 0, [hash(1, 10)])]);
  const known = { ops: [], forkedAt: new Map([[log, 5]]) };
  const { ends } = cutsOf({ createOp: "" as OpId }, [main, branch, other], known);
  expect([ends.get(log), ends.get(branch.logId)]).toEqual([9, 11]);
});

test("[P2-M12] what an operation's author had seen does not depend on which branch is the log", () => {
  const data = "data" as LogId;
  const [left, right] = [hash(3, 1), hash(3, 2)];
  const op = "op" as OpId;
  const acksWith = (lines: readonly string[]): number => {
    const fold = {
      placesOf: () => lines.map((line) => ({ logId: line as LogId, seq: 4 })),
      seenUpTo: (line: LogId) => [
        { seq: 4, deps: [{ seq: 0, hash: line === "a" ? left : right }] },
      ],
    } as unknown as ControlFold;
    const findSigned = (name: string) => ({ logId: data, seq: name === toHex(left) ? 5 : 9 });
    return createAcks({ fold, findSigned } as unknown as JudgeDeps, data)(op);
  };
  expect([acksWith(["a", "b"]), acksWith(["b", "a"])]).toEqual([10, 10]);
  expect(acksWith(["a"])).toBe(6);
});
