/** Where the relay lets itself be sent, and where not. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import { concatBytes, utf8 } from "@hawser/codec";
import { platformTimers } from "@hawser/transport-ws";
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
      send: async (_request, { addresses: checked }) => {
        connected.push(...checked);
        return ok;
      },
    });
    return { post: () => outbound.post(request), names, connected };
  }

  test("resolves a name once and connects to those very addresses, a few at most", async () => {
    const many = ["8.8.8.8", "2606:4700::1111", "8.8.4.4", "1.1.1.1", "1.0.0.1"];
    const { post, names, connected } = outboundTo(many);
    expect(await post()).toEqual(ok);
    expect(names).toEqual(["hook.example"]);
    expect(connected.map(({ address }) => address)).toEqual(many.slice(0, 4));
    expect(connected[1]).toEqual({ address: "2606:4700::1111", family: 6 });
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

describe("name servers", () => {
  const request = { url: "https://hook.example/x", headers: {}, body: utf8("{}") };

  /** A name server on loopback that says of every name what `addressesOf` says. */
  async function nameServer(
    addressesOf: (type: number) => readonly Uint8Array[] | "silent",
  ): Promise<{ readonly address: string; readonly asked: number[] }> {
    const asked: number[] = [];
    const socket = createSocket("udp4", (question, from) => {
      const query = new Uint8Array(question);
      // Header (12), one name, type and class; what follows (EDNS) is not answered.
      const end = query.indexOf(0, 12) + 5;
      const type = query[end - 3] ?? 0;
      asked.push(type);
      const found = addressesOf(type);
      if (found === "silent") return;
      const head = Uint8Array.of(0x81, 0x80, 0, 1, 0, found.length, 0, 0, 0, 0);
      const answers = found.map((address) =>
        concatBytes(
          Uint8Array.of(0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, address.length),
          address,
        ),
      );
      socket.send(
        concatBytes(query.subarray(0, 2), head, query.subarray(12, end), ...answers),
        from.port,
        from.address,
      );
    });
    onTestFinished(() => void socket.close());
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    return { address: `127.0.0.1:${socket.address().port}`, asked };
  }
  const v4 = 1;

  test("are asked for both families, and what they say is checked", async () => {
    const connected: ResolvedAddress[] = [];
    const post = async (last: number): Promise<OutboundVerdict> => {
      const server = await nameServer((type) =>
        type === v4 ? [Uint8Array.of(8, 8, 8, last)] : [new Uint8Array(16).fill(0x20, 0, 1)],
      );
      const outbound = createOutbound({
        timers: platformTimers,
        nameServers: [server.address],
        permits: (address) => address === "8.8.8.8" || address === "2000::",
        send: async (_request, { addresses }) => {
          connected.push(...addresses);
          return { ok: true, status: 200, body: new Uint8Array(0), retryAfterSeconds: undefined };
        },
      });
      const verdict = await outbound.post(request);
      expect(server.asked.toSorted((a, b) => a - b)).toEqual([1, 28]);
      return verdict;
    };
    expect(await post(8)).toMatchObject({ ok: true, status: 200 });
    expect(connected).toEqual([
      { address: "8.8.8.8", family: 4 },
      { address: "2000::", family: 6 },
    ]);
    expect(await post(9)).toEqual({ ok: false, reason: "address" });
    expect(connected).toHaveLength(2);
  });

  test("may know one family only", async () => {
    const server = await nameServer((type) => (type === v4 ? [Uint8Array.of(10, 0, 0, 1)] : []));
    const outbound = createOutbound({ timers: platformTimers, nameServers: [server.address] });
    expect(await outbound.post(request)).toEqual({ ok: false, reason: "address" });
  });

  test("that say nothing are left when the time is over", async () => {
    let expire = (): void => {};
    const timers = {
      after: (_ms: number, callback: () => void) => {
        expire = callback;
        return () => {};
      },
    };
    let hear = (): void => {};
    const heard = new Promise<void>((resolve) => (hear = resolve));
    const server = await nameServer(() => {
      hear();
      return "silent";
    });
    const outbound = createOutbound({ timers, nameServers: [server.address] });
    const verdict = outbound.post(request);
    await heard;
    expire();
    expect(await verdict).toEqual({ ok: false, reason: "network" });
  });
});
