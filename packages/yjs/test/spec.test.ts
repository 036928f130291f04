/** The literal examples of docs/spec/yjs.md. */
import { toHex } from "@hawser/codec";
import { expect, test } from "vitest";
import { encodeBodies } from "../src/body.ts";

test("docs/spec/yjs.md §2: the example", () => {
  expect(encodeBodies("doc", 7, Uint8Array.of(0, 0)).map(toHex)).toEqual(["840163646f6307420000"]);
});
