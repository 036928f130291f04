/** docs/spec/transport-webrtc.md §2: rooms for signals, alone and at a relay. */
import { createMemoryPair, createVirtualTimers, drain } from "@hawser/sync/testing";
import type { Connection } from "@hawser/sync";
import { connectWebSocket } from "@hawser/transport-ws";
import { createRelaySignalling, signalBytesMax, signalPath } from "@hawser/transport-webrtc";
import { describe, expect, test } from "vitest";
import {
  createSignalRooms,
  roomNameBytes,
  signalFrameBytesMax,
  signalPath as relayPath,
} from "../src/signal-rooms.ts";
import { startRelay, tryUpgrade } from "./help.ts";

const room = (fill: number): Uint8Array => new Uint8Array(roomNameBytes).fill(fill);

/** Rooms under virtual time, and clients that write down what they hear. */
function setUp(limits: { roomsMax?: number; membersMax?: number } = {}) {
  const timers = createVirtualTimers();
  const rooms = createSignalRooms({
    roomsMax: 100,
    membersMax: 100,
    ...limits,
    timers,
    nowMs: timers.nowMs,
  });
  const join = async (name?: Uint8Array) => {
    const closedWith: (string | undefined)[] = [];
    const { a, b } = createMemoryPair();
    const watched: Connection = {
      ...b,
      close: (reason) => {
        closedWith.push(reason);
        b.close(reason);
      },
    };
    void rooms.serve(watched);
    const heard: number[] = [];
    const ended = (async () => {
      for await (const frame of a.frames) heard.push(frame[0] ?? -1);
    })();
    if (name !== undefined) await a.send(name);
    await drain();
    return { a, heard, ended, closedWith };
  };
  return { timers, rooms, join };
}

describe("rooms", () => {
  test("what one says reaches everybody else in the room, and nobody outside", async () => {
    const { join } = setUp();
    const [one, two, three] = [await join(room(1)), await join(room(1)), await join(room(1))];
    const other = await join(room(2));
    await one.a.send(Uint8Array.of(7));
    await three.a.send(Uint8Array.of(8));
    await drain();
    expect([one.heard, two.heard, three.heard, other.heard]).toEqual([[8], [7, 8], [7], []]);
  });

  test("nothing is kept: who comes later hears nothing of before", async () => {
    const { join, rooms } = setUp();
    const one = await join(room(1));
    await one.a.send(Uint8Array.of(7));
    await drain();
    const late = await join(room(1));
    expect(late.heard).toEqual([]);
    one.a.close();
    late.a.close();
    await Promise.all([one.ended, late.ended]);
    await drain();
    expect(rooms.roomCount()).toBe(0);
  });

  test.each([0, 1, 31, 33, 8_232])("a first frame of %i bytes names no room", async (size) => {
    const { join, rooms } = setUp();
    const one = await join(new Uint8Array(size));
    await one.ended;
    expect(one.closedWith).toEqual(["SIGNAL_NO_ROOM"]);
    expect(rooms.roomCount()).toBe(0);
  });

  test.each([0, signalFrameBytesMax + 1, 200_000])("a frame of %i bytes ends it", async (size) => {
    const { join } = setUp();
    const [one, two] = [await join(room(1)), await join(room(1))];
    await one.a.send(new Uint8Array(size));
    await one.ended;
    expect(one.closedWith).toEqual(["SIGNAL_BAD_FRAME"]);
    expect(two.heard).toEqual([]);
  });

  test("who says nothing is let go, and who stays for hours", async () => {
    const { timers, join, rooms } = setUp();
    const [silent, staying] = [await join(), await join(room(1))];
    await timers.advance(10_000);
    await silent.ended;
    expect(silent.closedWith[0]).toBe("SIGNAL_NO_ROOM");
    expect(staying.closedWith).toEqual([]);
    await timers.advance(6 * 3_600_000);
    await staying.ended;
    expect(staying.closedWith[0]).toBe("SIGNAL_OVER");
    expect(rooms.roomCount()).toBe(0);
  });

  test("a flood ends at its first minute's share, and others are heard", async () => {
    const { join, timers } = setUp();
    const [flooder, one, two] = [await join(room(1)), await join(room(1)), await join(room(1))];
    for (let n = 0; n < 200; n++) await flooder.a.send(Uint8Array.of(1)).catch(() => undefined);
    await flooder.ended;
    expect(flooder.closedWith).toEqual(["SIGNAL_RATE_LIMITED"]);
    expect(one.heard.length).toBeLessThanOrEqual(90);
    await timers.advance(60_000);
    await one.a.send(Uint8Array.of(9));
    await drain();
    expect(two.heard.at(-1)).toBe(9);
  });

  test("a member that does not read holds no more than its share", async () => {
    const { rooms, join } = setUp();
    let sends = 0;
    const { a, b } = createMemoryPair();
    void rooms.serve({
      ...b,
      send: () => {
        sends += 1;
        return new Promise(() => {});
      },
      close: (reason) => b.close(reason),
    });
    await a.send(room(1));
    const one = await join(room(1));
    for (let n = 0; n < 80; n++) await one.a.send(Uint8Array.of(1));
    await drain();
    expect(sends).toBe(32);
  });

  test("rooms and members are counted", async () => {
    const { join, rooms } = setUp({ roomsMax: 2, membersMax: 2 });
    const inside = [await join(room(1)), await join(room(1)), await join(room(2))];
    const outside = [await join(room(1)), await join(room(3))];
    for (const one of outside) expect(one.closedWith).toEqual(["SIGNAL_FULL"]);
    for (const one of inside) expect(one.closedWith).toEqual([]);
    rooms.stop();
    await Promise.all(inside.map(({ ended }) => ended));
    await drain();
    expect(rooms.roomCount()).toBe(0);
  });
});

describe("at a relay", () => {
  test("what clients and relay take for path and size is one", () => {
    expect([relayPath, signalFrameBytesMax]).toEqual([signalPath, signalBytesMax]);
  });

  test("two clients meet, and the relay ends their rooms when it closes", async () => {
    const relay = await startRelay();
    const carrier = createRelaySignalling(relay.url, ({ signal }) =>
      connectWebSocket(`${relay.url}${signalPath}`, { signal }),
    );
    const { signal } = new AbortController();
    const one = await carrier.join(room(1), { signal });
    const two = await carrier.join(room(1), { signal });
    const frames = two.frames[Symbol.asyncIterator]();
    const heard = frames.next();
    // The relay may read the two names in either order; a frame before the second is not kept.
    let isHeard = false;
    void heard.then(() => {
      isHeard = true;
    });
    for (let n = 0; n < 80 && !isHeard; n++) {
      await one.send(Uint8Array.of(5));
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    expect((await heard).value).toEqual(Uint8Array.of(5));
    await relay.close();
    for (;;) if ((await frames.next()).done === true) break;
  });

  test("connections for signals count like all others", async () => {
    const relay = await startRelay({ limits: { connectionsPerAddressMax: 1 } });
    const first = await tryUpgrade(`${relay.url}${signalPath}`);
    expect(first.result).toBe("open");
    expect((await tryUpgrade(`${relay.url}${signalPath}`)).result).toBe("429 RELAY_RATE_LIMITED");
    expect((await tryUpgrade(`${relay.url}/v1/sync`)).result).toBe("429 RELAY_RATE_LIMITED");
  });
});
