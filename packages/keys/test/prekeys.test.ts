import { expect, test } from "vitest";
import {
  decodePrekeys,
  defaultPrekeyPolicy,
  dropExpiredPrekeys,
  encodePrekeys,
  prekeyIsDue,
  type Prekeys,
  rotatePrekey,
  verifyBundle,
} from "@hawser/keys";
import { createTestRandom, crypto, identityOf, startTime } from "./support/space.ts";

const identity = identityOf("alice");
const random = createTestRandom("prekeys");
const day = 24 * 3600;

function rotate(prekeys: Prekeys, time: number): ReturnType<typeof rotatePrekey> {
  return rotatePrekey(crypto, prekeys, { identity, time }, random);
}

test("[P2-K-generate_onetime_keys] prekeys are generations instead of one-time keys (§4: messages are stateless): a new one each week, older ones kept", () => {
  expect(prekeyIsDue([], startTime)).toBe(true);
  const first = rotate([], startTime);
  expect(verifyBundle(crypto, first.bundle, identity.id).ok).toBe(true);
  expect(prekeyIsDue(first.prekeys, startTime)).toBe(false);
  expect(prekeyIsDue(first.prekeys, startTime + 7 * day - 1)).toBe(false);
  expect(prekeyIsDue(first.prekeys, startTime + 7 * day)).toBe(true);
  const second = rotate(first.prekeys, startTime + 7 * day);
  expect(second.prekeys.map((prekey) => prekey.prekey)).toEqual([
    second.bundle.prekey,
    first.bundle.prekey,
  ]);
});

test("[P2-K-garbage_collection] secrets go after life and grace, but never the newest", () => {
  const { lifeSeconds, graceSeconds } = defaultPrekeyPolicy;
  const first = rotate([], startTime);
  const second = rotate(first.prekeys, startTime + 8 * day);
  const end = startTime + lifeSeconds + graceSeconds;
  expect(dropExpiredPrekeys(second.prekeys, end - 1)).toHaveLength(2);
  expect(dropExpiredPrekeys(second.prekeys, end)).toHaveLength(1);
  expect(dropExpiredPrekeys(second.prekeys, end + 1000 * day)).toEqual([second.prekeys[0]]);
  expect(rotate(second.prekeys, end).prekeys).toHaveLength(2);
});

test("[P2-K-lifetime] a prekey that expired is due again, as is one that is not valid yet", () => {
  const { prekeys } = rotate([], startTime);
  expect(prekeyIsDue(prekeys, startTime + defaultPrekeyPolicy.lifeSeconds)).toBe(true);
  expect(prekeyIsDue(prekeys, startTime - 2 * 3600)).toBe(true);
});

test("[P2-K-serde] [P2-M14] prekeys survive a round trip, and only canonical bytes are read", () => {
  const { prekeys } = rotate(rotate([], startTime).prekeys, startTime + 8 * day);
  const bytes = encodePrekeys(prekeys);
  const decoded = decodePrekeys(bytes);
  expect(decoded?.map((prekey) => prekey.secret.reveal())).toEqual(
    prekeys.map((prekey) => prekey.secret.reveal()),
  );
  expect(encodePrekeys(decoded!)).toEqual(bytes);
  expect(encodePrekeys(prekeys.toReversed())).toEqual(bytes);
  for (let size = 0; size < bytes.length; size++) {
    expect(decodePrekeys(bytes.subarray(0, size))).toBeUndefined();
  }
});
