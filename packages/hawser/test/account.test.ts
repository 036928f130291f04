/** Accounts at the front door: devices, a relay, a lost phone, 24 words. */
import { afterEach, describe, expect, test } from "vitest";
import { createMemoryRendezvous } from "@hawser/account";
import { createHawser, HawserError, type Hawser, type HawserSpace } from "@hawser/hawser";
import {
  addDevices,
  approveDevice,
  createAccount,
  joinAccount,
  openAccount,
  phraseOfShares,
  recoverAccount,
  sharePhrase,
  type HawserAccount,
} from "@hawser/hawser/account";
import { createMemoryRelay, type MemoryRelay } from "@hawser/hawser/testing";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function relayed(): Promise<MemoryRelay> {
  const relay = await createMemoryRelay();
  closing.push(() => relay.close());
  return relay;
}

async function device(relay: MemoryRelay | undefined): Promise<Hawser> {
  const hawser = await createHawser(relay === undefined ? {} : { relay });
  closing.push(async () => hawser[Symbol.asyncDispose]());
  return hawser;
}

function kept(account: HawserAccount): HawserAccount {
  closing.push(async () => account[Symbol.asyncDispose]());
  return account;
}

async function pairUp(
  older: Hawser,
  account: HawserAccount,
  newer: Hawser,
): Promise<HawserAccount> {
  const rendezvous = createMemoryRendezvous();
  const signal = AbortSignal.timeout(20_000);
  const shown = Promise.withResolvers<string>();
  const approving = approveDevice(older, account, { onCode: shown.resolve, rendezvous, signal });
  const code = await shown.promise;
  const joined = kept(await joinAccount(newer, { code, name: "phone", rendezvous, signal }));
  await approving;
  return joined;
}

/** Names that both devices know, without their marks. */
async function untilNames(account: HawserAccount, names: readonly string[]): Promise<void> {
  await expect
    .poll(() => account.devices().map(({ name, isPaper }) => (isPaper ? "paper" : name)))
    .toEqual(expect.arrayContaining([...names]));
}

describe("spaces of an account", () => {
  test("[NB-8] come to every device by themselves, go with it, and come back from the words", async () => {
    const relay = await relayed();
    const laptop = await device(relay);
    const phone = await device(relay);
    const { account, phrase } = await createAccount(laptop, { name: "laptop" });
    const onPhone = kept(await pairUp(laptop, kept(account), phone));
    const trip = await laptop.create();
    await addDevices(trip, account);
    await trip.kv.put("to", "Lofoten");
    await expect.poll(() => phone.spaces().length, { timeout: 10_000 }).toBe(1);
    const [there] = phone.spaces();
    await expect.poll(() => there?.kv.get("to"), { timeout: 10_000 }).toBe("Lofoten");
    const managersOf = (space: HawserSpace | undefined) =>
      (space?.members() ?? []).filter(({ level }) => level === "manage").length;
    // The laptop, the phone and the words.
    await expect.poll(() => managersOf(there), { timeout: 10_000 }).toBe(3);
    await there?.kv.put("by", "ferry");
    await expect.poll(() => trip.kv.get("by"), { timeout: 10_000 }).toBe("ferry");

    await onPhone.revoke(laptop.author);
    await expect.poll(() => managersOf(there), { timeout: 10_000 }).toBe(2);
    await there?.kv.put("by", "plane, and the laptop does not know");
    await there?.synced();
    expect(trip.kv.get("by")).toBe("ferry");
    await onPhone.synced();
    await onPhone[Symbol.asyncDispose]();
    await phone[Symbol.asyncDispose]();

    const tablet = await device(relay);
    const missed: string[] = [];
    const back = await recoverAccount(tablet, {
      phrase,
      name: "tablet",
      lost: (devices) => Promise.resolve(devices.map(({ author }) => author)),
      onMissed: ({ topic }) => missed.push(topic),
      signal: AbortSignal.timeout(30_000),
    });
    kept(back);
    expect(missed).toEqual([]);
    await expect.poll(() => tablet.spaces().length, { timeout: 10_000 }).toBe(1);
    const [again] = tablet.spaces();
    await expect.poll(() => again?.kv.get("by"), { timeout: 10_000 }).toMatch(/^plane/);
    const authorsNow = () => again?.members().map(({ author }) => author) ?? [];
    expect(authorsNow()).toContain(tablet.author);
    await expect.poll(authorsNow, { timeout: 10_000 }).not.toContain(phone.author);
    expect(again?.space.access()).toEqual({ level: "manage", mayDelete: true });
  }, 60_000);

  test("[NB-8] a person joins by one link with all devices", async () => {
    const relay = await relayed();
    const ada = await device(relay);
    const laptop = await device(relay);
    const phone = await device(relay);
    const { account } = await createAccount(laptop, { name: "laptop" });
    kept(await pairUp(laptop, kept(account), phone));
    const trip = await ada.create();
    await trip.kv.put("to", "Lofoten");
    const joined = await laptop.join(await trip.invite(), { as: account.space });
    await joined.synced();
    expect(joined.kv.get("to")).toBe("Lofoten");
    await expect.poll(() => phone.spaces().length, { timeout: 10_000 }).toBe(1);
    await expect.poll(() => phone.spaces()[0]?.kv.get("to"), { timeout: 10_000 }).toBe("Lofoten");
    await phone.spaces()[0]?.kv.put("by", "train");
    await expect.poll(() => trip.kv.get("by"), { timeout: 10_000 }).toBe("train");
  }, 40_000);
});

describe("an account over a relay", () => {
  test("[NB-8] a second device joins by a code and is revoked again", async () => {
    const relay = await relayed();
    const laptop = await device(relay);
    const phone = await device(relay);
    const made = await createAccount(laptop, { name: "laptop" });
    const account = kept(made.account);
    const joined = await pairUp(laptop, account, phone);
    await untilNames(joined, ["laptop", "phone", "paper"]);
    await untilNames(account, ["laptop", "phone", "paper"]);
    await account.revoke(phone.author);
    await expect.poll(() => joined.space.status().state).toBe("removed");
    expect(account.devices()).toHaveLength(2);
  });

  test("[NB-8] 24 words bring it back on a new device, and lock the lost one out", async () => {
    const relay = await relayed();
    const laptop = await device(relay);
    const { account, phrase } = await createAccount(laptop, { name: "laptop" });
    await account.space.append([{ type: "note", body: new TextEncoder().encode("kept") }]);
    await account.synced();
    await account[Symbol.asyncDispose]();
    await laptop[Symbol.asyncDispose]();
    const tablet = await device(relay);
    const shown: (string | undefined)[] = [];
    const back = kept(
      await recoverAccount(tablet, {
        phrase: phrase.toUpperCase(),
        name: "tablet",
        lost: (devices) => {
          shown.push(...devices.map(({ name }) => name));
          return Promise.resolve(devices.map(({ author }) => author));
        },
        signal: AbortSignal.timeout(20_000),
      }),
    );
    expect(shown).toEqual(["laptop"]);
    await untilNames(back, ["tablet", "paper"]);
    expect(back.devices()).toHaveLength(2);
    expect(back.space.access()).toEqual({ level: "manage", mayDelete: true });
    await expect.poll(() => bodiesOf(back)).toContain("kept");
    // And once more, with the same words: the paper key's log goes on, it does not fork.
    const third = await device(relay);
    const again = kept(
      await recoverAccount(third, { phrase, name: "third", signal: AbortSignal.timeout(20_000) }),
    );
    await untilNames(again, ["tablet", "third", "paper"]);
    await untilNames(back, ["tablet", "third", "paper"]);
    expect(again.space.timeline().filter(({ status }) => status.state !== "effective")).toEqual([]);
  });

  test("[NB-8] it comes back whichever log the relay sends first", async () => {
    // Ids are drawn anew in each round, and with them the order of the logs.
    for (let round = 0; round < 4; round++) {
      const relay = await relayed();
      const laptop = await device(relay);
      const phone = await device(relay);
      const { account, phrase } = await createAccount(laptop, { name: "laptop" });
      kept(await pairUp(laptop, kept(account), phone));
      await account.revoke(phone.author);
      await account.synced();
      const signal = AbortSignal.timeout(15_000);
      const tablet = await device(relay);
      const back = kept(await recoverAccount(tablet, { phrase, name: "tablet", signal }));
      await untilNames(back, ["laptop", "tablet", "paper"]);
    }
  });

  test("[NB-8] a thief who takes the words' own key out is outranked by it", async () => {
    const relay = await relayed();
    const laptop = await device(relay);
    const phone = await device(relay);
    const { account, phrase } = await createAccount(laptop, { name: "laptop" });
    const onPhone = kept(await pairUp(laptop, kept(account), phone));
    const trip = await laptop.create();
    await addDevices(trip, account);
    await expect.poll(() => phone.spaces().length, { timeout: 10_000 }).toBe(1);
    const paper = account.devices().find(({ isPaper }) => isPaper)?.author ?? "";
    await onPhone.space.remove(paper as typeof phone.author);
    await onPhone.space.remove(laptop.author);
    await onPhone.synced();
    expect(onPhone.devices()).toHaveLength(1);
    const tablet = await device(relay);
    const back = kept(
      await recoverAccount(tablet, {
        phrase,
        name: "tablet",
        signal: AbortSignal.timeout(20_000),
      }),
    );
    await untilNames(back, ["laptop", "tablet", "paper"]);
    expect(back.devices()).toHaveLength(3);
    await expect.poll(() => onPhone.space.status().state).toBe("removed");
    await expect.poll(() => account.space.status().state).toBe("active");
    // And the words are good for another time.
    const third = await device(relay);
    const signal = AbortSignal.timeout(20_000);
    const again = kept(await recoverAccount(third, { phrase, name: "third", signal }));
    await untilNames(again, ["laptop", "tablet", "third", "paper"]);
  }, 60_000);

  test("a space in which a lost device stays by itself is named", async () => {
    const relay = await relayed();
    const laptop = await device(relay);
    const phone = await device(relay);
    const { account, phrase } = await createAccount(laptop, { name: "laptop" });
    kept(await pairUp(laptop, account, phone));
    // Nobody is there to make the paper key a manager.
    await account[Symbol.asyncDispose]();
    const trip = await laptop.create();
    await addDevices(trip, account);
    await expect.poll(() => phone.spaces().length, { timeout: 10_000 }).toBe(1);
    await trip.synced();
    await account.synced();
    await laptop[Symbol.asyncDispose]();
    const missed: string[] = [];
    const back = kept(
      await recoverAccount(await device(relay), {
        phrase,
        name: "tablet",
        lost: (devices) => Promise.resolve(devices.map(({ author }) => author)),
        onMissed: ({ topic }) => missed.push(topic),
        signal: AbortSignal.timeout(30_000),
      }),
    );
    expect(missed).toEqual([trip.space.topic]);
    expect(back.space.access()).toEqual({ level: "manage", mayDelete: true });
  }, 40_000);

  test("[NB-8] friends with enough shares bring the phrase back", async () => {
    const relay = await relayed();
    const laptop = await device(relay);
    const { account, phrase } = await createAccount(laptop, { name: "laptop" });
    kept(account);
    const shares = await sharePhrase(laptop, phrase, { count: 3, needed: 2 });
    expect(await phraseOfShares([shares[2] ?? "", shares[0] ?? ""])).toBe(phrase);
    await expect(phraseOfShares(shares.slice(1, 2))).rejects.toMatchObject({
      code: "ACCOUNT_SHARES_UNFIT",
    });
  });

  test("is found again when the device starts, and a device has one", async () => {
    const laptop = await device(await relayed());
    expect(await openAccount(laptop)).toBeUndefined();
    const { account, phrase } = await createAccount(laptop, { name: "laptop" });
    kept(account);
    const found = await openAccount(laptop);
    expect(found?.space.id).toBe(account.space.id);
    expect(laptop.spaces()).toEqual([]);
    await found?.[Symbol.asyncDispose]();
    const signal = AbortSignal.timeout(1_000);
    for (const second of [
      createAccount(laptop, { name: "x" }),
      recoverAccount(laptop, { phrase, name: "x", signal }),
    ]) {
      await expect(second).rejects.toMatchObject({ code: "ACCOUNT_EXISTS" });
    }
  });

  test("words of another account find nothing, and say so when time is up", async () => {
    const relay = await relayed();
    const laptop = await device(relay);
    kept((await createAccount(laptop, { name: "laptop" })).account);
    const phrase = `${"abandon ".repeat(23)}art`;
    const recovering = recoverAccount(await device(relay), {
      phrase,
      name: "thief",
      signal: AbortSignal.timeout(500),
    });
    await expect(recovering).rejects.toMatchObject({ name: "TimeoutError" });
  });

  test("a relay that refuses the account does not keep its phrase from the person", async () => {
    const relay = await relayed();
    const refusing = {
      ...relay,
      host: () => Promise.reject(new HawserError("HAWSER_RELAY_REFUSED", "no room")),
    };
    const laptop = await createHawser({ relay: refusing });
    closing.push(async () => laptop[Symbol.asyncDispose]());
    const { account, phrase } = await createAccount(laptop, { name: "laptop" });
    kept(account);
    expect(phrase.split(" ")).toHaveLength(24);
    expect(laptop.spaces()).toEqual([]);
  });

  test("joining that is called off at the end leaves an account that can be opened", async () => {
    const relay = await relayed();
    const laptop = await device(relay);
    const phone = await device(undefined);
    const { account } = await createAccount(laptop, { name: "laptop" });
    const rendezvous = createMemoryRendezvous();
    const shown = Promise.withResolvers<string>();
    const signal = AbortSignal.timeout(10_000);
    const approving = approveDevice(laptop, kept(account), {
      onCode: shown.resolve,
      rendezvous,
      signal,
    });
    const impatient = new AbortController();
    // Without a relay its keys never come.
    const options = { code: await shown.promise, name: "phone", rendezvous };
    const joining = joinAccount(phone, { ...options, signal: impatient.signal });
    await approving;
    await expect.poll(() => openable(phone)).toBe(true);
    impatient.abort();
    await expect(joining).rejects.toMatchObject({ name: "AbortError" });
    expect(phone.spaces()).toEqual([]);
  });

  test("without a relay there is nothing to meet at", async () => {
    const alone = await device(undefined);
    const { account, phrase } = await createAccount(alone, { name: "alone" });
    kept(account);
    const { signal } = new AbortController();
    const asking = approveDevice(alone, account, { onCode: () => undefined, signal });
    await expect(asking).rejects.toMatchObject({ code: "HAWSER_NO_RELAY" });
    const other = await device(undefined);
    const recovering = recoverAccount(other, { phrase, name: "x", signal });
    await expect(recovering).rejects.toMatchObject({ code: "HAWSER_NO_RELAY" });
  });
});

async function openable(hawser: Hawser): Promise<boolean> {
  await using account = await openAccount(hawser);
  return account !== undefined;
}

async function bodiesOf(account: HawserAccount): Promise<readonly string[]> {
  const bodies: string[] = [];
  const abort = new AbortController();
  for await (const batch of account.space.batches({ signal: abort.signal })) {
    for (const event of batch.events) bodies.push(new TextDecoder().decode(event.body));
    if (batch.caughtUp) break;
  }
  abort.abort();
  return bodies;
}
