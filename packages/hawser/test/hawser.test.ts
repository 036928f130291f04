import { afterAll, describe, expect, test } from "vitest";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHawser, type Hawser, type HawserSpace, type RelayClient } from "@hawser/hawser";
import { createMemoryRelay, type MemoryRelay } from "@hawser/hawser/testing";
import { createKv } from "@hawser/kv";

const scratch = await mkdtemp(join(tmpdir(), "hawser-door-"));
afterAll(() => rm(scratch, { recursive: true, force: true }));

async function pair(): Promise<{
  relay: MemoryRelay;
  ada: Hawser;
  ben: Hawser;
  trip: HawserSpace;
  shared: HawserSpace;
}> {
  const relay = await createMemoryRelay();
  const ada = await createHawser({ relay });
  const ben = await createHawser({ relay });
  const trip = await ada.create();
  const shared = await ben.join(await trip.invite());
  return { relay, ada, ben, trip, shared };
}

/** A way to a relay on which nothing arrives there while it is paused. */
function pausable(relay: RelayClient): {
  readonly client: RelayClient;
  pause(): void;
  resume(): void;
} {
  let gate = Promise.withResolvers<void>();
  gate.resolve();
  const connect: RelayClient["connect"] = async (options) => {
    const connection = await relay.connect(options);
    return {
      frames: connection.frames,
      send: async (frame) => {
        await gate.promise;
        await connection.send(frame);
      },
      close: (reason) => connection.close(reason),
    };
  };
  return {
    client: { ...relay, connect },
    pause: () => {
      gate = Promise.withResolvers();
    },
    resume: () => gate.resolve(),
  };
}

async function close(...things: readonly (AsyncDisposable | MemoryRelay)[]): Promise<void> {
  for (const thing of things) {
    await ("close" in thing ? thing.close() : thing[Symbol.asyncDispose]());
  }
}

describe("two devices and a relay", () => {
  test("[TH-039] a relay is one more address of the logs of whoever chose it", async () => {
    const relay = await createMemoryRelay();
    const client: RelayClient = { ...relay, addresses: ["wss://relay.example"] };
    const ada = await createHawser({ relay: client });
    const ben = await createHawser({ relay });
    const trip = await ada.create();
    const shared = await ben.join(await trip.invite());
    await shared.synced();
    for (const space of [trip, shared]) {
      expect(space.space.addresses()).toMatchObject([
        { author: ada.author, address: "wss://relay.example" },
      ]);
    }
    await close(ada, ben, relay);
  });

  test("[TH-020] [TH-109] what one writes the other reads, both ways", async () => {
    const { relay, ada, ben, trip, shared } = await pair();
    await trip.kv.put("to", "Lofoten");
    await trip.synced();
    await shared.synced();
    expect(shared.kv.get("to")).toBe("Lofoten");
    await shared.kv.put("from", "Oslo");
    await shared.synced();
    await trip.synced();
    expect([...trip.kv.range()].map((entry) => entry.key)).toEqual(["from", "to"]);
    await close(ada, ben, relay);
  });

  test("[TH-070] one space is edited by two, watched by a reader and hosted by a follower", async () => {
    const { relay, ada, ben, trip, shared } = await pair();
    const eve = await createHawser({ relay });
    const watched = await eve.join(await trip.invite({ level: "read" }));
    const seen: unknown[] = [];
    const abort = new AbortController();
    const watching = (async () => {
      for await (const change of watched.kv.watch({ signal: abort.signal }))
        seen.push(change.value);
    })();
    await trip.kv.put("to", "Lofoten");
    await shared.kv.put("by", "ferry");
    await Promise.all([trip.synced(), shared.synced(), watched.synced()]);
    expect([...watched.kv.range()].map(({ value }) => value)).toEqual(["ferry", "Lofoten"]);
    await expect.poll(() => seen).toEqual(expect.arrayContaining(["Lofoten", "ferry"]));
    await expect(watched.kv.put("by", "plane")).rejects.toMatchObject({ code: "SPACE_NO_ACCESS" });
    // The relay has the logs of both editors, and the reader has none.
    const heads = await relay.store.heads(trip.space.topic);
    const writers = heads.filter(({ context }) => context.domain === "hawser.data");
    expect(writers.map(({ context }) => context.author).sort()).toEqual(
      [ada.author, ben.author].sort(),
    );
    abort.abort();
    await watching;
    await close(ada, ben, eve, relay);
  });

  test("[TH-041] the second reads while the first is away", async () => {
    const { relay, ada, ben, trip, shared } = await pair();
    await trip.kv.put("left", "behind");
    await trip.synced();
    await close(ada);
    await shared.synced();
    expect(shared.kv.get("left")).toBe("behind");
    await close(ben, relay);
  });

  test("a removed member gets a code, keeps its old copy and never the new content", async () => {
    const { relay, ada, ben, trip, shared } = await pair();
    await trip.kv.put("k", "old");
    await trip.synced();
    await shared.synced();
    await trip.remove(ben.author);
    await trip.kv.put("k", "new");
    await trip.synced();
    await shared.accessLost;
    await expect(shared.synced()).rejects.toMatchObject({ code: "HAWSER_NO_ACCESS" });
    expect(shared.kv.get("k")).toBe("old");
    expect(trip.members().map((member) => member.author)).not.toContain(ben.author);
    await close(ada, ben, relay);
  });

  test("a removed member comes back by a new link, and reads and writes again", async () => {
    const { relay, ada, ben, trip, shared } = await pair();
    await trip.kv.put("k", "old");
    await trip.synced();
    await shared.synced();
    await trip.remove(ben.author);
    await trip.synced();
    await shared.accessLost;
    await trip.kv.put("k", "while away");
    const link = await trip.invite();
    await trip.synced();
    const again = await ben.join(link);
    await again.synced();
    expect(again.kv.get("k")).toBe("while away");
    await again.kv.put("k", "back");
    await again.synced();
    await trip.synced();
    expect(trip.kv.get("k")).toBe("back");
    const lost = await Promise.race([again.accessLost.then(() => "lost"), Promise.resolve("in")]);
    expect(lost).toBe("in");
    await close(ada, ben, relay);
  });

  test("a link works once", async () => {
    const relay = await createMemoryRelay();
    const [ada, ben, eve] = await Promise.all([1, 2, 3].map(() => createHawser({ relay })));
    if (ada === undefined || ben === undefined || eve === undefined) throw new Error("no device");
    const trip = await ada.create();
    const link = await trip.invite();
    await ben.join(link);
    // Once a reader ended the spent invite, its follow key does not even open the relay.
    const code = await eve.join(link).then(
      () => "joined",
      (error: { readonly code?: string }) => error.code,
    );
    expect(["SPACE_INVITE_USED", "HAWSER_INVITE_REFUSED"]).toContain(code);
    await close(ada, ben, eve, relay);
  });

  test("whoever joins is let in though the keys change before the relay hears of it", async () => {
    const relay = await createMemoryRelay();
    const [ada, eve] = [await createHawser({ relay }), await createHawser({ relay })];
    const line = pausable(relay);
    const ben = await createHawser({ relay: line.client });
    // So the connection is there, and proven, before the link is used.
    await (await ben.create()).synced();
    const trip = await ada.create();
    const shared = await eve.join(await trip.invite());
    await shared.synced();
    const link = await trip.invite();
    await trip.synced();
    line.pause();
    const joining = ben.join(link);
    await trip.remove(eve.author);
    await trip.synced();
    line.resume();
    await (await joining).synced();
    await close(ada, ben, eve, relay);
  });

  test("cut connections come back, and nothing is lost", async () => {
    const { relay, ada, ben, trip, shared } = await pair();
    for (let round = 0; round < 3; round++) {
      relay.cutAll();
      await trip.kv.put(`round ${round}`, round);
    }
    await trip.synced();
    await shared.synced();
    expect(shared.kv.size).toBe(3);
    await close(ada, ben, relay);
  });

  test("[TH-130] the relay holds every entry and can read none", async () => {
    const { relay, ada, ben, trip } = await pair();
    await trip.kv.put("needle-key", "needle-value");
    await trip.synced();
    for (const topic of await relay.store.topics()) {
      for (const head of await relay.store.heads(topic)) {
        for await (const range of relay.store.ranges(head.logId)) {
          expect(Buffer.from(range.bytes).includes("needle")).toBe(false);
        }
      }
    }
    expect((await relay.store.stats()).entries).toBe((await ada.stats()).entries);
    await close(ada, ben, relay);
  });

  test("members say who is who", async () => {
    const { relay, ada, ben, trip } = await pair();
    await trip.synced();
    const rows = trip.members().map(({ author, level, isSelf, isRelay }) => {
      return [author === ben.author ? "ben" : "", level, isSelf, isRelay].join(" ").trim();
    });
    expect(rows.sort()).toEqual(["ben write false false", "manage true false", "pull false true"]);
    await close(ada, ben, relay);
  });
});

/** A relay client whose connections change what the relay sends. */
function tampering(relay: MemoryRelay, change: (frame: Uint8Array) => Uint8Array): RelayClient {
  return {
    addresses: [],
    bundle: (options) => relay.bundle(options),
    host: (request, options) => relay.host(request, options),
    connect: async (options) => {
      const connection = await relay.connect(options);
      return {
        send: (frame) => connection.send(frame),
        close: (reason) => connection.close(reason),
        frames: (async function* () {
          for await (const frame of connection.frames) yield change(frame);
        })(),
      };
    },
  };
}

describe("a relay that lies", () => {
  const rangeMessage = 8;

  test("one flipped bit in an entry: a code, nothing stored, nothing lost", async () => {
    const relay = await createMemoryRelay();
    const ada = await createHawser({ relay });
    const trip = await ada.create();
    const link = await trip.invite();
    let isLying = false;
    const liar = tampering(relay, (frame) => {
      if (!isLying || frame[0] !== rangeMessage) return frame;
      const changed = frame.slice();
      changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
      return changed;
    });
    const ben = await createHawser({ relay: liar });
    const shared = await ben.join(link);
    await shared.synced();
    const before = await ben.stats();
    isLying = true;
    await trip.kv.put("k", "true");
    await trip.synced();
    await expect(shared.synced()).rejects.toMatchObject({ code: "HAWSER_RELAY_MISBEHAVES" });
    expect((await ben.stats()).entries).toBe(before.entries);
    expect(shared.kv.get("k")).toBeUndefined();
    await close(ada, ben, relay);
  });
});

describe("one device", () => {
  test("[TH-103] without a relay a space lives here alone and says so", async () => {
    const ada = await createHawser();
    const notes = await ada.create();
    await notes.kv.put("a", 1);
    expect(notes.kv.get("a")).toBe(1);
    await expect(notes.synced()).rejects.toMatchObject({ code: "HAWSER_NO_RELAY" });
    await close(ada);
  });

  test("[TH-142] a device reopens with its key, its spaces and what they hold", async () => {
    const path = join(scratch, "reopen.sqlite");
    const first = await createHawser({ path });
    const notes = await first.create();
    await notes.kv.put("a", "kept");
    await close(first);
    const second = await createHawser({ path });
    expect(second.author).toBe(first.author);
    const again = second.space(notes.id);
    await again?.kv.ready;
    expect(again?.kv.get("a")).toBe("kept");
    await again?.kv.put("b", "more");
    expect(again?.kv.size).toBe(2);
    await close(second);
  });

  test("further views are made from `deps`, and see what the first one writes", async () => {
    const ada = await createHawser();
    const notes = await ada.create();
    await using second = createKv(notes.deps);
    await second.ready;
    await notes.kv.put("a", "by the first", { ttlMs: 3_600_000 });
    await second.put("b", "by the second");
    expect([second.get("a"), second.get("b")]).toEqual(["by the first", "by the second"]);
    await notes.caughtUp();
    expect(notes.kv.get("b")).toBe("by the second");
    expect(notes.deps).toMatchObject({ source: notes.space, author: ada.author });
    expect(notes.deps.channel).toBe(notes.presence);
    await close(ada);
  });

  test("a store of another device is refused", async () => {
    const path = join(scratch, "other.sqlite");
    await close(await createHawser({ path, secret: new Uint8Array(32).fill(1) }));
    const secret = new Uint8Array(32).fill(2);
    await expect(createHawser({ path, secret })).rejects.toMatchObject({
      code: "HAWSER_WRONG_SECRET",
    });
  });

  test.each([
    ["hawser:join/", "SPACE_LINK_TRUNCATED"],
    ["https://example.org/x", "SPACE_LINK_MALFORMED"],
  ])("join(%j) is refused with %s", async (link, code) => {
    const ada = await createHawser();
    await expect(ada.join(link)).rejects.toMatchObject({ code });
    await close(ada);
  });

  test("a relay address that is none is refused", async () => {
    await expect(createHawser({ relay: "http://example.org" })).rejects.toMatchObject({
      code: "HAWSER_RELAY_UNREACHABLE",
    });
  });
});
