import { createAutomerge } from "@hawser/automerge";
import { expect, test } from "vitest";

test("its age is what the clock says it is", () => {
  let microseconds = 40;
  const automerge = createAutomerge({ clock: () => microseconds });
  expect(automerge.age()).toBe(0);
  microseconds = 42;
  expect(automerge.age()).toBe(2);
});

test("after disposal, which may be repeated, it answers with an error", async () => {
  const automerge = createAutomerge({ clock: () => 0 });
  await automerge[Symbol.asyncDispose]();
  await automerge[Symbol.asyncDispose]();
  expect(() => automerge.age()).toThrow(expect.objectContaining({ code: "AUTOMERGE_CLOSED" }));
});
