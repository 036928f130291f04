/** A person's devices: founding, letting in, naming, revoking. Real spaces over memory stores. */
import { afterEach, describe, expect, it } from "vitest";
import { seededRandom } from "@hawser/crypto/testing";
import { createWorld, textsOf, write, type Device, type World } from "@hawser/space/testing";
import { createVirtualTimers } from "@hawser/sync/testing";
import {
  createAccount,
  createMemoryRendezvous,
  joinAccount,
  openAccount,
  phraseOf,
  recoveryKeysOf,
  type Account,
  type AccountDeps,
} from "../src/index.ts";

const open: Account[] = [];
afterEach(async () => {
  for (const account of open.splice(0)) await account[Symbol.asyncDispose]();
});

function depsOf(world: World, device: Device): AccountDeps {
  return {
    store: device.store,
    spaces: device.spaces,
    crypto: world.crypto,
    clock: { nowMicros: () => world.now() },
    random: seededRandom(`account ${device.name}`),
    timers: createVirtualTimers(),
  };
}

async function founded(world: World, device: Device) {
  const made = await createAccount(depsOf(world, device), { name: device.name });
  open.push(made.account);
  return made;
}

/** Lets `newcomer` in by a code that `account` shows. */
async function letIn(world: World, account: Account, newcomer: Device): Promise<Account> {
  const rendezvous = createMemoryRendezvous();
  const { signal } = new AbortController();
  const shown = Promise.withResolvers<string>();
  const approving = account.approve({
    rendezvous,
    onCode: shown.resolve,
    relays: ["wss://relay.example"],
    signal,
  });
  const joined = await joinAccount(depsOf(world, newcomer), {
    rendezvous,
    code: await shown.promise,
    name: newcomer.name,
    signal,
  });
  expect((await approving).author).toBe(newcomer.author);
  expect(joined.relays).toEqual(["wss://relay.example"]);
  open.push(joined.account);
  return joined.account;
}

/** Names in the order of the list, with what stands beside them. */
function listOf(account: Account): readonly string[] {
  return account
    .devices()
    .map(({ name, isSelf, isPaper }) => `${name ?? (isPaper ? "paper" : "?")}${isSelf ? "*" : ""}`)
    .sort();
}

describe("an account", () => {
  it("[NB-8] is founded by a key that is on paper alone, and outranks the device", async () => {
    const world = await createWorld();
    const laptop = await world.device("laptop");
    const { account, recoverySecret } = await founded(world, laptop);
    const keys = recoveryKeysOf(world.crypto, recoverySecret);
    expect(phraseOf(recoverySecret).split(" ")).toHaveLength(24);
    expect(account.space.timeline()[0]?.author).toBe(keys.author);
    await account.ready;
    expect(listOf(account)).toEqual(["laptop*", "paper"]);
    expect(account.space.access()).toEqual({ level: "manage", mayDelete: true });
    expect(account.space.status().rotationOwed).toBe(false);
  });

  it("nothing of the paper key is in the device's store", async () => {
    const world = await createWorld();
    const laptop = await world.device("laptop");
    const { recoverySecret } = await founded(world, laptop);
    const { authorSecret, prekeySecret } = recoveryKeysOf(world.crypto, recoverySecret);
    const kept = await laptop.store.list("");
    for (const { value } of kept) {
      const hex = Buffer.from(value).toString("hex");
      for (const secret of [recoverySecret, authorSecret, prekeySecret]) {
        expect(hex).not.toContain(Buffer.from(secret).toString("hex"));
      }
    }
    expect(kept.length).toBeGreaterThan(2);
  });

  it("is the same after a restart, and a device has one", async () => {
    const world = await createWorld();
    const laptop = await world.device("laptop");
    expect(await openAccount(depsOf(world, laptop))).toBeUndefined();
    const { account } = await founded(world, laptop);
    await expect(founded(world, laptop)).rejects.toMatchObject({ code: "ACCOUNT_EXISTS" });
    await account[Symbol.asyncDispose]();
    const again = await world.restart(laptop);
    const reopened = await openAccount(depsOf(world, again));
    if (reopened === undefined) throw new Error("the account is gone");
    open.push(reopened);
    await reopened.ready;
    expect(listOf(reopened)).toEqual(["laptop*", "paper"]);
  });

  it("[NB-8] another device is let in by a code, reads what was before, and is named", async () => {
    const world = await createWorld();
    const laptop = await world.device("laptop");
    const phone = await world.device("phone");
    const { account } = await founded(world, laptop);
    await write(account.space, "before");
    const joined = await letIn(world, account, phone);
    await world.settle(laptop, phone);
    await joined.space.ready();
    await joined.ready;
    expect(listOf(joined)).toEqual(["laptop", "paper", "phone*"]);
    expect(await textsOf(joined.space)).toContain("before");
    await write(joined.space, "from the phone");
    await world.settle(laptop, phone);
    expect(await textsOf(account.space)).toContain("from the phone");
  });

  it("a device may be renamed by any other, and the last name counts everywhere", async () => {
    const world = await createWorld();
    const laptop = await world.device("laptop");
    const phone = await world.device("phone");
    const { account } = await founded(world, laptop);
    const joined = await letIn(world, account, phone);
    await world.settle(laptop, phone);
    await account.rename(phone.author, "old phone");
    await joined.rename(phone.author, "new phone");
    await world.settle(laptop, phone);
    const [here, there] = [listOf(account), listOf(joined)];
    expect(here.map((name) => name.replace("*", ""))).toEqual(
      there.map((name) => name.replace("*", "")),
    );
    for (const name of ["", "x".repeat(129), "\u001b[31mred", "a\nb"]) {
      await expect(account.rename(phone.author, name)).rejects.toMatchObject({
        code: "ACCOUNT_OUT_OF_RANGE",
      });
    }
  });

  it("[NB-8] a revoked device reads nothing that is written after, and the timeline shows it", async () => {
    const world = await createWorld();
    const laptop = await world.device("laptop");
    const phone = await world.device("phone");
    const { account } = await founded(world, laptop);
    const joined = await letIn(world, account, phone);
    await world.settle(laptop, phone);
    await account.revoke(phone.author);
    await write(account.space, "after the theft");
    await world.settle(laptop, phone);
    expect(joined.space.status().state).toBe("removed");
    expect(await textsOf(joined.space)).not.toContain("after the theft");
    expect(listOf(account)).toEqual(["laptop*", "paper"]);
    const last = account.space.timeline().at(-1);
    expect(last).toMatchObject({ change: "remove", author: laptop.author });
    expect(last?.members).toEqual([phone.author]);
  });

  it("[NB-8] a stolen device that revokes the others does not outrank them", async () => {
    const world = await createWorld();
    const laptop = await world.device("laptop");
    const phone = await world.device("phone");
    const { account } = await founded(world, laptop);
    const joined = await letIn(world, account, phone);
    await world.settle(laptop, phone);
    // The thief has the phone and no network; the owner revokes it meanwhile.
    await joined.revoke(laptop.author);
    await account.revoke(phone.author);
    await world.settle(laptop, phone);
    expect(listOf(account)).toEqual(["laptop*", "paper"]);
    expect(account.space.status().state).toBe("active");
    expect(joined.space.status().state).toBe("removed");
  });

  it("a device whose answer was lost asks again, and is answered", async () => {
    const world = await createWorld();
    const laptop = await world.device("laptop");
    const phone = await world.device("phone");
    const { account } = await founded(world, laptop);
    // The answer of the first attempt never arrives: it was added and does not know.
    await account.space.add(await phone.spaces.bundle(), "manage", { mayDelete: true });
    const joined = await letIn(world, account, phone);
    await world.settle(laptop, phone);
    await joined.space.ready();
    expect(joined.devices()).toHaveLength(3);
  });

  it("a person who confirms when the new device has gone lets nobody in", async () => {
    const world = await createWorld();
    const laptop = await world.device("laptop");
    const phone = await world.device("phone");
    const { account } = await founded(world, laptop);
    const rendezvous = createMemoryRendezvous();
    const gone = new AbortController();
    const shown = Promise.withResolvers<string>();
    const approving = account.approve({
      rendezvous,
      onCode: shown.resolve,
      confirm: async () => {
        gone.abort();
        await joining.catch(() => undefined);
        return true;
      },
      signal: new AbortController().signal,
    });
    const code = await shown.promise;
    const options = { rendezvous, code, name: "phone", signal: gone.signal };
    const joining = joinAccount(depsOf(world, phone), options);
    joining.catch(() => undefined);
    await expect(approving).rejects.toMatchObject({ code: "ACCOUNT_MAILBOX_CLOSED" });
    expect(account.devices()).toHaveLength(2);
  });

  it("a relay's address that is too long for an answer is left out of it", async () => {
    const world = await createWorld();
    const laptop = await world.device("laptop");
    const phone = await world.device("phone");
    const { account } = await founded(world, laptop);
    const rendezvous = createMemoryRendezvous();
    const { signal } = new AbortController();
    const shown = Promise.withResolvers<string>();
    const relays = [`wss://${"x".repeat(300)}.example`, "wss://relay.example"];
    const approving = account.approve({ rendezvous, onCode: shown.resolve, relays, signal });
    const code = await shown.promise;
    const options = { rendezvous, code, name: "phone", signal };
    const joined = await joinAccount(depsOf(world, phone), options);
    open.push(joined.account);
    await approving;
    expect(joined.relays).toEqual(["wss://relay.example"]);
  });

  it("the key on paper is neither revoked nor named", async () => {
    const world = await createWorld();
    const laptop = await world.device("laptop");
    const { account, recoverySecret } = await founded(world, laptop);
    const { author } = recoveryKeysOf(world.crypto, recoverySecret);
    await expect(account.revoke(author)).rejects.toMatchObject({ code: "ACCOUNT_PAPER_KEY" });
    await account.rename(author, "an old phone that I sold");
    await world.settle(laptop);
    await account.ready;
    expect(listOf(account)).toEqual(["laptop*", "paper"]);
  });

  it("founding twice at once founds one account, and the other says so", async () => {
    const world = await createWorld();
    const laptop = await world.device("laptop");
    const deps = depsOf(world, laptop);
    const both = await Promise.allSettled([
      createAccount(deps, { name: "a" }),
      createAccount(deps, { name: "b" }),
    ]);
    const founding = both.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    open.push(...founding.map(({ account }) => account));
    expect(founding).toHaveLength(1);
    expect(both.find(({ status }) => status === "rejected")).toMatchObject({
      reason: { code: "ACCOUNT_EXISTS" },
    });
  });

  it("a request that names another key than it signed is turned away", async () => {
    const world = await createWorld();
    const laptop = await world.device("laptop");
    const { account } = await founded(world, laptop);
    const rendezvous = createMemoryRendezvous();
    const { signal } = new AbortController();
    const { requestPairing } = await import("../src/pairing.ts");
    for (const request of [new Uint8Array(0), new Uint8Array(300).fill(0x83)]) {
      const shown = Promise.withResolvers<string>();
      const approving = account.approve({ rendezvous, onCode: shown.resolve, signal });
      const asking = requestPairing(
        { crypto: world.crypto, random: seededRandom("forger"), rendezvous },
        { code: await shown.promise, request, signal },
      );
      await expect(asking).rejects.toMatchObject({ code: "ACCOUNT_PAIRING_DENIED" });
      await expect(approving).rejects.toMatchObject({ code: "ACCOUNT_PAIRING_DENIED" });
    }
    expect(account.devices()).toHaveLength(2);
  });
});
