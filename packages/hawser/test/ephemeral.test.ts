/** Presence over relays: docs/spec/3-sync.md §7.1 under docs/spec/6-space.md §17. */
import { createHawser, type Hawser } from "@hawser/hawser";
import { createMemoryRelay } from "@hawser/hawser/testing";
import { describe, expect, test, vi } from "vitest";

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytesOf = (said: string): Uint8Array => new TextEncoder().encode(said);

async function close(...devices: readonly Hawser[]): Promise<void> {
  for (const device of devices) await device[Symbol.asyncDispose]();
}

describe("presence", () => {
  test("reaches the other device through the relay, with who it was, and every listener", async () => {
    const relay = await createMemoryRelay();
    const [ada, ben] = [await createHawser({ relay }), await createHawser({ relay })];
    const trip = await ada.create();
    const shared = await ben.join(await trip.invite());
    await Promise.all([trip.synced(), shared.synced()]);
    const heard: (readonly [string, string, string])[] = [];
    shared.presence.onMessage((from, bytes) => heard.push(["one", from, text(bytes)]));
    const stop = shared.presence.onMessage((from, bytes) => heard.push(["two", from, text(bytes)]));
    const atAda: string[] = [];
    trip.presence.onMessage((_from, bytes) => atAda.push(text(bytes)));
    await vi.waitFor(
      () => {
        // Lost until both sides have proved the keys of now, as presence may be.
        trip.presence.send(bytesOf("here"));
        expect(heard.length).toBeGreaterThanOrEqual(2);
      },
      { timeout: 20_000, interval: 20 },
    );
    expect(heard.slice(0, 2)).toEqual([
      ["one", ada.author, "here"],
      ["two", ada.author, "here"],
    ]);
    stop();
    heard.length = 0;
    trip.presence.send(bytesOf("still here"));
    await vi.waitFor(() => expect(heard.map(([, , said]) => said)).toContain("still here"), {
      timeout: 20_000,
    });
    expect(heard.every(([who]) => who === "one")).toBe(true);
    shared.presence.send(bytesOf("me too"));
    await vi.waitFor(() => expect(atAda).toEqual(["me too"]), { timeout: 20_000 });
    // Nothing of it is an entry.
    expect(heard.length).toBeGreaterThan(0);
    expect([...trip.kv.range()]).toEqual([]);
    await close(ada, ben);
    await relay.close();
  });

  test("of one space is not heard in another, nor by whoever was removed", async () => {
    const relay = await createMemoryRelay();
    const [ada, ben] = [await createHawser({ relay }), await createHawser({ relay })];
    const [trip, home] = [await ada.create(), await ada.create()];
    const benTrip = await ben.join(await trip.invite());
    const benHome = await ben.join(await home.invite());
    const [inTrip, inHome]: [string[], string[]] = [[], []];
    benTrip.presence.onMessage((_from, bytes) => inTrip.push(text(bytes)));
    benHome.presence.onMessage((_from, bytes) => inHome.push(text(bytes)));
    await vi.waitFor(
      () => {
        trip.presence.send(bytesOf("trip"));
        home.presence.send(bytesOf("home"));
        expect(inTrip).toContain("trip");
        expect(inHome).toContain("home");
      },
      { timeout: 20_000, interval: 20 },
    );
    expect(new Set(inTrip)).toEqual(new Set(["trip"]));
    expect(new Set(inHome)).toEqual(new Set(["home"]));
    await trip.remove(ben.author);
    await Promise.all([trip.synced(), benTrip.accessLost]);
    inTrip.length = 0;
    inHome.length = 0;
    trip.presence.send(bytesOf("without Ben"));
    await vi.waitFor(
      () => {
        home.presence.send(bytesOf("with Ben"));
        expect(inHome).toContain("with Ben");
      },
      { timeout: 20_000, interval: 20 },
    );
    expect(inTrip).toEqual([]);
    await close(ada, ben);
    await relay.close();
  });
});
