/**
 * Counting cases and keeping what went wrong in them.
 */
import { toHex } from "@hawser/codec";
import type { Claims } from "./claims.ts";

/** One statement that did not hold. */
export interface VectorFailure {
  readonly file: string;
  readonly section: string;
  readonly name: string;
  readonly expected: string;
  readonly got: string;
}

/** Outcome of a file: cases, and every statement that failed in them. */
export interface VectorReport {
  readonly passed: number;
  readonly failed: number;
  readonly failures: readonly VectorFailure[];
  /** Cases that passed, by section. */
  readonly passedBySection: ReadonlyMap<string, number>;
}

/** What is compared: bytes are shown in hex, other values as JSON. */
export type Comparable = string | number | boolean | bigint | null | undefined | Uint8Array;

/** The statements of one case. */
export interface CaseCheck {
  equal(label: string, expected: Comparable, got: Comparable): void;
  fail(label: string, expected: string, got: string): void;
}

export interface SectionReport {
  /** Runs one case; it passes when no statement failed and nothing was thrown. */
  check(name: string, run: (check: CaseCheck) => void | Promise<void>): Promise<void>;
}

/** A report for `file`; `section` gives the view of one section. */
export function createReport(file: string): {
  section(name: string): SectionReport;
  finish(): VectorReport;
} {
  const failures: VectorFailure[] = [];
  const passedBySection = new Map<string, number>();
  let passed = 0;
  let failed = 0;
  const check = async (
    section: string,
    name: string,
    run: (check: CaseCheck) => void | Promise<void>,
  ): Promise<void> => {
    const before = failures.length;
    const fail = (label: string, expected: string, got: string): void => {
      failures.push({
        file,
        section,
        name: label === "" ? name : `${name}: ${label}`,
        expected,
        got,
      });
    };
    try {
      await run({
        fail,
        equal(label, expected, got) {
          if (show(expected) !== show(got)) fail(label, show(expected), show(got));
        },
      });
    } catch (error) {
      fail("", "no exception", String(error));
    }
    if (failures.length > before) failed++;
    else {
      passed++;
      passedBySection.set(section, (passedBySection.get(section) ?? 0) + 1);
    }
  };
  return {
    section: (section) => ({ check: (name, run) => check(section, name, run) }),
    finish: () => ({ passed, failed, failures, passedBySection }),
  };
}

/** Fails for every statement of a vector that no check looked at. */
export function checkNothingLeft(check: CaseCheck, claims: Claims): void {
  for (const key of claims.unchecked()) check.fail(key, "a check for this statement", "none");
}

/** Long values are cut: a failure is read by people. */
const shownCharactersMax = 400;

function show(value: Comparable): string {
  if (value instanceof Uint8Array) return toHex(value);
  if (typeof value === "bigint") return value.toString();
  return JSON.stringify(value) ?? "undefined";
}

/** One line of a failure, values cut to a readable length. */
export function formatFailure(failure: VectorFailure): string {
  const cut = (text: string): string =>
    text.length > shownCharactersMax ? `${text.slice(0, shownCharactersMax)}…` : text;
  const { file, section, name, expected, got } = failure;
  return `${file} ${section} “${name}”: expected ${cut(expected)}, got ${cut(got)}`;
}
