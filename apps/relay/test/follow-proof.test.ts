/** The proof of a follow key in a header: what it covers, and what it does not let through. */
import fc from "fast-check";
import { toHex, utf8 } from "@hawser/codec";
import type { Topic } from "@hawser/log";
import { expect, test } from "vitest";
import {
  blindName,
  hookIdOf,
  hookSecretOf,
  holdsUnder,
  parseFollowProof,
  proofKeyOf,
  proveFollow,
  type ProvenRequest,
} from "../src/follow-proof.ts";
import type { Relay } from "../src/index.ts";
import { crypto } from "./help.ts";

// Safe: 64 hex characters are what the brands stand for.
const [topic, relay] = ["0a".repeat(32) as Topic, "0b".repeat(32) as Relay["author"]];
const followKey = new Uint8Array(32).fill(1);
const request: ProvenRequest = {
  relay,
  method: "GET",
  target: "/v1/topics/x/entries?limit=2",
  body: new Uint8Array(0),
};
const place = { seconds: 1_794_000_000, nonce: new Uint8Array(16).fill(2) };
const header = proveFollow(crypto, followKey, { ...request, ...place });

function isGood(text: string, asked: Partial<ProvenRequest> = {}, key = followKey): boolean {
  const proof = parseFollowProof(text);
  if (proof === undefined) return false;
  return holdsUnder(crypto, proofKeyOf(crypto, key), { ...request, ...asked }, proof);
}

test("a proof holds for its request, and its bytes stay what they are", () => {
  expect(isGood(header)).toBe(true);
  expect(header).toMatch(/^Hawser-Follow v=1,t=1794000000,n=AgICAgICAgICAgICAgICAg,m=[\w-]{43}$/);
  expect(blindName(crypto, topic, relay)).toMatch(/^[\w-]{22}$/);
  expect(blindName(crypto, topic, relay)).not.toBe(
    blindName(crypto, topic, "0c".repeat(32) as Relay["author"]),
  );
});

test.each<[string, Partial<ProvenRequest>]>([
  ["another relay", { relay: "0c".repeat(32) as Relay["author"] }],
  ["another method", { method: "HEAD" }],
  ["another query", { target: "/v1/topics/x/entries?limit=3" }],
  ["another path", { target: "/v1/topics/y/entries?limit=2" }],
  ["a body", { body: utf8("x") }],
  [
    "parts that move between method and target",
    { method: "GET/", target: "v1/topics/x/entries?limit=2" },
  ],
])("it does not hold for %s", (_what, asked) => expect(isGood(header, asked)).toBe(false));

test("it does not hold under another key, nor with another time or nonce", () => {
  expect(isGood(header, {}, new Uint8Array(32))).toBe(false);
  expect(isGood(header.replace("t=1794000000", "t=1794000001"))).toBe(false);
  expect(isGood(header.replace("n=AgIC", "n=AwIC"))).toBe(false);
});

test("any change of a character is another proof or none", () => {
  const from = header.indexOf("m=") + 2;
  fc.assert(
    fc.property(
      fc.nat(header.length - 1),
      fc.string({ minLength: 1, maxLength: 1 }),
      (index, to) => {
        // The scheme's name is compared without case (RFC 9110 §11.1).
        if (to.toLowerCase() === header[index]?.toLowerCase() && index < from) return;
        const changed = header.slice(0, index) + to + header.slice(index + 1);
        expect(isGood(changed)).toBe(changed === header);
      },
    ),
    { numRuns: 300 },
  );
});

test.each([
  "",
  "Hawser-Follow",
  "Bearer x",
  `${header},x`,
  ` ${header}`,
  `${header} `,
  `${header}\n`,
  header.replace("v=1", "v=2"),
  header.replace("t=1794000000", "t=01"),
  `x${header}`,
  header.replace("t=1794000000", "t=-1"),
  header.replace("t=1794000000", "t=99999999999999"),
  header.slice(0, -1),
  `${header}A`,
  header.replace(",n=", ";n="),
  "a".repeat(8_000),
])("%j is no proof", (text) => expect(parseFollowProof(text)).toBeUndefined());

test("ids and secrets of hooks differ with everything they are made of", () => {
  const other = new Uint8Array(32).fill(3);
  const hook = { provider: "webhook", address: "https://a.example/" };
  const ids = [
    hookIdOf(crypto, followKey, hook),
    hookIdOf(crypto, other, hook),
    hookIdOf(crypto, followKey, { ...hook, provider: "webhookh" }),
    hookIdOf(crypto, followKey, { ...hook, address: "https://b.example/" }),
    hookIdOf(crypto, followKey, { provider: "webhookh", address: "ttps://a.example/" }),
  ];
  expect(new Set(ids).size).toBe(ids.length);
  const [id = ""] = ids;
  expect(hookSecretOf(crypto, followKey, { relay, id }).length).toBe(32);
  expect(hookSecretOf(crypto, followKey, { relay, id })).not.toEqual(
    hookSecretOf(crypto, other, { relay, id }),
  );
});

test("the values of docs/spec/relay-http.md §2 and §5.1", () => {
  const name = blindName(crypto, topic, relay);
  expect(name).toBe("ElxIvAjOJyi-Gj5LhNaa2w");
  expect(toHex(proofKeyOf(crypto, followKey))).toBe(
    "bbd422a84c939aa652da5569fdaf7ce54e839a415b02071cbfe6eb81cd6df489",
  );
  const target = `/v1/topics/${name}/entries?limit=2`;
  expect(proveFollow(crypto, followKey, { ...request, target, ...place })).toBe(
    "Hawser-Follow v=1,t=1794000000,n=AgICAgICAgICAgICAgICAg," +
      "m=UoaQQnPucCXyq-Q7ahb3YTsu8Fy8_v5s_vppIvH9Sxc",
  );
  const hook = { provider: "webhook", address: "https://hooks.example/x" };
  const id = hookIdOf(crypto, followKey, hook);
  expect(id).toBe("g3Iz9QPCp57jvkO_276zDA");
  expect(toHex(hookSecretOf(crypto, followKey, { relay, id }))).toBe(
    "a387533555c554528b3469ba798a906259b171ca7b2f02be4177638ee3d1eb70",
  );
});
