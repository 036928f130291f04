/**
 * Packets that vectors refer to by name: those of the file's own `encode` section, and a few that
 * other sections name even where that section is cut.
 */
import { fromHex, utf8 } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { buildDatapoint, buildKeypoint, buildLinkpoint, publicGroup } from "@hawser/packet";
import type { Packet } from "@hawser/packet";
import { isObject, readClaims, type Json, type JsonObject } from "./claims.ts";
import { buildPoint, readDraft } from "./linkspace-claims.ts";

/** The published test secret of Linkspace. */
export function testSecret(): Uint8Array {
  return bytes("923ea6fac0ba20b61749f8ebb65839a383b2df48a0c618e44420d69beefb127c");
}

/** The packet called `name`, or `undefined`. */
export function knownPacket(
  crypto: Crypto,
  file: JsonObject,
  name: string,
): Packet<"verified"> | undefined {
  return fromEncodeSection(crypto, file, name) ?? builtIn[name]?.(crypto);
}

function fromEncodeSection(
  crypto: Crypto,
  file: JsonObject,
  name: string,
): Packet<"verified"> | undefined {
  const section = file["encode"];
  const vectors = isObject(section) ? section["vectors"] : undefined;
  if (!Array.isArray(vectors)) return undefined;
  const found = (vectors as readonly Json[]).find(
    (vector) => isObject(vector) && vector["name"] === name,
  );
  if (!isObject(found) || !isObject(found["fields"]) || "note" in found["fields"]) return undefined;
  const claims = readClaims(found);
  const kind = claims.text("kind");
  const fields = claims.object("fields");
  if (kind === "datapoint") return buildDatapoint(crypto, fields.bytes("data"));
  const secret = claims.has("secret") ? claims.bytes("secret") : undefined;
  if (kind !== "linkpoint" && kind !== "keypoint") return undefined;
  return buildPoint(crypto, { kind, draft: readDraft(fields) }, secret);
}

const builtIn: { readonly [name: string]: (crypto: Crypto) => Packet<"verified"> } = {
  "rustdoc linkpoint": (crypto) =>
    buildLinkpoint(crypto, {
      group: publicGroup(),
      domain: "mydomain",
      path: ["hello", "world"],
      links: [
        { tag: "a datapoint", pointer: buildDatapoint(crypto, utf8("this is a datapoint")).hash },
        { tag: "another tag", pointer: publicGroup() },
      ],
      stamp: 0,
      data: utf8("extra data for the linkpoint"),
    }),
  "minimal linkpoint create=0": (crypto) =>
    buildLinkpoint(crypto, { group: publicGroup(), stamp: 0 }),
  "space depth 3": (crypto) =>
    buildLinkpoint(crypto, {
      group: publicGroup(),
      domain: "d",
      path: ["c", "cc", "ccc"],
      stamp: 1,
      data: utf8("x"),
    }),
  "kp full": (crypto) =>
    buildKeypoint(
      crypto,
      {
        group: publicGroup(),
        domain: "mydomain",
        path: ["a", "bc"],
        links: [{ tag: "tag", pointer: publicGroup() }],
        stamp: 1,
        data: utf8("hello"),
      },
      testSecret(),
    ),
};

function bytes(hex: string): Uint8Array {
  return fromHex(hex) ?? new Uint8Array(0);
}
