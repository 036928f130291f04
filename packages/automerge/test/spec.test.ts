/** The literal examples of docs/spec/automerge.md. */
import { toHex } from "@hawser/codec";
import { expect, test } from "vitest";
import { encodePut } from "../src/body.ts";

test("docs/spec/automerge.md §2: the example", () => {
  expect(encodePut(["a"], Uint8Array.of(0)).map(toHex)).toEqual(["86010181616141000001"]);
});
