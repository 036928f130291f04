/** Choosing back ends: what is there is used, what is absent or wrong is not, and it shows. */
import * as secp256k1 from "tiny-secp256k1";
import { afterEach, describe, expect, it, vi } from "vitest";
import { utf8 } from "@hawser/codec";
import { createCrypto, type Crypto, type Secp256k1Module } from "@hawser/crypto";
import { platform as noPlatform } from "../src/platform-none.ts";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.doUnmock("#platform");
  vi.resetModules();
});

/** `createCrypto` of a freshly loaded package on a platform without native parts. */
async function createWithoutPlatform(): Promise<Crypto> {
  vi.resetModules();
  vi.doMock("#platform", () => ({ platform: noPlatform }));
  const { createCrypto: create } = await import("../src/create-crypto.ts");
  return create();
}

describe("demanded back ends", () => {
  it.each([
    ["hash", "wasm"],
    ["hash", "noble"],
    ["signature", "wasm"],
    ["signature", "noble"],
    ["agreement", "native"],
    ["agreement", "noble"],
    ["aead", "native"],
    ["aead", "noble"],
    ["aes", "native"],
    ["aes", "noble"],
    ["kdf", "native"],
    ["kdf", "noble"],
  ] as const)("%s by %s", async (family, backEnd) => {
    const crypto = await createCrypto({ backEnds: { [family]: backEnd } });
    expect(crypto.backEnds[family]).toBe(backEnd);
  });

  it.each([
    ["hash", "native"],
    ["signature", "native"],
    ["agreement", "wasm"],
    ["aead", "wasm"],
    ["aes", "wasm"],
    ["kdf", "wasm"],
  ] as const)("%s by %s does not exist, which is an error", async (family, backEnd) => {
    await expect(createCrypto({ backEnds: { [family]: backEnd } })).rejects.toMatchObject({
      code: "CRYPTO_BACK_END",
    });
  });

  it("are refused when their module cannot be loaded", async () => {
    const options = {
      backEnds: { signature: "wasm" },
      loadSecp256k1: () => Promise.reject(new Error("no such file")),
    } as const;
    await expect(createCrypto(options)).rejects.toMatchObject({
      code: "CRYPTO_BACK_END",
      cause: expect.objectContaining({ message: "no such file" }),
    });
  });
});

describe("falling back to noble", () => {
  it("where WebAssembly is missing or forbidden", async () => {
    vi.stubGlobal("WebAssembly", undefined);
    const crypto = await createCrypto({ loadSecp256k1: () => Promise.reject(new Error("CSP")) });
    expect(crypto.backEnds).toMatchObject({ hash: "noble", signature: "noble" });
    expect(crypto.hash(utf8("a")).length).toBe(32);
  });

  it("where there is no node:crypto and no .wasm file", async () => {
    const crypto = await createWithoutPlatform();
    expect(crypto.backEnds).toEqual({
      hash: "wasm",
      signature: "noble",
      agreement: "noble",
      aead: "noble",
      aes: "noble",
      kdf: "noble",
    });
  });

  it.each<readonly [string, Partial<Secp256k1Module>]>([
    ["accepts every signature", { verifySchnorr: () => true }],
    ["accepts no signature", { verifySchnorr: () => false }],
    ["signs wrongly", { signSchnorr: () => new Uint8Array(64) }],
    [
      "signs with fresh randomness",
      {
        signSchnorr: (d, s) =>
          secp256k1.signSchnorr(
            d,
            s,
            d.map(() => 7),
          ),
      },
    ],
    ["gives wrong public keys", { xOnlyPointFromScalar: () => new Uint8Array(32).fill(1) }],
    [
      "throws",
      {
        verifySchnorr: () => {
          throw new Error("trap");
        },
      },
    ],
  ])("when the secp256k1 module %s", async (_name, defect) => {
    const loadSecp256k1 = (): Promise<Secp256k1Module> =>
      Promise.resolve({ ...secp256k1, ...defect });
    const crypto = await createCrypto({ loadSecp256k1 });
    expect(crypto.backEnds.signature).toBe("noble");
    await expect(
      createCrypto({ loadSecp256k1, backEnds: { signature: "wasm" } }),
    ).rejects.toMatchObject({ code: "CRYPTO_BACK_END" });
  });

  it("but not for a module that is right", async () => {
    const crypto = await createCrypto({ loadSecp256k1: () => Promise.resolve(secp256k1) });
    expect(crypto.backEnds.signature).toBe("wasm");
  });
});

it("objects do not share state: their hashes and seals interleave", async () => {
  const [left, right] = await Promise.all([createCrypto(), createCrypto()]);
  const [leftStream, rightStream] = [left.createHash(), right.createHash()];
  leftStream.update(utf8("left"));
  rightStream.update(utf8("right"));
  expect(leftStream.digest()).toEqual(right.hash(utf8("left")));
  expect(rightStream.digest()).toEqual(left.hash(utf8("right")));
});
