/** docs/spec/transport-webrtc.md §5.2: descriptions that are taken, and those that are not. */
import { toHex } from "@hawser/codec";
import fc from "fast-check";
import { expect, test } from "vitest";
import { fingerprintIn } from "../src/sdp.ts";
import { describe as describePeer } from "./support/fake-rtc.ts";

const print = new Uint8Array(32).fill(0xab);
const good = describePeer(print);
const media = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel";
const other = `a=fingerprint:sha-256 ${"CD:".repeat(31)}CD`;

test("the fingerprint of a description of one data channel", () => {
  expect(fingerprintIn(good)).toEqual(print);
  expect(fingerprintIn(good.replaceAll("\r\n", "\n"))).toEqual(print);
  expect(fingerprintIn(`${good}a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n`)).toEqual(print);
  const twice = /a=fingerprint.*/.exec(good)?.[0] ?? "";
  expect(fingerprintIn(`${good}${twice}\r\n`)).toEqual(print);
});

test.each([
  ["nothing", ""],
  ["no fingerprint", good.replace(/a=fingerprint.*\r\n/, "")],
  ["two different fingerprints", `${good}${other}\r\n`],
  ["a second one in other letters", `${good}${other.replace("fingerprint", "FINGERPRINT")}\r\n`],
  ["a weak hash", good.replace("sha-256", "sha-1")],
  ["a weak hash beside", `${good}a=fingerprint:sha-1 ${"AB:".repeat(19)}AB\r\n`],
  ["a short fingerprint", good.replace(":AB\r\n", "\r\n")],
  ["no medium", good.replace(`${media}\r\n`, "")],
  ["video", good.replace(media, "m=video 9 UDP/TLS/RTP/SAVPF 96")],
  ["a second medium", `${good}${media}\r\n`],
  ["audio beside", `${good}m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n`],
  ["49 candidates", good + "a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n".repeat(49)],
  ["many lines", good + "a=x\r\n".repeat(128)],
  ["a long line", `${good}a=${"x".repeat(600)}\r\n`],
  ["much", good + `a=${"x".repeat(400)}\r\n`.repeat(20)],
  ["what cannot be printed", `${good}a=\u0000\r\n`],
  ["what is not ASCII", `${good}a=é\r\n`],
])("%s is refused", (_name, text) => {
  expect(fingerprintIn(text)).toBeUndefined();
});

test("no text makes it fail, or read a fingerprint that is not there", () => {
  const text = fc.oneof(
    fc.string({ maxLength: 300 }),
    fc
      .array(fc.constantFrom(...good.split("\r\n"), other), { maxLength: 20 })
      .map((lines) => lines.join("\r\n")),
  );
  fc.assert(
    fc.property(text, (given) => {
      const found = fingerprintIn(given);
      if (found === undefined) return;
      const hex = given.toLowerCase().replaceAll(":", "");
      expect(hex).toContain(toHex(found));
      expect(given.match(/^m=/gm)).toHaveLength(1);
    }),
    { seed: 1 },
  );
});
