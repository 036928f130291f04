import { toHex, utf8 } from "@hawser/codec";
import {
  buildKeypoint,
  buildLinkpoint,
  encodeRootedPath,
  exchangeDomain,
  privateGroup,
  publicGroup,
  statusComponent,
  testGroup,
} from "@hawser/packet";
import { describe, expect, test } from "vitest";
import {
  answerStatus,
  buildStatusReply,
  buildStatusRequest,
  exchangeConnection,
  exchangeProcess,
  exchangePull,
  readStatus,
  statusPlace,
  watchStatus,
  type StatusReply,
  type StatusSubject,
} from "../src/index.ts";
import { createDevice, settle, type Device } from "./support/device.ts";
import { bytes32, crypto, secretOf, startMicros } from "./support/values.ts";

const subject: StatusSubject = { domain: "app", group: publicGroup(), objectType: "process" };
const now = BigInt(startMicros);
const timeoutMicros = 5_000_000;
const late = now - 5_000_000n;

function reply(of: StatusSubject = subject, stamp = now, detail = "fine") {
  return buildStatusReply(crypto, of, { state: "ok", detail, stamp });
}

/** A watch that is read in the background. */
function watching(device: Device, of: StatusSubject, signal?: AbortSignal) {
  const seen: StatusReply[] = [];
  let isOver = false;
  const options = signal === undefined ? { timeoutMicros } : { timeoutMicros, signal };
  const reading = (async () => {
    for await (const one of watchStatus(device, of, options)) seen.push(one);
    isOver = true;
  })();
  return { seen, reading, isOver: () => isOver };
}

/** Requests in the store, whatever they are about. */
async function requestCount(device: Device): Promise<number> {
  const start = { key: new Uint8Array(0), stamp: 0n, hash: bytes32(0) };
  const rows = await device.store.treeRows(start, { max: 1_000 });
  return rows.filter((row) => row.linkCount === 0 && row.dataBytes === 0).length;
}

describe("status points", () => {
  test("[LK-status] a request lies in the private group, at /\\xffstatus/group/type, with nothing in it", () => {
    const packet = buildStatusRequest(crypto, subject, 7n);
    expect(packet.group).toEqual(privateGroup());
    expect(packet.path).toEqual([statusComponent(), publicGroup(), utf8("process")]);
    expect(toHex(encodeRootedPath([statusComponent()]))).toBe("010808080808080807ff737461747573");
    expect([packet.linkCount, packet.data.length, packet.stamp]).toEqual([0, 0, 7n]);
    expect(readStatus(subject, packet)).toMatchObject({
      ok: true,
      value: { kind: "request", instance: undefined },
    });
  });

  test("[LK-status] a reply names its instance, and its first link says what it follows", () => {
    const first = buildStatusReply(crypto, subject, { state: "ok", detail: "pid 7", stamp: 1n });
    expect(first.path.at(-1)).toEqual(utf8("default"));
    expect(readStatus(subject, first)).toMatchObject({
      ok: true,
      value: {
        kind: "reply",
        instance: utf8("default"),
        previous: undefined,
        answer: { state: "ok", detail: utf8("pid 7") },
      },
    });
    const second = buildStatusReply(crypto, subject, {
      state: "error",
      previous: first,
      stamp: 2n,
    });
    expect(second.data).toEqual(utf8("ERR\n"));
    expect(readStatus(subject, second)).toMatchObject({
      value: { previous: first.hash, answer: { state: "error", detail: utf8("") } },
    });
  });

  test("[LK-status] an exchange is asked in its own domain", () => {
    expect(statusPlace(exchangeProcess(testGroup())).domain).toEqual(exchangeDomain());
    expect(statusPlace(exchangeConnection(testGroup(), bytes32(1))).path[3]).toEqual(bytes32(1));
    expect(statusPlace(exchangePull(testGroup(), bytes32(2))).path).toEqual([
      statusComponent(),
      testGroup(),
      utf8("pull"),
      bytes32(2),
    ]);
  });

  test("[LK-status] text that is neither OK nor ERR is another's wording, not an error", () => {
    const place = statusPlace({ ...subject, instance: "x" });
    const links = [{ tag: "init", pointer: bytes32(0) }];
    for (const data of ["fine", "ok\n", "OKAY\n", "\nOK"]) {
      const packet = buildLinkpoint(crypto, { ...place, links, data: utf8(data), stamp: 0 });
      expect(readStatus(subject, packet)).toMatchObject({
        value: { answer: { state: "other", detail: utf8(data) } },
      });
    }
    const bare = buildLinkpoint(crypto, { ...place, links, data: utf8("OK"), stamp: 0 });
    expect(readStatus(subject, bare)).toMatchObject({ value: { answer: { state: "ok" } } });
  });

  const place = statusPlace({ ...subject, instance: "x" });
  const good = {
    ...place,
    links: [{ tag: "init", pointer: bytes32(0) }],
    data: utf8("OK\n"),
    stamp: 0,
  };
  const bad: readonly (readonly [string, Partial<typeof good>, string])[] = [
    [
      "another domain",
      { domain: statusPlace({ ...subject, domain: "ap" }).domain },
      "STATUS_SUBJECT",
    ],
    ["the group itself instead of the private one", { group: publicGroup() }, "STATUS_SUBJECT"],
    [
      "another group",
      { path: [statusComponent(), testGroup(), utf8("process"), utf8("x")] },
      "STATUS_SUBJECT",
    ],
    [
      "another type",
      { path: [statusComponent(), publicGroup(), utf8("proc"), utf8("x")] },
      "STATUS_SUBJECT",
    ],
    [
      "a path without the mark",
      { path: [utf8("status"), publicGroup(), utf8("process"), utf8("x")] },
      "STATUS_SUBJECT",
    ],
    ["a path too deep", { path: [...place.path, utf8("y")] }, "STATUS_SUBJECT"],
    ["a path too short", { path: place.path.slice(0, 2) }, "STATUS_SUBJECT"],
    ["links without data", { data: utf8("") }, "STATUS_SHAPE"],
    ["data without links", { links: [] }, "STATUS_SHAPE"],
    ["a reply of no instance", { path: place.path.slice(0, 3) }, "STATUS_INSTANCE"],
    [
      "an init that points somewhere",
      { links: [{ tag: "init", pointer: bytes32(1) }] },
      "STATUS_LINK",
    ],
    [
      "a prev that points nowhere",
      { links: [{ tag: "prev", pointer: bytes32(0) }] },
      "STATUS_LINK",
    ],
    ["another first link", { links: [{ tag: "xinit", pointer: bytes32(0) }] }, "STATUS_LINK"],
  ];
  for (const [title, fields, reason] of bad) {
    test(`[LK-status] refuses ${title}`, () => {
      const packet = buildLinkpoint(crypto, { ...good, ...fields });
      expect(readStatus(subject, packet)).toEqual({ ok: false, reason });
    });
  }

  const misuse: readonly (readonly [string, Partial<StatusSubject>])[] = [
    ["a domain of 17 bytes", { domain: "12345678901234567" }],
    ["a group of 31 bytes", { group: new Uint8Array(31) }],
    ["an empty type", { objectType: "" }],
    ["an empty instance", { instance: "" }],
  ];
  for (const [title, fields] of misuse) {
    test(`[LK-status] builds nothing with ${title}`, () => {
      expect(() => buildStatusRequest(crypto, { ...subject, ...fields }, 0n)).toThrow(
        expect.objectContaining({ code: "CONVENTIONS_STATUS" }),
      );
    });
  }
});

describe("watching", () => {
  test("[LK-status] asks once, gives what is answered, and ends at the timeout", async () => {
    const device = createDevice();
    const watch = watching(device, subject);
    await settle();
    expect(await requestCount(device)).toBe(1);
    await device.store.add([reply()]);
    await settle();
    expect(watch.seen.map(({ answer }) => answer.state)).toEqual(["ok"]);
    await device.advance(timeoutMicros - 1);
    expect(watch.isOver()).toBe(false);
    await device.advance(1);
    expect(watch.isOver()).toBe(true);
    expect(device.timerCount()).toBe(0);
  });

  test("[LK-status] does not ask again what was asked a moment ago, and waits as long as that holds", async () => {
    const device = createDevice();
    await device.store.add([buildStatusRequest(crypto, subject, now - 4_000_000n)]);
    const watch = watching(device, subject);
    await settle();
    expect(await requestCount(device)).toBe(1);
    await device.advance(1_000_000);
    expect(watch.isOver()).toBe(true);
  });

  test("[LK-status] a request for another instance does not stand for one for all", async () => {
    // The reference counts every request below the prefix, so nobody else is asked.
    const device = createDevice();
    await device.store.add([buildStatusRequest(crypto, { ...subject, instance: "b" }, now)]);
    const watch = watching(device, subject);
    await settle();
    expect(await requestCount(device)).toBe(2);
    await device.advance(timeoutMicros);
    await watch.reading;
  });

  test("[LK-status] a request for all stands for one for an instance", async () => {
    const device = createDevice();
    await device.store.add([buildStatusRequest(crypto, subject, now)]);
    const watch = watching(device, { ...subject, instance: "b" });
    await settle();
    expect(await requestCount(device)).toBe(1);
    await device.advance(timeoutMicros);
    await watch.reading;
  });

  test("[LK-status] old requests and replies do not count, nor do those from the future", async () => {
    const device = createDevice();
    const future = now + 3_600_000_000n;
    await device.store.add([
      buildStatusRequest(crypto, subject, late),
      buildStatusRequest(crypto, subject, future),
      reply(subject, late, "old"),
      reply(subject, future, "future"),
    ]);
    const watch = watching(device, subject);
    await settle();
    expect(await requestCount(device)).toBe(3);
    await device.store.add([reply(subject, late + 1n, "young enough")]);
    await settle();
    expect(watch.seen.map(({ answer }) => answer.detail)).toEqual([utf8("young enough")]);
    // A request from the future would keep the reference waiting for an hour.
    await device.advance(timeoutMicros);
    expect(watch.isOver()).toBe(true);
  });

  test("[LK-status] recent replies of all instances are given, oldest first, each once", async () => {
    const device = createDevice();
    const [a, b] = ["a", "b"].map((instance) => ({ ...subject, instance }));
    if (a === undefined || b === undefined) throw new Error("unreachable");
    await device.store.add([reply(b, now - 1n), reply(a, now - 2n), reply(a, now - 3n)]);
    const watch = watching(device, subject);
    await settle();
    await device.store.add([reply(a, now)]);
    await device.advance(timeoutMicros);
    await watch.reading;
    expect(watch.seen.map(({ packet, instance }) => [instance[0], packet.stamp - now])).toEqual([
      [0x61, -3n],
      [0x61, -2n],
      [0x62, -1n],
      [0x61, 0n],
    ]);
  });

  test("[LK-status] whoever asks one instance hears no other", async () => {
    const device = createDevice();
    await device.store.add([reply({ ...subject, instance: "b" })]);
    const watch = watching(device, { ...subject, instance: "a" });
    await settle();
    await device.store.add([
      reply({ ...subject, instance: "b" }, now + 1n),
      reply({ ...subject, instance: "a" }),
    ]);
    await device.advance(timeoutMicros);
    expect(watch.seen.map(({ instance }) => instance)).toEqual([utf8("a")]);
  });

  test("[LK-status] an abort and a break end it, and nothing is left behind", async () => {
    const device = createDevice();
    const controller = new AbortController();
    const watch = watching(device, subject, controller.signal);
    await settle();
    controller.abort();
    await watch.reading;
    expect(device.timerCount()).toBe(0);
    await device.store.add([reply()]);
    for await (const one of watchStatus(device, subject, { timeoutMicros })) {
      expect(one.kind).toBe("reply");
      break;
    }
    expect(device.timerCount()).toBe(0);
    const other = { ...subject, objectType: "x" };
    const aborted = watching(device, other, AbortSignal.abort());
    await aborted.reading;
    // Aborted while it reads: it does not ask any more either.
    const last = await device.store.lastRecv();
    const late = new AbortController();
    const reading = watching(device, other, late.signal);
    late.abort();
    await reading.reading;
    expect([aborted.seen, reading.seen]).toEqual([[], []]);
    expect(await device.store.lastRecv()).toBe(last);
  });
});

describe("answering", () => {
  test("[LK-status] a first reply without a request, then one for each, each pointing at the one before", async () => {
    const device = createDevice();
    let count = 0;
    const answerer = await answerStatus(device, subject, () => ({
      state: "ok",
      detail: `${count++}`,
    }));
    const watch = watching(device, subject);
    await settle();
    await device.advance(1_000);
    await device.store.add([buildStatusRequest(crypto, subject, now + 1_000n)]);
    await settle();
    answerer.stop();
    await answerer.ended;
    await device.advance(timeoutMicros);
    const { seen } = watch;
    expect(seen.map(({ answer }) => new TextDecoder().decode(answer.detail))).toEqual([
      "0",
      "1",
      "2",
    ]);
    expect(seen.map(({ previous }) => previous)).toEqual([
      undefined,
      seen[0]?.packet.hash,
      seen[1]?.packet.hash,
    ]);
  });

  const others: readonly (readonly [string, () => ReturnType<typeof buildStatusRequest>])[] = [
    // The reference's answering watch has neither a domain nor a group: it answers both of these.
    ["another domain", () => buildStatusRequest(crypto, { ...subject, domain: "other" }, now)],
    [
      "another packet group",
      () => buildLinkpoint(crypto, { ...statusPlace(subject), group: publicGroup(), stamp: now }),
    ],
    ["another group", () => buildStatusRequest(crypto, { ...subject, group: testGroup() }, now)],
    ["another type", () => buildStatusRequest(crypto, { ...subject, objectType: "pull" }, now)],
    ["another instance", () => buildStatusRequest(crypto, { ...subject, instance: "b" }, now)],
    ["an old request", () => buildStatusRequest(crypto, subject, late)],
    ["a request from the future", () => buildStatusRequest(crypto, subject, now + 2_000_000n)],
    ["somebody's reply", () => reply({ ...subject, instance: "b" })],
    ["its own reply, come back", () => reply(subject, now, "0")],
  ];
  for (const [title, packet] of others) {
    test(`[LK-status] does not answer ${title}`, async () => {
      const device = createDevice();
      let count = 0;
      await using _answerer = await answerStatus(device, subject, () => ({
        state: "ok",
        detail: `${count++}`,
      }));
      await device.store.add([packet()]);
      await settle();
      expect(count).toBe(1);
    });
  }

  test("[LK-status] answers for its own instance and for all, also a signed request", async () => {
    const device = createDevice();
    let count = 0;
    const own = { ...subject, instance: "a" };
    await using _answerer = await answerStatus(device, own, () => ({
      state: "ok",
      detail: `${count++}`,
    }));
    await device.store.add([buildStatusRequest(crypto, own, now)]);
    await settle();
    await device.store.add([
      buildKeypoint(crypto, { ...statusPlace(subject), stamp: now }, secretOf(1)),
    ]);
    await settle();
    expect(count).toBe(3);
  });

  test("[LK-status] requests that come while it is answering share one reply", async () => {
    const device = createDevice();
    const waiting: (() => void)[] = [];
    let count = 0;
    const slow = async () => {
      count += 1;
      if (count > 1) await new Promise<void>((resolve) => waiting.push(resolve));
      return { state: "ok", detail: `${count}` } as const;
    };
    const answerer = await answerStatus(device, subject, slow);
    for (let index = 0n; index < 10n; index++) {
      await device.store.add([buildStatusRequest(crypto, subject, now - index)]);
    }
    expect(count).toBe(2);
    waiting.shift()?.();
    await settle();
    expect(count).toBe(3);
    waiting.shift()?.();
    await settle();
    expect(count).toBe(3);
    answerer.stop();
    await answerer.ended;
  });

  test("[LK-status] what cannot be told ends it with the reason, and nothing more is answered", async () => {
    const device = createDevice();
    let count = 0;
    const answerer = await answerStatus(device, subject, () => {
      count += 1;
      if (count > 1) throw new Error("out of order");
      return { state: "ok" };
    });
    await device.store.add([buildStatusRequest(crypto, subject, now)]);
    await expect(answerer.ended).rejects.toMatchObject({ code: "CONVENTIONS_STATUS_ANSWER" });
    await device.store.add([buildStatusRequest(crypto, subject, now - 1n)]);
    await settle();
    expect(count).toBe(2);
    const failing = answerStatus(device, subject, () => {
      throw new Error("never");
    });
    await expect(failing).rejects.toMatchObject({ code: "CONVENTIONS_STATUS_ANSWER" });
  });
});
