/**
 * Runners for the keys of Textile Threads, what they seal and sign beside records, the digests and
 * the messages of its peers.
 */
import { fromHex, toHex } from "@hawser/codec";
import {
  blockCid,
  decodeDag,
  decodeWire,
  edgeOf,
  emptyEdge,
  encodeDag,
  encodeWire,
  formatThreadKey,
  identityOf,
  isMessageName,
  issueToken,
  keyBytes,
  keyPairOf,
  marshalPrivateKey,
  marshalPublicKey,
  nonceBytes,
  openBox,
  parseCid,
  parseThreadKey,
  peerId,
  tokenUser,
  unmarshalPrivateKey,
  unmarshalPublicKey,
  type EdgePart,
  type TextileKeyPair,
} from "@hawser/textile";
import { encodeMultiaddr, parseMultiaddr } from "@hawser/space";
import {
  hexBytes,
  isObject,
  readClaims,
  VectorShapeError,
  type Claims,
  type Json,
  type JsonObject,
} from "./claims.ts";
import { checkNothingLeft, type CaseCheck } from "./report.ts";
import type { SectionRunner } from "./system.ts";

/** A section that is one object, checked as one case. */
export function single(
  name: string,
  run: (check: CaseCheck, claims: Claims, file: JsonObject) => void,
): SectionRunner {
  return async (section, report, { file }) => {
    await report.check(name, (check) => {
      const claims = readClaims(section, name);
      run(check, claims, file);
      checkNothingLeft(check, claims);
    });
  };
}

/** A section that is a list of objects, one case each. */
export function eachOf(
  name: string,
  run: (check: CaseCheck, claims: Claims, file: JsonObject) => void,
): SectionRunner {
  return async (section, report, { file }) => {
    if (!Array.isArray(section)) throw new VectorShapeError(`${name} is a list`);
    for (const [index, item] of (section as readonly Json[]).entries()) {
      const label = ["name", "what", "message"]
        .map((key) => (isObject(item) ? item[key] : undefined))
        .find((text) => typeof text === "string");
      await report.check(`#${String(index)} ${label ?? ""}`.trim(), (check) => {
        const claims = readClaims(item, `${name}[${String(index)}]`);
        run(check, claims, file);
        checkNothingLeft(check, claims);
      });
    }
  };
}

/** The pair of a section such as `identityKey`. */
export function pairOf(file: JsonObject, name: string): TextileKeyPair {
  return keyPairOf(readClaims(file[name], name).bytes("seed"));
}

/** `logKey`, `identityKey`, `hostKey`: one pair in all its spellings. */
export const keyPair = (name: string): SectionRunner =>
  single(name, (check, claims) => {
    const pair = keyPairOf(claims.bytes("seed"));
    const marshalled = marshalPublicKey(pair.publicKey);
    check.equal("rawPub", claims.bytes("rawPub"), pair.publicKey);
    check.equal("marshalPub", claims.bytes("marshalPub"), marshalled);
    check.equal("marshalPub back", pair.publicKey, unmarshalPublicKey(marshalled));
    check.equal("marshalPriv", claims.bytes("marshalPriv"), marshalPrivateKey(pair));
    const again = unmarshalPrivateKey(marshalPrivateKey(pair));
    check.equal("marshalPriv back", pair.seed, again?.seed);
    check.equal("identityString", claims.text("identityString"), identityOf(pair.publicKey));
    check.equal("peerIdBytes", claims.bytes("peerIdBytes"), peerId(pair.publicKey).bytes);
    check.equal("peerIdBase58", claims.text("peerIdBase58"), peerId(pair.publicKey).text);
  });

/** `threadKey`: both keys, and the service key alone. */
export const threadKey: SectionRunner = single("threadKey", (check, claims) => {
  const service = claims.bytes("service");
  const read = claims.bytes("read");
  const full = claims.text("full");
  const alone = claims.text("serviceOnly");
  check.equal("bytes", claims.bytes("bytes"), Uint8Array.of(...service, ...read));
  check.equal("full", full, formatThreadKey({ service, read }));
  check.equal("serviceOnly", alone, formatThreadKey({ service }));
  check.equal("full, service", service, parseThreadKey(full)?.service);
  check.equal("full, read", read, parseThreadKey(full)?.read);
  check.equal("serviceOnly, service", service, parseThreadKey(alone)?.service);
  check.equal("serviceOnly, read", undefined, parseThreadKey(alone)?.read);
});

/** `constants`: what the format fixes, where we have a number for it; the rest are its words. */
export const constants: SectionRunner = single("constants", (check, claims) => {
  check.equal("nonceBytes", claims.number("nonceBytes"), nonceBytes);
  check.equal("keyBytes", claims.number("keyBytes"), keyBytes);
  check.equal("tagBytes", claims.number("tagBytes"), 16);
  const address = encodeMultiaddr(parseMultiaddr("/thread/bafkxd5bjgi6k4zivuoyxo4ua4mzyy") ?? []);
  const code = claims.number("threadMultiaddrCode");
  check.equal(
    "threadMultiaddrCode",
    code,
    ((address?.[1] ?? 0) << 7) | ((address?.[0] ?? 0) & 127),
  );
  check.equal("threadMultiaddrName", claims.text("threadMultiaddrName"), "thread");
  check.equal("idVersion", claims.number("idVersion"), 1);
  const variants = claims.object("variants");
  check.equal("raw", variants.number("raw"), 0x55);
  check.equal("accessControlled", variants.number("accessControlled"), 0x70);
  check.equal("cipher", claims.text("cipher"), "AES-256-GCM");
  check.equal("sealedLayout", claims.text("sealedLayout"), "nonce || ciphertext || tag");
  check.equal("aad", claims.text("aad"), "none");
  // Said in words, or of a protocol that we read and do not speak.
  for (const key of ["sealedBlock", "libp2pProtocol", "counterUndef", "emptyEdge"]) {
    claims.take(key);
  }
});

/** `dagCbor`: blocks that come out of a decoder and an encoder as they went in. */
export const dagCbor: SectionRunner = eachOf("dagCbor", (check, claims) => {
  const bytes = claims.bytes("cbor");
  const value = decodeDag(bytes);
  if (value === undefined) check.fail("cbor", "a value", "malformed");
  else check.equal("cbor", bytes, encodeDag(value));
  check.equal("cid", claims.text("cid"), blockCid(bytes).toString());
});

/** `token`: made again, and read; and refused by everybody but its host. */
export const token: SectionRunner = single("token", (check, claims, file) => {
  const host = pairOf(file, "hostKey");
  const text = claims.text("token");
  const user = claims.text("validatesTo");
  check.equal("token", text, issueToken(host, user, claims.number("issuedAt")));
  check.equal("validatesTo", user, tokenUser(text, host.publicKey));
  const stranger = pairOf(file, "logKey").publicKey;
  check.equal("another host", undefined, tokenUser(text, stranger));
});

/** `asymmetric`: a box to an identity; its key is a section's or stated with it. */
export const asymmetric: SectionRunner = async (section, report, { file }) => {
  const cases = Array.isArray(section) ? (section as readonly Json[]) : [section];
  for (const item of cases) {
    await report.check("box", (check) => {
      const claims = readClaims(item, "asymmetric");
      const pair = recipientOf(claims, file);
      const opened = openBox(pair, claims.bytes("ciphertext"));
      const plain = claims.text("plaintext");
      const shown = opened === undefined ? "refused" : new TextDecoder().decode(opened);
      if (shown !== plain) check.equal("plaintext", plain, opened && toHex(opened));
      claims.take("layout");
      checkNothingLeft(check, claims);
    });
  }
};

function recipientOf(claims: Claims, file: JsonObject): TextileKeyPair {
  if (claims.has("recipient")) {
    const name = claims.text("recipient");
    if (isObject(file[name])) return pairOf(file, name);
  }
  for (const key of ["seed", "privateKey", "marshalPriv", "recipientKey"]) {
    if (!claims.has(key)) continue;
    const bytes = claims.bytes(key);
    if (bytes.length === keyBytes) return keyPairOf(bytes);
    const pair = unmarshalPrivateKey(bytes);
    if (pair !== undefined) return pair;
  }
  throw new VectorShapeError("a box names the key of its recipient");
}

/** `edges`: the digest of heads or of addresses. */
export const edges: SectionRunner = eachOf("edges", (check, claims) => {
  const input = claims.take("input");
  const parts = Array.isArray(input) ? (input as readonly Json[]).map(edgePart) : [];
  const stated = claims.text("fnv1a64");
  check.equal("fnv1a64", stated, edgeOf(parts).toString());
  check.equal("in any order", stated, edgeOf([...parts].reverse()).toString());
  if (parts.length === 0) check.equal("empty", stated, emptyEdge.toString());
  claims.take("what");
});

function edgePart(item: Json): EdgePart {
  const claims = readClaims(item, "input");
  const id = ["logId", "peerId", "id"].find((key) => claims.has(key));
  if (id === undefined) throw new VectorShapeError("a pair names a log or a peer");
  const value = ["head", "addr", "address", "addrBytes"].find((key) => claims.has(key));
  if (value === undefined) throw new VectorShapeError("a pair has a head or an address");
  const part = { id: hexBytes(claims.take(id)), value: edgeValue(claims.text(value)) };
  const left = claims.unchecked();
  if (left.length > 0) throw new VectorShapeError(`${left.join()} of a pair is not known`);
  return part;
}

/** A head is a CID, an address a multiaddr; both also in hex. */
function edgeValue(text: string): Uint8Array {
  if (text.startsWith("/")) {
    const address = parseMultiaddr(text);
    const bytes = address && encodeMultiaddr(address);
    if (bytes !== undefined) return bytes;
  }
  const bytes = fromHex(text) ?? parseCid(text)?.bytes;
  if (bytes === undefined) throw new VectorShapeError(`${text} is no head and no address`);
  return bytes;
}

/** `wire`: messages of peers, read and written again. */
export const wire: SectionRunner = eachOf("wire", (check, claims) => {
  const bytes = claims.bytes("hex");
  check.equal("bytes", claims.number("bytes"), bytes.length);
  // What stands in brackets tells the case.
  const [name = ""] = claims.text("message").split("(");
  const spelled = name === "Log.Record" ? "Record" : name.trim();
  if (!isMessageName(spelled)) {
    check.fail("message", "a message that is known", spelled);
    return;
  }
  const message = decodeWire(spelled, bytes);
  check.equal("hex", bytes, message && encodeWire(spelled, message));
});
