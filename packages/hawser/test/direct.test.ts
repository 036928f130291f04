/** The option `direct`: what a transport gets of a device, and what goes past the relay. */
import {
  createHawser,
  createRelayClient,
  type DirectHost,
  type DirectTransport,
} from "@hawser/hawser";
import { createMemoryRelay } from "@hawser/hawser/testing";
import { createMemoryPair } from "@hawser/sync/testing";
import { expect, onTestFinished, test } from "vitest";

/** A transport that connects when the test says so. */
function createWire() {
  const hosts: DirectHost[] = [];
  let changes = 0;
  let ends = 0;
  const direct: DirectTransport = {
    start: (host) => {
      hosts.push(host);
      return {
        changed: () => void (changes += 1),
        peerCount: () => 7,
        [Symbol.asyncDispose]: async () => void (ends += 1),
      };
    },
  };
  return { direct, hosts, changes: () => changes, ends: () => ends };
}

test("[TH-120] [TH-113] past a relay that is gone, entries go directly from their author", async () => {
  const relay = await createMemoryRelay();
  const wire = createWire();
  const ada = await createHawser({ relay, direct: wire.direct });
  const ben = await createHawser({ relay, direct: wire.direct });
  onTestFinished(async () => {
    await ada[Symbol.asyncDispose]();
    await ben[Symbol.asyncDispose]();
    expect(wire.ends()).toBe(2);
  });
  expect(ada.directPeers()).toBe(7);
  const space = await ada.create();
  const joined = await ben.join(await space.invite());
  await relay.close();
  expect(wire.changes()).toBeGreaterThan(1);
  for (const host of wire.hosts) {
    expect(host.topics().map(({ topic }) => topic)).toContain(space.space.topic);
    // A relay in memory carries no signals.
    expect(host.relays()).toEqual([]);
  }
  await space.kv.put("from ada", 1);
  await joined.kv.put("from ben", 2);
  const shown = [space, joined].map(
    ({ kv }) =>
      new Promise<void>((resolve) => {
        const look = (): void => {
          if (kv.has("from ada") && kv.has("from ben")) resolve();
        };
        kv.subscribe(look);
        look();
      }),
  );
  const { a, b } = createMemoryPair();
  wire.hosts[0]?.attach(a);
  wire.hosts[1]?.attach(b);
  await Promise.all(shown);
});

test("a device that joins proves its link on direct connections too: they begin anew", async () => {
  const relay = await createMemoryRelay();
  const wire = createWire();
  const ada = await createHawser({ relay, direct: wire.direct });
  const ben = await createHawser({ relay, direct: wire.direct });
  onTestFinished(async () => {
    await ada[Symbol.asyncDispose]();
    await ben[Symbol.asyncDispose]();
    await relay.close();
  });
  const first = await ada.create();
  await ben.join(await first.invite());
  const { a, b } = createMemoryPair();
  const closed = Promise.withResolvers<string | undefined>();
  wire.hosts[0]?.attach(a);
  wire.hosts[1]?.attach({
    ...b,
    close: (reason) => {
      closed.resolve(reason);
      b.close(reason);
    },
  });
  await first.kv.put("key", 1);
  const second = await ada.create();
  await ben.join(await second.invite());
  expect(await closed.promise).toBe("SYNC_DONE");
});

test("a transport gets the relays that carry signals, and none without the option", async () => {
  const wire = createWire();
  const relay = createRelayClient("ws://127.0.0.1:1");
  const device = await createHawser({ relay, direct: wire.direct });
  const carriers = wire.hosts[0]?.relays() ?? [];
  expect(carriers.map(({ address }) => address)).toEqual(["ws://127.0.0.1:1"]);
  const { signal } = new AbortController();
  await expect(carriers[0]?.signal({ signal })).rejects.toMatchObject({
    code: "TRANSPORT_WS_CONNECT_FAILED",
  });
  await device[Symbol.asyncDispose]();
  const plain = await createHawser();
  expect(plain.directPeers()).toBe(0);
  await plain[Symbol.asyncDispose]();
});
