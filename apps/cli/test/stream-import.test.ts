/** Import of ImmutableWeb files, written here from the description of their format alone. */
import { constants, createHash, generateKeyPairSync, publicEncrypt, sign } from "node:crypto";
import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { benchWith, eventOf } from "./support/streams.ts";

const signing = generateKeyPairSync("rsa", { modulusLength: 2048 });
const sealing = generateKeyPairSync("rsa", { modulusLength: 2048 });
const uuid = "0123456789abcdef0123456789abcdef";

const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

/** A file of a manifest and blocks; each block names the hash of the one before it. */
function writeFile(
  blocks: readonly { readonly content: Buffer; readonly metadata: unknown }[],
): Buffer {
  const publicPem = signing.publicKey.export({ type: "spki", format: "pem" });
  const manifest = { title: "old", _stream_signature_public_key: publicPem, _stream_uuid: uuid };
  let previous = sha256(Buffer.alloc(0));
  const written = [{ content: Buffer.alloc(0), metadata: manifest }, ...blocks].map((block) => {
    const metadata = Buffer.from(JSON.stringify(block.metadata));
    const { content } = block;
    const lengths = [u32(metadata.length), u64(content.length)] as const;
    const hashed = Buffer.concat([previous, lengths[0], metadata, lengths[1], content]);
    previous = sha256(hashed);
    const signed = Buffer.concat([hashed, previous]);
    const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_MAX_SIGN: saltLength } = constants;
    const signature = sign("sha256", signed, { key: signing.privateKey, padding, saltLength });
    const rest = Buffer.concat([signed, u32(signature.length), signature]);
    return Buffer.concat([u64(rest.length + 8), rest]);
  });
  return Buffer.concat(written);
}

function seal(text: string): Buffer {
  const { publicKey: key } = sealing;
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  return publicEncrypt({ key, padding, oaepHash: "sha256" }, Buffer.from(text));
}

const blocks = [
  { content: Buffer.from("first"), metadata: { __original_filename: "../a.txt" } },
  { content: seal("second"), metadata: null },
];

describe("[IW-cli] [IW-legacy] import", () => {
  test("takes every block, tells where it is from, and dumps under the old names", async () => {
    using bench = await benchWith();
    const [file, log, out] = [
      bench.file("old.iw", writeFile(blocks)),
      bench.path("log"),
      bench.path("out"),
    ];
    const pem = String(sealing.privateKey.export({ type: "pkcs8", format: "pem" }));
    const key = bench.file("content.pem", pem);
    const ran = await bench.done(["--json", "import", file, log, "--content-key", key]);
    expect(eventOf(ran, "imported")).toMatchObject({ uuid, blocks: 3 });
    const info = eventOf(await bench.done(["--json", "info", log]), "info");
    expect(info["blocks"]).toMatchObject([
      { directive: { type: "replay", targets: [`iw://${uuid}`] }, metadata: { title: "old" } },
      { byteCount: 5, metadata: { __original_filename: "../a.txt", iw: { seq: 1 } } },
      { byteCount: 6, metadata: { iw: { seq: 2 } } },
    ]);
    expect((await bench.done(["cat", log, "3"])).bytes.toString()).toBe("second");
    await bench.done(["dump", log, out]);
    expect(bench.read("out/a.txt").toString()).toBe("first");
    expect(bench.read("out/block-00003").toString()).toBe("second");
    await bench.done(["verify", log]);
  });

  test("a changed file: exit code 2, with code and place", async () => {
    using bench = await benchWith();
    const bytes = writeFile(blocks);
    const first = bytes.readUInt32LE(0);
    bytes[first + 60] = (bytes[first + 60] ?? 0) ^ 1;
    const ran = await bench.run(["import", bench.file("old.iw", bytes), bench.path("log")]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(/entry 1, byte \d[\d,]*\) \[IW_(HASH_MISMATCH|CORRUPT)\]/);
  });

  test.each([
    ["nothing", ""],
    ["words", "words ".repeat(100)],
  ])("a file of %s leaves no stream behind", async (_, content) => {
    using bench = await benchWith();
    const ran = await bench.run(["import", bench.file("old.iw", content), bench.path("log")]);
    expect([ran.code, existsSync(bench.path("log"))]).toEqual([2, false]);
    expect(ran.stderr).toMatch(/\[IW_[A-Z_]+\]/);
  });

  test("a stream of ours, a missing file and a taken name are refused", async () => {
    using bench = await benchWith("x");
    const old = bench.file("old.iw", writeFile(blocks));
    const before = bench.read("log");
    const cases = [
      [bench.path("log"), bench.path("new"), 2],
      [bench.path("absent"), bench.path("new"), 1],
      [old, bench.path("log"), 1],
    ] as const;
    for (const [from, to, code] of cases) {
      expect((await bench.run(["import", from, to])).code).toBe(code);
    }
    expect(existsSync(bench.path("new"))).toBe(false);
    expect(bench.read("log").equals(before)).toBe(true);
  });
});
