/** Detached bodies at the relay: kept sealed, served when their writer is away, bounded. */
import type { EntryRef, Space } from "@hawser/space";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createBodyBook } from "../src/body-quota.ts";
import { databaseName } from "../src/data.ts";
import { createDevice, hostAt, readEvents, startRelay, temporaryFolder } from "./help.ts";

function film(byteCount: number): Uint8Array {
  return new Uint8Array(byteCount).map((_, index) => (index * 7 + (index >> 9)) & 0xff);
}

async function attach(space: Space, byteCount: number): Promise<EntryRef> {
  const [ref] = await space.append([{ type: "film", body: film(byteCount), detached: true }]);
  if (ref === undefined) throw new Error("nothing appended");
  return ref;
}

async function isFilm(space: Space, ref: EntryRef, byteCount: number): Promise<boolean> {
  const body = await space.openBody(ref);
  return Buffer.from(await body.bytes(1e8)).equals(Buffer.from(film(byteCount)));
}

test("a body outlives its writer's absence and the relay's restart, and the relay reads none of it", async () => {
  const data = await temporaryFolder();
  const relay = await startRelay({ data });
  const [ada, bob] = [await createDevice("ada"), await createDevice("bob")];
  const adas = await ada.spaces.create();
  expect((await hostAt(relay, adas)).status).toBe(204);
  const up = await ada.connect(relay);
  const bobs = await bob.spaces.join(await adas.invite({ level: "write" }));
  await bob.connect(relay);
  await bobs.ready();
  const ref = await attach(adas, 1_500_000);
  await readEvents(bobs, 1);
  // Bob is connected to the relay alone: what he gets, the relay has.
  expect(await isFilm(bobs, ref, 1_500_000)).toBe(true);
  await up.close();
  await relay.close();
  const stored = new DatabaseSync(join(data, databaseName), { readOnly: true });
  const rows = stored.prepare("SELECT value FROM kv WHERE key LIKE 'body/%/point/%'").all();
  stored.close();
  expect(rows.length).toBeGreaterThan(20);
  for (const { value } of rows) {
    if (!(value instanceof Uint8Array)) throw new Error("a point is bytes");
    expect(Buffer.from(value).includes(Buffer.from(film(64)))).toBe(false);
  }
  // Bob loses his copy; the relay comes back, Ada does not.
  for (const { key } of await bob.store.list(`body/${adas.topic}/point/`)) {
    await bob.store.commit({ writes: [{ key, value: undefined }] });
  }
  expect(await bobs.bodyState(ref)).toBe("missing");
  const again = await startRelay({ data });
  await bob.connect(again);
  expect(await isFilm(bobs, ref, 1_500_000)).toBe(true);
});

test("what is over a quota is not kept, and whoever asks hears that nobody has it", async () => {
  const limits = { bodyBytesMax: 200_000, topicBodyBytesMax: 150_000 };
  const relay = await startRelay({ limits });
  const [ada, bob] = [await createDevice("ada"), await createDevice("bob")];
  const adas = await ada.spaces.create();
  await hostAt(relay, adas);
  await ada.connect(relay);
  const bobs = await bob.spaces.join(await adas.invite({ level: "write" }));
  await bob.connect(relay);
  await bobs.ready();
  const first = await attach(adas, 100_000);
  await readEvents(bobs, 1);
  expect(await isFilm(bobs, first, 100_000)).toBe(true);
  const [second, large] = [await attach(adas, 100_000), await attach(adas, 300_000)];
  await readEvents(bobs, 3);
  for (const ref of [second, large]) {
    await expect(bobs.openBody(ref)).rejects.toMatchObject({ code: "SPACE_BODY_MISSING" });
  }
});

test("the book counts by topic and in all, and gives back", () => {
  const book = createBodyBook({ topicBodyBytesMax: 100, storeBodyBytesMax: 150 });
  const [one, two] = ["01".repeat(32), "02".repeat(32)] as readonly string[];
  const ask = (topic: string | undefined, byteCount: number) =>
    book.admit({ topic: (topic ?? "") as never, author: "" as never, byteCount });
  expect([ask(one, 60), ask(one, 41), ask(one, 40), ask(two, 51), ask(two, 50)]).toEqual([
    undefined,
    "OVER_BUDGET",
    undefined,
    "OVER_BUDGET",
    undefined,
  ]);
  book.release((one ?? "") as never, 60);
  expect([book.of((one ?? "") as never), book.total()]).toEqual([40, 90]);
  book.restore((two ?? "") as never, 20);
  expect(book.total()).toBe(110);
});
