/** Several nodes on one PostgreSQL database: one relay to its clients, whichever node they use. */
import { createPostgresStore } from "@hawser/store-postgres";
import { startTestServer } from "@hawser/store-postgres/testing";
import { connectWebSocket, platformTimers } from "@hawser/transport-ws";
import { logIdOf } from "@hawser/log";
import { controlDomain, type Space } from "@hawser/space";
import { afterAll, describe, expect, test } from "vitest";
import type { Relay, RelayOptions } from "../src/index.ts";
import {
  clock as atStart,
  createDevice,
  crypto,
  hostAt,
  httpUrl,
  readTexts,
  startRelay,
  untilSession,
  write,
} from "./help.ts";
import { createTestDatabase } from "./postgres.ts";
import { pathOf, proofFor } from "./reader-help.ts";

const outcome = await startTestServer();
afterAll(async () => {
  if (outcome.ok) await outcome.server[Symbol.asyncDispose]();
});

/** So many nodes on a new database. */
async function startNodes(
  count: number,
  options: RelayOptions = {},
): Promise<{ nodes: readonly Relay[]; url: string }> {
  if (!outcome.ok) throw new Error(outcome.reason);
  const url = await createTestDatabase(outcome.server.url);
  const all = { store: url, metrics: { port: 0 }, ...options };
  const nodes = await Promise.all(Array.from({ length: count }, () => startRelay(all)));
  return { nodes, url };
}

async function figuresOf({ metricsPort }: Pick<Relay, "metricsPort">): Promise<string> {
  return (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
}

async function leads(node: Relay): Promise<boolean> {
  return metricOf(await figuresOf(node), "hawser_relay_leader") === 1;
}

const dayMicros = 24 * 3_600 * 1e6;

function metricOf(text: string, name: string): number {
  const line = text.split("\n").find((each) => each.startsWith(`${name} `));
  return Number(line?.split(" ")[1]);
}

describe.skipIf(!outcome.ok)("nodes on one database", { timeout: 300_000 }, () => {
  test("are one relay: one key, one bundle, and one of them writes in its name", async () => {
    const { nodes } = await startNodes(3);
    const infos = await Promise.all(
      nodes.map(async (node) => (await fetch(httpUrl(node, "/v1/relay"))).json()),
    );
    expect(infos[1]).toEqual(infos[0]);
    expect(infos[2]).toEqual(infos[0]);
    const leading = await Promise.all(nodes.map(leads));
    expect(leading.filter((isLeader) => isLeader)).toHaveLength(1);
  });

  test("a space that is brought to one is served by all, and what one gets the others pass on", async () => {
    const { nodes } = await startNodes(3);
    const [one, two, three] = [nodes[0]!, nodes[1]!, nodes[2]!];
    const ada = await createDevice("ada");
    const adas = await ada.spaces.create();
    expect((await hostAt(one, adas)).status).toBe(204);
    const link = await adas.invite({ level: "write", addresses: [one.url] });
    await ada.connect(two);
    const bob = await createDevice("bob");
    const bobs = await bob.spaces.join(link);
    await bob.connect(three);
    await bobs.ready();
    await write(adas, "from ada");
    await write(bobs, "from bob");
    expect(await readTexts(adas, 2)).toEqual(["from ada", "from bob"]);
    expect(await readTexts(bobs, 2)).toEqual(["from ada", "from bob"]);

    // One proof at all nodes at once makes one feed.
    const target = `${pathOf(one, adas.topic)}/feeds`;
    const asked = { relay: one, device: ada, space: adas };
    const authorization = proofFor(asked, target, { method: "POST" });
    const answers = await Promise.all(
      nodes.map((node) =>
        fetch(httpUrl(node, target), { method: "POST", headers: { authorization } }),
      ),
    );
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 401, 401]);
  });

  test("who is there now is there at every node: broadcasts and signals cross them", async () => {
    const { nodes } = await startNodes(2);
    const [one, two] = [nodes[0]!, nodes[1]!];
    const ada = await createDevice("ada");
    const adas = await ada.spaces.create();
    expect((await hostAt(one, adas)).status).toBe(204);
    const link = await adas.invite({ level: "write", addresses: [one.url] });
    await ada.connect(one);
    const bob = await createDevice("bob");
    const bobs = await bob.spaces.join(link);
    await bob.connect(two);
    await bobs.ready();
    const heard: string[] = [];
    bob.peer.onBroadcast((topic, bytes) => void heard.push(`${topic} ${bytes.length}`));
    // Until it is heard: bob's proof of the new key may still be on its way. Each another one, since
    // the same is passed on once.
    let size = 17_000;
    await expect
      .poll(
        () => {
          ada.peer.broadcast(adas.topic, new Uint8Array(size));
          size -= 1;
          return heard.length > 0;
        },
        { timeout: 180_000, interval: 200 },
      )
      .toBe(true);
    expect(heard[0]).toMatch(new RegExp(`^${adas.topic} 1[67][0-9]{3}$`));

    const room = new Uint8Array(32).fill(5);
    const [a, b] = await Promise.all(
      [one, two].map(async (node) => {
        const pipe = await connectWebSocket(`${node.url}/v1/signal`);
        await pipe.send(room);
        return pipe;
      }),
    );
    const frame = new Uint8Array(8_232).fill(6);
    const got = b!.frames[Symbol.asyncIterator]().next();
    // As devices do: whoever is not in the room yet hears a later one.
    let isOver = false;
    void got.then(() => (isOver = true));
    await expect
      .poll(
        async () => {
          await a!.send(frame);
          return isOver;
        },
        { timeout: 60_000, interval: 1_000 },
      )
      .toBe(true);
    expect((await got).value).toEqual(frame);
    for (const pipe of [a!, b!]) pipe.close();
  });

  test("a member who is removed at one node loses the others", async () => {
    const { nodes } = await startNodes(2);
    const [one, two] = [nodes[0]!, nodes[1]!];
    const ada = await createDevice("ada");
    const adas = await ada.spaces.create();
    expect((await hostAt(one, adas)).status).toBe(204);
    const link = await adas.invite({ level: "write", addresses: [one.url] });
    await ada.connect(one);
    const bob = await createDevice("bob");
    const bobs = await bob.spaces.join(link);
    const session = await bob.connect(two);
    await bobs.ready();
    await adas.remove(bob.author);
    await untilSession(session, () => session.access(adas.topic)?.received === "none");
  });

  test("counts what a space takes up once, on every node, and after a restart", async () => {
    const { nodes, url } = await startNodes(3);
    const third = nodes[2]!;
    const ada = await createDevice("ada");
    const adas = await ada.spaces.create();
    expect((await hostAt(nodes[0]!, adas)).status).toBe(204);
    const session = await ada.connect(nodes[1]!);
    await untilSession(session, () => session.access(adas.topic) !== undefined);
    await write(adas, "one", "two");
    expect((await session.synced()).complete).toBe(true);
    const stored = async (): Promise<readonly number[]> => {
      const { entries, rangeBytes } = await third.stats();
      const text = await figuresOf(third);
      const bytes = metricOf(text, "hawser_relay_stored_bytes") - rangeBytes;
      return [bytes, metricOf(text, "hawser_relay_stored_entries") - entries];
    };
    await expect.poll(stored, { timeout: 60_000 }).toEqual([0, 0]);
    expect(metricOf(await figuresOf(third), "hawser_relay_ingested_entries_total")).toBe(0);
    await nodes[0]!.close();
    const fourth = await startRelay({ store: url, metrics: { port: 0 } });
    const { entries } = await third.stats();
    expect(metricOf(await figuresOf(fourth), "hawser_relay_stored_entries")).toBe(entries);
  });

  test("devices that are being paired may use different nodes", async () => {
    const { nodes } = await startNodes(2);
    const [one, two] = [nodes[0]!, nodes[1]!];
    const claimed = await fetch(httpUrl(one, "/v1/pair"), { method: "POST" });
    const { name } = (await claimed.json()) as { name: string };
    const headers = { "content-type": "application/octet-stream" };
    const put = (node: Relay, slot: number, text: string): Promise<Response> =>
      fetch(httpUrl(node, `/v1/pair/${name}/${slot}`), { method: "PUT", headers, body: text });
    const waiting = fetch(httpUrl(one, `/v1/pair/${name}/1`));
    expect((await put(two, 0, "hello")).status).toBe(204);
    expect((await put(one, 0, "too late")).status).toBe(409);
    expect(await (await fetch(httpUrl(one, `/v1/pair/${name}/0`))).text()).toBe("hello");
    expect((await put(two, 1, "answer")).status).toBe(204);
    expect(await (await waiting).text()).toBe("answer");
    await fetch(httpUrl(two, `/v1/pair/${name}`), { method: "DELETE" });
    expect((await fetch(httpUrl(one, `/v1/pair/${name}/0`))).status).toBe(404);
    expect((await put(one, 2, "nobody")).status).toBe(404);
  });

  test("when the writer goes another takes over, and the relay's own log goes on without a fork", async () => {
    let ahead = 0;
    const clock = { nowMicros: (): number => atStart.nowMicros() + ahead };
    const { nodes, url } = await startNodes(2, { clock });
    const [one, two] = [nodes[0]!, nodes[1]!];
    const ada = await createDevice("ada");
    const space = await ada.spaces.create();
    expect((await hostAt(one, space)).status).toBe(204);
    const session = await ada.connect(two);
    // The other node hears of the space a moment after the first one took it in.
    await untilSession(session, () => session.access(space.topic) !== undefined);
    await session.synced();
    let [writer, other] = (await leads(one)) ? [one, two] : [two, one];
    for (const height of [1, 2]) {
      // By then the relay's key bundle is due: whoever takes over publishes a new one.
      ahead += 40 * dayMicros;
      await writer.close();
      await expect.poll(() => relayHeight(url, space, other), { timeout: 60_000 }).toBe(height);
      writer = other;
      other = await startRelay({ store: url, clock, metrics: { port: 0 } });
    }
    expect((await (await fetch(httpUrl(other, "/v1/relay"))).json()) as object).toMatchObject({
      author: one.author,
    });
  });
});

test.skipIf(outcome.ok)("PostgreSQL does not run here, so no node was tested", () => {
  expect(outcome.ok).toBe(false);
});

/** How many entries the relay has written in a space; fails on a fork. */
async function relayHeight(
  url: string,
  space: Space,
  { author }: Pick<Relay, "author">,
): Promise<number> {
  const store = await createPostgresStore({ crypto, timers: platformTimers }, { connection: url });
  try {
    const logId = logIdOf(crypto, { topic: space.topic, domain: controlDomain, author });
    expect(await store.forkProofs(logId)).toEqual([]);
    return (await store.head(logId))?.height ?? 0;
  } finally {
    await store.close();
  }
}
