import { describe, expect, test } from "vitest";
import { chooseRange } from "../src/http/range.ts";

describe("Range headers", () => {
  const cases: readonly (readonly [string | null, number, string])[] = [
    [null, 10, "whole"],
    ["bytes=0-", 10, "0-10"],
    ["bytes=0-0", 10, "0-1"],
    ["bytes=9-100", 10, "9-10"],
    ["bytes=-3", 10, "7-10"],
    ["bytes=-30", 10, "0-10"],
    ["bytes=10-", 10, "unsatisfiable"],
    ["bytes=-0", 10, "unsatisfiable"],
    ["bytes=0-", 0, "unsatisfiable"],
    ["bytes=5-2", 10, "whole"],
    ["bytes=-", 10, "whole"],
    ["bytes=0-1,3-4", 10, "whole"],
    ["lines=0-1", 10, "whole"],
    ["bytes=a-b", 10, "whole"],
    [`bytes=${"9".repeat(30)}-`, 10, "whole"],
  ];
  for (const [header, byteCount, expected] of cases) {
    test(`[IW-http] ${header ?? "none"} of ${byteCount} is ${expected}`, () => {
      const choice = chooseRange(header, byteCount);
      expect(choice.kind === "part" ? `${choice.from}-${choice.to}` : choice.kind).toBe(expected);
    });
  }
});
