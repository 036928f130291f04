/**
 * What Linkspace's documents show, made again by running the commands. The vectors lie beside the
 * repository; a few are repeated here, so that something of the row runs everywhere.
 */
import { existsSync, readFileSync } from "node:fs";
import { fromHex, toBase64url, toHex } from "@hawser/codec";
import { encKeyCosts, encryptEncKey } from "@hawser/crypto";
import { describe, expect, test } from "vitest";
import { createBench, type Bench } from "./support/packets.ts";

interface Printed {
  readonly type: string;
  readonly hash: string;
  readonly group: string;
  readonly domain: string;
  readonly space: string;
  readonly pubkey: string;
  readonly create: string;
  readonly links: readonly string[];
  readonly data: string;
  readonly data_size: number;
}

interface Printout {
  readonly printed: Printed;
  readonly packet: string;
  readonly secret?: string;
}

const vectorsFile = new URL("../../../../shared/vectors/linkspace.json", import.meta.url);
const vectors = existsSync(vectorsFile)
  ? (JSON.parse(readFileSync(vectorsFile, "utf8")) as {
      readonly documented_printouts: { readonly vectors: readonly Printout[] };
      readonly documented_packets: { readonly vectors: readonly { readonly hex: string }[] };
      readonly documented_keys: {
        readonly vectors: readonly {
          readonly enckey: string;
          readonly password: string;
          readonly secret: string;
          readonly pubkey: string;
        }[];
      };
    })
  : undefined;

/** A text as an expression that evaluates to it. */
function quoted(text: string): string {
  return text.replaceAll(/[\\:/[\]]/g, (character) => `\\${character}`);
}

/** The lines Linkspace prints, in its default template. */
function linesOf(printed: Printed, pubkey: string): string {
  return [
    `type\t${printed.type}`,
    `hash\t${printed.hash}`,
    `group\t${printed.group}`,
    `domain\t${printed.domain}`,
    `space\t${printed.space}`,
    `pubkey\t${pubkey}`,
    `create\t${printed.create}`,
    `links\t${printed.links.length}`,
    ...printed.links.map((link) => `\t${link}`),
    "",
    `data\t${printed.data_size}`,
    printed.data,
    "",
    "",
  ].join("\n");
}

/** Makes the point of a printout by the command line, prints it, and compares both. */
async function reproduce({ printed, packet, secret }: Printout): Promise<void> {
  const bench = createBench();
  const links = printed.links.map((link) => {
    const at = link.lastIndexOf(" ");
    return `${quoted(link.slice(0, at))}:${link.slice(at + 1)}`;
  });
  const isSigned = printed.type === "KeyPoint";
  const key: string[] = [];
  if (secret !== undefined) {
    const text = await encryptEncKey(
      fromHex(secret) ?? new Uint8Array(),
      Buffer.from("my secret"),
      encKeyCosts.insecure,
    );
    key.push("--password", "my secret");
    // Some printouts know the key by name: there it is the one that is kept.
    if (printed.pubkey !== "[@:me:local]") key.push("--enckey", text);
    else await bench.done(["key", "--enckey", text, "--overwrite", ...key]);
  }
  if (printed.type === "DataPoint") {
    const made = await bench.done(["datapoint"], { stdin: printed.data });
    await compare(bench, made.out, { printed, packet });
    return;
  }
  const made = await bench.done(
    [
      isSigned ? "keypoint" : "linkpoint",
      ...key,
      `${quoted(printed.domain)}:${printed.group}:${printed.space}`,
      "--create-int",
      printed.create,
      ...(printed.data === "" ? [] : ["--data-stdin"]),
      "--",
      ...links,
    ],
    { stdin: printed.data },
  );
  await compare(bench, made.out, { printed, packet });
}

async function compare(
  bench: Bench,
  made: Uint8Array,
  { printed, packet }: Printout,
): Promise<void> {
  expect(toHex(made)).toBe(packet);
  const shown = await bench.done(["print"], { stdin: made });
  // Linkspace 0.6 prints [@:0] where 0.5.1, whose names are kept, prints [@:none].
  expect(shown.text).toBe(linesOf(printed, printed.pubkey.replace("[@:0]", "[@:none]")));
}

const literal: readonly Printout[] = [
  {
    printed: {
      type: "LinkPoint",
      hash: "thqc8taZiE2y4FWZun0ZvzCjcvTR1jk23xB2L8cu8rM",
      group: "[#:pub]",
      domain: "a_domain",
      space: "/dir1/dir2/thing",
      pubkey: "[@:none]",
      create: "1705586521601518",
      links: [
        "first_tag_1 Yrs7iz3VznXh-ogv4aM62VmMNxXFiT4P24tIfVz9sTk",
        "another_tag Yrs7iz3VznXh-ogv4aM62VmMNxXFiT4P24tIfVz9sTk",
      ],
      data: "",
      data_size: 0,
    },
    packet:
      "4c4b310000000000ffffffffffffffff00000000000000000000000000000000" +
      "b61a9cf2d699884db2e05599ba7d19bf30a372f4d1d63936df10762fc72ef2b3" +
      "000300b800a000b800060f38cec0f5ee62bb3b8b3dd5ce75e1fa882fe1a33ad9" +
      "598c3715c5893e0fdb8b487d5cfdb1390000000000000000615f646f6d61696e" +
      "000000000066697273745f7461675f3162bb3b8b3dd5ce75e1fa882fe1a33ad9" +
      "598c3715c5893e0fdb8b487d5cfdb1390000000000616e6f746865725f746167" +
      "62bb3b8b3dd5ce75e1fa882fe1a33ad9598c3715c5893e0fdb8b487d5cfdb139" +
      "03050a101010101004646972310464697232057468696e67",
  },
  {
    printed: {
      type: "KeyPoint",
      hash: "zluzgSZonFpI6cOKIDAT0a0heY3WD9B-Xhov5RIRjIw",
      group: "[#:pub]",
      domain: "example",
      space: "",
      pubkey: "[@:me:local]",
      create: "1699121012356650",
      links: [],
      data: "",
      data_size: 0,
    },
    secret: "3ef47fc3ae5136dc212e65e7b1698522384fac34bd65fc01532c61d7d4848514",
    packet:
      "4c4b310000000000ffffffffffffffff00000000000000000000000000000000" +
      "ce5bb38126689c5a48e9c38a203013d1ad21798dd60fd07e5e1a2fe512118c8c" +
      "000700a00040004000060957705f362a62bb3b8b3dd5ce75e1fa882fe1a33ad9" +
      "598c3715c5893e0fdb8b487d5cfdb139000000000000000000" +
      "6578616d706c6567c78fe93ea740c1d19a1d734438c09643977bcfafe1da9e4fc5f4352457b01a" +
      "dac061fc7120ca8ebd4a3c811eaf188412fb9eff688b2eae3bead61a6538f461" +
      "e1a82336c9bbb971229dd2ba2d78449eb77a1f70fbf30c11d3604cedee57625f",
  },
];

describe("[LK-documented-printouts] printouts of Linkspace's documents, by command line", () => {
  test.each(literal)("$printed.hash, written out here", reproduce);

  test.skipIf(vectors === undefined)("every printout of the shared vectors", async () => {
    const all = vectors?.documented_printouts.vectors ?? [];
    expect(all.length).toBeGreaterThan(0);
    for (const printout of all) await reproduce(printout);
  });

  test.skipIf(vectors === undefined)("a changed printout is noticed", async () => {
    const [first] = vectors?.documented_printouts.vectors ?? [];
    if (first === undefined) throw new Error("no printouts");
    const changed = { ...first, printed: { ...first.printed, create: "1" } };
    await expect(reproduce(changed)).rejects.toThrow("to be");
  });

  test("a datapoint has no place, author or time", async () => {
    const printed = {
      type: "DataPoint",
      hash: "Yrs7iz3VznXh-ogv4aM62VmMNxXFiT4P24tIfVz9sTk",
      group: "[#:0]",
      domain: "",
      space: "",
      pubkey: "[@:none]",
      create: "0",
      links: [],
      data: "Hello, Sol!\n",
      data_size: 12,
    };
    const packet =
      "4c4b310000000000ffffffffffffffff00000000000000000000000000000000" +
      "62bb3b8b3dd5ce75e1fa882fe1a33ad9598c3715c5893e0fdb8b487d5cfdb139" +
      "0001001048656c6c6f2c20536f6c210a";
    await reproduce({ printed, packet });
  });

  test("datapoint and template of the guide", async () => {
    const bench = createBench();
    const made = await bench.done(["data"], { stdin: "Hello, Sol!\n" });
    const shown = await bench.done(["pktf", String.raw`[hash:str]\n[data]`], { stdin: made.out });
    expect(shown.text).toBe("Yrs7iz3VznXh-ogv4aM62VmMNxXFiT4P24tIfVz9sTk\nHello, Sol!\n\n");
  });

  test("the template over links of the guide", async () => {
    const bench = createBench();
    const made = await bench.done(["link", "::", "--", "tag1:[#:0]", "tag2:[#:pub]"]);
    const template = String.raw`HASH:[hash/?b]\n[/links:TAG = [tag:str] PTR = [ptr:str] \n]`;
    const shown = await bench.done(["pktf", template], { stdin: made.out });
    expect(shown.text).toBe(
      `HASH:${toBase64url(made.packets[0]?.hash ?? new Uint8Array())}\n` +
        `TAG = tag1 PTR = ${"A".repeat(43)} \n` +
        "TAG = tag2 PTR = Yrs7iz3VznXh-ogv4aM62VmMNxXFiT4P24tIfVz9sTk \n\n",
    );
  });

  test("expressions and queries of the guide", async () => {
    const { done } = createBench();
    expect((await done(["eval", "ab[u8:99]"])).text).toBe("abc");
    const json = await done(["eval", "--json", "h[u8:101]ll[u8:111] / world:etc"]);
    expect(JSON.parse(json.text)).toEqual([
      [null, "hello "],
      ["/", " world"],
      [":", "etc"],
    ]);
    const values = await done(["eval", "[0] [1/b], [0]!", "--", "Run", "Rm9ycmVzdA"]);
    expect(values.text).toBe("Run Forrest, Run!");
    const group = await done(["eval", "[#:pub]"]);
    expect((await done(["encode", "@/#/b"], { stdin: group.out })).text).toBe("[#:pub]\n");
    const query = await done(["print-query", "my:[#:pub]:/hello:*", "--signed"]);
    expect(query.text).toBe(
      ":mode:tree-desc\n\ntype:1:[b2:00000111]\ndomain:=:[a:my]\n" +
        "group:=:[b:Yrs7iz3VznXh-ogv4aM62VmMNxXFiT4P24tIfVz9sTk]\n" +
        "prefix:=:/hello\ndepth:<:[u8:3]\ndepth:>:[u8:0]\n",
    );
    const refused = await createBench().run(["q", "example::/ok", "--", "spacename:=:/not_ok"]);
    expect(refused).toMatchObject({ code: 1, text: "" });
    expect(refused.stderr).toContain("spacename:=:/not_ok");
  });
});

describe("[LK-documented-packets] [LK-keys] packets and keys of Linkspace's documents", () => {
  test.skipIf(vectors === undefined)("packets pass pipes byte for byte", async () => {
    const { done } = createBench();
    const bytes = Buffer.concat(
      (vectors?.documented_packets.vectors ?? []).map(({ hex }) => Buffer.from(hex, "hex")),
    );
    expect(bytes.length).toBeGreaterThan(0);
    for (const command of [
      ["route", "hop:1:[u32:0]"],
      ["filter", "--bare"],
      ["rewrite", "skip"],
    ]) {
      const passed = await done(command, { stdin: bytes });
      expect(toHex(passed.out)).toBe(toHex(bytes));
    }
  });

  test.skipIf(vectors === undefined)("keys open with their documented password", async () => {
    for (const { enckey, password, secret, pubkey } of vectors?.documented_keys.vectors ?? []) {
      const { done } = createBench();
      const shown = await done(["key", "-e", enckey, "--password", password, "--show-secret"]);
      const name = toBase64url(fromHex(pubkey) ?? new Uint8Array());
      expect(shown.text).toBe(`${enckey}\n${name}\n${secret}\n`);
    }
  });
});
