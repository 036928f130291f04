/** docs/spec/transport-webrtc.md §6: one end of a pipe, and peers that do what they should not. */
import { createVirtualTimers, drain } from "@hawser/sync/testing";
import { describe, expect, test } from "vitest";
import { createPipe, waitingBytesMax, windowBytes } from "../src/pipe.ts";
import { FakeChannel } from "./support/fake-rtc.ts";

function openEnd(messageBytes = 65_536) {
  const channel = new FakeChannel();
  const timers = createVirtualTimers();
  let released = 0;
  channel.open();
  const pipe = createPipe({
    channel,
    timers,
    channelBinding: new Uint8Array(32),
    messageBytes,
    release: () => {
      released += 1;
      channel.close();
    },
  });
  const framesOf = async (): Promise<readonly Uint8Array[]> => {
    const frames: Uint8Array[] = [];
    for await (const frame of pipe.connection.frames) frames.push(frame);
    return frames;
  };
  const sentKinds = (): string => channel.sent.map(([kind]) => kind).join("");
  return { channel, timers, pipe, framesOf, sentKinds, released: () => released };
}

const message = (kind: number, byteCount: number): Uint8Array => {
  const bytes = new Uint8Array(1 + byteCount);
  bytes[0] = kind;
  return bytes;
};
const credit = (bytes: number): Uint8Array => {
  const made = message(2, 4);
  new DataView(made.buffer).setUint32(1, bytes);
  return made;
};
const closeReason = (channel: FakeChannel): string =>
  new TextDecoder().decode((channel.sent.at(-1) ?? new Uint8Array(1)).subarray(1));

describe("what ends a pipe", () => {
  const bad: readonly (readonly [string, unknown])[] = [
    ["text", "text"],
    ["nothing", new ArrayBuffer(0)],
    ["an unknown kind", message(4, 10).buffer],
    ["a part without bytes", message(0, 0).buffer],
    ["a crumb of a part", message(0, 511).buffer],
    ["half a credit", message(2, 3).buffer],
    ["a credit and a half", message(2, 8).buffer],
    ["credit that was not used", credit(1).buffer],
    ["all the credit there is", credit(0xffffffff).buffer],
    ["a message larger than any frame", message(1, 262_145).buffer],
  ];
  test.each(bad)("%s", async (_name, data) => {
    const { channel, pipe, framesOf } = openEnd();
    channel.emit("message", data);
    await pipe.closed;
    expect(channel.sent.map(([kind]) => kind)).toEqual([3]);
    expect(closeReason(channel)).toBe("SYNC_BAD_MESSAGE");
    expect(await framesOf()).toEqual([]);
    await expect(pipe.connection.send(Uint8Array.of(1))).rejects.toMatchObject({
      code: "SYNC_CONNECTION_LOST",
    });
  });

  test("parts that make up more than a frame", async () => {
    const { channel, pipe } = openEnd();
    for (let n = 0; n < 17; n++) channel.hear(message(0, 16_000));
    await pipe.closed;
    expect(closeReason(channel)).toBe("SYNC_BAD_MESSAGE");
  });

  test("a sender that heeds no credit: what is held stays within the window", async () => {
    const { channel, pipe, framesOf } = openEnd();
    for (let n = 0; n < 100; n++) channel.hear(message(1, 100_000));
    await pipe.closed;
    expect(closeReason(channel)).toBe("SYNC_CREDIT");
    expect((await framesOf()).length).toBe(10);
  });

  test("empty frames without end, and parts beside full queues", async () => {
    const { channel, pipe, framesOf } = openEnd();
    for (let n = 0; n < 20_000; n++) channel.hear(message(1, 0));
    await pipe.closed;
    expect((await framesOf()).length).toBe(windowBytes / 64);
  });

  test("a reader that never gives credit: what waits is bounded", async () => {
    const { pipe, channel } = openEnd();
    const size = 200_000;
    const sends: Promise<unknown>[] = [];
    for (let n = 0; n * size < waitingBytesMax + 2 * windowBytes; n++) {
      sends.push(pipe.connection.send(new Uint8Array(size)).catch((error: unknown) => error));
    }
    await pipe.closed;
    const lost = (await Promise.all(sends)).filter((outcome) => outcome !== undefined);
    expect(lost.length).toBe(sends.length - 5);
    for (const error of lost) expect(error).toMatchObject({ code: "SYNC_CONNECTION_LOST" });
    expect(closeReason(channel)).toBe("SYNC_SLOW");
  });
});

describe("sending", () => {
  test("a frame is split into what both sides take, and no further", async () => {
    for (const [messageBytes, parts] of [
      [65_536, "0001"],
      [16_384, "0001"],
      [1_025, `${"0".repeat(48)}1`],
    ] as const) {
      const { pipe, sentKinds, channel } = openEnd(messageBytes);
      await pipe.connection.send(new Uint8Array(50_000));
      expect(sentKinds()).toBe(parts);
      const longest = Math.max(...channel.sent.map((one) => one.length));
      expect(longest).toBe(Math.min(messageBytes, 16_384));
    }
  });

  test("waits while the channel's buffer is full, and goes on at its event", async () => {
    const { pipe, channel } = openEnd();
    channel.bufferedAmount = 300_000;
    let isDone = false;
    const sending = pipe.connection.send(new Uint8Array(10)).then(() => {
      isDone = true;
    });
    await drain();
    expect([isDone, channel.sent.length]).toEqual([false, 0]);
    channel.bufferedAmount = 0;
    channel.emit("bufferedamountlow");
    await sending;
    expect(channel.sent).toHaveLength(1);
  });

  test("goes on by itself where the event was missed", async () => {
    const { pipe, channel, timers } = openEnd();
    channel.bufferedAmount = 300_000;
    const sending = pipe.connection.send(new Uint8Array(10));
    await timers.advance(50);
    expect(channel.sent).toHaveLength(0);
    channel.bufferedAmount = 0;
    await timers.advance(50);
    await sending;
  });

  test("credit that comes back lets the next frame go", async () => {
    const { pipe, channel, sentKinds } = openEnd();
    for (let n = 0; n < 5; n++) await pipe.connection.send(new Uint8Array(200_000));
    const waiting = pipe.connection.send(new Uint8Array(200_000));
    await drain();
    const before = sentKinds().length;
    channel.hear(credit(400_128));
    await waiting;
    expect(sentKinds().length).toBeGreaterThan(before);
  });
});

describe("closing", () => {
  test("waits for the other side to have read, but not for ever", async () => {
    const { pipe, timers, released } = openEnd();
    pipe.connection.close("done, thanks");
    await drain();
    expect(released()).toBe(0);
    await timers.advance(5_000);
    expect(released()).toBe(1);
  });

  test("ends at once when the other side closes, and what comes later is not heard", async () => {
    const { pipe, channel, framesOf, released } = openEnd();
    channel.hear(message(1, 5));
    channel.hear(message(3, 0));
    channel.hear(message(1, 6));
    expect((await framesOf()).map((frame) => frame.length)).toEqual([5]);
    expect(released()).toBe(1);
    pipe.lose();
    pipe.connection.close();
    expect(released()).toBe(1);
  });

  test("a part of a frame that never ended is no frame", async () => {
    const { pipe, channel, framesOf } = openEnd();
    channel.hear(message(0, 1_000));
    pipe.lose();
    expect(await framesOf()).toEqual([]);
  });
});
