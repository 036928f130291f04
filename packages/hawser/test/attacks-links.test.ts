/** Thieves of invite links: before they are used, after they are used, and after they expired. */
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { once } from "node:events";
import { parseOp, proveJoin, type AuthOp } from "@hawser/auth";
import { toBase64url, toHex } from "@hawser/codec";
import type { EncodedRange } from "@hawser/log";
import { createHawser } from "@hawser/hawser";
import { encodeBundle } from "@hawser/keys";
import {
  dataDomain,
  formatInviteLink,
  metadataKeyOf,
  parseInviteLink,
  type Space,
} from "@hawser/space";
import { describe, expect, test } from "vitest";
import {
  authContent,
  bundleContent,
  bundleOf,
  forge,
  forgeControl,
  joinBinding,
  opBytes,
  readOps,
  villain,
  type OpenedOps,
  type Villain,
} from "./support/forge.ts";
import {
  at,
  createWorld,
  feed,
  spaceWith,
  textsOf,
  write,
  type Device,
  type World,
} from "./support/world.ts";

/** What a thief makes of a link and a copy of the control logs. */
interface Theft {
  readonly opened: OpenedOps;
  /** The invite operation of the link. */
  readonly invite: AuthOp;
  /** A joining log of `who`, with further control entries behind it. */
  join(
    who: Villain,
    options?: { readonly more?: readonly Uint8Array[]; readonly deps?: AuthOp["deps"] },
  ): Promise<{ readonly range: EncodedRange; readonly id: string }>;
}

async function steal(world: World, text: string, from: Device): Promise<Theft> {
  const { crypto } = world;
  const link = parseInviteLink(crypto, text);
  const metadataKey = metadataKeyOf(crypto, link.id);
  const topic = at(from.spaces.topics(), 0).topic;
  const opened = await readOps(crypto, from.store, topic, metadataKey);
  const key = toHex(crypto.publicKey(link.secret));
  const invite = opened.ops.find(({ action }) => action.type === "invite" && action.invite === key);
  if (invite === undefined) throw new Error("the invite is not there");
  return {
    opened,
    invite,
    join: async (who, { more = [], deps = [invite.id] } = {}) => {
      const bundle = bundleOf(crypto, who, world.now());
      const time = Math.floor(world.now() / 1e6);
      const binding = joinBinding(crypto, bundle);
      const claim = { group: opened.group, author: who.author, binding, time };
      const op = opBytes(crypto, who, opened.group, deps, proveJoin(crypto, claim, link.secret));
      const parsed = parseOp(crypto, op);
      if (!parsed.ok) throw new Error("a join that does not parse");
      const base = { crypto, topic, who, now: world.now(), metadataKey };
      const contents = [bundleContent(bundle), authContent(op), ...more];
      return { range: await forgeControl(base, contents), id: parsed.op.id };
    },
  };
}

describe("a thief of a link", () => {
  test("[ATK-quiet3456] after it was used the thief is not let in and its victim stays", async () => {
    const world = await createWorld();
    const { devices, spaces, links } = await spaceWith(world, "ben");
    const [ada, ben] = [at(devices, 0), at(devices, 1)];
    const adas = at(spaces, 0);
    const theft = await steal(world, at(links, 0), ada);
    for (let index = 0; index < 8; index++) {
      const { range } = await theft.join(villain(world.crypto, `eve ${index}`));
      await feed(ada, [range]);
      await feed(ben, [range]);
    }
    await world.settle(ada, ben);
    expect(adas.members().map(({ author }) => author)).toEqual([ada.author, ben.author].sort());
    await write(adas, "goes on");
    await world.settle(ada, ben);
    expect(await textsOf(at(spaces, 1))).toEqual(["goes on"]);
  });

  test("[ATK-quiet3456] while no manager is online, the thief does not take the place of who used it", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "cyd");
    const [ada, cyd] = [at(devices, 0), at(devices, 1)];
    const [adas, cyds] = [at(spaces, 0), at(spaces, 1)];
    const link = await adas.invite({ level: "write" });
    await write(adas, "for members");
    await world.settle(ada, cyd);
    const ben = await world.device("ben");
    await ben.spaces.join(link);
    await world.settle(cyd, ben);
    expect(cyds.access(ben.author)?.level).toBe("write");
    const theft = await steal(world, link, cyd);
    const honest = theft.opened.ops.find(({ author }) => author === ben.author);
    for (let index = 0; ; index++) {
      const eve = villain(world.crypto, `eve ${index}`);
      const { range, id } = await theft.join(eve, { deps: honest?.deps ?? [] });
      if (id > (honest?.id ?? "")) continue;
      await feed(cyd, [range]);
      await world.settle(cyd, ben);
      expect(cyds.access(ben.author)?.level).toBe("write");
      expect(cyds.access(eve.author)).toBeUndefined();
      return;
    }
  });

  test("[P2-W6] [P2-M17] with a used link nobody makes others store bytes without end", async () => {
    const world = await createWorld();
    const { devices, spaces, links } = await spaceWith(world, "ben");
    const ada = at(devices, 0);
    const { topic } = at(spaces, 0);
    const theft = await steal(world, at(links, 0), ada);
    const before = (await ada.store.stats()).rangeBytes;
    const junk = Array.from({ length: 20 }, () => new Uint8Array(40_000));
    for (let index = 0; index < 3; index++) {
      const eve = villain(world.crypto, `eve ${index}`);
      const { range } = await theft.join(eve, { more: junk });
      const base = { crypto: world.crypto, topic, who: eve, domain: dataDomain, now: world.now() };
      const data = await forge(base, () => junk.map((bytes) => ({ data: bytes })));
      await feed(ada, [range, data]);
    }
    expect((await ada.store.stats()).rangeBytes - before).toBeLessThan(100_000);
  });

  test("[TD-6] a used link proves nothing any more: its follow key was rotated away", async () => {
    const world = await createWorld();
    const { devices, links } = await spaceWith(world, "ben");
    const { followKey } = parseInviteLink(world.crypto, at(links, 0));
    for (const device of devices) {
      expect(at(device.spaces.topics(), 0).followKeys()).not.toContainEqual(followKey);
    }
  });

  test("[P2-M11] [ATK-quiet3456] an expired link admits nobody, however its owner sets the clock", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben");
    const [ada, ben] = [at(devices, 0), at(devices, 1)];
    const adas = at(spaces, 0);
    await write(adas, "not for eve");
    const link = await adas.invite({ level: "read", notAfterSeconds: 60 });
    await world.settle(ada, ben);
    await world.pass(3_600_000);
    await world.settle(ada, ben);
    const eve = await world.device("eve", { clockShift: -3_600e6 });
    const stolen = await eve.spaces.join(link);
    await world.settle(ada, ben, eve);
    expect(await textsOf(stolen)).toEqual([]);
    expect(adas.access(eve.author)).toBeUndefined();
  });

  test("[P2-M4] [TD-9] what a thief wrote while some held him for a member hides nobody else's content", async () => {
    const world = await createWorld();
    const { adas, cyds } = await withTwoUsers(world);
    expect(adas.members()).toEqual(cyds.members());
    expect(await textsOf(cyds)).toContain("cyd's own");
    expect(await textsOf(adas)).toEqual(await textsOf(cyds));
  });

  test("[ATK-quiet3456] of two who used one link out of sight of each other one is let in, not none", async () => {
    const world = await createWorld();
    const { adas, cyds, ben, eve } = await withTwoUsers(world);
    for (const space of [adas, cyds]) {
      // Ada, who saw Ben's join, is more senior than Cyd, who saw Eve's.
      expect(space.access(ben.author)?.level).toBe("write");
      expect(space.access(eve.author)).toBeUndefined();
    }
  });

  test("[TD-6] [P2-M3] who was removed does not come back under a new name by the link for many it came by", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "cyd");
    const [ada, cyd] = [at(devices, 0), at(devices, 1)];
    const adas = at(spaces, 0);
    const link = await adas.invite({ level: "write", uses: 5 });
    const ben = await world.device("ben");
    await ben.spaces.join(link);
    await world.settle(ada, cyd, ben);
    await adas.remove(ben.author);
    await write(adas, "without ben");
    await world.settle(ada, cyd, ben);
    const again = await world.device("ben's other key");
    const stolen = await again.spaces.join(link);
    await world.settle(ada, cyd, again);
    expect(await textsOf(stolen)).toEqual([]);
    expect(adas.access(again.author)).toBeUndefined();
  });

  test("[ATK-quiet3456] a link whose secret, group or key was exchanged leads nowhere and harms nothing", async () => {
    const world = await createWorld();
    const { crypto } = world;
    const { devices, spaces } = await spaceWith(world, "ben");
    const ada = at(devices, 0);
    const adas = at(spaces, 0);
    const link = parseInviteLink(crypto, await adas.invite({ level: "write" }));
    const other = crypto.deriveKey("hawser attack link v1", link.secret);
    const changes = [
      { secret: other },
      { createOp: toHex(other) as never },
      { followKey: other },
    ] as const;
    const members = adas.members();
    for (const [index, change] of changes.entries()) {
      const eve = await world.device(`eve ${index}`);
      const forged = formatInviteLink(crypto, { ...link, ...change });
      const joined = await eve.spaces.join(forged);
      if ("followKey" in change) continue;
      await world.settle(ada, eve);
      expect(joined.status().state).not.toBe("active");
      expect(adas.members()).toEqual(members);
    }
  });

  test("[TH-104] a join proof for one device, group, invite or bundle is worth nothing for another", async () => {
    const world = await createWorld();
    const { crypto } = world;
    const { devices, spaces } = await spaceWith(world);
    const ada = at(devices, 0);
    const adas = at(spaces, 0);
    const link = await adas.invite({ level: "manage" });
    const theft = await steal(world, link, ada);
    const secret = parseInviteLink(crypto, link).secret;
    const eve = villain(crypto, "eve");
    const bundle = bundleOf(crypto, eve, world.now());
    const binding = joinBinding(crypto, bundle);
    const time = Math.floor(world.now() / 1e6);
    const right = { group: theft.opened.group, author: eve.author, binding, time };
    const wrong = [
      { ...right, group: "12".repeat(32) as never },
      { ...right, author: ada.author },
      { ...right, binding: new Uint8Array(32) },
      { ...right, time: time + 1 },
    ];
    const topic = adas.topic;
    const metadataKey = metadataKeyOf(crypto, parseInviteLink(crypto, link).id);
    for (const claim of wrong) {
      const { proof } = proveJoin(crypto, claim, secret);
      const action = { ...proveJoin(crypto, right, secret), proof };
      const op = opBytes(crypto, eve, right.group, [theft.invite.id], action);
      const base = { crypto, topic, who: eve, now: world.now(), metadataKey };
      const range = await forgeControl(base, [bundleContent(bundle), authContent(op)]);
      expect(await feed(ada, [range])).toEqual(["refused"]);
    }
    expect(adas.access(eve.author)).toBeUndefined();
  });
});

/** Ben joins at Ada's, Eve with the same link at Cyd's, and Cyd writes after her; then all meet. */
async function withTwoUsers(world: World): Promise<{
  readonly adas: Space;
  readonly cyds: Space;
  readonly ben: Device;
  readonly eve: Device;
}> {
  const { devices, spaces } = await spaceWith(world, "cyd");
  const [ada, cyd] = [at(devices, 0), at(devices, 1)];
  const [adas, cyds] = [at(spaces, 0), at(spaces, 1)];
  const link = await adas.invite({ level: "write" });
  await world.settle(ada, cyd);
  const ben = await world.device("ben");
  await ben.spaces.join(link);
  await world.settle(ada, ben);
  const eve = await world.device("eve");
  const eves = await eve.spaces.join(link);
  await world.settle(cyd, eve);
  // More than anybody keeps of somebody whose rights never counted.
  for (let index = 0; index < 24; index++) await write(eves, "x".repeat(50_000));
  await world.settle(cyd, eve);
  await write(cyds, "cyd's own");
  await world.settle(ada, ben, cyd);
  // What may stay away for good is waited for, but not for ever.
  await world.pass(60_000);
  await world.settle(ada, ben, cyd);
  return { adas, cyds, ben, eve };
}

describe("a link from an enemy", () => {
  test("[ATK-quiet3454] [TD-4] joining by it hands none of one's own spaces to the relay it names", async () => {
    const world = await createWorld();
    const { crypto } = world;
    const evil = villain(crypto, "evil relay");
    const bundle = bundleOf(crypto, evil, Date.now() * 1_000);
    let asked = 0;
    const handed = new Promise<void>((resolve) => {
      const server = createServer((request, response) => {
        if (request.url === "/v1/host") {
          asked += 1;
          resolve();
        }
        response.end(JSON.stringify({ version: 1, bundle: toBase64url(encodeBundle(bundle)) }));
      });
      // A handshake and then silence is all it takes.
      server.on("upgrade", (request, socket) => {
        const key = `${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
        const accept = createHash("sha1").update(key).digest("base64");
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
            `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
        );
        socket.on("data", () => resolve());
        socket.on("error", () => resolve());
      });
      server.listen(0, "127.0.0.1");
      servers.push(server);
    });
    const server = at(servers, 0);
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" ? address?.port : 0;
    const eve = await world.device("eve");
    const bait = await eve.spaces.create();
    const link = await bait.invite({ level: "write", addresses: [`ws://127.0.0.1:${port}`] });
    const ada = await createHawser();
    const diary = await ada.create();
    const stop = new AbortController();
    const joining = ada.join(link, { signal: stop.signal }).catch(() => undefined);
    await handed;
    stop.abort();
    await joining;
    const members = diary.members().map(({ author }) => author);
    await ada[Symbol.asyncDispose]();
    server.closeAllConnections();
    server.close();
    expect(asked).toBe(0);
    expect(members).toEqual([ada.author]);
  });
});

const servers: ReturnType<typeof createServer>[] = [];
