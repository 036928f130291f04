/** Peers that break the rules in every way: each is told why, and nobody else notices. */
import { connect, type Socket } from "node:net";
import { seededRandom } from "@hawser/crypto/testing";
import type { Connection } from "@hawser/sync";
import { connectWebSocket } from "@hawser/transport-ws";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import type { Relay } from "../src/index.ts";
import {
  createDevice,
  hostAt,
  httpUrl,
  readTexts,
  startRelay,
  write,
  type Device,
} from "./help.ts";
import { parseExposition } from "./exposition.ts";

const limits = { connectsPerMinuteMax: 100_000, connectionsPerAddressMax: 1_000 };

/** A relay that hosts a space which two honest devices share, and what one of them sent to get there. */
async function startScene(): Promise<{
  readonly relay: Relay;
  readonly transcript: readonly Uint8Array[];
  /** Both write, and both read everything. */
  stillWorks(): Promise<void>;
}> {
  const relay = await startRelay({ limits, metrics: { port: 0 } });
  const [ada, bob] = [await createDevice("ada"), await createDevice("bob")];
  const adas = await ada.spaces.create();
  expect((await hostAt(relay, adas)).status).toBe(204);
  const link = await adas.invite({ level: "write", addresses: [relay.url] });
  const transcript: Uint8Array[] = [];
  const session = await connectTapped(ada, relay, transcript);
  const bobs = await bob.spaces.join(link);
  const bobSession = await bob.connect(relay);
  await bobs.ready();
  await write(adas, "before");
  await session.synced();
  const texts = ["before"];
  return {
    relay,
    transcript: [...transcript],
    stillWorks: async () => {
      texts.push(`text ${texts.length}`);
      await write(adas, texts.at(-1) ?? "");
      texts.push(`text ${texts.length}`);
      await write(bobs, texts.at(-1) ?? "");
      const expected = texts.toSorted();
      expect(await readTexts(adas, texts.length)).toEqual(expected);
      expect(await readTexts(bobs, texts.length)).toEqual(expected);
      expect((await bobSession.synced()).complete).toBe(true);
      expect((await fetch(httpUrl(relay, "/healthz"))).status).toBe(200);
    },
  };
}

async function connectTapped(
  device: Device,
  relay: Relay,
  transcript: Uint8Array[],
): Promise<ReturnType<Device["peer"]["attach"]>> {
  const connection = await connectWebSocket(`${relay.url}/v1/sync`);
  const tapped: Connection = {
    ...connection,
    send: (frame) => {
      transcript.push(frame.slice());
      return connection.send(frame);
    },
  };
  return device.peer.attach(tapped);
}

/** How a connection ended: by the relay, or by us when it had nothing against it. */
interface Ending {
  readonly code: number;
  readonly reason: string;
}

/**
 * Sends frames and says how that ended. The relay has read all of them when it answers the ping that
 * follows; what it has nothing against is hung up then.
 */
async function attack(
  relay: Relay,
  frames: readonly (Uint8Array | string)[],
): Promise<Ending | "open"> {
  const socket = new WebSocket(`${relay.url}/v1/sync`);
  onTestFinished(() => socket.terminate());
  return new Promise((resolve, reject) => {
    socket.on("error", () => undefined);
    socket.on("unexpected-response", reject);
    socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    socket.on("open", () => {
      for (const frame of frames) socket.send(frame);
      let pongs = 0;
      // The second ping leaves after whatever the first frames made the relay do.
      socket.on("pong", () => {
        pongs += 1;
        if (pongs === 1) return socket.ping();
        resolve("open");
        socket.terminate();
      });
      socket.ping();
    });
  });
}

/** Conversations of the fuzzed peer. */
const fuzzRuns = process.env["HAWSER_FULL"] === "1" ? 5_000 : 100;

const told = /^SYNC_[A-Z_]+$/;

describe("a connection", () => {
  test("that breaks the protocol is closed with a code that says how; the others go on", async () => {
    const { relay, transcript, stillWorks } = await startScene();
    const [hello = new Uint8Array(0), identities = new Uint8Array(0)] = transcript;
    const rows: readonly (readonly [string, readonly (Uint8Array | string)[], number])[] = [
      ["a text", ["hello"], 1003],
      ["a text after a hello", [hello, "hello"], 1003],
      ["no message", [new Uint8Array(0)], 4000],
      ["noise", [seededRandom("noise")(1_000)], 4000],
      ["a cut hello", [hello.subarray(0, hello.length - 1)], 4000],
      ["two hellos", [hello, hello], 4000],
      ["a proof before the hello", [identities, hello], 4000],
      ["an old proof in a new connection", [hello, identities], 4000],
      ["a whole conversation, replayed", transcript, 4000],
      ["a frame that is too long", [new Uint8Array(256 * 1024 + 1)], 1009],
      ["a frame of 20 MiB", [new Uint8Array(20 * 1024 * 1024)], 1009],
    ];
    for (const [name, frames, code] of rows) {
      const ending = await attack(relay, frames);
      expect(ending, name).toMatchObject({ code });
      if (code === 4000)
        expect(ending, name).toMatchObject({ reason: expect.stringMatching(told) });
    }
    await stillWorks();
  });

  test("of a fuzzed peer never harms another, whatever it sends in whatever order", async () => {
    const { relay, transcript, stillWorks } = await startScene();
    const before = process.memoryUsage.rss();
    const endings = new Map<string, number>();
    for (let seed = 0; seed < fuzzRuns; seed++) {
      const ending = await attack(relay, mutate(transcript, `fuzz ${seed}`));
      const key = ending === "open" ? ending : `${ending.code} ${ending.reason}`;
      endings.set(key, (endings.get(key) ?? 0) + 1);
    }
    for (const key of endings.keys()) {
      expect(key).toMatch(
        /^(?:open|1000 SYNC_DONE|4000 SYNC_[A-Z_]+|1009 ?(?:SYNC_BAD_MESSAGE)?)$/,
      );
    }
    expect(endings.size).toBeGreaterThan(1);
    await stillWorks();
    await expect.poll(async () => (await relay.stats()).connections, { timeout: 20_000 }).toBe(2);
    expect(process.memoryUsage.rss() - before).toBeLessThan(256 * 1024 * 1024);
    const text = await (await fetch(`http://127.0.0.1:${relay.metricsPort}/metrics`)).text();
    expect(parseExposition(text).get("hawser_relay_ranges_ingesting")?.samples[0]?.value).toBe(0);
  });

  test("of a stranger with keys of its own gets nothing and leaves nothing", async () => {
    const { relay, stillWorks } = await startScene();
    const mallory = await createDevice("mallory");
    const own = await mallory.spaces.create();
    await write(own, "nobody asked for this");
    const { entries, topics } = await relay.stats();
    const session = await mallory.connect(relay);
    await session.synced();
    expect(session.access(own.topic)).toBeUndefined();
    const after = await relay.stats();
    expect([after.entries, after.topics]).toEqual([entries, topics]);
    await stillWorks();
  });

  test("that floods is slowed down by its own socket, and takes no more than its share", async () => {
    const { relay, transcript, stillWorks } = await startScene();
    const [hello = new Uint8Array(0)] = transcript;
    const before = process.memoryUsage.rss();
    const noise = seededRandom("flood")(60_000);
    const frames = Array.from({ length: 200 }, () => noise);
    const floods = Array.from({ length: 4 }, () => attack(relay, [hello, ...frames]));
    for (const ending of await Promise.all(floods)) expect(ending).toMatchObject({ code: 4000 });
    expect(process.memoryUsage.rss() - before).toBeLessThan(400 * 1024 * 1024);
    await stillWorks();
  });

  test("that opens and never speaks holds one place, and no more than an address may have", async () => {
    const small = { connectionsPerAddressMax: 4, connectsPerMinuteMax: 1_000 };
    const relay = await startRelay({ limits: small });
    const sockets = Array.from({ length: 4 }, () => new WebSocket(`${relay.url}/v1/sync`));
    onTestFinished(() => {
      for (const socket of sockets) socket.terminate();
    });
    await Promise.all(
      sockets.map((socket) => new Promise((resolve) => socket.on("open", resolve))),
    );
    await expect(attack(relay, [])).rejects.toBeDefined();
    expect((await fetch(httpUrl(relay, "/healthz"))).status).toBe(200);
  });
});

describe("a socket", () => {
  test("that sends its request byte by byte keeps nobody from the relay", async () => {
    const { relay, stillWorks } = await startScene();
    const { port } = new URL(relay.url);
    const sockets = Array.from({ length: 64 }, () => connect(Number(port), "127.0.0.1"));
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
    });
    for (const [index, socket] of sockets.entries()) {
      socket.on("error", () => undefined);
      socket.write("GET /healthz HTTP/1.1\r\nHost: relay\r\n".slice(0, 1 + (index % 30)));
    }
    await stillWorks();
  });

  test("that says nothing is one of so many of its address; one that goes makes room", async () => {
    const relay = await startRelay({ limits: { connectionsPerAddressMax: 1 } });
    const { port } = new URL(relay.url);
    const open = (): Socket => {
      const socket = connect(Number(port), "127.0.0.1");
      onTestFinished(() => void socket.destroy());
      return socket.on("error", () => undefined);
    };
    const held = Array.from({ length: 129 }, open);
    await Promise.all(held.map((socket) => new Promise((done) => socket.on("connect", done))));
    const extra = open();
    await new Promise((done) => extra.on("close", done));
    expect(held.filter(({ destroyed }) => destroyed)).toEqual([]);
    held[0]?.destroy();
    const isHealthy = async (): Promise<boolean> => {
      const answer = await fetch(httpUrl(relay, "/healthz")).catch(() => undefined);
      return answer?.status === 200;
    };
    await expect.poll(isHealthy, { timeout: 20_000 }).toBe(true);
  });

  test.each([
    ["a request line that never ends", `GET /${"a".repeat(20_000)}`],
    ["headers that never end", `GET / HTTP/1.1\r\n${"a: b\r\n".repeat(3_000)}`],
    [
      "two lengths",
      "POST /v1/host HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ],
    [
      "a length and chunks",
      "POST /v1/host HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ["noise", Buffer.from(seededRandom("http")(500)).toString("latin1")],
  ])("with %s is answered with an error and closed", async (_name, text) => {
    const relay = await startRelay();
    const socket = connect(Number(new URL(relay.url).port), "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    socket.on("error", () => undefined);
    let answer = "";
    socket.on("data", (chunk: Buffer) => {
      answer += chunk.toString("latin1");
    });
    socket.write(text, "latin1");
    await new Promise((resolve) => socket.once("close", resolve));
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect((await fetch(httpUrl(relay, "/healthz"))).status).toBe(200);
  });
});

/** A conversation with some frames bent, cut, doubled, left out or moved. */
function mutate(transcript: readonly Uint8Array[], seed: string): readonly Uint8Array[] {
  const random = seededRandom(seed);
  const draw = (count: number): number => {
    const [high = 0, low = 0] = random(2);
    return (high * 256 + low) % count;
  };
  const frames: Uint8Array[] = [];
  // The beginning stays whole in half of the cases, so that what comes later is reached.
  const whole = draw(2) === 0 ? draw(transcript.length) : 0;
  for (const [index, frame] of transcript.entries()) {
    const kind = index < whole ? 9 : draw(10);
    if (kind === 0) continue;
    if (kind === 1) frames.push(frame);
    if (kind === 2) frames.splice(draw(frames.length + 1), 0, frame);
    else if (kind === 3) frames.push(frame.subarray(0, draw(frame.length + 1)));
    else if (kind === 4) frames.push(random(1 + draw(2_000)));
    else if (kind === 5) frames.push(bend(frame, draw));
    else frames.push(frame);
  }
  return frames;
}

function bend(frame: Uint8Array, draw: (count: number) => number): Uint8Array {
  const bent = frame.slice();
  for (let flips = 1 + draw(4); flips > 0 && bent.length > 0; flips--) {
    const at = draw(bent.length);
    bent[at] = (bent[at] ?? 0) ^ (1 << draw(8));
  }
  return bent;
}
