/** Web push against the published vectors of RFC 8291 and RFC 8292, and for a browser of our own. */
import { createDecipheriv, createECDH, createPublicKey, hkdfSync, verify } from "node:crypto";
import { concatBytes, fromBase64url, fromUtf8, toBase64url, utf8 } from "@hawser/codec";
import { expect, test } from "vitest";
import { seededRandom } from "@hawser/crypto/testing";
import type { PushNotice } from "../src/push-provider.ts";
import { createWebPushProvider, sealPush, vapidHeader, vapidKeyOf } from "../src/web-push.ts";
import { answerWith, fakeOutbound } from "./reader-help.ts";
import { crypto } from "./help.ts";

const bytes = (text: string): Uint8Array => fromBase64url(text)!;
const p256dh =
  "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const auth = "BTBZMqHH6r4Tts7J_aSIgg";

/** Gives the parts in turn. */
function randomOf(...parts: readonly Uint8Array[]): (byteCount: number) => Uint8Array {
  let index = 0;
  return (byteCount) => {
    const part = parts[index++];
    if (part?.length !== byteCount) throw new Error("another random number than expected");
    return part;
  };
}

/** What a browser with that secret does (RFC 8291 §3.4). */
function openPush(secret: Uint8Array, authSecret: Uint8Array, sealed: Uint8Array): Uint8Array {
  const curve = createECDH("prime256v1");
  curve.setPrivateKey(secret);
  const sender = sealed.subarray(21, 86);
  const own = new Uint8Array(curve.getPublicKey());
  const info = concatBytes(utf8("WebPush: info\0"), own, sender);
  const derive = (from: Uint8Array, salt: Uint8Array, about: Uint8Array, size: number) =>
    new Uint8Array(hkdfSync("sha256", from, salt, about, size));
  const material = derive(new Uint8Array(curve.computeSecret(sender)), authSecret, info, 32);
  const salt = sealed.subarray(0, 16);
  const key = derive(material, salt, utf8("Content-Encoding: aes128gcm\0"), 16);
  const nonce = derive(material, salt, utf8("Content-Encoding: nonce\0"), 12);
  const cipher = createDecipheriv("aes-128-gcm", key, nonce);
  cipher.setAuthTag(sealed.subarray(-16));
  const plaintext = concatBytes(cipher.update(sealed.subarray(86, -16)), cipher.final());
  expect(plaintext.at(-1)).toBe(2);
  return plaintext.subarray(0, -1);
}

test("[TH-115] RFC 8291 §5: the published message comes out byte for byte", () => {
  const random = randomOf(
    bytes("DGv6ra1nlYgDCS1FRnbzlw"),
    bytes("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
  );
  const sealed = sealPush(
    random,
    { p256dh, auth },
    utf8("When I grow up, I want to be a watermelon"),
  );
  expect(toBase64url(sealed!)).toBe(
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIg" +
      "Dll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVB" +
      "St2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN",
  );
  const secret = bytes("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94");
  expect(fromUtf8(openPush(secret, bytes(auth), sealed!))).toContain("watermelon");
});

/** Whether a header is a token that its own key signed; RFC 8292 §2, §3. */
function readVapid(header: string): { readonly isSigned: boolean; readonly claims: unknown } {
  const [, head, claims, signature, key] =
    /^vapid t=([\w-]+)\.([\w-]+)\.([\w-]+), k=([\w-]+)$/.exec(header)!;
  const point = bytes(key!);
  const publicKey = createPublicKey({
    format: "jwk",
    key: {
      kty: "EC",
      crv: "P-256",
      x: toBase64url(point.subarray(1, 33)),
      y: toBase64url(point.subarray(33)),
    },
  });
  const signed = utf8(`${head}.${claims}`);
  const isSigned = verify(
    "sha256",
    signed,
    { key: publicKey, dsaEncoding: "ieee-p1363" },
    bytes(signature!),
  );
  return { isSigned, claims: JSON.parse(fromUtf8(bytes(claims!))!) };
}

test("[TH-115] RFC 8292 §2.4: the published token verifies here, and ours has its form", () => {
  const published =
    "vapid t=eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJl" +
    "eHAiOjE0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_H" +
    "LGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA, k=BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u" +
    "61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs";
  expect(readVapid(published).isSigned).toBe(true);
  const key = vapidKeyOf(crypto, new Uint8Array(32).fill(7));
  const header = vapidHeader(key, {
    endpoint: "https://push.example.net/secret/path",
    contact: "mailto:operator@example.com",
    seconds: 1_453_480_568,
  });
  expect(readVapid(header)).toEqual({
    isSigned: true,
    claims: {
      aud: "https://push.example.net",
      exp: 1_453_523_768,
      sub: "mailto:operator@example.com",
    },
  });
  expect(header).not.toContain("secret");
  expect(vapidKeyOf(crypto, new Uint8Array(32).fill(7)).publicKey).toBe(key.publicKey);
  expect(vapidKeyOf(crypto, new Uint8Array(32)).publicKey).not.toBe(key.publicKey);
});

const notice: PushNotice = {
  messageId: "msg_x",
  hookId: "A".repeat(22),
  seconds: 1_794_000_000,
  body: utf8(JSON.stringify({ data: { topic: "name" } })),
  secret: new Uint8Array(32),
};

function provide(status: number, retryAfterSeconds?: number) {
  const outbound = fakeOutbound(() => answerWith(status, "", retryAfterSeconds));
  const key = vapidKeyOf(crypto, new Uint8Array(32));
  const deps = { outbound, random: seededRandom("push"), key };
  const provider = createWebPushProvider(deps, { contact: "mailto:a@example.org" });
  return { provider, outbound };
}

test("[TH-115] a browser opens what it is sent; the push service sees equal lengths and no word", async () => {
  const browser = createECDH("prime256v1");
  browser.setPrivateKey(seededRandom("browser")(32));
  const endpoint = "https://fcm.googleapis.com/fcm/send/abc";
  const keys = { p256dh: toBase64url(new Uint8Array(browser.getPublicKey())), auth };
  const { provider, outbound } = provide(201);
  const target = provider.parse({ endpoint, expirationTime: null, keys })!;
  expect(target.shown).toBe("fcm.googleapis.com");
  expect(await provider.send(target, notice)).toEqual({ status: "delivered" });
  const [sent] = outbound.sent;
  expect(sent?.url).toBe(endpoint);
  expect(sent?.headers).toMatchObject({
    "content-encoding": "aes128gcm",
    ttl: "86400",
    urgency: "normal",
    topic: notice.hookId,
  });
  expect(readVapid(sent!.headers["authorization"]!).isSigned).toBe(true);
  expect(fromUtf8(sent!.body)).toBeUndefined();
  const plaintext = openPush(new Uint8Array(browser.getPrivateKey()), bytes(auth), sent!.body);
  expect(JSON.parse(fromUtf8(plaintext)!)).toEqual({ data: { topic: "name" } });
  await provider.send(target, { ...notice, body: utf8("{}") });
  expect(outbound.sent[1]?.body.length).toBe(sent?.body.length);
});

test("an endpoint is one of a push service, with keys that can be ones", () => {
  const { provider } = provide(201);
  const keys = { p256dh, auth };
  const good = "https://web.push.apple.com/x";
  expect(provider.parse({ endpoint: good, keys })).toBeDefined();
  const bad = [
    "https://example.org/x",
    "https://push.apple.com/x",
    "https://evilpush.apple.com.example/x",
    "http://fcm.googleapis.com/x",
    "https://fcm.googleapis.com.example/x",
    "",
    "x",
  ];
  for (const endpoint of bad) expect(provider.parse({ endpoint, keys }), endpoint).toBeUndefined();
  const wrong = [
    null,
    {},
    [],
    "x",
    { p256dh },
    { auth },
    { p256dh: auth, auth },
    { p256dh, auth: p256dh },
    { p256dh: `A${p256dh.slice(1)}`, auth },
    { p256dh: 1, auth: 2 },
  ];
  for (const value of wrong)
    expect(provider.parse({ endpoint: good, keys: value })).toBeUndefined();
});

test.each([
  [404, undefined, { status: "gone" }],
  [410, undefined, { status: "gone" }],
  [429, 30, { status: "later", reason: "status 429", afterSeconds: 30 }],
  [503, undefined, { status: "later", reason: "status 503" }],
  [413, undefined, { status: "refused", reason: "status 413" }],
  [301, undefined, { status: "refused", reason: "status 301" }],
])("an answer of %i is understood", async (status, after, outcome) => {
  const { provider } = provide(status, after);
  const target = provider.parse({
    endpoint: "https://fcm.googleapis.com/x",
    keys: { p256dh, auth },
  })!;
  expect(await provider.send(target, notice)).toEqual(outcome);
});

test("a point that is not on the curve is refused, not thrown", async () => {
  const { provider, outbound } = provide(201);
  const off = toBase64url(concatBytes(Uint8Array.of(4), new Uint8Array(64).fill(1)));
  const target = provider.parse({
    endpoint: "https://fcm.googleapis.com/x",
    keys: { p256dh: off, auth },
  })!;
  expect(await provider.send(target, notice)).toEqual({ status: "refused", reason: "keys" });
  expect(outbound.sent).toEqual([]);
  expect(() =>
    createWebPushProvider(
      { outbound, random: seededRandom("x"), key: vapidKeyOf(crypto, new Uint8Array(32)) },
      {
        contact: "nobody",
      },
    ),
  ).toThrow(TypeError);
});
