/** docs/spec/transport-webrtc.md §5: one connection, and what ends its making. */
import { createCrypto } from "@hawser/crypto";
import { createVirtualTimers, drain } from "@hawser/sync/testing";
import { answerPipe, offerPipe, type Pipe, type RtcPlatform } from "@hawser/transport-webrtc";
import { describe, expect, test } from "vitest";
import { createFakeRtc, describe as describePeer } from "./support/fake-rtc.ts";

const crypto = await createCrypto();
const session = new Uint8Array(16).fill(7);

function setUp() {
  const timers = createVirtualTimers();
  const rtc = createFakeRtc(crypto.hash);
  const depsOf = (name: string, platform: RtcPlatform = rtc.platform(name)) => ({
    crypto,
    timers,
    platform,
  });
  const answer = (name: string, offer: string): Promise<readonly [string, Promise<Pipe>]> =>
    new Promise((resolve, reject) => {
      const reply = async (text: string): Promise<void> => resolve([text, answering]);
      const answering = answerPipe(depsOf(name), { offer, reply }, { session });
      answering.catch(reject);
    });
  return { timers, rtc, depsOf, answer };
}

describe("bindings", () => {
  test("are the same at both ends", async () => {
    const { depsOf, answer } = setUp();
    let other: Promise<Pipe> | undefined;
    const exchange = async (offer: string): Promise<string> => {
      const [text, answering] = await answer("b", offer);
      other = answering;
      return text;
    };
    const pipe = await offerPipe(depsOf("a"), exchange, { session });
    expect(pipe.connection.channelBinding).toHaveLength(32);
    expect((await other)?.connection.channelBinding).toEqual(pipe.connection.channelBinding);
  });

  test("differ where somebody sits in the middle and forwards what it likes", async () => {
    const { depsOf, answer } = setUp();
    const ends: Promise<Pipe>[] = [];
    // Mallory answers a as itself, and offers to b as itself.
    const toMallory = async (offer: string): Promise<string> => {
      const [text, answering] = await answer("mallory", offer);
      ends.push(answering);
      return text;
    };
    const toB = async (offer: string): Promise<string> => {
      const [text, answering] = await answer("b", offer);
      ends.push(answering);
      return text;
    };
    const a = await offerPipe(depsOf("a"), toMallory, { session });
    await offerPipe(depsOf("mallory"), toB, { session });
    const b = await ends[1];
    expect(b?.connection.channelBinding).not.toEqual(a.connection.channelBinding);
  });

  test("a description passed on with another fingerprint leads to no connection", async () => {
    const { depsOf, answer, timers } = setUp();
    const exchange = async (offer: string): Promise<string> => {
      const [text, answering] = await answer("b", offer);
      answering.catch(() => undefined);
      const mallory = /a=fingerprint.*/.exec(describePeer(crypto.hash(session)))?.[0] ?? "";
      return text.replace(/a=fingerprint.*/, mallory.trim());
    };
    const offering = offerPipe(depsOf("a"), exchange, { session });
    const outcome = expect(offering).rejects.toMatchObject({
      code: "TRANSPORT_WEBRTC_ABORTED",
    });
    await drain();
    await timers.advance(20_000);
    await outcome;
  });
});

describe("attempts that end", () => {
  const silence = (): Promise<string> => new Promise(() => {});

  test("when nobody answers in time", async () => {
    const { depsOf, timers } = setUp();
    const offering = offerPipe(depsOf("a"), silence, { session, timeoutMs: 1_000 });
    const outcome = expect(offering).rejects.toMatchObject({ code: "TRANSPORT_WEBRTC_ABORTED" });
    await drain();
    await timers.advance(1_000);
    await outcome;
  });

  test("when the answer is none, or of somebody else", async () => {
    const { depsOf } = setUp();
    const print = crypto.hash(session);
    for (const [text, isExpected] of [
      ["noise", () => true],
      [describePeer(print), () => false],
    ] as const) {
      const offering = offerPipe(depsOf("a"), async () => text, { session, isExpected });
      await expect(offering).rejects.toMatchObject({ code: "TRANSPORT_WEBRTC_BAD_DESCRIPTION" });
    }
  });

  test("when the offer is none: nothing is answered", async () => {
    const { depsOf } = setUp();
    let replies = 0;
    const reply = async (): Promise<void> => void (replies += 1);
    const answering = answerPipe(depsOf("b"), { offer: "v=0\r\n", reply }, { session });
    await expect(answering).rejects.toMatchObject({ code: "TRANSPORT_WEBRTC_BAD_DESCRIPTION" });
    expect(replies).toBe(0);
  });

  test("when the carrier fails, or the platform: with the cause", async () => {
    const { depsOf, rtc } = setUp();
    const failing = (): Promise<never> => Promise.reject(new Error("the carrier is gone"));
    await expect(offerPipe(depsOf("a"), failing, { session })).rejects.toMatchObject({
      code: "TRANSPORT_WEBRTC_FAILED",
      cause: { message: "the carrier is gone" },
    });
    const platform: RtcPlatform = {
      ...rtc.platform("a"),
      open: () => Promise.reject(new Error("no more peers")),
    };
    await expect(offerPipe(depsOf("a", platform), silence, { session })).rejects.toMatchObject({
      code: "TRANSPORT_WEBRTC_FAILED",
      cause: { message: "no more peers" },
    });
  });

  test("by the signal, before and while it runs, and what was opened is closed", async () => {
    const { depsOf, rtc } = setUp();
    let closes = 0;
    const own = rtc.platform("a");
    const platform: RtcPlatform = {
      ...own,
      open: async () => {
        const peer = await own.open();
        return { ...peer, close: () => void (closes += 1) };
      },
    };
    const gone = { session, signal: AbortSignal.abort() };
    await expect(offerPipe(depsOf("a", platform), silence, gone)).rejects.toMatchObject({
      code: "TRANSPORT_WEBRTC_ABORTED",
    });
    const abort = new AbortController();
    const offering = offerPipe(depsOf("a", platform), silence, { session, signal: abort.signal });
    await drain();
    abort.abort();
    await expect(offering).rejects.toMatchObject({ code: "TRANSPORT_WEBRTC_ABORTED" });
    await drain();
    expect(closes).toBe(1);
  });
});
