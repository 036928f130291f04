/** Mailboxes of a relay: two devices pair over it, and nobody can fill or stall it. */
import { approvePairing, createRelayRendezvous, requestPairing } from "@hawser/account";
import { utf8 } from "@hawser/codec";
import { seededRandom } from "@hawser/crypto/testing";
import { describe, expect, test } from "vitest";
import { createMailboxes, type MailboxesOptions } from "../src/mailboxes.ts";
import { crypto, errorOf, httpUrl, startRelay } from "./help.ts";

type TestRelay = Awaited<ReturnType<typeof startRelay>>;

function sendTo(relay: TestRelay, path: string, body: Uint8Array): Promise<Response> {
  const headers = { "content-type": "application/octet-stream" };
  return fetch(httpUrl(relay, path), { method: "PUT", headers, body: body.slice() });
}

async function claimAt(relay: TestRelay): Promise<string> {
  const answer = await fetch(httpUrl(relay, "/v1/pair"), { method: "POST" });
  expect(answer.headers.get("access-control-allow-origin")).toBe("*");
  const { name } = (await answer.json()) as { readonly name: string };
  expect(name).toMatch(/^[0-9]{4}$/);
  return name;
}

describe("pairing over a relay", () => {
  test("[NB-8] a code shown here and typed there makes a channel of their own", async () => {
    const relay = await startRelay();
    const rendezvous = createRelayRendezvous(relay.url);
    const { signal } = new AbortController();
    const shown = Promise.withResolvers<string>();
    const approving = approvePairing(
      { crypto, rendezvous, random: seededRandom("approver") },
      { onCode: shown.resolve, decide: () => Promise.resolve(utf8("welcome")), signal },
    );
    const code = await shown.promise;
    const answer = await requestPairing(
      { crypto, rendezvous, random: seededRandom("newcomer") },
      { code, request: utf8("a phone"), signal },
    );
    expect(answer).toEqual(utf8("welcome"));
    expect(await approving).toEqual(utf8("a phone"));
    const late = requestPairing(
      { crypto, rendezvous, random: seededRandom("late") },
      { code, request: utf8("a thief"), signal },
    );
    await expect(late).rejects.toMatchObject({ code: "ACCOUNT_MAILBOX_CLOSED" });
  });

  test("waiting for a message ends with its coming, or with the signal", async () => {
    const relay = await startRelay();
    const rendezvous = createRelayRendezvous(relay.url);
    const abort = new AbortController();
    const mailbox = await rendezvous.claim({ signal: abort.signal });
    const taking = mailbox.take(1, { signal: abort.signal });
    const other = await rendezvous.open(mailbox.name, { signal: abort.signal });
    await other.put(1, utf8("hello"), { signal: abort.signal });
    expect(await taking).toEqual(utf8("hello"));
    const never = mailbox.take(2, { signal: abort.signal });
    abort.abort();
    await expect(never).rejects.toMatchObject({ name: "AbortError" });
  });

  test("no relay, and a server that is none, are told", async () => {
    const { signal } = new AbortController();
    const gone = createRelayRendezvous("ws://127.0.0.1:1");
    await expect(gone.claim({ signal })).rejects.toMatchObject({
      code: "ACCOUNT_RELAY_UNREACHABLE",
    });
    expect(() => createRelayRendezvous("ftp://example.org")).toThrowError(
      expect.objectContaining({ code: "ACCOUNT_RELAY_UNREACHABLE" }),
    );
  });
});

describe("/v1/pair", () => {
  test("a slot takes one message of at most 4,608 bytes", async () => {
    const relay = await startRelay();
    const name = await claimAt(relay);
    const path = `/v1/pair/${name}/0`;
    const long = await sendTo(relay, path, new Uint8Array(4_609));
    expect(await errorOf(long)).toBe("413 RELAY_BODY_TOO_LARGE");
    expect((await sendTo(relay, path, new Uint8Array(4_608))).status).toBe(204);
    expect(await errorOf(await sendTo(relay, path, utf8("again")))).toBe("409 RELAY_MAILBOX_TAKEN");
    const read = await fetch(httpUrl(relay, path));
    expect((await read.arrayBuffer()).byteLength).toBe(4_608);
    expect((await fetch(httpUrl(relay, path))).headers.get("content-type")).toBe(
      "application/octet-stream",
    );
  });

  test("a closed mailbox is gone, its name as good as any that never was", async () => {
    const relay = await startRelay();
    const name = await claimAt(relay);
    const box = httpUrl(relay, `/v1/pair/${name}`);
    expect((await fetch(box, { method: "DELETE" })).status).toBe(204);
    for (const answer of [
      await fetch(`${box}/0`),
      await sendTo(relay, `/v1/pair/${name}/0`, utf8("x")),
    ]) {
      expect(await errorOf(answer)).toBe("404 RELAY_MAILBOX_CLOSED");
    }
    expect((await fetch(box, { method: "DELETE" })).status).toBe(204);
  });

  test.each(["/v1/pair/12345/0", "/v1/pair/123/0", "/v1/pair/1234/5", "/v1/pair/1234/-1"])(
    "%s is no mailbox",
    async (path) => {
      const relay = await startRelay();
      expect(await errorOf(await fetch(httpUrl(relay, path)))).toBe("404 RELAY_NOT_FOUND");
    },
  );

  test("a browser may ask from any page", async () => {
    const relay = await startRelay();
    const asked = await fetch(httpUrl(relay, "/v1/pair/1234/0"), { method: "OPTIONS" });
    expect(asked.headers.get("access-control-allow-methods")).toBe("GET, PUT, HEAD, OPTIONS");
  });

  test("requests of one address, and mailboxes of all, are counted", async () => {
    const relay = await startRelay({ limits: { mailboxesMax: 2, pairRequestsPerMinuteMax: 4 } });
    const claim = () => fetch(httpUrl(relay, "/v1/pair"), { method: "POST" });
    expect((await claim()).status).toBe(200);
    expect((await claim()).status).toBe(200);
    expect(await errorOf(await claim())).toBe("503 RELAY_BUSY");
    expect(await errorOf(await fetch(httpUrl(relay, "/v1/pair/0000/0")))).toMatch(/^404/);
    expect(await errorOf(await claim())).toBe("429 RELAY_RATE_LIMITED");
  });

  test("a relay that closes lets nobody wait", async () => {
    const relay = await startRelay();
    const name = await claimAt(relay);
    const waiting = fetch(httpUrl(relay, `/v1/pair/${name}/3`));
    // The request has arrived when a second one, sent after it, is answered.
    await fetch(httpUrl(relay, "/healthz"));
    await relay.close();
    const outcome = await waiting.then(
      (answer) => answer.status,
      () => 0,
    );
    expect([0, 404, 503]).toContain(outcome);
  });
});

describe("mailboxes", () => {
  function mailboxesWith(change: Partial<MailboxesOptions> = {}) {
    let now = 0;
    const pending = new Set<() => void>();
    const mailboxes = createMailboxes({
      countMax: 10,
      lifeMs: 1_000,
      waitMs: 100,
      waitingMax: 3,
      nowMs: () => now,
      random: seededRandom("mailboxes"),
      after: (_ms, callback) => {
        pending.add(callback);
        return () => void pending.delete(callback);
      },
      ...change,
    });
    return {
      mailboxes,
      pending,
      pass: (ms: number) => {
        now += ms;
      },
    };
  }

  test("live for a while and make room for others", () => {
    const { mailboxes, pass } = mailboxesWith({ countMax: 2 });
    const first = mailboxes.claim() ?? "";
    pass(600);
    expect(mailboxes.claim()).toBeDefined();
    expect(mailboxes.claim()).toBeUndefined();
    expect(mailboxes.put(first, 0, utf8("x"))).toBe("stored");
    pass(400);
    expect(mailboxes.put(first, 1, utf8("x"))).toBe("absent");
    expect(mailboxes.claim()).toBeDefined();
  });

  test("nobody waits over the limits, and waiting leaves nothing behind", async () => {
    const { mailboxes, pending } = mailboxesWith();
    const name = mailboxes.claim() ?? "";
    const waits = [0, 1, 2].map((slot) => mailboxes.take(name, slot));
    expect(await mailboxes.take(name, 3)).toBe("empty");
    for (const callback of pending) callback();
    expect(await Promise.all(waits)).toEqual(["empty", "empty", "empty"]);
    const again = mailboxes.take(name, 0);
    pending.clear();
    mailboxes.close(name);
    expect(await again).toBe("absent");
  });

  test("names are four digits, all different", () => {
    const { mailboxes } = mailboxesWith({ countMax: 2_000 });
    const names = Array.from({ length: 2_000 }, () => mailboxes.claim());
    expect(new Set(names).size).toBe(2_000);
    expect(names.every((name) => name !== undefined && /^[0-9]{4}$/.test(name))).toBe(true);
  });
});
