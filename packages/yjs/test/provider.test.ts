/** Documents over real spaces: edits travel, wait no longer than told, and survive what fails. */
import { createWorld, spaceWith } from "@hawser/space/testing";
import { expect, describe, test } from "vitest";
import { Doc, encodeStateAsUpdate, UndoManager } from "yjs";
import { atSpace, createStage, memorySource, settle, textOf } from "./help.ts";

describe("documents in spaces", () => {
  test("two devices write at once and come to the same text", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben");
    const stage = createStage();
    const ada = stage.open(atSpace(spaces, 0));
    const ben = stage.open(atSpace(spaces, 1));
    await Promise.all([ada.ready, ben.ready]);
    ada.doc.getText("text").insert(0, "hello");
    await settle(world, stage, ...devices);
    expect(textOf(ben)).toBe("hello");
    ada.doc.getText("text").insert(5, " from ada");
    ben.doc.getText("text").insert(5, " from ben");
    ben.doc.getText("text").delete(0, 1);
    await settle(world, stage, ...devices);
    expect(textOf(ada)).toBe(textOf(ben));
    expect(textOf(ada)).toContain(" from ada");
    expect(textOf(ada)).toContain(" from ben");
    expect(ada.snapshot()).toEqual(ben.snapshot());
    expect(ada.status()).toEqual({ state: "ready", unsavedBytes: 0, problem: undefined });
    await stage.close();
  });

  test("a late joiner and a reopened device read all of it", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world);
    const stage = createStage();
    const founder = stage.open(atSpace(spaces, 0), { name: "essay" });
    for (const word of ["one ", "two ", "three "]) {
      founder.doc.getText("text").insert(0, word);
      await stage.pass(100);
    }
    const late = await world.device("cyd");
    const link = await atSpace(spaces, 0).invite({ level: "write" });
    const joined = await late.spaces.join(link);
    await world.settle(...devices, late);
    const reader = stage.open(joined, { name: "essay" });
    await reader.ready;
    expect(textOf(reader)).toBe("three two one ");
    const other = stage.open(joined, { name: "another" });
    await other.ready;
    expect(textOf(other)).toBe("");
    await stage.close();
    const again = await world.restart(late);
    const stage2 = createStage("again");
    const [space] = again.spaces.list();
    if (space === undefined) throw new Error("the space is gone");
    const reopened = stage2.open(space, { name: "essay" });
    await reopened.ready;
    expect(textOf(reopened)).toBe("three two one ");
    await stage2.close();
  });

  test("a removed member's writing that does not count any more makes the document stale", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben", "cyd");
    const [ada, ben, cyd] = devices;
    if (ada === undefined || ben === undefined || cyd === undefined) throw new Error("no devices");
    const stage = createStage();
    const adas = stage.open(atSpace(spaces, 0));
    const bens = stage.open(atSpace(spaces, 1));
    const cyds = stage.open(atSpace(spaces, 2));
    adas.doc.getText("text").insert(0, "common. ");
    await settle(world, stage, ...devices);
    // Ben writes to Cyd while Ada removes him.
    bens.doc.getText("text").insert(8, "ben's. ");
    await settle(world, stage, ben, cyd);
    expect(textOf(cyds)).toBe("common. ben's. ");
    await atSpace(spaces, 0).remove(ben.author);
    adas.doc.getText("text").insert(0, "ada's. ");
    await stage.pass(100);
    await settle(world, stage, ada, cyd);
    expect(textOf(cyds)).toContain("ada's. ");
    expect(cyds.status().state).toBe("stale");
    expect(adas.status().state).toBe("ready");
    // What counts is the same for both; a new document shows it.
    expect(cyds.snapshot()).toEqual(adas.snapshot());
    const anew = stage.open(atSpace(spaces, 2));
    await anew.ready;
    expect(textOf(anew)).toBe("ada's. common. ");
    // And goes on from there.
    anew.doc.getText("text").insert(0, "cyd's. ");
    await settle(world, stage, ada, cyd);
    expect(textOf(adas)).toBe("cyd's. ada's. common. ");
    await stage.close();
  });

  test("writing upon what does not count waits, and is told of; accepting sets it free", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben", "cyd");
    const [ada, ben, cyd] = devices;
    if (ada === undefined || ben === undefined || cyd === undefined) throw new Error("no devices");
    const stage = createStage();
    const adas = stage.open(atSpace(spaces, 0));
    const bens = stage.open(atSpace(spaces, 1));
    const cyds = stage.open(atSpace(spaces, 2));
    adas.doc.getText("text").insert(0, "common. ");
    await settle(world, stage, ...devices);
    bens.doc.getText("text").insert(8, "ben's. ");
    await settle(world, stage, ben, cyd);
    await atSpace(spaces, 0).remove(ben.author);
    cyds.doc.getText("text").insert(11, "(cyd) ");
    await settle(world, stage, ada, cyd);
    expect(textOf(adas)).toBe("common. ");
    const waiting = adas.withheld();
    expect(waiting).toMatchObject([{ author: cyd.author, reason: "YJS_WAITS" }]);
    const [range] = await atSpace(spaces, 0).quarantine();
    if (range === undefined) throw new Error("nothing is in quarantine");
    await atSpace(spaces, 0).accept(range);
    await settle(world, stage, ada, cyd);
    expect(textOf(adas)).toBe("common. ben(cyd) 's. ");
    expect(adas.withheld()).toEqual([]);
    expect(cyds.status().state).toBe("ready");
    expect(cyds.snapshot()).toEqual(adas.snapshot());
    await stage.close();
  });
});

describe("edits on their way", () => {
  test("many edits go in one event, none waits longer than it is told", async () => {
    const source = memorySource();
    const stage = createStage();
    const provider = stage.open(source, { flushMs: 60 });
    await provider.ready;
    for (let index = 0; index < 40; index++) {
      provider.doc.getText("text").insert(index, "x");
      await stage.pass(1);
      expect(provider.status().unsavedBytes).toBeGreaterThan(0);
    }
    expect(source.events).toHaveLength(0);
    // 60 ms from the first edit, not from the last.
    await stage.pass(21);
    expect(source.events).toHaveLength(1);
    expect(provider.status().unsavedBytes).toBe(0);
    await stage.close();
  });

  test("while an append takes its time, one waits behind it, with all that came meanwhile", async () => {
    const source = memorySource();
    const gates: (() => void)[] = [];
    const slow = {
      ...source,
      append: async (drafts: Parameters<typeof source.append>[0]) => {
        await new Promise<void>((resolve) => gates.push(resolve));
        return await source.append(drafts);
      },
    };
    const stage = createStage();
    const provider = stage.open(slow);
    await provider.ready;
    for (let index = 0; index < 20; index++) {
      provider.doc.getText("text").insert(index, "x");
      await stage.pass(25);
    }
    expect(gates).toHaveLength(1);
    const unsaved = provider.status().unsavedBytes;
    expect(unsaved).toBeGreaterThan(0);
    gates[0]?.();
    await stage.pass(0);
    // At once, and all of it.
    expect(gates).toHaveLength(2);
    expect(provider.status().unsavedBytes).toBeLessThan(unsaved);
    gates[1]?.();
    await stage.pass(0);
    expect(provider.status().unsavedBytes).toBe(0);
    expect(source.events).toHaveLength(2);
    await stage.pass(1_000);
    expect(gates).toHaveLength(2);
    await stage.close();
  });

  test("what could not be flushed is tried again, without another edit", async () => {
    const source = memorySource();
    let failures = 1;
    const stage = createStage();
    const provider = stage.open({
      ...source,
      append: (drafts) => {
        if (failures-- > 0) return Promise.reject(new Error("the disk is full"));
        return source.append(drafts);
      },
    });
    provider.doc.getText("text").insert(0, "a");
    await expect(provider.flush()).rejects.toThrow("the disk is full");
    await stage.pass(10_000);
    expect(provider.status()).toMatchObject({ unsavedBytes: 0, problem: undefined });
    expect(source.events).toHaveLength(1);
    await stage.close();
  });

  test("a transaction is one event, however large", async () => {
    const source = memorySource();
    const stage = createStage();
    const provider = stage.open(source);
    const long = "0123456789".repeat(20_000);
    provider.doc.getText("text").insert(0, long);
    await provider.flush();
    expect(source.events.length).toBeGreaterThan(4);
    const reader = stage.open(memorySourceOf(source.events.slice(0, -1)));
    await reader.ready;
    expect(textOf(reader)).toBe("");
    const whole = stage.open(memorySourceOf(source.events));
    await whole.ready;
    expect(textOf(whole)).toBe(long);
    await stage.close();
  });

  test("closing makes edits durable", async () => {
    const source = memorySource();
    const stage = createStage();
    const provider = stage.open(source);
    provider.doc.getText("text").insert(0, "last words");
    await provider[Symbol.asyncDispose]();
    expect(provider.status().state).toBe("closed");
    const reader = stage.open(memorySourceOf(source.events));
    await reader.ready;
    expect(textOf(reader)).toBe("last words");
    provider.doc.getText("text").insert(0, "lost: ");
    await stage.pass(1_000);
    expect(source.events).toHaveLength(1);
    await stage.close();
  });

  test("[ATK-amrepo672] after an append that failed, nothing is lost and the next goes well", async () => {
    const source = memorySource();
    let failures = 2;
    const failing = {
      ...source,
      append: (drafts: Parameters<typeof source.append>[0]) => {
        if (failures-- > 0) return Promise.reject(new Error("the disk is full"));
        return source.append(drafts);
      },
    };
    const stage = createStage();
    const provider = stage.open(failing);
    provider.doc.getText("text").insert(0, "a");
    await expect(provider.flush()).rejects.toThrow("the disk is full");
    expect(provider.status()).toMatchObject({ problem: { message: "the disk is full" } });
    expect(provider.status().unsavedBytes).toBeGreaterThan(0);
    provider.doc.getText("text").insert(1, "b");
    await stage.pass(60);
    expect(source.events).toHaveLength(0);
    // By itself, after a while.
    await stage.pass(10_000);
    expect(provider.status()).toMatchObject({ unsavedBytes: 0, problem: undefined });
    const reader = stage.open(memorySourceOf(source.events));
    await reader.ready;
    expect(textOf(reader)).toBe("ab");
    await stage.close();
  });

  test("[ATK-hocuspocus382] a load that failed is told, and writes nothing", async () => {
    const source = memorySource();
    const stage = createStage();
    source.fail(new Error("the store is damaged"));
    const provider = stage.open(source);
    await expect(provider.ready).rejects.toMatchObject({ code: "VIEW_SOURCE_FAILED" });
    expect(provider.status()).toMatchObject({ state: "failed" });
    await provider[Symbol.asyncDispose]();
    expect(source.events).toHaveLength(0);
    await stage.close();
  });

  test("[ATK-amrepo488] an empty document is ready at once", async () => {
    const stage = createStage();
    const provider = stage.open(memorySource());
    await provider.ready;
    expect(provider.status().state).toBe("ready");
    await stage.close();
  });
});

describe("what editors rely on", () => {
  test("undo takes back one's own edits alone", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben");
    const stage = createStage();
    const ada = stage.open(atSpace(spaces, 0));
    const ben = stage.open(atSpace(spaces, 1));
    const undo = new UndoManager(ada.doc.getText("text"));
    ada.doc.getText("text").insert(0, "mine");
    await settle(world, stage, ...devices);
    ben.doc.getText("text").insert(4, " yours");
    await settle(world, stage, ...devices);
    expect(undo.undoStack).toHaveLength(1);
    undo.undo();
    expect(textOf(ada)).toBe(" yours");
    undo.redo();
    await settle(world, stage, ...devices);
    expect(textOf(ben)).toBe("mine yours");
    await stage.close();
  });

  test("an observer that throws harms neither the document nor the view", async () => {
    const source = memorySource();
    const stage = createStage();
    const writer = stage.open(source);
    writer.doc.getText("text").insert(0, "a");
    await writer.flush();
    const doc = new Doc();
    const target = memorySourceOf([]);
    const reader = stage.open(target, { doc });
    doc.getText("text").observe(() => {
      throw new Error("the editor failed");
    });
    target.deliver(source.events);
    await stage.pass(10);
    writer.doc.getText("text").insert(1, "b");
    await writer.flush();
    target.deliver(source.events.slice(1));
    await stage.pass(10);
    expect(textOf(reader)).toBe("ab");
    expect(reader.status()).toMatchObject({
      state: "ready",
      problem: { message: "the editor failed" },
    });
    await stage.close();
  });

  test("sub-documents are documents of their own", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben");
    const stage = createStage();
    const ada = stage.open(atSpace(spaces, 0));
    const child = new Doc({ guid: "chapter-1" });
    ada.doc.getMap("chapters").set("one", child);
    child.getText("text").insert(0, "once upon a time");
    await ada.subdoc("chapter-1")?.flush();
    const ben = stage.open(atSpace(spaces, 1));
    await settle(world, stage, ...devices);
    const theirs = ben.doc.getMap("chapters").get("one");
    if (!(theirs instanceof Doc)) throw new Error("no sub-document came");
    expect(ben.subdoc("chapter-1")).toBeUndefined();
    theirs.load();
    await ben.subdoc("chapter-1")?.ready;
    expect(textOf({ doc: theirs })).toBe("once upon a time");
    theirs.getText("text").insert(0, "Well, ");
    await ben.subdoc("chapter-1")?.flush();
    await settle(world, stage, ...devices);
    expect(textOf({ doc: child })).toBe("Well, once upon a time");
    expect(textOf(ada)).toBe("");
    ada.doc.getMap("chapters").delete("one");
    expect(ada.subdoc("chapter-1")).toBeUndefined();
    await stage.close();
  });

  test("misuse has codes", async () => {
    const stage = createStage();
    for (const name of ["", "x".repeat(129), "\ud800"]) {
      expect(() => stage.open(memorySource(), { name })).toThrowError(
        expect.objectContaining({ code: "YJS_NAME_INVALID" }),
      );
    }
    const full = new Doc();
    full.getText("text").insert(0, "x");
    expect(() => stage.open(memorySource(), { doc: full })).toThrowError(
      expect.objectContaining({ code: "YJS_DOC_NOT_EMPTY" }),
    );
    // Writing of a client that is no session of this device could be anybody's.
    const source = memorySource();
    const provider = stage.open(source);
    const { applyUpdate } = await import("yjs");
    applyUpdate(provider.doc, encodeStateAsUpdate(full));
    await expect(provider.flush()).rejects.toMatchObject({ code: "YJS_FOREIGN_CLIENT" });
    expect(provider.status().state).toBe("failed");
    await stage.pass(1_000);
    expect(source.events).toHaveLength(0);
    await stage.close();
  });
});

function memorySourceOf(events: ReturnType<typeof memorySource>["events"]) {
  const source = memorySource(7);
  source.deliver(events);
  return source;
}
