import { expect, test } from "vitest";
import {
  buildKeypoint,
  buildLinkpoint,
  isPrivate,
  parsePacket,
  privateGroup,
  readPacket,
} from "@hawser/packet";
import {
  crypto,
  draft,
  hello,
  keypoint,
  patch,
  problem,
  structure,
  testSecret,
  verdict,
} from "./helpers.ts";

const privateDraft = { ...draft, group: privateGroup() };
const privateLinkpoint = buildLinkpoint(crypto, privateDraft);
const privateKeypoint = buildKeypoint(crypto, privateDraft, testSecret);

test("[LK-private-group] building in the private group is always allowed", () => {
  expect(isPrivate(privateLinkpoint)).toBe(true);
  expect(isPrivate(privateKeypoint)).toBe(true);
});

test("[LK-private-group] readers refuse it unless told otherwise", () => {
  for (const { bytes } of [privateLinkpoint, privateKeypoint]) {
    for (const mode of ["strict", "reference"] as const) {
      expect(structure(bytes, { mode })).toBe("PACKET_GROUP_PRIVATE");
      expect(verdict(bytes, { mode })).toBe("PACKET_GROUP_PRIVATE");
      expect(verdict(bytes, { mode, allowPrivate: false })).toBe("PACKET_GROUP_PRIVATE");
      expect(verdict(bytes, { mode, allowPrivate: true })).toBe("ok");
    }
  }
});

test("[LK-private-group] it is looked at after signature and hash", () => {
  const badHash = patch(privateLinkpoint.bytes, { 32: [0xee, 0xee] });
  expect(verdict(badHash)).toBe("PACKET_HASH");
  const badSignature = patch(privateKeypoint.bytes, {
    [privateKeypoint.bytes.length - 1]: [0xee],
  });
  expect(verdict(badSignature)).toBe("PACKET_SIGNATURE");
});

test("[LK-private-group] datapoints and error points have no group and are never private", () => {
  expect(isPrivate(hello)).toBe(false);
  expect(isPrivate(problem)).toBe(false);
  expect(verdict(hello.bytes)).toBe("ok");
});

test("[LK-private-group] a group with one bit set is not private", () => {
  for (const offset of [64 + 16, 64 + 47]) {
    const bytes = patch(privateLinkpoint.bytes, { [offset]: [1] });
    expect(structure(bytes)).toBe("ok");
  }
  expect(isPrivate(keypoint)).toBe(false);
});

test("[LK-private-group] the bytes after a refused packet are not offered", () => {
  expect(parsePacket(privateLinkpoint.bytes)).toEqual({
    ok: false,
    reason: "PACKET_GROUP_PRIVATE",
    value: undefined,
  });
  expect(readPacket(crypto, privateLinkpoint.bytes)).not.toHaveProperty("rest");
});
