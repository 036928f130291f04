/** Detached bodies from device to device, through a relay, without a hook of the app. */
import { utf8 } from "@hawser/codec";
import { createHawser, type Hawser, type HawserOptions, type HawserSpace } from "@hawser/hawser";
import { createMemoryRelay, type MemoryRelay } from "@hawser/hawser/testing";
import type { EntryRef } from "@hawser/space";
import { expect, onTestFinished, test } from "vitest";

function film(byteCount: number): Uint8Array {
  return new Uint8Array(byteCount).map((_, index) => (index * 7 + (index >> 9)) & 0xff);
}

async function attach({ space }: HawserSpace, byteCount: number): Promise<EntryRef> {
  const [ref] = await space.append([{ type: "film", body: film(byteCount), detached: true }]);
  if (ref === undefined) throw new Error("nothing appended");
  return ref;
}

async function open(relay: MemoryRelay, options: HawserOptions = {}): Promise<Hawser> {
  const device = await createHawser({ relay, ...options });
  onTestFinished(() => device[Symbol.asyncDispose]());
  return device;
}

/** Resolves once `check` holds; asked again after other work. */
async function until(check: () => Promise<boolean>): Promise<void> {
  while (!(await check())) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function scene(options: HawserOptions = {}) {
  const relay = await createMemoryRelay();
  onTestFinished(() => relay.close());
  const ada = await open(relay);
  const ben = await open(relay, options);
  const hers = await ada.create();
  const his = await ben.join(await hers.invite());
  return { relay, ada, ben, hers, his };
}

test("a body waits at the relay, sealed, for somebody who comes when its writer has gone", async () => {
  const { relay, ada, hers, his } = await scene();
  const ref = await attach(hers, 1_000_000);
  const { topic } = hers.space;
  await until(async () => (await relay.store.list(`body/${topic}/kept/`)).length === 1);
  for (const { value } of await relay.store.list(`body/${topic}/point/`)) {
    expect(Buffer.from(value).includes(Buffer.from(film(64)))).toBe(false);
  }
  await ada[Symbol.asyncDispose]();
  await until(async () => (await his.space.bodyState(ref).catch(() => "")) === "missing");
  const body = await his.space.openBody(ref);
  expect(Buffer.from(await body.bytes(2e6)).equals(Buffer.from(film(1_000_000)))).toBe(true);
  // Once read, it is here: no relay is needed any more.
  await relay.close();
  expect(await his.space.bodyState(ref)).toBe("here");
});

test("small bodies come at once where a device says so, others when they are read", async () => {
  const { hers, his } = await scene({ fetchBodies: { upToBytes: 100_000 } });
  const [small, large] = [await attach(hers, 60_000), await attach(hers, 300_000)];
  const stateOf = (ref: EntryRef) => his.space.bodyState(ref).catch(() => "");
  await until(async () => (await stateOf(small)) === "here");
  await until(async () => (await stateOf(large)) === "missing");
  const progress: number[] = [];
  const body = await his.space.openBody(large, {
    onProgress: ({ fetchedBytes }) => void progress.push(fetchedBytes),
  });
  expect((await body.bytes(1e6)).length).toBe(300_000);
  expect(progress.at(-1)).toBeGreaterThanOrEqual(300_000);
});

test("a device that fetches none says so, and an app's signal ends a wait", async () => {
  const { relay, ada, hers, his, ben } = await scene({ fetchBodies: "never" });
  const ref = await attach(hers, 60_000);
  await until(async () => (await his.space.bodyState(ref).catch(() => "")) === "missing");
  await expect(his.space.openBody(ref)).rejects.toMatchObject({ code: "SPACE_BODY_MISSING" });
  const cyd = await open(relay);
  const third = await cyd.join(await hers.invite());
  await until(async () => (await third.space.bodyState(ref).catch(() => "")) === "missing");
  for (const device of [ada, ben]) await device[Symbol.asyncDispose]();
  await relay.close();
  await until(async () => cyd.relays().every(({ isConnected }) => !isConnected));
  const waiting = third.space.openBody(ref, { signal: AbortSignal.timeout(50) });
  await expect(waiting).rejects.toMatchObject({ name: "TimeoutError" });
});

test("an entry over the limit is refused as before: nothing is detached unasked", async () => {
  const { hers } = await scene();
  const body = film(60_000);
  const draft = { type: "note", body };
  await expect(hers.space.append([draft])).rejects.toMatchObject({ code: "SPACE_BODY_TOO_LARGE" });
  const [ref] = await hers.space.append([{ type: "note", body: utf8("short") }]);
  expect(ref && (await hers.space.bodyState(ref))).toBe("inline");
});
