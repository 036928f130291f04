/** Every literal example of docs/spec/6-space.md is what the code makes. */
import { readFileSync } from "node:fs";
import { toHex, utf8 } from "@hawser/codec";
import { createNobleCrypto, type AuthorId } from "@hawser/crypto";
import type { OpId } from "@hawser/auth";
import type { LogId } from "@hawser/log";
import { buildDatapoint } from "@hawser/packet";
import { describe, expect, test } from "vitest";
import { encodeControl, sealControl } from "../src/control.ts";
import { createSpaceId, genesisSpaceId, metadataKeyOf, spaceIdBytes, topicOf } from "../src/ids.ts";
import { bodyKeyPlace, bodyKeyType } from "../src/bodies.ts";
import { contentKeyAt, sealDetached, sealEvent } from "../src/layers.ts";
import { formatInviteLink, formatRawLink } from "../src/link.ts";
import { sealOuter } from "../src/outer.ts";
import { rawAboutOf, rawEpochOf } from "../src/raw-keys.ts";

const crypto = createNobleCrypto();
const chapter = readFileSync(new URL("../../../docs/spec/6-space.md", import.meta.url), "utf8");
const fill = (byte: number, count = 32): Uint8Array => new Uint8Array(count).fill(byte);
const createOp = "11".repeat(32) as OpId;
const id = genesisSpaceId(crypto, createOp, fill(0x22));
const topic = topicOf(crypto, id);
const place = {
  topic,
  logId: "44".repeat(32) as LogId,
  author: "33".repeat(32) as AuthorId,
  seq: 3,
};
const deps = { crypto, random: () => fill(0x77, 24) };

describe("the chapter's examples", () => {
  test("[TH-081] §2 id, topic and metadata key", () => {
    expect(chapter).toContain(`id           ${id}`);
    expect(chapter).toContain(`id bytes     ${toHex(spaceIdBytes(id))}`);
    expect(chapter).toContain(`topic        ${topic}`);
    expect(chapter).toContain(`metadata key ${toHex(metadataKeyOf(crypto, id))}`);
  });

  test("§3 a control entry", () => {
    const content = { kind: "address", address: "wss://relay.example", ttlSeconds: 3_600 } as const;
    const [plaintext] = encodeControl(content);
    const data = sealControl(crypto, metadataKeyOf(crypto, id), place, plaintext!);
    expect(chapter).toContain(toHex(data));
  });

  test("[TH-053] §4 a data entry and its content key", () => {
    const epoch = { id: fill(0x55), readKey: fill(0x66) };
    const content = { type: "note", sequence: undefined, body: utf8("hello") };
    expect(chapter).toContain(toHex(sealEvent(deps, epoch, place, content)));
    expect(chapter).toContain(toHex(contentKeyAt(crypto, epoch.readKey, place, fill(0x77, 24))));
  });

  test("§15 a key packet, and the entry that names it", () => {
    const epoch = { id: fill(0x55), readKey: fill(0x66) };
    const keyPlace = bodyKeyPlace(crypto, place, fill(0xbb));
    expect(chapter).toContain(`key place's log id  ${keyPlace.logId}`);
    const key = { type: bodyKeyType, sequence: undefined, body: fill(0xaa) };
    const keyData = sealEvent(deps, epoch, keyPlace, key);
    expect(chapter).toContain(`key packet's data   ${toHex(keyData)}`);
    const keyPacket = buildDatapoint(crypto, keyData).hash;
    const content = { type: "note", sequence: undefined, byteCount: 100_000, keyPacket };
    const data = sealDetached(deps, epoch, place, content);
    expect(chapter).toContain(`entry's data        ${toHex(data)}`);
  });

  test("[TH-057] §5 an outer envelope", () => {
    const outer = sealOuter(deps, fill(0x88), { kind: "packet", packet: utf8("packet") });
    expect(chapter).toContain(toHex(outer));
  });

  test("[TH-195] §13 what a raw id gives, and its link", () => {
    const raw = createSpaceId(fill(0x22));
    const about = rawAboutOf(crypto, raw, ["wss://relay.example"]);
    const epoch = rawEpochOf(crypto, raw);
    expect(chapter).toContain(`raw id       ${raw}`);
    expect(chapter).toContain(`topic        ${about.topic}`);
    expect(chapter).toContain(`metadata key ${toHex(about.metadataKey)}`);
    expect(chapter).toContain(`follow key   ${toHex(about.followKey)}`);
    expect(chapter).toContain(`epoch id     ${epoch.id}`);
    expect(chapter).toContain(`read key     ${toHex(epoch.readKey)}`);
    expect(chapter).toContain(
      `\n${formatRawLink(crypto, { id: raw, addresses: about.addresses })}\n`,
    );
  });

  test("§6 an invite link", () => {
    const link = {
      id,
      createOp,
      followKey: fill(0x88),
      secret: fill(0x99),
      addresses: ["wss://relay.example"],
    };
    expect(chapter).toContain(`\n${formatInviteLink(crypto, link)}\n`);
  });
});
