/** A presence board: smart records in an encrypted space over a relay, honest or not. */
import { describe, expect, test } from "vitest";
import { createHawser, type Hawser, type HawserSpace, type RelayClient } from "@hawser/hawser";
import { createMemoryRelay } from "@hawser/hawser/testing";
import { createRecords, printNode, type Records } from "@hawser/record";
import type { Connection } from "@hawser/sync";

/** A clock that tells the time, and moves on when told. */
function createClock() {
  let ahead = 0;
  return {
    nowMicros: () => Date.now() * 1_000 + ahead,
    advance: (seconds: number) => {
      ahead += seconds * 1_000_000;
    },
  };
}

function boardOf(device: Hawser, space: HawserSpace, clock = createClock()): Records {
  return createRecords({ source: space.space, author: device.author, clock });
}

/** Who is in the room, by what they say of themselves. */
function present(board: Records): readonly string[] {
  return [...board.get("room").values()].map(({ node }) => printNode(node)).sort(compareTexts);
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : 1;
}

/** Waits until a board shows so many people. */
async function untilPresent(board: Records, count: number): Promise<void> {
  const abort = new AbortController();
  const changes = board.watch({ key: "room", signal: abort.signal })[Symbol.asyncIterator]();
  for (let next = changes.next(); present(board).length !== count; next = changes.next()) {
    await next;
  }
  abort.abort();
}

/** A relay that changes one bit of every larger frame it hands out, while told so. */
function createTamperer(relay: RelayClient) {
  const state = { isTampering: false, changedCount: 0 };
  async function* frames(connection: Connection): AsyncGenerator<Uint8Array> {
    for await (const frame of connection.frames) {
      if (!state.isTampering || frame.length < 300) {
        yield frame;
        continue;
      }
      state.changedCount += 1;
      const changed = frame.slice();
      const middle = frame.length >> 1;
      changed[middle] = (changed[middle] ?? 0) ^ 1;
      yield changed;
    }
  }
  const client: RelayClient = {
    ...relay,
    connect: async (options) => {
      const connection = await relay.connect(options);
      return {
        send: (frame) => connection.send(frame),
        close: (reason) => connection.close(reason),
        frames: frames(connection),
      };
    },
  };
  return { client, state };
}

describe("a presence board", () => {
  test("[SR-demo] people come and go; one who was away finds who is here; nobody can be forged", async () => {
    const relay = await createMemoryRelay();
    const ada = await createHawser({ relay });
    const ben = await createHawser({ relay });
    const room = await ada.create();
    const bens = await ben.join(await room.invite());
    const adasClock = createClock();
    const [adasBoard, bensBoard] = [boardOf(ada, room, adasClock), boardOf(ben, bens)];
    await adasBoard.update("room", { nick: "ada", typing: true }, { ttlMs: 30_000 });
    await bensBoard.update("room", { nick: "ben" }, { ttlMs: 600_000 });
    await untilPresent(adasBoard, 2);
    await untilPresent(bensBoard, 2);
    expect(present(bensBoard)).toEqual(present(adasBoard));
    // Whoever stops announcing is gone, at every reader's own clock and without a message.
    adasClock.advance(60);
    expect(present(adasBoard)).toEqual(['{"nick"="ben"}']);
    // Nobody writes into somebody else's document: Ben's words stand under Ben's key alone.
    await bensBoard.update("room", { nick: "ada", says: "I am not Ada" }, { ttlMs: 600_000 });
    expect([...bensBoard.get("room")].map(([author]) => author)).toContain(ben.author);
    expect(
      printNode(bensBoard.get("room").get(ada.author)?.node ?? { kind: "bool", value: false }),
    ).toBe('{"nick"="ada", "typing"=true}');
    for (const owner of [adasBoard, bensBoard, ada, ben]) await owner[Symbol.asyncDispose]();
    await relay.close();
  });

  test("[SR-demo] a server that changes what it relays is found out, and nothing of it is shown", async () => {
    const relay = await createMemoryRelay();
    const { client, state } = createTamperer(relay);
    const ada = await createHawser({ relay });
    const ben = await createHawser({ relay: client });
    const room = await ada.create();
    const bens = await ben.join(await room.invite());
    await bens.synced();
    const [adasBoard, bensBoard] = [boardOf(ada, room), boardOf(ben, bens)];
    state.isTampering = true;
    await adasBoard.update("room", { nick: "ada", says: "x".repeat(400) }, { ttlMs: 600_000 });
    await room.synced();
    while (ben.relays()[0]?.misbehaviour === undefined) await ben.relaysChanged();
    expect(state.changedCount).toBeGreaterThan(0);
    expect(ben.relays()).toMatchObject([{ misbehaviour: expect.any(String) }]);
    await expect(bens.synced()).rejects.toMatchObject({ code: "HAWSER_RELAY_MISBEHAVES" });
    expect(present(bensBoard)).toEqual([]);
    // The relay never had a key; once it is honest again, what Ada said arrives as she said it.
    state.isTampering = false;
    await untilPresent(bensBoard, 1);
    expect(present(bensBoard)).toEqual(present(adasBoard));
    for (const owner of [adasBoard, bensBoard, ada, ben]) await owner[Symbol.asyncDispose]();
    await relay.close();
  });
});
