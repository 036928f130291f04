/** What the page believes of others, and what it says when something fails. */
import { hasCursor, personOf, problemText } from "@hawser/notes";
import { describe, expect, test } from "vitest";

describe("others", () => {
  const at = { type: null, tname: "note", item: { client: 1, clock: 7 }, assoc: 0 };

  test("have names and colours that were checked", () => {
    expect(personOf({ user: { name: "Ada", color: "#26547c" } })).toEqual({
      name: "Ada",
      colour: "#26547c",
    });
    const long = personOf({ user: { name: "x".repeat(1_000), color: "#26547c" } });
    expect(long?.name.length).toBe(40);
    expect(personOf({ user: { name: "\ud800half" } })?.name.isWellFormed()).toBe(true);
  });

  test.each([
    "red;background:url(https://example.test/seen)",
    "#26547c;background:url(x)",
    "#26547",
    7,
    null,
    { toString: () => "#26547c" },
  ])("get a colour of nobody for %j", (color) => {
    expect(personOf({ user: { name: "Ada", color } })?.colour).toBe("#5b6570");
  });

  test.each([
    undefined,
    null,
    7,
    {},
    { user: 7 },
    { user: "Ada" },
    { user: {} },
    { user: { name: 7 } },
    { user: { name: " " } },
    { user: Object.create({ name: "inherited" }) },
  ])("are nobody for %j", (state) => {
    expect(personOf(state)).toBeUndefined();
  });

  test("have cursors that can be looked up", () => {
    expect(hasCursor({ cursor: { anchor: at, head: at } })).toBe(true);
    expect(hasCursor({ cursor: { anchor: {}, head: { item: null } } })).toBe(true);
  });

  test.each([
    undefined,
    {},
    { cursor: null },
    { cursor: 7 },
    { cursor: {} },
    { cursor: { anchor: at } },
    { cursor: { anchor: at, head: 7 } },
    { cursor: { anchor: at, head: { ...at, tname: "another" } } },
    { cursor: { anchor: at, head: { ...at, item: { client: 1 } } } },
    { cursor: { anchor: at, head: { ...at, item: { client: 1, clock: -1 } } } },
    { cursor: { anchor: at, head: { ...at, type: { client: 0.5, clock: 1 } } } },
    { cursor: { anchor: at, head: { ...at, type: "x" } } },
    { cursor: { anchor: at, head: { ...at, assoc: "x" } } },
  ])("have none for %j", (state) => {
    expect(hasCursor(state)).toBe(false);
  });
});

describe("what failed", () => {
  const withCode = (code: string) => Object.assign(new Error("in other words"), { code });

  test("is said in words for people, by its code or its name", () => {
    expect(problemText(withCode("HAWSER_INVITE_REFUSED"))).toContain("Ask for a new one");
    expect(problemText(new DOMException("x", "TimeoutError"))).toContain("30 seconds");
  });

  test("is said in its own words where there are no better ones", () => {
    expect(problemText(withCode("SOMETHING_ELSE"))).toBe("in other words");
    expect(problemText(withCode("constructor"))).toBe("in other words");
    expect(problemText("a string")).toBe("a string");
    expect(problemText({})).toBe("Something went wrong.");
    expect(problemText(undefined)).toBe("undefined");
  });
});
