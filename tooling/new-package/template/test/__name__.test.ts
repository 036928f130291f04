import { create__Name__ } from "@hawser/__name__";
import { expect, test } from "vitest";

test("its age is what the clock says it is", () => {
  let microseconds = 40;
  const __camelName__ = create__Name__({ clock: () => microseconds });
  expect(__camelName__.age()).toBe(0);
  microseconds = 42;
  expect(__camelName__.age()).toBe(2);
});

test("after disposal, which may be repeated, it answers with an error", async () => {
  const __camelName__ = create__Name__({ clock: () => 0 });
  await __camelName__[Symbol.asyncDispose]();
  await __camelName__[Symbol.asyncDispose]();
  expect(() => __camelName__.age()).toThrow(expect.objectContaining({ code: "__NAME___CLOSED" }));
});
