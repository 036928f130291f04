import { toHex, utf8 } from "@hawser/codec";
import { encKeyCosts, encryptEncKey } from "@hawser/crypto";
import { buildDatapoint, buildLinkpoint, lnsDomain, publicGroup } from "@hawser/packet";
import { describe, expect, test } from "vitest";
import {
  buildClaim,
  buildVote,
  changePassword,
  claimEncKey,
  claimUntilMax,
  ConventionsError,
  createNameResolver,
  importKey,
  newestLocalClaim,
  openKey,
  toName,
  type KeyDeps,
} from "../src/index.ts";
import { createDevice, type Device } from "./support/device.ts";
import { bytes32, crypto, hex, secretOf, seededRandom } from "./support/values.ts";

const insecure = { cost: encKeyCosts.insecure };
const password = utf8("correct horse");
const me = toName("me:local");

/** A key that Linkspace's documentation prints, with its secret. */
const documented = {
  text:
    "$argon2d$v=19$m=8,t=1,p=1$NG12pnMpM8nsZJTR46Yoer/VWg69EWxzNTj4OI+K3TM$" +
    "SnCyDCAnKuK+yCANm6YL1idb3yzL5h5DUNbgtM+WS+U",
  password: utf8("my secret"),
  secret: "f0bc2aa57fdbcdc4fbe26fef39ba020723691681a16f80b00eaa79bb3fc3fa6e",
  publicKey: hex("346d76a6732933c9ec6494d1e3a6287abfd55a0ebd116c733538f8388f8add33"),
};

function keyDevice(): Device & KeyDeps {
  return { ...createDevice(), random: seededRandom(7) };
}

async function code(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
  } catch (error) {
    if (error instanceof ConventionsError) return error.code;
    throw error;
  }
  return "none";
}

describe("making and opening a key", () => {
  test("[LK-key-management] a key that was made opens again, and the name is the key", async () => {
    const deps = keyDevice();
    const made = await openKey(deps, { password, create: insecure });
    expect(made).toMatchObject({ isNew: true, name: me });
    expect(crypto.publicKey(made.secret)).toEqual(made.publicKey);
    const opened = await openKey(deps, { password });
    expect(opened).toEqual({ ...made, isNew: false });
    const names = createNameResolver(deps);
    expect(await names.publicKey(me)).toEqual(made.publicKey);
    expect(await names.publicKeyName(made.publicKey)).toBe("me:local");
  });

  test("[LK-key-management] the claim is the one Linkspace writes", async () => {
    const deps = keyDevice();
    const { publicKey } = await openKey(deps, { password, create: insecure });
    const claim = await newestLocalClaim(deps, me);
    if (claim === undefined) throw new Error("no claim");
    const { packet } = claim;
    expect(packet.path).toEqual([utf8("claims"), utf8("local"), utf8("me")]);
    expect([packet.kind, packet.stamp, packet.linkCount]).toEqual(["linkpoint", 0n, 1]);
    expect(toHex(packet.link(0)?.tag ?? bytes32(0))).toBe("ffffffffffffffff007075626b657940");
    expect(packet.link(0)?.pointer).toEqual(publicKey);
    expect(new TextDecoder().decode(packet.data)).toMatch(/^\$argon2d\$v=19\$m=8,t=1,p=1\$/);
  });

  test("[LK-key-management] without a word on it nothing is made", async () => {
    const deps = keyDevice();
    expect(await code(openKey(deps))).toBe("CONVENTIONS_KEY_UNKNOWN");
    expect(await deps.store.lastRecv()).toBe(0);
  });

  test("[LK-key-management] a wrong password is told apart, and tells nothing", async () => {
    const deps = keyDevice();
    await openKey(deps, { password, create: insecure });
    for (const wrong of ["", "correct hors", "correct horse ", "Correct horse"]) {
      expect(await code(openKey(deps, { password: utf8(wrong), create: insecure }))).toBe(
        "CONVENTIONS_KEY_PASSWORD",
      );
    }
    const error: unknown = await openKey(deps, { password: utf8("hunter2") }).catch(
      (e: unknown) => e,
    );
    const text =
      error instanceof Error ? `${error.message} ${error.stack} ${String(error.cause)}` : "";
    expect(text).toContain("me:local");
    expect(text).not.toContain("hunter2");
    expect(text).not.toContain("argon2d");
  });

  test("[LK-key-management] keys of other names are other keys; only x:local is made", async () => {
    const deps = keyDevice();
    const mine = await openKey(deps, { create: insecure });
    const work = await openKey(deps, { name: toName("work:local"), create: insecure });
    expect(work.publicKey).not.toEqual(mine.publicKey);
    for (const name of ["me", "me:example", "a:b:local", "local"]) {
      expect(await code(openKey(deps, { name: toName(name), create: insecure }))).toBe(
        "CONVENTIONS_NAME",
      );
    }
  });

  test("[LK-key-management] a source that gives no scalar is asked again", async () => {
    const deps = keyDevice();
    const draws = [bytes32(0), bytes32(0xff), secretOf(5)];
    const random = () => draws.shift() ?? bytes32(0);
    const made = await openKey({ ...deps, random }, { create: insecure });
    expect(made.publicKey).toEqual(crypto.publicKey(secretOf(5)));
  });

  test("[LK-key-management] processes that make a key at once all end with the first", async () => {
    for (let seed = 1; seed <= 8; seed++) {
      const device = createDevice();
      const makers = [seed, seed + 50, seed + 90].map((one) => ({
        ...device,
        random: seededRandom(one),
      }));
      const made = await Promise.all(
        makers.map((deps) => openKey(deps, { password, create: insecure })),
      );
      const opened = await openKey({ ...device, random: seededRandom(0) }, { password });
      for (const one of made) expect(one.secret).toEqual(opened.secret);
      expect(made.filter(({ isNew }) => isNew).length).toBe(1);
    }
  });
});

describe("passwords and keys from elsewhere", () => {
  test("[LK-key-management] a changed password opens the same key, the old one does not", async () => {
    const deps = keyDevice();
    const made = await openKey(deps, { password, create: insecure });
    const newPassword = utf8("battery staple");
    await changePassword(deps, { password, newPassword, ...insecure });
    expect((await openKey(deps, { password: newPassword })).secret).toEqual(made.secret);
    expect(await code(openKey(deps, { password }))).toBe("CONVENTIONS_KEY_PASSWORD");
    // Also twice in one microsecond.
    await changePassword(deps, { password: newPassword, newPassword: password, ...insecure });
    expect((await openKey(deps, { password })).secret).toEqual(made.secret);
  });

  test("[LK-key-management] nobody changes a password without the old one", async () => {
    const deps = keyDevice();
    const change = { password: utf8("x"), newPassword: utf8("y"), ...insecure };
    expect(await code(changePassword(deps, change))).toBe("CONVENTIONS_KEY_UNKNOWN");
    await openKey(deps, { password, create: insecure });
    const before = await deps.store.lastRecv();
    expect(await code(changePassword(deps, change))).toBe("CONVENTIONS_KEY_PASSWORD");
    expect(await deps.store.lastRecv()).toBe(before);
  });

  test("[LK-key-management] Linkspace's documented key opens with its documented password", async () => {
    const deps = keyDevice();
    await importKey(deps, { text: documented.text });
    const opened = await openKey(deps, { password: documented.password });
    expect(toHex(opened.secret)).toBe(documented.secret);
    expect(opened.publicKey).toEqual(documented.publicKey);
  });

  test("[LK-key-management] an import takes no other key's place unless told to", async () => {
    const deps = keyDevice();
    const made = await openKey(deps, { create: insecure });
    const text = documented.text;
    expect(await code(importKey(deps, { text }))).toBe("CONVENTIONS_KEY_EXISTS");
    expect((await openKey(deps)).publicKey).toEqual(made.publicKey);
    await importKey(deps, { text, replace: true });
    expect((await openKey(deps, { password: documented.password })).publicKey).toEqual(
      documented.publicKey,
    );
  });

  test("[LK-key-management] imports no text that is no key, or one too dear to open", async () => {
    const deps = keyDevice();
    const cases = [
      ["", "CONVENTIONS_KEY_FORMAT"],
      ["secret", "CONVENTIONS_KEY_FORMAT"],
      [documented.text.replace("argon2d", "argon2id"), "CONVENTIONS_KEY_FORMAT"],
      [documented.text.slice(0, -1), "CONVENTIONS_KEY_FORMAT"],
      [documented.text.replace("t=1", "t=999999999"), "CONVENTIONS_KEY_COST"],
    ] as const;
    for (const [text, expected] of cases) {
      expect(await code(importKey(deps, { text }))).toBe(expected);
    }
    expect(await deps.store.lastRecv()).toBe(0);
  });
});

describe("claims that hold no usable key", () => {
  const claim = (fields: object) =>
    buildClaim(crypto, {
      name: me,
      until: claimUntilMax,
      publicKey: documented.publicKey,
      ...fields,
    }).packet;
  const data = utf8(documented.text);
  const cases: readonly (readonly [string, () => ReturnType<typeof claim>, string])[] = [
    ["no enckey", () => claim({}), "CONVENTIONS_KEY_FORMAT"],
    ["data that is none", () => claim({ data: utf8("x") }), "CONVENTIONS_KEY_FORMAT"],
    ["a link to nothing", () => claim({ encKeyHash: bytes32(3) }), "CONVENTIONS_KEY_FORMAT"],
    // Otherwise it would show one key and open another.
    [
      "the enckey of another key",
      () => claim({ publicKey: bytes32(1), data }),
      "CONVENTIONS_KEY_FORMAT",
    ],
    [
      "costs for hours",
      () => claim({ data: utf8(documented.text.replace("t=1", "t=999999999")) }),
      "CONVENTIONS_KEY_COST",
    ],
    ["an end in the past", () => claim({ data, until: 1n }), "CONVENTIONS_KEY_UNKNOWN"],
  ];
  for (const [title, packet, expected] of cases) {
    test(`[LK-key-management] ${title}`, async () => {
      const deps = keyDevice();
      await deps.store.add([packet()]);
      expect(await code(openKey(deps, { password: documented.password }))).toBe(expected);
    });
  }

  test("[LK-key-management] an enckey may lie in a packet of its own", async () => {
    const deps = keyDevice();
    const held = buildDatapoint(crypto, utf8(`${documented.text}\n`));
    const packet = claim({ encKeyHash: held.hash });
    await deps.store.add([held, packet]);
    const opened = await openKey(deps, { password: documented.password });
    expect(opened.publicKey).toEqual(documented.publicKey);
  });

  test("[LK-key-management] keys of public names open through a resolver only", async () => {
    const deps = keyDevice();
    const root = buildLinkpoint(crypto, {
      group: publicGroup(),
      domain: lnsDomain(),
      path: ["claims"],
      links: [{ tag: "root^", pointer: crypto.publicKey(secretOf(1)) }],
      stamp: 1,
    });
    const text = await encryptEncKey(secretOf(3), password, encKeyCosts.insecure);
    const name = toName("ada");
    const publicKey = crypto.publicKey(secretOf(3));
    const named = buildClaim(crypto, { name, until: claimUntilMax, publicKey, data: utf8(text) });
    await deps.store.add([
      named.packet,
      buildVote(crypto, named, { secret: secretOf(1), stamp: 1n }),
    ]);
    expect(claimEncKey(named)).toEqual({ text });
    expect(await code(openKey(deps, { name, password }))).toBe("CONVENTIONS_KEY_UNKNOWN");
    const resolver = createNameResolver(deps, { root });
    expect((await openKey(deps, { name, password, resolver })).publicKey).toEqual(publicKey);
  });
});
