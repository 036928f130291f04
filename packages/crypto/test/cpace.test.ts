/** CPace against the vectors of draft-irtf-cfrg-cpace-21, appendix B.3, and by what it must refuse. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, toHex, utf8 } from "@hawser/codec";
import { startCpace, type CpaceInput } from "../src/cpace.ts";
import { seededRandom } from "../testing/index.ts";
import { bytes } from "./help.ts";

const vector = {
  channel: "0b415f696e69746961746f720b425f726573706f6e646572",
  sessionId: "7e4b4791d6a8ef019b936c79fb7f2c57",
  ya: "da3d23700a9e5699258aef94dc060dfda5ebb61f02a5ea77fad53f4ff0976d08",
  Ya: "d6bac480f2c386c394efc7c47adb9925dcd2630b64f240c50f8d0eec482b9157",
  yb: "d2316b454718c35362d83d69df6320f38578ed5984651435e2949762d900b80d",
  Yb: "3ea7e0b19560d7c0b0f5734f63b955286dfa8232b5ebe63324e2d9e7433f7258",
  isk:
    "b69effbf61b51d56401c0f65601abe428de8206feaaf0e32198896dcae7b35cd" +
    "2b38950a39dfd5d4a79164614c2984f7daa460b588c1e80c3fa2068af7900447",
} as const;

const base = {
  password: utf8("Password"),
  channel: bytes(vector.channel),
  sessionId: bytes(vector.sessionId),
};
const initiator: CpaceInput = { ...base, role: "initiator", associatedData: utf8("ADa") };
const responder: CpaceInput = { ...base, role: "responder", associatedData: utf8("ADb") };
const drawing = (hex: string) => () => bytes(hex);
const random = seededRandom("cpace");

/** Both ends of a run, after both messages crossed. */
function runBoth(a: CpaceInput, b: CpaceInput) {
  const first = startCpace(a, random);
  const second = startCpace(b, random);
  return { a: first.finish(second.message), b: second.finish(first.message) };
}

describe("CPace", () => {
  it("gives the messages and the key of the draft's vectors", () => {
    const a = startCpace(initiator, drawing(vector.ya));
    const b = startCpace(responder, drawing(vector.yb));
    expect(toHex(a.message)).toBe(`20${vector.Ya}03414461`);
    expect(toHex(b.message)).toBe(`20${vector.Yb}03414462`);
    const atA = a.finish(b.message);
    const atB = b.finish(a.message);
    expect(toHex(atA?.key ?? new Uint8Array())).toBe(vector.isk);
    expect(toHex(atB?.key ?? new Uint8Array())).toBe(vector.isk);
  });

  it("agrees and confirms where password, channel and session are one", () => {
    const run = fc.record({
      password: fc.uint8Array({ maxLength: 200 }),
      channel: fc.uint8Array({ maxLength: 64 }),
      sessionId: fc.uint8Array({ minLength: 16, maxLength: 64 }),
      dataA: fc.uint8Array({ maxLength: 300 }),
      dataB: fc.uint8Array({ maxLength: 300 }),
    });
    fc.assert(
      fc.property(run, ({ dataA, dataB, ...common }) => {
        const { a, b } = runBoth(
          { ...common, role: "initiator", associatedData: dataA },
          { ...common, role: "responder", associatedData: dataB },
        );
        expect(a?.key).toEqual(b?.key);
        expect(a?.confirms(b?.tag ?? new Uint8Array())).toBe(true);
        expect(b?.confirms(a?.tag ?? new Uint8Array())).toBe(true);
        expect(a?.theirData).toEqual(dataB);
        expect(b?.theirData).toEqual(dataA);
      }),
      { numRuns: 20 },
    );
  });

  it.each([
    ["password", { ...responder, password: utf8("password") }],
    ["channel", { ...responder, channel: utf8("another") }],
    ["session", { ...responder, sessionId: new Uint8Array(16) }],
    ["role", { ...responder, role: "initiator" as const }],
  ])("another %s gives another key and no confirmation", (_name, other) => {
    const { a, b } = runBoth(initiator, other);
    expect(a?.key).not.toEqual(b?.key);
    expect(a?.confirms(b?.tag ?? new Uint8Array())).toBe(false);
    expect(b?.confirms(a?.tag ?? new Uint8Array())).toBe(false);
  });

  it("changed data on the way is not confirmed", () => {
    const a = startCpace(initiator, random);
    const b = startCpace(responder, random);
    const changed = concatBytes(b.message.subarray(0, -1), utf8("x"));
    const atA = a.finish(changed);
    const atB = b.finish(a.message);
    expect(atA?.confirms(atB?.tag ?? new Uint8Array())).toBe(false);
  });

  it.each([
    ["no point", `20${"2b3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c"}00`],
    ["the neutral element", `20${"00".repeat(32)}00`],
    ["nothing", ""],
    ["a share alone", `20${vector.Yb}`],
    ["a length that is too long", `20${vector.Yb}04414462`],
    ["a length that is too short", `20${vector.Yb}02414462`],
    ["a length in two bytes that fits one", `20${vector.Yb}8300414462`],
    ["lengths without end", "ffffff"],
    ["a long share", `21${vector.Yb}0003414462`],
  ])("refuses %s", (_name, hex) => {
    expect(startCpace(initiator, random).finish(bytes(hex))).toBeUndefined();
  });

  it("refuses its own message sent back, and its share with other data", () => {
    const a = startCpace(initiator, random);
    expect(a.finish(a.message)).toBeUndefined();
    const again = startCpace(initiator, random);
    const share = again.message.subarray(0, 33);
    expect(again.finish(concatBytes(share, bytes("00")))).toBeUndefined();
  });

  it("takes one message a run, and names misuse", () => {
    const a = startCpace(initiator, random);
    a.finish(startCpace(responder, random).message);
    expect(() => a.finish(bytes(""))).toThrowError(
      expect.objectContaining({ code: "CRYPTO_FINISHED" }),
    );
    const short = { ...initiator, sessionId: new Uint8Array(15) };
    expect(() => startCpace(short, random)).toThrowError(
      expect.objectContaining({ code: "CRYPTO_BAD_LENGTH" }),
    );
    expect(() => startCpace(initiator, () => new Uint8Array(31))).toThrowError(
      expect.objectContaining({ code: "CRYPTO_BAD_LENGTH" }),
    );
  });
});
