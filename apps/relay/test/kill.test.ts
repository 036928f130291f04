/**
 * Three nodes on one PostgreSQL database, clients that write without a break, and a node killed again
 * and again: nothing acknowledged is lost, and everybody converges. `HAWSER_FULL=1`: ten minutes, one
 * kill every 20 s.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createPostgresStore } from "@hawser/store-postgres";
import { startTestServer } from "@hawser/store-postgres/testing";
import { logIdOf } from "@hawser/log";
import { controlDomain, dataDomain, type Space } from "@hawser/space";
import { connectWebSocket, createDialler, platformTimers } from "@hawser/transport-ws";
import { afterAll, expect, onTestFinished, test } from "vitest";
import type { Relay } from "../src/index.ts";
import { createDevice, crypto, hostAt, readTexts, write, type Device } from "./help.ts";
import { createTestDatabase } from "./postgres.ts";

const isFull = process.env["HAWSER_FULL"] === "1";
const plan = isFull
  ? { kills: 30, everyMs: 20_000, spaces: 4, pauseMs: 250, timeoutMs: 1_800_000 }
  : { kills: 6, everyMs: 2_000, spaces: 3, pauseMs: 20, timeoutMs: 300_000 };

const mainPath = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const realClock = { nowMicros: (): number => Date.now() * 1_000 };

const outcome = await startTestServer();
afterAll(async () => {
  if (outcome.ok) await outcome.server[Symbol.asyncDispose]();
});

/** A node as a process. */
interface Node {
  readonly child: ChildProcess;
  readonly relay: Pick<Relay, "url" | "author">;
}

/** Starts a node; resolves when it listens. */
async function startNode(database: string): Promise<Node> {
  const env = { ...process.env, HAWSER_RELAY_STORE: database, HAWSER_RELAY_LOG_LEVEL: "error" };
  const child = spawn(
    process.execPath,
    [
      "--conditions=hawser-source",
      mainPath,
      "--port",
      "0",
      "--json",
      "--connects-per-minute-max",
      "100000",
    ],
    { env, stdio: ["ignore", "pipe", "inherit"] },
  );
  onTestFinished(() => void child.kill("SIGKILL"));
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line) as { event: string } & Pick<Relay, "url" | "author">;
    if (event.event !== "listening") throw new Error(line);
    return { child, relay: event };
  }
  throw new Error("the node ended before it listened");
}

/** A node, killed and started anew in one place; clients find its address here. */
interface Place {
  node: Node;
}

/** Keeps a device connected to one node after another, whichever lives. */
function keepConnected(device: Device, places: readonly Place[], first: number): void {
  let at = first;
  const random = (byteCount: number): Uint8Array => new Uint8Array(byteCount).fill(128);
  const dialler = createDialler(
    {
      connect: (signal) => {
        at += 1;
        const { url } = places[at % places.length]!.node.relay;
        return connectWebSocket(`${url}/v1/sync`, { signal });
      },
      use: (connection) => device.peer.attach(connection).closed,
      timers: platformTimers,
      random,
    },
    { delayMsMin: 50, delayMsMax: 500 },
  );
  onTestFinished(() => dialler[Symbol.asyncDispose]());
}

/** A writer of one space: what it wrote, and how much of it a node acknowledged. */
interface Work {
  readonly space: Space;
  readonly device: Device;
  readonly reader: Space;
  readonly texts: string[];
  acknowledged: number;
  isOver: boolean;
}

/** Writes until told to stop; notes what each sync acknowledged. */
async function keepWriting(work: Work): Promise<void> {
  while (!work.isOver) {
    const text = `${work.texts.length}`.padStart(6, "0");
    work.texts.push(text);
    await write(work.space, text);
    const count = work.texts.length;
    const sessions = work.device.peer.peers().flatMap((peer) => peer.sessions);
    const session = sessions.find((each) => each.access(work.space.topic)?.given === "full");
    if (session !== undefined) {
      const signal = AbortSignal.timeout(1_000);
      const report = await session.synced({ signal }).catch(() => undefined);
      if (report?.complete === true) work.acknowledged = count;
    }
    await pause(plan.pauseMs);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void platformTimers.after(ms, () => resolve()));
}

async function startWork(places: readonly Place[], index: number): Promise<Work> {
  const relay = places[index % places.length]!.node.relay;
  const device = await createDevice(`writer ${index}`, { clock: realClock });
  const space = await device.spaces.create();
  expect((await hostAt(relay, space)).status).toBe(204);
  const link = await space.invite({ level: "read", addresses: [relay.url] });
  keepConnected(device, places, index);
  const other = await createDevice(`reader ${index}`, { clock: realClock });
  const reader = await other.spaces.join(link);
  keepConnected(other, places, index + 1);
  await reader.ready();
  return { space, device, reader, texts: [], acknowledged: 0, isOver: false };
}

test.skipIf(!outcome.ok)(
  "[TH-038] nodes are killed under load, and nothing acknowledged is lost",
  { timeout: plan.timeoutMs },
  async () => {
    if (!outcome.ok) throw new Error(outcome.reason);
    const database = await createTestDatabase(outcome.server.url);
    const nodes = await Promise.all([0, 1, 2].map(() => startNode(database)));
    const places: readonly Place[] = nodes.map((node) => ({ node }));
    const indexes = Array.from({ length: plan.spaces }, (_, index) => index);
    const works = await Promise.all(indexes.map((index) => startWork(places, index)));
    const writing = Promise.all(works.map(keepWriting));
    try {
      await Promise.race([killNodes(places, database, () => tell(works)), writing]);
    } finally {
      for (const work of works) work.isOver = true;
    }
    await writing;
    for (const { reader, texts } of works) {
      expect(await readTexts(reader, texts.length)).toEqual(texts);
    }
    await expectStored(database, works, nodes[0]!.relay);
    for (const { acknowledged } of works) expect(acknowledged).toBeGreaterThan(0);
    if (isFull) console.log(`${plan.kills} kills: ${tell(works)}`);
  },
);

/** Kills one node after another, each as soon as it is due and the one before has come back. */
async function killNodes(
  places: readonly Place[],
  database: string,
  tellAll: () => string,
): Promise<void> {
  for (let killed = 0; killed < plan.kills; killed++) {
    const due = pause(plan.everyMs);
    const place = places[killed % places.length]!;
    place.node.child.kill("SIGKILL");
    place.node = await startNode(database);
    await due;
    if (isFull) console.log(`kill ${killed + 1} of ${plan.kills}: ${tellAll()}`);
  }
}

function tell(works: readonly Work[]): string {
  const total = works.reduce((sum, { texts }) => sum + texts.length, 0);
  const acknowledged = works.reduce((sum, work) => sum + work.acknowledged, 0);
  return `${total} entries, ${acknowledged} acknowledged`;
}

/** What was acknowledged is in the database, and no log is forked, the relay's own least of all. */
async function expectStored(
  connection: string,
  works: readonly Work[],
  relay: Pick<Relay, "author">,
): Promise<void> {
  const store = await createPostgresStore({ crypto, timers: platformTimers }, { connection });
  onTestFinished(() => store.close());
  for (const { space, device, acknowledged } of works) {
    const { topic } = space;
    const data = logIdOf(crypto, { topic, domain: dataDomain, author: device.author });
    expect((await store.head(data))?.signedHeight).toBeGreaterThanOrEqual(acknowledged);
    const own = logIdOf(crypto, { topic, domain: controlDomain, author: relay.author });
    expect(await store.forkProofs(own)).toEqual([]);
    expect(await store.forkProofs(data)).toEqual([]);
  }
}
