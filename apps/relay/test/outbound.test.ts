/** Where the relay lets itself be sent, and where not. */
import { describe, expect, test } from "vitest";
import { utf8 } from "@hawser/codec";
import {
  createOutbound,
  isPublicAddress,
  parseOutboundUrl,
  type OutboundVerdict,
  type ResolvedAddress,
} from "../src/outbound.ts";

const refused = [
  "0.0.0.0",
  "10.0.0.1",
  "100.64.0.1",
  "127.0.0.1",
  "127.255.255.254",
  "169.254.169.254",
  "172.16.0.1",
  "172.31.255.255",
  "192.0.0.1",
  "192.0.2.1",
  "192.168.1.1",
  "198.18.0.1",
  "198.51.100.7",
  "203.0.113.9",
  "224.0.0.1",
  "240.0.0.1",
  "255.255.255.255",
  "::",
  "::1",
  "::ffff:127.0.0.1",
  "::ffff:8.8.8.8",
  "::127.0.0.1",
  "64:ff9b::7f00:1",
  "fe80::1",
  "fc00::1",
  "fd12::1",
  "ff02::1",
  "2001:db8::1",
  "2001::1",
  "2002:7f00:1::",
  "3fff::1",
  "100::1",
  "",
  "localhost",
  "1.1.1",
  "fe80::1%eth0",
];

test.each(refused)("%s is no public address", (address) => {
  expect(isPublicAddress(address)).toBe(false);
});

test.each(["1.1.1.1", "8.8.8.8", "172.32.0.1", "192.0.1.1", "2606:4700::1111", "2a00:1450::1"])(
  "%s is one",
  (address) => expect(isPublicAddress(address)).toBe(true),
);

test.each([
  "http://example.org/",
  "ftp://example.org/",
  "https://user@example.org/",
  "https://u:p@example.org/",
  "https://example.org/#x",
  "https://example.org:22/",
  "https://example.org:80/",
  "https://127.0.0.1/",
  "https://[::1]/",
  "https://2130706433/",
  "https://0x7f.1/",
  "https://0177.0.0.1/",
  "https://127.1/",
  "https://[::ffff:10.0.0.1]/",
  "https://example.org/\r\nx: y",
  "https://example.org/ x",
  "HTTPS://example.org/",
  "https://",
  "//example.org/",
  "",
  `https://example.org/${"a".repeat(2_048)}`,
  "https://exämple.org/",
])("%s is not asked", (url) => expect(parseOutboundUrl(url)).toBeUndefined());

describe("post", () => {
  const ok = {
    ok: true,
    status: 204,
    body: new Uint8Array(0),
    retryAfterSeconds: undefined,
  } as const;
  const request = { url: "https://hook.example/x?y=1", headers: {}, body: utf8("{}") };

  function outboundTo(addresses: readonly string[]): {
    readonly post: () => Promise<OutboundVerdict>;
    readonly names: string[];
    readonly connected: ResolvedAddress[];
  } {
    const names: string[] = [];
    const connected: ResolvedAddress[] = [];
    const outbound = createOutbound({
      timers: { after: () => () => {} },
      resolve: async (name) => {
        names.push(name);
        return addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
      },
      send: async (_request, { at }) => {
        connected.push(at);
        return ok;
      },
    });
    return { post: () => outbound.post(request), names, connected };
  }

  test("resolves a name once and connects to that very address", async () => {
    const { post, names, connected } = outboundTo(["8.8.8.8", "2606:4700::1111"]);
    expect(await post()).toEqual(ok);
    expect(names).toEqual(["hook.example"]);
    expect(connected).toEqual([{ address: "8.8.8.8", family: 4 }]);
  });

  test.each([
    [["127.0.0.1"], "address"],
    [["8.8.8.8", "10.0.0.1"], "address"],
    [["::ffff:127.0.0.1"], "address"],
    [["169.254.169.254"], "address"],
    [["not an address"], "address"],
    [[], "network"],
  ])("a name that stands for %j is refused before anything is connected", async (given, reason) => {
    const { post, connected } = outboundTo(given);
    expect(await post()).toEqual({ ok: false, reason });
    expect(connected).toEqual([]);
  });

  test("what hangs is given up in time, what fails is no answer", async () => {
    let expire = (): void => {};
    const timers = {
      after: (_ms: number, callback: () => void) => {
        expire = callback;
        return () => {};
      },
    };
    const hanging = createOutbound({ timers, resolve: () => new Promise(() => {}) });
    const verdict = hanging.post(request);
    expire();
    expect(await verdict).toEqual({ ok: false, reason: "network" });
    const failing = createOutbound({
      timers,
      resolve: () => Promise.reject(new Error("ENOTFOUND")),
    });
    expect(await failing.post(request)).toEqual({ ok: false, reason: "network" });
    expect(await failing.post({ ...request, url: "http://x/" })).toEqual({
      ok: false,
      reason: "url",
    });
  });

  test("the real way out refuses this machine without asking anybody", async () => {
    const outbound = createOutbound({ timers: { after: () => () => {} } });
    for (const url of ["https://127.0.0.1:8443/", "https://[::1]/", "https://169.254.169.254/"]) {
      expect(outbound.accepts(url)).toBe(false);
      expect(await outbound.post({ ...request, url })).toEqual({ ok: false, reason: "url" });
    }
    const local = await outbound.post({ ...request, url: "https://localhost:9443/" });
    expect(local).toMatchObject({ ok: false });
  });
});
