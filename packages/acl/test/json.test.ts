import {
  createAcl,
  jsonLengthMax,
  parseAclDocument,
  peersMax,
  printAclDocument,
} from "@hawser/acl";
import { createMemorySource } from "@hawser/view/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { rules } from "./support.ts";

const id = "bafykrq5i25vd64ghamtgus6lue74k";
const example8 = `{"_id":"${id}","default":"no-access","peers":{"12D..dwaA6Qe":["write","delete"],"12D..dJT6nXY":["follow"],"12D..P2c6ifo":["read"]}}`;
const example9 = `{"_id":"${id}-acl","default":"no-access","peers":{"12D..dwaA6Qe":["write","delete"]}}`;

describe("the paper's documents", () => {
  test("[TH-193] example 8 is accepted as printed", () => {
    expect(parseAclDocument(example8)).toEqual({
      ok: true,
      document: {
        id,
        default: "no-access",
        peers: new Map([
          ["12D..dwaA6Qe", ["write", "delete"]],
          ["12D..dJT6nXY", ["follow"]],
          ["12D..P2c6ifo", ["read"]],
        ]),
      },
    });
  });

  test("[TH-194] example 9, the document about documents, is accepted as printed", () => {
    const verdict = parseAclDocument(example9);
    expect(verdict.ok && verdict.document.id).toBe(`${id}-acl`);
  });

  test("[TH-193] both make the documents of a space, and print as they were", async () => {
    const source = createMemorySource();
    await using acl = createAcl({ source }, { ...rules, id });
    await acl.importJson(example8);
    expect(await acl.importJson(example9)).toBe("effective");
    const sorted = `{"_id":"${id}","default":"no-access","peers":{"12D..P2c6ifo":["read"],"12D..dJT6nXY":["follow"],"12D..dwaA6Qe":["write","delete"]}}`;
    expect(acl.print(id)).toBe(sorted);
    expect(acl.print(`${id}-acl`)).toBe(example9);
  });

  test("spaces, line ends, escapes and any order of keys are JSON too", () => {
    const text = ` {\n"peers" : { "\\u0061" : [ ] } ,\t"default":"read", "_id" : "x"\r\n} `;
    expect(parseAclDocument(text)).toEqual({
      ok: true,
      document: { id: "x", default: "read", peers: new Map([["a", []]]) },
    });
  });

  test("[TH-193] printing and reading are inverse", () => {
    const key = fc
      .string({ unit: "binary", minLength: 1, maxLength: 40 })
      .filter(
        (text) => text.isWellFormed() && !["__proto__", "prototype", "constructor"].includes(text),
      );
    const held = fc.oneof(
      fc.constant(["no-access"] as const),
      fc.subarray(["follow", "read", "write", "delete"] as const),
    );
    const peers = fc.array(fc.tuple(key, held), { maxLength: 8 });
    const role = fc.constantFrom("no-access", "follow", "read", "write", "delete" as const);
    fc.assert(
      fc.property(key, role, peers, (documentId, standard, list) => {
        const document = { id: documentId, default: standard, peers: new Map(list) };
        const text = printAclDocument(document);
        expect(() => JSON.parse(text)).not.toThrow();
        expect(parseAclDocument(text)).toEqual({ ok: true, document });
      }),
      { seed: 193 },
    );
  });
});

describe("anything else is refused", () => {
  const document = (parts: { id?: string; standard?: string; peers?: string }): string =>
    `{"_id":${parts.id ?? '"x"'},"default":${parts.standard ?? '"read"'},"peers":${parts.peers ?? "{}"}}`;
  const bad: readonly (readonly [string, string, string])[] = [
    ["nothing", "", "ACL_JSON_INVALID"],
    ["an array", "[]", "ACL_JSON_INVALID"],
    ["a comment", `${document({})} // all`, "ACL_JSON_INVALID"],
    ["a trailing comma", `{"_id":"x","default":"read","peers":{},}`, "ACL_JSON_INVALID"],
    ["a missing default", `{"_id":"x","peers":{}}`, "ACL_JSON_INVALID"],
    ["missing peers", `{"_id":"x","default":"read"}`, "ACL_JSON_INVALID"],
    ["another key", `{"_id":"x","default":"read","other":{}}`, "ACL_JSON_INVALID"],
    ["a fourth key", `{"_id":"x","default":"read","peers":{},"other":1}`, "ACL_JSON_INVALID"],
    ["an unknown role", document({ standard: '"admin"' }), "ACL_ROLE_INVALID"],
    ["a role in capitals", document({ standard: '"Read"' }), "ACL_ROLE_INVALID"],
    ["a role of toString", document({ standard: '"toString"' }), "ACL_ROLE_INVALID"],
    ["an unknown role of a peer", document({ peers: '{"a":["root"]}' }), "ACL_ROLE_INVALID"],
    ["a role twice", document({ peers: '{"a":["read","read"]}' }), "ACL_ROLE_INVALID"],
    ["no-access and more", document({ peers: '{"a":["no-access","read"]}' }), "ACL_ROLE_INVALID"],
    ["more and no-access", document({ peers: '{"a":["read","no-access"]}' }), "ACL_ROLE_INVALID"],
    ["a role without list", document({ peers: '{"a":"read"}' }), "ACL_JSON_INVALID"],
    ["a list of lists", document({ peers: '{"a":[["read"]]}' }), "ACL_JSON_INVALID"],
    ["a number", document({ id: "7" }), "ACL_JSON_INVALID"],
    ["null", document({ standard: "null" }), "ACL_JSON_INVALID"],
    ["a peer twice", document({ peers: '{"a":["read"],"a":["write"]}' }), "ACL_KEY_DUPLICATE"],
    [
      "a peer twice, escaped",
      document({ peers: '{"a":[],"\\u0061":["write"]}' }),
      "ACL_KEY_DUPLICATE",
    ],
    [
      "a default twice",
      `{"_id":"x","default":"read","default":"write","peers":{}}`,
      "ACL_KEY_DUPLICATE",
    ],
    ["a peer named __proto__", document({ peers: '{"__proto__":["write"]}' }), "ACL_KEY_INVALID"],
    ["the same, escaped", document({ peers: '{"\\u005f_proto__":["write"]}' }), "ACL_KEY_INVALID"],
    [
      "a peer named constructor",
      document({ peers: '{"constructor":["write"]}' }),
      "ACL_KEY_INVALID",
    ],
    ["a document named prototype", document({ id: '"prototype"' }), "ACL_KEY_INVALID"],
    [
      "a key __proto__ beside the others",
      `{"_id":"x","default":"read","__proto__":{}}`,
      "ACL_JSON_INVALID",
    ],
    ["a peer without a name", document({ peers: '{"":["write"]}' }), "ACL_KEY_INVALID"],
    ["half a character", document({ peers: '{"\\ud800":["write"]}' }), "ACL_KEY_INVALID"],
    [
      "a name of 1 kB",
      document({ peers: `{"${"p".repeat(1_024)}":["write"]}` }),
      "ACL_KEY_INVALID",
    ],
    ["a line end in a string", document({ id: '"a\nb"' }), "ACL_JSON_INVALID"],
    ["an unknown escape", document({ id: '"\\x41"' }), "ACL_JSON_INVALID"],
    ["a string that does not end", `{"_id":"x`, "ACL_JSON_INVALID"],
    ["two documents", document({}) + document({}), "ACL_JSON_INVALID"],
    [
      "1 MB of roles",
      document({ peers: `{"a":[${'"read",'.repeat(150_000)}"read"]}` }),
      "ACL_TOO_LARGE",
    ],
    [
      "too many peers",
      document({
        peers: `{${Array.from({ length: peersMax + 1 }, (_, i) => `"p${i}":[]`).join(",")}}`,
      }),
      "ACL_TOO_LARGE",
    ],
  ];
  test.each(bad)("[TH-193] [TD-8] %s", async (_, text, code) => {
    expect(parseAclDocument(text)).toMatchObject({ ok: false, code });
    await using acl = createAcl({ source: createMemorySource() }, rules);
    await expect(acl.importJson(text)).rejects.toMatchObject({ code });
    expect(acl.documents()).toEqual([]);
  });

  test("[TH-193] every cut of a document is refused", () => {
    for (let end = 0; end < example8.length; end++) {
      expect(parseAclDocument(example8.slice(0, end)).ok).toBe(false);
    }
  });

  test("a text of the greatest length takes no longer than its length", () => {
    const deep = `{"_id":"${"\\\\".repeat(jsonLengthMax / 2 - 20)}`;
    expect(parseAclDocument(deep).ok).toBe(false);
    expect(parseAclDocument("[".repeat(jsonLengthMax)).ok).toBe(false);
    expect(parseAclDocument(" ".repeat(jsonLengthMax)).ok).toBe(false);
  });
});
