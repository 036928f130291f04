/**
 * Web push: a notice that a browser shows or acts on while its page is closed. RFC 8030 (delivery),
 * RFC 8188 and 8291 (sealing to the browser), RFC 8292 (who sends it); docs/spec/relay-http.md §5.3.
 * Layer 9.
 */
import {
  createCipheriv,
  createECDH,
  createPrivateKey,
  hkdfSync,
  sign,
  type KeyObject,
} from "node:crypto";
import { concatBytes, fromBase64url, toBase64url, utf8 } from "@hawser/codec";
import type { Crypto, Random } from "@hawser/crypto";
import type { Outbound, OutboundVerdict } from "./outbound.ts";
import {
  memberOf,
  parseJson,
  type Json,
  type PushOutcome,
  type PushProvider,
} from "./push-provider.ts";

/** The key by which push services know this relay (RFC 8292). */
export interface VapidKey {
  /** An uncompressed point of P-256, base64url: what a page passes to `subscribe`. */
  readonly publicKey: string;
  readonly privateKey: KeyObject;
}

/** Where the browsers' makers take messages. Others are not asked unless an operator adds them. */
export const pushHostsDefault: readonly string[] = [
  "fcm.googleapis.com",
  "updates.push.services.mozilla.com",
  "*.push.apple.com",
  "*.notify.windows.com",
];

export interface WebPushOptions {
  /** `mailto:` or `https:`, by which a push service finds the operator. */
  readonly contact: string;
  /** Hosts of push services; "*." stands for one label or more. Default `pushHostsDefault`. */
  readonly hosts?: readonly string[];
}

const pointBytes = 65;
const authBytes = 16;
const saltBytes = 16;
const tagBytes = 16;
const recordBytes = 4_096;
/** Whatever a notice holds, its length tells nothing. */
const plaintextBytes = 512;
/** How long a push service keeps it for a browser that is off, in seconds. */
const lifeSeconds = 86_400;
/** RFC 8292 §2: at most a day. */
const tokenSeconds = 12 * 60 * 60;

/** Makes the key from the relay's own secret: all nodes have it, and none stores it. */
export function vapidKeyOf(crypto: Crypto, relaySecret: Uint8Array): VapidKey {
  const curve = createECDH("prime256v1");
  for (let attempt = 0; ; attempt++) {
    const material = concatBytes(relaySecret, Uint8Array.of(attempt));
    const scalar = crypto.deriveKey("hawser relay vapid v1", material);
    try {
      curve.setPrivateKey(scalar);
    } catch {
      // Not below the group's order, once in 2^32.
      continue;
    }
    const point = new Uint8Array(curve.getPublicKey());
    const jwk = {
      kty: "EC",
      crv: "P-256",
      d: toBase64url(scalar),
      x: toBase64url(point.subarray(1, 33)),
      y: toBase64url(point.subarray(33)),
    };
    const privateKey = createPrivateKey({ key: jwk, format: "jwk" });
    return { publicKey: toBase64url(point), privateKey };
  }
}

/**
 * The provider named `web-push`; a target is a `PushSubscription` as `toJSON` gives it. Throws
 * `TypeError` for a contact that is none.
 */
export function createWebPushProvider(
  deps: { readonly outbound: Outbound; readonly random: Random; readonly key: VapidKey },
  options: WebPushOptions,
): PushProvider {
  const { contact, hosts = pushHostsDefault } = options;
  if (!/^(mailto:|https:)[\x21-\x7e]{3,256}$/.test(contact)) {
    throw new TypeError("contact: expected a mailto: or https: URL");
  }
  return {
    name: "web-push",
    info: { applicationServerKey: deps.key.publicKey },
    parse: (target) => {
      const subscription = readSubscription(target);
      if (subscription === undefined || !deps.outbound.accepts(subscription.endpoint)) {
        return undefined;
      }
      const { host, hostname } = new URL(subscription.endpoint);
      if (!hosts.some((pattern) => matchesHost(hostname, pattern))) return undefined;
      const { endpoint, p256dh, auth } = subscription;
      return { address: JSON.stringify([endpoint, p256dh, auth]), shown: host };
    },
    // Its host is a push service, which gives an address to whom it asked: that is the consent.
    confirm: async () => true,
    send: async ({ address }, notice) => {
      const [endpoint, p256dh, auth] = asTexts(parseJson(address));
      const subscription = readSubscription({ endpoint, keys: { p256dh, auth } });
      if (subscription === undefined) return { status: "gone" };
      const body = sealPush(deps.random, subscription, padded(notice.body));
      if (body === undefined) return { status: "refused", reason: "keys" };
      const headers = {
        authorization: vapidHeader(deps.key, { endpoint, contact, seconds: notice.seconds }),
        "content-encoding": "aes128gcm",
        "content-type": "application/octet-stream",
        ttl: String(lifeSeconds),
        urgency: "normal",
        // A newer notice takes the place of one that still waits (RFC 8030 §5.4).
        topic: notice.hookId,
      };
      return outcomeOf(await deps.outbound.post({ url: endpoint, headers, body }));
    },
  };
}

/** What a browser gives to be sent to. */
export interface PushSubscriptionKeys {
  readonly endpoint: string;
  /** The browser's point, base64url. */
  readonly p256dh: string;
  /** Its secret, base64url. */
  readonly auth: string;
}

function readSubscription(target: Json): PushSubscriptionKeys | undefined {
  const endpoint = memberOf(target, "endpoint");
  const keys = memberOf(target, "keys");
  const [p256dh, auth] = [memberOf(keys, "p256dh"), memberOf(keys, "auth")];
  if (typeof endpoint !== "string" || typeof p256dh !== "string" || typeof auth !== "string") {
    return undefined;
  }
  const [point, secret] = [fromBase64url(p256dh), fromBase64url(auth)];
  if (point?.length !== pointBytes || point[0] !== 4 || secret?.length !== authBytes) {
    return undefined;
  }
  return { endpoint: URL.canParse(endpoint) ? new URL(endpoint).href : "", p256dh, auth };
}

/** "*.example.net" is any host below example.net, never example.net itself. */
function matchesHost(host: string, pattern: string): boolean {
  return pattern.startsWith("*.")
    ? host.length > pattern.length - 1 && host.endsWith(pattern.slice(1))
    : host === pattern;
}

/** JSON may end in spaces: so the length is always the same. */
function padded(body: Uint8Array): Uint8Array {
  const plaintext = new Uint8Array(Math.max(body.length, plaintextBytes)).fill(0x20);
  plaintext.set(body);
  return plaintext;
}

/**
 * One record of `aes128gcm` for a browser (RFC 8291 §4), or `undefined` for a key that is no point of
 * the curve:
 *
 *   salt (16) ‖ record size u32 ‖ 65 ‖ sender's point (65) ‖ AES-128-GCM(plaintext ‖ 0x02)
 */
export function sealPush(
  random: Random,
  subscription: Pick<PushSubscriptionKeys, "p256dh" | "auth">,
  plaintext: Uint8Array,
): Uint8Array | undefined {
  const [theirs, authSecret] = [
    fromBase64url(subscription.p256dh),
    fromBase64url(subscription.auth),
  ];
  if (theirs === undefined || authSecret === undefined) return undefined;
  if (plaintext.length > recordBytes - tagBytes - 1) throw new TypeError("push: over one record");
  const salt = random(saltBytes);
  const curve = createECDH("prime256v1");
  curve.setPrivateKey(random(32));
  const own = new Uint8Array(curve.getPublicKey());
  const shared = sharedSecret(() => curve.computeSecret(theirs));
  if (shared === undefined) return undefined;
  const keyInfo = concatBytes(utf8("WebPush: info\0"), theirs, own);
  const material = derive(shared, authSecret, keyInfo, 32);
  const key = derive(material, salt, utf8("Content-Encoding: aes128gcm\0"), 16);
  const nonce = derive(material, salt, utf8("Content-Encoding: nonce\0"), 12);
  const cipher = createCipheriv("aes-128-gcm", key, nonce);
  const sealed = concatBytes(
    cipher.update(concatBytes(plaintext, Uint8Array.of(2))),
    cipher.final(),
    cipher.getAuthTag(),
  );
  const size = new Uint8Array(4);
  new DataView(size.buffer).setUint32(0, recordBytes);
  return concatBytes(salt, size, Uint8Array.of(pointBytes), own, sealed);
}

function sharedSecret(compute: () => Uint8Array): Uint8Array | undefined {
  try {
    return compute();
  } catch {
    // 65 bytes of somebody else's that are no point.
    return undefined;
  }
}

function derive(
  material: Uint8Array,
  salt: Uint8Array,
  info: Uint8Array,
  size: number,
): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", material, salt, info, size));
}

/** `Authorization` of RFC 8292: a token for the push service's origin, and the key that signed it. */
export function vapidHeader(
  { publicKey, privateKey }: VapidKey,
  claims: { readonly endpoint: string; readonly contact: string; readonly seconds: number },
): string {
  const part = (value: Json): string => toBase64url(utf8(JSON.stringify(value)));
  const head = part({ typ: "JWT", alg: "ES256" });
  const exp = claims.seconds + tokenSeconds;
  const payload = part({ aud: new URL(claims.endpoint).origin, exp, sub: claims.contact });
  const signed = utf8(`${head}.${payload}`);
  const signature = sign("sha256", signed, { key: privateKey, dsaEncoding: "ieee-p1363" });
  return `vapid t=${head}.${payload}.${toBase64url(new Uint8Array(signature))}, k=${publicKey}`;
}

function outcomeOf(answer: OutboundVerdict): PushOutcome {
  if (!answer.ok) return { status: "later", reason: answer.reason };
  const { status, retryAfterSeconds } = answer;
  if (status >= 200 && status <= 299) return { status: "delivered" };
  if (status === 404 || status === 410) return { status: "gone" };
  const reason = `status ${status}`;
  if (status !== 429 && status < 500) return { status: "refused", reason };
  return retryAfterSeconds === undefined
    ? { status: "later", reason }
    : { status: "later", reason, afterSeconds: retryAfterSeconds };
}

function asTexts(value: Json | undefined): readonly [string, string, string] {
  const texts = Array.isArray(value) ? value : [];
  const text = (index: number): string => {
    const item: Json | undefined = texts[index];
    return typeof item === "string" ? item : "";
  };
  return [text(0), text(1), text(2)];
}
