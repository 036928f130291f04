/** Certificates made for a test: an authority, and servers that it signs for. */
import { generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto";

/** A key and the certificate of it, both as PEM. */
export interface Certified {
  readonly key: string;
  readonly cert: string;
}

/** Signs for servers. */
export interface Authority {
  readonly cert: string;
  /** A server's certificate; `days` from now it ends, before now for one that has. */
  issue(host: string, days: number): Certified;
}

const dayMs = 24 * 60 * 60 * 1_000;

/** DER: tag, length, content. */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const hex = (text: string): Buffer => Buffer.from(text, "hex");
const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);
const ecdsaWithSha256 = sequence(hex("06082a8648ce3d040302"));
const isTrue = hex("0101ff");

function nameOf(text: string): Buffer {
  return sequence(der(0x31, sequence(hex("0603550403"), der(0x0c, Buffer.from(text)))));
}

/** UTCTime, RFC 5280 §4.1.2.5.1. */
function timeOf(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, "");
  return der(0x17, Buffer.from(text.slice(2)));
}

function certificateOf(content: {
  readonly issuer: string;
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly endMs: number;
  readonly extension: Buffer;
}): string {
  const { issuer, subject, publicKey, signer, endMs, extension } = content;
  const signed = sequence(
    hex("a003020102"),
    der(0x02, Buffer.concat([hex("01"), randomBytes(8)])),
    ecdsaWithSha256,
    nameOf(issuer),
    sequence(timeOf(endMs - 400 * dayMs), timeOf(endMs)),
    nameOf(subject),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(extension)),
  );
  const signature = sign("sha256", signed, signer);
  const bytes = sequence(signed, ecdsaWithSha256, der(0x03, hex("00"), signature));
  const lines = bytes.toString("base64").replace(/.{64}/g, "$&\n");
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

/** An authority that nobody knows but whoever is given its certificate. */
export function createAuthority(name: string): Authority {
  const own = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const basicConstraints = sequence(hex("0603551d13"), isTrue, der(0x04, sequence(isTrue)));
  const cert = certificateOf({
    issuer: name,
    subject: name,
    publicKey: own.publicKey,
    signer: own.privateKey,
    endMs: Date.now() + 100 * dayMs,
    extension: basicConstraints,
  });
  return {
    cert,
    issue: (host, days) => {
      const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const altName = der(0x04, sequence(der(0x82, Buffer.from(host))));
      return {
        key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
        cert: certificateOf({
          issuer: name,
          subject: host,
          publicKey,
          signer: own.privateKey,
          endMs: Date.now() + days * dayMs,
          extension: sequence(hex("0603551d11"), altName),
        }),
      };
    },
  };
}
