/** `path` outside of Node: what `#sqlite` leads to in a browser. */
import { testCrypto } from "@hawser/log/testing";
import { expect, test } from "vitest";
import { openSqlite } from "../src/sqlite-none.ts";

test("where there is neither Node nor IndexedDB a path is refused, and says why", async () => {
  const failure = await openSqlite(testCrypto, "device").catch((error: unknown) => error);
  expect(failure).toMatchObject({
    code: "HAWSER_NO_FILES",
    cause: { code: "STORE_UNAVAILABLE" },
  });
});
