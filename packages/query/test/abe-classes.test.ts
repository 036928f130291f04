/** Expressions beside another copy of the packet package, whose error class is a different one. */
import { expect, test, vi } from "vitest";
import { failureOf } from "./abe-support.ts";

vi.mock("@hawser/packet", async (original) => ({
  ...(await original<object>()),
  PacketError: class extends Error {},
}));

test.each([
  ["nine components", "[//a/b/c/d/e/f/g/h/i]", "spacename only accepts 8 components"],
  ["an empty component", "[s:a:]", "component cant be of size 0"],
  ["a component of 201 bytes", `[s:${"x".repeat(201)}]`, "exceeded maximum component size"],
  ["243 bytes", `[s:${"x".repeat(200)}:${"y".repeat(41)}]`, "exceeds max path size"],
])("[LK-abe-errors] a path of %s is a verdict, whoever's class it is", (_, expression, said) => {
  const failure = failureOf(expression);
  expect(failure.code).toBe("ABE_FUNCTION");
  expect(failure.reference).toContain(said);
});
