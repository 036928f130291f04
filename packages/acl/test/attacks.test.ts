import { encodeCbor } from "@hawser/codec";
import { createAcl, createAclGate, encodeEdits, type AclOp, type AclRules } from "@hawser/acl";
import { createMemorySource } from "@hawser/view/testing";
import { describe, expect, test } from "vitest";
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
  type History,
} from "./support.ts";

const gate = createAclGate(rules);

async function statusesOf(history: History): Promise<readonly string[]> {
  const source = createMemorySource(9);
  source.deliver(history.events);
  await using acl = createAcl({ source }, rules);
  await acl.ready;
  return acl
    .edits()
    .map(({ event, status }) => `${event.logId.slice(0, 2)}/${event.seq} ${status}`);
}

async function documentOf(history: History, id: string, given: AclRules = rules) {
  const source = createMemorySource(9);
  source.deliver(history.events);
  await using acl = createAcl({ source }, given);
  await acl.ready;
  return acl.document(id);
}

describe("promoting oneself", () => {
  test("[TH-194] [TD-7] a stranger grants itself everything, in every document: nothing changes", async () => {
    const history = foundedHistory(2);
    for (const id of [spaceId, editorsId, "doc"]) {
      history.edit(5, id, [grant(5, "write"), grant(5, "delete"), standard("write")]);
    }
    history.say(5, "mine");
    const { texts } = await readWith(gate, history.events);
    expect(texts).toEqual([]);
    expect(await documentOf(history, "doc")).toBeUndefined();
    expect((await documentOf(history, editorsId))?.peers.has(authorOf(5))).toBe(false);
  });

  test("[TH-194] [TH-016] a mere writer of the space edits no document, also not the -acl one", async () => {
    const history = foundedHistory(2);
    history.edit(2, editorsId, [grant(2, "write")]);
    history.edit(2, spaceId, [grant(5, "write")]);
    history.sync(5);
    history.say(5, "by a friend");
    expect((await readWith(gate, history.events)).texts).toEqual([]);
  });

  test("[TH-185] [TH-194] who has write in the -acl document edits all documents, this one too", async () => {
    const history = foundedHistory();
    history.edit(1, editorsId, [grant(2, "write")]);
    history.sync(2);
    history.edit(2, editorsId, [revoke(1, "write")]);
    history.edit(2, spaceId, [grant(3, "write")]);
    history.sync(1, 3);
    history.edit(1, spaceId, [grant(4, "write")]);
    history.sync(4);
    history.say(3, "by 3");
    history.say(4, "by 4");
    expect((await readWith(gate, history.events)).texts).toEqual(["by 3"]);
  });

  test("[TH-194] roles other than write in the -acl document give no right to edit", async () => {
    const history = foundedHistory();
    history.edit(1, editorsId, [grant(2, "delete"), grant(2, "read"), grant(2, "follow")]);
    history.sync(2);
    history.edit(2, spaceId, [grant(2, "write")]);
    history.say(2, "mine");
    expect((await readWith(gate, history.events)).texts).toEqual([]);
  });

  test("[TH-185] a document named like the -acl document of a sequence gives no right", async () => {
    const history = foundedHistory(2);
    history.edit(1, "doc-acl", [grant(2, "write")]);
    history.sync(2);
    history.edit(2, "doc", [standard("no-access")]);
    expect(await documentOf(history, "doc")).toBeUndefined();
  });

  test("[TH-194] a right that was granted by nobody entitled grants nothing further", async () => {
    const history = foundedHistory();
    history.edit(4, editorsId, [grant(5, "write")]);
    history.sync(5);
    history.edit(5, spaceId, [grant(5, "write")]);
    history.say(5, "mine");
    expect((await readWith(gate, history.events)).texts).toEqual([]);
  });
});

describe("writing after the right was taken", () => {
  test("[TH-182] what somebody back-dates who lost the right is kept as data and does not count", async () => {
    const history = foundedHistory(2);
    history.say(2, "in time");
    history.sync(1);
    const taking = history.edit(1, spaceId, [revoke(2, "write")]);
    // It pretends not to know, and dates itself before.
    history.say(2, "back-dated", { stamp: taking.stamp - 1 });
    const { texts, withheld } = await readWith(gate, history.events);
    expect(texts).toEqual(["in time"]);
    expect(withheld).toEqual(["back-dated: quarantine TAKEN_CONCURRENTLY"]);
  });

  test("[TH-182] a removal that arrives late takes out what was concurrent, and nothing before", async () => {
    const history = foundedHistory(2);
    const before = history.say(2, "before");
    history.sync(1);
    const taking = history.edit(1, spaceId, [revoke(2, "write")]);
    const after = history.say(2, "meanwhile");
    const events = history.events.filter((event) => ![before, taking, after].includes(event));
    const late = [...events, before, after, taking];
    expect((await readWith(gate, late)).texts).toEqual(["before"]);
  });

  test("[TH-182] giving the right again does not let in what was written while it was gone", async () => {
    const history = foundedHistory(2);
    history.sync(1);
    history.edit(1, spaceId, [revoke(2, "write")]);
    history.say(2, "by a thief");
    history.edit(1, spaceId, [grant(2, "write")]);
    history.sync(2);
    history.say(2, "by 2");
    expect((await readWith(gate, history.events)).texts).toEqual(["by 2"]);
  });

  test("[TH-182] an editor lets an event in that is in quarantine; a writer does not", async () => {
    const history = foundedHistory(2, 3);
    history.edit(1, spaceId, [revoke(2, "write")]);
    const said = history.say(2, "doubtful");
    history.sync(3);
    history.edit(3, editorsId, [{ type: "accept", target: said }]);
    expect((await readWith(gate, history.events)).texts).toEqual([]);
    history.sync(1);
    history.edit(1, editorsId, [{ type: "accept", target: { ...said, hash: new Uint8Array(32) } }]);
    expect((await readWith(gate, history.events)).texts).toEqual([]);
    history.edit(1, editorsId, [{ type: "accept", target: said }]);
    expect((await readWith(gate, history.events)).texts).toEqual(["doubtful"]);
  });

  test("[TH-182] accepting covers the removals its author knew of, no other", async () => {
    const history = foundedHistory(2);
    history.edit(1, spaceId, [revoke(2, "write")]);
    const said = history.say(2, "doubtful");
    history.sync(1);
    history.edit(1, editorsId, [{ type: "accept", target: said }]);
    history.edit(0, spaceId, [grant(2, "no-access")]);
    expect((await readWith(gate, history.events)).withheld).toEqual([
      "doubtful: quarantine TAKEN_CONCURRENTLY",
    ]);
  });

  test("[TH-182] what was refused cannot be accepted", async () => {
    const history = foundedHistory();
    const said = history.say(4, "never allowed");
    history.sync(1);
    history.edit(1, editorsId, [{ type: "accept", target: said }]);
    expect((await readWith(gate, history.events)).withheld).toEqual([
      "never allowed: refuse NO_ROLE",
    ]);
  });

  test("[TH-182] nobody hides a removal by pointing at it and not at what entitles its author", async () => {
    const history = createHistory();
    history.edit(0, editorsId, [grant(0, "write")]);
    history.edit(0, spaceId, [grant(2, "write")]);
    history.sync(2);
    history.edit(0, editorsId, [grant(1, "write")]);
    history.sync(1);
    history.edit(1, spaceId, [revoke(2, "write")]);
    // Points at the removal, and at the founder's log only as far as it likes.
    history.learn(2, [1]);
    const said = history.say(2, "hidden");
    expect(said.frontier?.get(authorOf(0))).toBe(2);
    expect((await readWith(gate, history.events)).withheld).toEqual(["hidden: refuse NO_ROLE"]);
  });

  test("[TH-182] a lower default takes from whom only the default named", async () => {
    const history = foundedHistory(2);
    history.edit(1, spaceId, [standard("write")]);
    history.sync(2, 4, 5);
    history.edit(1, spaceId, [standard("read"), grant(4, "write")]);
    for (const writer of [2, 4, 5]) history.say(writer, `by ${writer}`);
    const { texts, withheld } = await readWith(gate, history.events);
    expect(texts.toSorted()).toEqual(["by 2", "by 4"]);
    expect(withheld).toEqual(["by 5: quarantine TAKEN_CONCURRENTLY"]);
  });
});

describe("editors against each other", () => {
  /** 0 made 1 an editor, 1 made 2 and 3 editors. */
  function chain(): History {
    const history = createHistory();
    history.edit(0, editorsId, [grant(0, "write"), grant(1, "write")]);
    history.sync(1);
    history.edit(1, editorsId, [grant(2, "write"), grant(3, "write")]);
    history.sync(0, 1, 2, 3);
    return history;
  }

  test("[TH-182] of two who remove each other, the one from whom the other has the right stays", async () => {
    const history = chain();
    history.edit(2, editorsId, [revoke(1, "write")]);
    history.edit(1, editorsId, [revoke(2, "write")]);
    const document = await documentOf(history, editorsId);
    expect(document?.peers.has(authorOf(1))).toBe(true);
    expect(document?.peers.has(authorOf(2))).toBe(false);
  });

  test("[TH-182] of two others who remove each other, the one stays who had the right first", async () => {
    const history = chain();
    history.edit(1, editorsId, [grant(5, "write")]);
    history.sync(0);
    history.edit(0, editorsId, [grant(4, "write")]);
    history.sync(4, 5);
    history.edit(4, editorsId, [revoke(5, "write")], { stamp: 2_000 });
    history.edit(5, editorsId, [revoke(4, "write")], { stamp: 3_000 });
    const document = await documentOf(history, editorsId);
    expect(document?.peers.has(authorOf(5))).toBe(true);
    expect(document?.peers.has(authorOf(4))).toBe(false);
  });

  test("[TH-182] of two who have it by one edit, the one with the smaller author id", async () => {
    const history = chain();
    history.edit(3, editorsId, [revoke(2, "write")]);
    history.edit(2, editorsId, [revoke(3, "write")]);
    const document = await documentOf(history, editorsId);
    expect(document?.peers.has(authorOf(2))).toBe(true);
    expect(document?.peers.has(authorOf(3))).toBe(false);
  });

  test("[TH-182] a founder who named itself with others stays before them, whatever its id", async () => {
    const history = createHistory();
    const founding = { ...rules, isFounder: (author: string) => author === authorOf(5) };
    history.edit(5, editorsId, [grant(5, "write"), grant(1, "write")]);
    history.sync(1, 5);
    history.edit(1, editorsId, [revoke(5, "write")]);
    history.edit(5, editorsId, [revoke(1, "write")]);
    const document = await documentOf(history, editorsId, founding);
    expect([...(document?.peers.keys() ?? [])]).toEqual([authorOf(5)]);
  });

  test("[TH-182] three who remove each other in a circle: what is overruled or struck is nothing", async () => {
    const history = chain();
    history.edit(1, editorsId, [revoke(2, "write")]);
    history.edit(2, editorsId, [revoke(3, "write")]);
    history.edit(3, editorsId, [revoke(1, "write")]);
    const document = await documentOf(history, editorsId);
    // 1 is senior to 2 and overrules it, so what 2 says of 3 is nothing; 3 speaks of 1 unopposed.
    expect(await statusesOf(history)).toEqual([
      "01/0 effective",
      "02/0 effective",
      "02/1 struck",
      "03/0 overruled",
      "04/0 effective",
    ]);
    expect([...(document?.peers.keys() ?? [])]).toEqual([0, 2, 3].map(authorOf));
  });

  test("[TH-182] an editor who was removed and back-dates takes nobody along", async () => {
    const history = chain();
    const removal = history.edit(1, editorsId, [revoke(2, "write")]);
    history.edit(3, spaceId, [grant(4, "write")]); // concurrent, and harmless
    const stamp = removal.stamp - 1;
    history.edit(2, editorsId, [revoke(0, "write"), revoke(1, "write"), revoke(3, "write")], {
      stamp,
    });
    const document = await documentOf(history, editorsId);
    expect([...(document?.peers.keys() ?? [])]).toEqual([authorOf(0), authorOf(1), authorOf(3)]);
    expect((await documentOf(history, spaceId))?.peers.has(authorOf(4))).toBe(true);
    expect((await statusesOf(history)).filter((text) => !text.endsWith(" effective"))).toEqual([
      "03/0 overruled",
    ]);
  });

  test("[TH-182] nor by somebody whom it made an editor for that", async () => {
    const history = chain();
    history.edit(1, editorsId, [revoke(2, "write")]);
    history.edit(2, editorsId, [grant(5, "write")]);
    history.sync(5); // also of the removal …
    const knowing = history.edit(5, editorsId, [revoke(3, "write")]);
    expect(knowing.frontier?.get(authorOf(1))).toBe(2);
    expect((await documentOf(history, editorsId))?.peers.has(authorOf(3))).toBe(true);

    const blind = chain();
    blind.edit(2, editorsId, [grant(5, "write")]);
    blind.sync(5); // … and here not
    blind.edit(5, editorsId, [revoke(3, "write")]);
    blind.edit(1, editorsId, [revoke(2, "write")]);
    expect((await documentOf(blind, editorsId))?.peers.has(authorOf(3))).toBe(true);
    expect((await statusesOf(blind)).filter((text) => text.endsWith(" overruled"))).toEqual([
      "03/0 overruled",
      "06/0 overruled",
    ]);
  });

  test("[TH-182] what an editor gave who was removed concurrently is not given, to events too", async () => {
    const history = chain();
    history.edit(3, spaceId, [grant(4, "write")]);
    history.sync(4);
    history.say(4, "by 4");
    expect((await readWith(gate, history.events)).texts).toEqual(["by 4"]);
    history.edit(1, editorsId, [revoke(3, "write")]);
    expect((await readWith(gate, history.events)).withheld).toEqual([
      "by 4: quarantine GRANT_VOID",
    ]);
  });

  test("[TH-182] the same when the removal of the editor comes last, in either delivery", async () => {
    const history = chain();
    const given = history.edit(3, spaceId, [grant(4, "write")]);
    history.sync(4);
    const said = history.say(4, "by 4");
    const removal = history.edit(1, editorsId, [revoke(3, "write")]);
    const rest = history.events.filter((event) => ![given, said, removal].includes(event));
    for (const order of [
      [...rest, given, said, removal],
      [...rest, removal, given, said],
      [...rest, given, removal, said],
    ]) {
      expect(await readWith(gate, order)).toEqual({
        texts: [],
        withheld: ["by 4: quarantine GRANT_VOID"],
      });
    }
  });

  test("[TH-182] what only an overruled edit took is given back, also to what its overruler had seen", async () => {
    const history = chain();
    history.edit(1, spaceId, [grant(4, "write")]);
    history.sync(2, 4);
    const taking = history.edit(2, spaceId, [revoke(4, "write")]);
    const said = history.say(4, "by 4");
    const seen = history.events.filter((event) => event !== taking);
    history.sync(1);
    const removal = {
      ...history.edit(1, editorsId, [revoke(2, "write")]),
      // Writer 1 has seen what writer 4 said and not what writer 2 took.
      frontier: new Map([
        [authorOf(0), 1],
        [authorOf(1), 2],
        [authorOf(4), said.seq + 1],
      ]),
    };
    expect((await readWith(gate, [...seen, taking])).texts).toEqual([]);
    expect((await readWith(gate, [...seen, taking, removal])).texts).toEqual(["by 4"]);
  });

  test("[TH-182] lifting a denial lifts those its author knew of", async () => {
    const history = foundedHistory(2);
    history.edit(1, spaceId, [grant(2, "no-access")]);
    history.sync(0, 1);
    const { stamp } = history.edit(0, spaceId, [grant(2, "no-access")]);
    history.edit(1, spaceId, [revoke(2, "no-access")], { stamp: stamp + 1 });
    expect((await documentOf(history, spaceId))?.peers.get(authorOf(2))).toEqual(["no-access"]);
    history.sync(1);
    history.edit(1, spaceId, [revoke(2, "no-access")]);
    expect((await documentOf(history, spaceId))?.peers.get(authorOf(2))).toEqual(["write"]);
  });

  test("[TH-182] a struck edit gives nothing and takes nothing", async () => {
    const history = chain();
    history.edit(0, spaceId, [standard("write"), grant(4, "read")]);
    history.sync(2, 3, 4);
    history.edit(2, spaceId, [standard("read"), grant(5, "delete"), revoke(4, "read")]);
    history.edit(3, editorsId, [revoke(2, "write")]);
    history.say(4, "by 4");
    const document = await documentOf(history, spaceId);
    expect(document?.default).toBe("write");
    expect([...(document?.peers ?? [])]).toEqual([[authorOf(4), ["read"]]]);
    expect((await readWith(gate, history.events)).texts).toEqual(["by 4"]);
  });

  test("[TH-192] a mark in quarantine marks nothing, whichever comes last", async () => {
    const history = foundedHistory(2);
    history.edit(1, spaceId, [grant(3, "delete")]);
    const said = history.say(2, "said");
    history.sync(1, 3);
    const mark = history.mark(3, said);
    const removal = history.edit(1, spaceId, [revoke(3, "delete")]);
    const rest = history.events.filter((event) => event !== mark && event !== removal);
    expect((await readWith(gate, [...rest, mark, removal])).texts).toEqual(["said"]);
    expect((await readWith(gate, [...rest, removal, mark])).texts).toEqual(["said"]);
  });
});

describe("edits that are none", () => {
  const bad: readonly (readonly [string, Uint8Array])[] = [
    ["no bytes", new Uint8Array(0)],
    ["another version", encodeCbor([2, spaceId, [0, 3]])],
    ["no ops", encodeCbor([1, spaceId])],
    ["no document", encodeCbor([1, null, [0, 3]])],
    ["a role that does not exist", encodeCbor([1, spaceId, [0, 5]])],
    ["a role by name", encodeCbor([1, spaceId, [0, "write"]])],
    ["a role that is no index", encodeCbor([1, spaceId, [0, -1]])],
    ["two defaults", encodeCbor([1, spaceId, [0, 3], [0, 2]])],
    ["a grant and its opposite", encodeCbor([1, spaceId, [1, "a", 3], [2, "a", 3]])],
    ["an op too long", encodeCbor([1, spaceId, [1, "a", 3, 4]])],
    ["an unknown op", encodeCbor([1, spaceId, [9, "a", 3]])],
    ["a peer without a name", encodeCbor([1, spaceId, [1, "", 3]])],
    ["a peer of 1 kB", encodeCbor([1, spaceId, [1, "p".repeat(1_000), 3]])],
    ["a peer named __proto__", encodeCbor([1, spaceId, [1, "__proto__", 3]])],
    ["a peer named constructor", encodeCbor([1, spaceId, [1, "constructor", 3]])],
    ["a document named __proto__", encodeCbor([1, "__proto__", [0, 3]])],
    ["an accept without a hash", encodeCbor([1, spaceId, [3, "log", 0, new Uint8Array(31)]])],
    [
      "1,000 ops",
      encodeCbor([1, spaceId, ...Array.from({ length: 1_000 }, (_, i) => [1, `p${i}`, 3])]),
    ],
  ];
  test.each(bad)(
    "[TH-193] [TD-8] %s: the event changes nothing, for no reader",
    async (_, body) => {
      const history = foundedHistory(2);
      history.write(1, "acl", body);
      history.sync(2);
      history.say(2, "fine");
      expect((await readWith(gate, history.events)).texts).toEqual(["fine"]);
      expect(await statusesOf(history)).toEqual(["01/0 effective", "01/1 effective"]);
      expect(({} as Record<string, unknown>)["write"]).toBeUndefined();
    },
  );

  test("[TD-8] [TQ-injection] values are compared and never run, whatever stands in them", async () => {
    const values = ["'+(process.exit())+'", "${1}", 'a"b', "*", ".*", "a'; return true; //", "\\"];
    const history = foundedHistory();
    history.edit(
      1,
      spaceId,
      values.map((value): AclOp => grant(value, "write")),
    );
    history.sync(5);
    history.say(5, "mine");
    expect((await readWith(gate, history.events)).texts).toEqual([]);
    const document = await documentOf(history, spaceId);
    expect(values.every((value) => document?.peers.has(value))).toBe(true);
  });

  test("[TQ-quotes] [TD-8] quotes and escapes in ids and contents change no verdict", async () => {
    const ids = ["it's", 'say "so"', "back\\slash", "\\u0022", "line\nend", "a' || 'b", "${x}"];
    const history = foundedHistory(2, 3);
    for (const id of ids) history.edit(1, id, [standard("no-access"), grant(2, "write")]);
    history.sync(2, 3);
    for (const id of ids) {
      history.say(2, id, { sequence: id });
      history.say(3, `not ${id}`, { sequence: id });
    }
    const { texts, withheld } = await readWith(gate, history.events);
    expect(texts).toEqual(ids);
    expect(withheld).toEqual(ids.map((id) => `not ${id}: refuse NO_ROLE`));
  });

  test("[TH-192] many marks by somebody who may not delete cost a moment, and one who may is heard", async () => {
    const history = foundedHistory(2, 3);
    const said = history.say(2, "said");
    history.sync(3, 4);
    for (let i = 0; i < 3_000; i++) history.mark(3, said);
    const fold = gate.start();
    let rejudged = 0;
    for (const event of history.events) if (fold.add([event]) !== "none") rejudged += 1;
    expect(rejudged).toBeLessThan(30);
    expect(fold.judge(said).verdict).toBe("admit");
    history.sync(1);
    history.edit(1, spaceId, [grant(4, "delete")]);
    history.sync(4);
    expect((await readWith(gate, [...history.events, history.mark(4, said)])).texts).toEqual([]);
  });

  test("[TD-8] an edit that says too much or nothing is not written", () => {
    const peer = "p".repeat(10_000);
    expect(() => encodeEdits(spaceId, [{ type: "grant", peer, role: "write" }])).toThrow(
      expect.objectContaining({ code: "ACL_EDIT_INVALID" }),
    );
    expect(() => encodeEdits("", [standard("read")])).toThrow(
      expect.objectContaining({ code: "ACL_KEY_INVALID" }),
    );
    expect(() => encodeEdits(spaceId, [grant(1, "read"), revoke(1, "read")])).toThrow(
      expect.objectContaining({ code: "ACL_EDIT_INVALID" }),
    );
    expect(encodeEdits(spaceId, [])).toEqual([]);
  });

  test("thousands of edits by strangers and 10,000 events cost a moment", async () => {
    const history = foundedHistory(2);
    for (let i = 0; i < 1_000; i++) history.edit(5, editorsId, [grant(5, "write")]);
    for (let i = 0; i < 200; i++) history.edit(1, spaceId, [grant(`peer ${i}`, "read")]);
    for (let i = 0; i < 5_000; i++) history.say(2, `text ${i}`);
    const fold = gate.start();
    fold.add(history.events);
    const judged = history.events.filter((event) => fold.judge(event).verdict === "admit");
    expect(judged.filter((event) => event.type === "say")).toHaveLength(5_000);
  });
});
