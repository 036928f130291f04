import { createDocs, defineTable } from "@hawser/doc";
import {
  changesOfLines,
  decodeChanges,
  documentLines,
  encodeChanges,
  foldChanges,
  keyPairOf,
  sealRecord,
  verifyLog,
  type SealedRecord,
} from "@hawser/textile";
import { createMemorySource } from "@hawser/view/testing";
import { expect, test } from "vitest";

const people = defineTable({
  name: "Person",
  columns: { name: "text", age: { type: "number", isOptional: true } },
});

const openPeople = () => createDocs({ source: createMemorySource() }, { collections: [people] });

test("a collection moves into an old thread and back, document by document", async () => {
  const threadKey = { service: new Uint8Array(32).fill(1), read: new Uint8Array(32).fill(2) };
  const logKey = keyPairOf(new Uint8Array(32).fill(3));
  const identity = keyPairOf(new Uint8Array(32).fill(4)).publicKey;
  const random = (count: number) => new Uint8Array(count).fill(count);

  const before = openPeople();
  await before.in(people).put("ann", { name: "Ann", age: 21 });
  await before.in(people).put("ben", { name: "Ben" });
  const log: SealedRecord[] = [];
  for (const line of before.in(people).exportLines()) {
    const place = { collection: "Person", timestamp: BigInt(log.length) };
    const body = encodeChanges([...changesOfLines([line], place)]);
    const previous = log.at(-1)?.cid;
    const draft = { body, threadKey, logKey, identity };
    log.push(sealRecord(random, previous === undefined ? draft : { ...draft, previous }));
  }

  const { records, refused } = verifyLog(log, { threadKey, logKey: logKey.publicKey });
  expect(refused).toBeUndefined();
  const changes = records.flatMap(({ body }) => decodeChanges(body ?? null) ?? []);
  const after = openPeople();
  await after.in(people).importLines(documentLines(foldChanges(changes), "Person"));
  expect([...after.in(people).exportLines()]).toEqual([...before.in(people).exportLines()]);
});
