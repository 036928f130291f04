import type { IncomingMessage } from "node:http";
import { describe, expect, test } from "vitest";
import { addressKey } from "../src/address.ts";

function keyOf(remoteAddress: string | undefined, forwarded?: string, trustProxy = true): string {
  const headers = forwarded === undefined ? {} : { "x-forwarded-for": forwarded };
  // Safe: of a socket only the address is looked at.
  const socket = { remoteAddress } as IncomingMessage["socket"];
  return addressKey({ headers, socket }, { trustProxy });
}

describe("whose share it is", () => {
  test.each([
    ["127.0.0.1", "127.0.0.1"],
    ["::ffff:10.1.2.3", "10.1.2.3"],
    ["::FFFF:10.1.2.3", "10.1.2.3"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:0db8:0001:0002::9", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["2001:DB8:1:2:ffff::", "2001:db8:1:2::/64"],
    ["::1", "0:0:0:0::/64"],
    ["::", "0:0:0:0::/64"],
    ["1::", "1:0:0:0::/64"],
    ["64:ff9b::192.0.2.1", "64:ff9b:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    [undefined, "unknown"],
    ["nonsense", "unknown"],
  ])("%s counts as %s", (address, key) => {
    expect(keyOf(address)).toBe(key);
  });

  test("behind a proxy the entry it added itself counts, never what the client wrote", () => {
    expect(keyOf("10.0.0.1", "1.1.1.1, 2.2.2.2")).toBe("2.2.2.2");
    expect(keyOf("10.0.0.1", "1.1.1.1, nonsense")).toBe("10.0.0.1");
    expect(keyOf("10.0.0.1", "")).toBe("10.0.0.1");
    expect(keyOf("10.0.0.1")).toBe("10.0.0.1");
    expect(keyOf("10.0.0.1", "2.2.2.2", false)).toBe("10.0.0.1");
  });
});
