import { openView } from "@hawser/view";
import { createMemorySource } from "@hawser/view/testing";
import { describe, expect, test } from "vitest";
import {
  createAcl,
  createAclGate,
  createExternalAcl,
  createRawAcl,
  createStaticAcl,
  createStaticGroups,
  parseAclDocument,
  type AclDocument,
  type Need,
  type Role,
} from "@hawser/acl";
import {
  authorOf,
  createHistory,
  editorsId,
  foundedHistory,
  grant,
  readWith,
  revoke,
  rules,
  spaceId,
  standard,
  transcript,
  type History,
} from "./support.ts";

const needs: readonly Need[] = ["follow", "read", "write", "delete"];

async function openAcl(history: History, given = rules) {
  const source = createMemorySource(9);
  source.deliver(history.events);
  const acl = createAcl({ source }, given);
  await acl.ready;
  return acl;
}

describe("roles of a space", () => {
  const expected: readonly (readonly [Role, readonly Need[]])[] = [
    ["no-access", []],
    ["follow", ["follow"]],
    ["read", ["follow", "read"]],
    ["write", ["follow", "read", "write"]],
    ["delete", ["follow", "delete"]],
  ];
  test.each(expected)(
    "[TH-180] [TH-188] [TH-189] [TH-190] [TH-191] [TH-192] %s allows %j and no more",
    async (role, allowed) => {
      const history = foundedHistory();
      history.edit(1, spaceId, [grant(3, role)]);
      await using acl = await openAcl(history);
      expect(needs.filter((need) => acl.may(authorOf(3), need))).toEqual(allowed);
      expect(needs.filter((need) => acl.may(authorOf(4), need))).toEqual([]);
    },
  );

  test("[TH-180] [TH-182] a writer is heard; a reader, a follower and a stranger are not", async () => {
    const history = foundedHistory(2);
    history.edit(1, spaceId, [grant(3, "read"), grant(4, "follow")]);
    history.sync(2, 3, 4, 5);
    for (const writer of [2, 3, 4, 5]) history.say(writer, `by ${writer}`);
    const { texts, withheld } = await readWith(createAclGate(rules), history.events);
    expect(texts).toEqual(["by 2"]);
    expect(withheld.toSorted()).toEqual([
      "by 3: refuse NO_ROLE",
      "by 4: refuse NO_ROLE",
      "by 5: refuse NO_ROLE",
    ]);
  });

  test("[TH-184] roles come and go, and every event counts by the documents its author had seen", async () => {
    const history = foundedHistory();
    history.say(2, "not yet");
    history.edit(1, spaceId, [grant(2, "write")]);
    history.sync(2);
    history.say(2, "now");
    history.sync(1);
    history.edit(1, spaceId, [revoke(2, "write"), grant(2, "read")]);
    history.sync(2);
    history.say(2, "no more");
    history.sync(1);
    history.edit(1, spaceId, [grant(2, "write")]);
    history.sync(2);
    history.say(2, "again");
    const { texts } = await readWith(createAclGate(rules), history.events);
    expect(texts).toEqual(["now", "again"]);
  });

  test("[TH-184] any mix of readers, writers and followers, by a default too", async () => {
    const history = foundedHistory();
    history.edit(1, spaceId, [standard("read"), grant(2, "write"), grant(3, "no-access")]);
    await using acl = await openAcl(history);
    expect(acl.may(authorOf(4), "read")).toBe(true);
    expect(acl.may(authorOf(4), "write")).toBe(false);
    expect(acl.may(authorOf(2), "write")).toBe(true);
    expect(acl.may(authorOf(3), "follow")).toBe(false);
  });

  test("[TH-188] no-access at one key outweighs every other key and the default", async () => {
    const groups = createStaticGroups(new Map([["team", [authorOf(2), authorOf(3)]]]));
    const history = foundedHistory();
    history.edit(1, spaceId, [standard("write"), grant("team", "write"), grant(2, "no-access")]);
    await using acl = await openAcl(history, { ...rules, groups });
    expect(acl.may(authorOf(2), "follow")).toBe(false);
    expect(acl.may(authorOf(3), "write")).toBe(true);
  });

  test("[TH-087] without a document nobody may do anything but the founder", async () => {
    const history = createHistory();
    history.say(0, "founder");
    history.say(2, "stranger");
    const { texts } = await readWith(createAclGate(rules), history.events);
    expect(texts).toEqual(["founder"]);
  });

  test("[TH-087] the founder's right ends with the first editor, and returns when there is none", async () => {
    const history = createHistory();
    history.edit(0, editorsId, [grant(1, "write")]);
    history.say(0, "no founder any more");
    history.sync(1);
    history.edit(1, editorsId, [revoke(1, "write")]);
    history.sync(0);
    history.say(0, "founder again");
    const { texts } = await readWith(createAclGate(rules), history.events);
    expect(texts).toEqual(["founder again"]);
  });

  test("[TH-195] a raw space checks nothing", async () => {
    const history = createHistory();
    history.say(5, "stranger");
    const mine = history.say(2, "mine");
    history.sync(5);
    history.mark(5, mine);
    expect(await readWith(createRawAcl(), history.events)).toEqual({
      texts: ["stranger", "mine"],
      withheld: [],
    });
  });
});

describe("sequences", () => {
  test("[TH-181] [TH-186] [TH-191] write is allowed on one document and refused on another", async () => {
    const history = foundedHistory(2, 3);
    history.edit(1, "doc B", [standard("no-access"), grant(3, "write")]);
    history.sync(2, 3);
    for (const writer of [2, 3]) {
      history.say(writer, `A by ${writer}`, { sequence: "doc A" });
      history.say(writer, `B by ${writer}`, { sequence: "doc B" });
    }
    const { texts, withheld } = await readWith(createAclGate(rules), history.events);
    expect(texts.toSorted()).toEqual(["A by 2", "A by 3", "B by 3"]);
    expect(withheld).toEqual(["B by 2: refuse NO_ROLE"]);
  });

  test("[TH-181] a sequence's document gives nothing to whom the space gives nothing", async () => {
    const history = foundedHistory();
    history.edit(1, "doc", [grant(2, "write")]);
    history.sync(2);
    history.say(2, "in", { sequence: "doc" });
    expect((await readWith(createAclGate(rules), history.events)).texts).toEqual([]);
  });

  test("[TH-181] who did not know of a new document of a sequence goes on if it lets him", async () => {
    const history = foundedHistory(2, 3);
    history.edit(1, "doc", [standard("no-access"), grant(3, "write")]);
    history.say(2, "by 2", { sequence: "doc" });
    history.say(3, "by 3", { sequence: "doc" });
    const { texts, withheld } = await readWith(createAclGate(rules), history.events);
    expect(texts).toEqual(["by 3"]);
    expect(withheld).toEqual(["by 2: quarantine TAKEN_CONCURRENTLY"]);
  });

  test("[TH-186] a reader gives only what belongs to one sequence", async () => {
    const history = foundedHistory(2);
    history.say(2, "a", { sequence: "A" });
    history.say(2, "b", { sequence: "B" });
    history.say(2, "none");
    const source = createMemorySource(9);
    source.deliver(history.events);
    const ofA = { ...transcript, apply: transcript.apply.bind(undefined) };
    await using view = openView(
      { source },
      {
        ...ofA,
        apply: (state, event) => (event.sequence === "A" ? ofA.apply(state, event) : state),
      },
      { gate: createAclGate(rules) },
    );
    await view.ready;
    expect(view.state).toEqual(["a"]);
  });
});

describe("groups", () => {
  const groups = createStaticGroups(
    new Map([
      ["staff", [authorOf(2), "interns"]],
      ["interns", [authorOf(3)]],
    ]),
  );

  test("[TH-187] a group holds roles, its members by other groups too, until they are taken", async () => {
    const history = foundedHistory();
    history.edit(1, spaceId, [grant("staff", "write")]);
    history.sync(2, 3, 4);
    for (const writer of [2, 3, 4]) history.say(writer, `by ${writer}`);
    history.sync(1);
    history.edit(1, spaceId, [revoke("staff", "write")]);
    history.sync(2);
    history.say(2, "late");
    const { texts } = await readWith(createAclGate({ ...rules, groups }), history.events);
    expect(texts.toSorted()).toEqual(["by 2", "by 3"]);
  });

  test("[TH-187] a group may hold the right to edit documents", async () => {
    const history = createHistory();
    history.edit(0, editorsId, [grant("staff", "write")]);
    history.sync(3, 4);
    history.edit(3, spaceId, [grant(5, "write")]);
    history.edit(4, spaceId, [grant(4, "write")]);
    await using acl = await openAcl(history, { ...rules, groups });
    expect(acl.mayEdit(authorOf(3))).toBe(true);
    expect(acl.document(spaceId)?.peers.has(authorOf(5))).toBe(true);
    expect(acl.document(spaceId)?.peers.has(authorOf(4))).toBe(false);
  });

  test("[TH-187] two ways to a right are both to be taken", async () => {
    const history = foundedHistory();
    history.edit(1, spaceId, [grant("staff", "write"), grant(2, "write")]);
    history.sync(0, 2);
    // Concurrently with what 2 says, each editor takes one of its two ways.
    history.edit(0, spaceId, [revoke("staff", "write")]);
    history.say(2, "one way left");
    const gate = createAclGate({ ...rules, groups });
    expect((await readWith(gate, history.events)).texts).toEqual(["one way left"]);
    history.edit(1, spaceId, [revoke(2, "write")]);
    expect((await readWith(gate, history.events)).withheld).toEqual([
      "one way left: quarantine TAKEN_CONCURRENTLY",
    ]);
  });

  test("[TH-187] groups that contain each other end the search and give each other's members", () => {
    const circle = createStaticGroups(
      new Map([
        ["a", ["b", authorOf(1)]],
        ["b", ["c"]],
        ["c", ["a", "c"]],
      ]),
    );
    const [event] = foundedHistory().events;
    if (event === undefined) throw new Error("no event");
    expect([...circle.groupsOf(authorOf(1), event)].sort()).toEqual(["a", "b", "c"]);
    expect(circle.groupsOf(authorOf(2), event)).toEqual([]);
  });
});

describe("deleting", () => {
  test("[TH-192] a follower with delete marks an older event, and views leave it out", async () => {
    const history = foundedHistory(2);
    history.edit(1, spaceId, [grant(3, "delete")]);
    const target = history.say(2, "gone");
    history.say(2, "stays");
    history.sync(3);
    history.mark(3, target);
    const { texts, withheld } = await readWith(createAclGate(rules), history.events);
    expect(texts).toEqual(["stays"]);
    expect(withheld).toEqual(["gone: deleted TOMBSTONE"]);
    await using acl = await openAcl(history);
    expect(needs.filter((need) => acl.may(authorOf(3), need))).toEqual(["follow", "delete"]);
  });

  test.each<readonly [string, readonly Role[]]>([
    ["write", ["write"]],
    ["read", ["read"]],
    ["follow", ["follow"]],
    ["nothing", []],
  ])("[TH-192] %s is not enough to delete", async (_, held) => {
    const history = foundedHistory(2);
    if (held.length > 0)
      history.edit(
        1,
        spaceId,
        held.map((role) => grant(3, role)),
      );
    const target = history.say(2, "stays");
    history.sync(3);
    history.mark(3, target);
    expect((await readWith(createAclGate(rules), history.events)).texts).toEqual(["stays"]);
  });

  test("[TH-181] [TH-192] a sequence's document has to allow deleting too", async () => {
    const history = foundedHistory(2);
    history.edit(1, spaceId, [grant(3, "delete")]);
    history.edit(1, "doc", [standard("write")]);
    history.sync(2);
    const kept = history.say(2, "kept", { sequence: "doc" });
    const gone = history.say(2, "gone");
    history.sync(3);
    history.mark(3, kept);
    history.mark(3, gone);
    expect((await readWith(createAclGate(rules), history.events)).texts).toEqual(["kept"]);
  });

  test("[TH-192] a mark names the very event: another hash, or one it has not seen, is not meant", async () => {
    const history = foundedHistory(2);
    history.edit(1, spaceId, [grant(3, "delete")]);
    history.sync(3);
    const first = history.say(2, "first");
    history.mark(3, first); // 3 has not seen it
    history.sync(3);
    history.mark(3, { ...first, hash: new Uint8Array(32) });
    expect((await readWith(createAclGate(rules), history.events)).texts).toEqual(["first"]);
  });

  test("[TH-192] a mark does not count when the right to delete was taken concurrently", async () => {
    const history = foundedHistory(2);
    history.edit(1, spaceId, [grant(3, "delete")]);
    const target = history.say(2, "said");
    history.sync(3);
    history.mark(3, target);
    const gate = createAclGate(rules);
    expect((await readWith(gate, history.events)).texts).toEqual([]);
    history.edit(1, spaceId, [revoke(3, "delete")]);
    expect((await readWith(gate, history.events)).texts).toEqual(["said"]);
  });
});

describe("sources of rules", () => {
  const example: AclDocument = {
    id: spaceId,
    default: "read",
    peers: new Map([
      [authorOf(2), ["write"]],
      [authorOf(3), ["delete"]],
      [authorOf(4), ["no-access"]],
    ]),
  };

  test("[TH-183] [TH-015] a static document decides for every event, and edits change nothing", async () => {
    const history = createHistory();
    history.edit(0, editorsId, [grant(5, "write")]);
    history.edit(0, spaceId, [grant(5, "write")]);
    history.sync(2, 5);
    const target = history.say(2, "gone");
    history.say(2, "by 2");
    history.say(5, "by 5");
    history.sync(3);
    history.mark(3, target);
    const { texts } = await readWith(createStaticAcl({ document: example }), history.events);
    expect(texts).toEqual(["by 2"]);
  });

  test("[TH-183] [TH-014] a table of users and rights: John, Jane and Mary", async () => {
    const document: AclDocument = {
      id: spaceId,
      default: "no-access",
      peers: new Map([
        [authorOf(1), ["write", "delete"]],
        [authorOf(2), ["read"]],
        [authorOf(3), ["write"]],
      ]),
    };
    const history = createHistory();
    const [john, jane, mary] = [1, 2, 3].map((writer) => history.say(writer, `by ${writer}`));
    if (john === undefined || jane === undefined || mary === undefined) throw new Error("no");
    history.sync(1, 2, 3);
    history.mark(3, john); // Mary edits and does not delete
    history.mark(1, mary);
    const { texts } = await readWith(createStaticAcl({ document }), history.events);
    expect(texts).toEqual(["by 1"]);
  });

  test("[TH-183] documents of sequences and groups work in static rules too", async () => {
    const groups = createStaticGroups(new Map([["team", [authorOf(5)]]]));
    const history = createHistory();
    history.say(5, "space");
    history.say(5, "sequence", { sequence: "doc" });
    history.say(2, "allowed", { sequence: "doc" });
    const document = { ...example, peers: new Map(example.peers).set("team", ["write"]) };
    const sequence: AclDocument = {
      id: "doc",
      default: "no-access",
      peers: new Map([[authorOf(2), ["write"]]]),
    };
    const gate = createStaticAcl({ document, sequences: [sequence], groups });
    expect((await readWith(gate, history.events)).texts.toSorted()).toEqual(["allowed", "space"]);
    expect(() => createStaticAcl({ document, sequences: [sequence, sequence] })).toThrow(
      expect.objectContaining({ code: "ACL_KEY_DUPLICATE" }),
    );
  });

  test("[TH-183] an external source is asked by author, need and sequence", async () => {
    const asked: string[] = [];
    const gate = createExternalAcl({
      decide: ({ author, need, sequence }) => {
        asked.push(`${need} ${sequence ?? "-"}`);
        return author === authorOf(2) || need === "delete";
      },
    });
    const history = createHistory();
    history.say(2, "in", { sequence: "s" });
    const gone = history.say(2, "gone");
    history.say(3, "out");
    history.sync(3);
    history.mark(3, gone);
    expect((await readWith(gate, history.events)).texts).toEqual(["in"]);
    expect(asked).toContain("write s");
    expect(asked).toContain("delete -");
  });
});

describe("documents", () => {
  test("[TH-193] [TH-184] importing a document writes the difference, printing gives it back", async () => {
    await using acl = await openAcl(createHistory(), { ...rules, isFounder: () => true });
    const first = `{"_id":"${spaceId}","default":"no-access","peers":{"a":["write","delete"],"b":["follow"],"c":["read"]}}`;
    const second = `{"_id":"${spaceId}","default":"follow","peers":{"a":["write"],"c":["read"],"d":["no-access"]}}`;
    expect(await acl.importJson(first)).toBe("effective");
    expect(acl.print(spaceId)).toBe(first);
    expect(await acl.importJson(second)).toBe("effective");
    expect(acl.print(spaceId)).toBe(second);
    const before = acl.edits().length;
    expect(await acl.importJson(second)).toBe("effective");
    expect(acl.edits().length).toBe(before);
  });

  test("[TH-182] [TH-008] concurrent edits of two peers and the default both stand", async () => {
    const history = foundedHistory();
    history.edit(0, spaceId, [grant(2, "write"), standard("follow")]);
    history.edit(1, spaceId, [grant(3, "read"), standard("read")]);
    await using acl = await openAcl(history);
    const document = acl.document(spaceId);
    expect(document?.peers.get(authorOf(2))).toEqual(["write"]);
    expect(document?.peers.get(authorOf(3))).toEqual(["read"]);
    expect(document?.default).toBe("follow"); // of concurrent defaults what both allow
  });

  test("[TH-182] of a concurrent grant and removal of one peer the removal wins", async () => {
    const history = foundedHistory(2);
    history.edit(0, spaceId, [revoke(2, "write")]);
    history.edit(1, spaceId, [grant(2, "write"), grant(2, "read")]);
    await using acl = await openAcl(history);
    expect(acl.document(spaceId)?.peers.get(authorOf(2))).toEqual(["read"]);
    history.sync(1);
    history.edit(1, spaceId, [grant(2, "write")]);
    await using later = await openAcl(history);
    expect(later.document(spaceId)?.peers.get(authorOf(2))).toEqual(["read", "write"]);
  });

  test("[TH-182] dropping the documents and folding the log again gives the same text", async () => {
    const history = foundedHistory(2, 3);
    history.edit(1, "doc", [grant(3, "write")]);
    await using once = await openAcl(history);
    await using twice = await openAcl(history);
    const texts = [spaceId, editorsId, "doc"].map((id) => once.print(id));
    expect(texts.every((text) => text !== undefined)).toBe(true);
    expect([spaceId, editorsId, "doc"].map((id) => twice.print(id))).toEqual(texts);
    expect(once.documents().map(({ id }) => id)).toEqual([spaceId, editorsId, "doc"].sort());
  });

  test("[TH-193] every document that prints parses to itself", async () => {
    const history = foundedHistory(2, 3);
    await using acl = await openAcl(history);
    for (const document of acl.documents()) {
      const text = acl.print(document.id) ?? "";
      expect(parseAclDocument(text)).toEqual({ ok: true, document });
    }
  });
});
