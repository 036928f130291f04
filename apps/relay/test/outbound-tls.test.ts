/** The way out over real TLS on loopback: whom it believes, and what it makes of hostile answers. */
import { once } from "node:events";
import { createServer, type Server } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import { fromUtf8, utf8 } from "@hawser/codec";
import { platformTimers } from "@hawser/transport-ws";
import { describe, expect, onTestFinished, test } from "vitest";
import { hookSecretOf } from "../src/client.ts";
import { createOutbound, type Outbound } from "../src/outbound.ts";
import { signWebhook } from "../src/webhook.ts";
import { createAuthority, type Certified } from "./certificates.ts";
import { crypto } from "./help.ts";
import { ask, followKeyOf, startHosted, writeThere } from "./reader-help.ts";

const host = "hooks.example";
const authority = createAuthority("known");
const stranger = createAuthority("unknown");
const refused = { ok: false, reason: "network" };

interface Received {
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** A server on loopback; `answer` gets what was sent. */
async function serve(
  certified: Certified,
  answer: (response: ServerResponse, received: Received) => void,
): Promise<{ readonly port: number; readonly received: readonly Received[] }> {
  const received: Received[] = [];
  const server: Server = createServer(certified, (request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      received.push({ headers: request.headers, body });
      answer(response, { headers: request.headers, body });
    });
  });
  // A client that does not like the certificate says so by going.
  server.on("tlsClientError", () => {});
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { port: address.port, received };
}

/** Every name is on this machine, and that is allowed. */
function outboundHere(): Outbound {
  return createOutbound({
    timers: platformTimers,
    resolve: async () => [{ address: "127.0.0.1", family: 4 }],
    permits: (address) => address === "127.0.0.1",
    authorities: authority.cert,
  });
}

const postTo = (port: number, path = "/x") =>
  outboundHere().post({
    url: `https://${host}:${port}${path}`,
    headers: { "content-type": "application/json" },
    body: utf8("{}"),
  });

describe("TLS", () => {
  test("a server whose certificate holds gets the request, under its own name", async () => {
    const { port, received } = await serve(authority.issue(host, 30), (response) => {
      response.writeHead(202, { "retry-after": "7" }).end("fine");
    });
    const verdict = await postTo(port);
    expect(verdict).toMatchObject({ ok: true, status: 202, retryAfterSeconds: 7 });
    expect(verdict.ok && fromUtf8(verdict.body)).toBe("fine");
    expect(received.map(({ headers, body }) => [headers.host, body])).toEqual([
      [`${host}:${port}`, "{}"],
    ]);
  });

  const wrong: readonly (readonly [string, Certified])[] = [
    ["of another host", authority.issue("other.example", 30)],
    ["of a host above it", authority.issue("example", 30)],
    ["that has expired", authority.issue(host, -1)],
    ["that is not valid yet", authority.issue(host, 401)],
    ["of an unknown authority", stranger.issue(host, 30)],
  ];
  test.each(wrong)("a certificate %s is refused before anything is sent", async (_, certified) => {
    const { port, received } = await serve(certified, (response) => response.end());
    expect(await postTo(port)).toEqual(refused);
    expect(received).toEqual([]);
  });

  test("an environment that turns checks off changes nothing", async () => {
    const name = "NODE_TLS_REJECT_UNAUTHORIZED";
    const before = process.env[name];
    onTestFinished(() => {
      if (before === undefined) delete process.env[name];
      else process.env[name] = before;
    });
    process.env[name] = "0";
    const { port, received } = await serve(stranger.issue(host, 30), (response) => response.end());
    expect(await postTo(port)).toEqual(refused);
    expect(received).toEqual([]);
  });

  test("loopback is refused all the same without the test's permission", async () => {
    const { port, received } = await serve(authority.issue(host, 30), (response) => response.end());
    const outbound = createOutbound({
      timers: platformTimers,
      resolve: async () => [{ address: "127.0.0.1", family: 4 }],
      authorities: authority.cert,
    });
    const url = `https://${host}:${port}/x`;
    const verdict = await outbound.post({ url, headers: {}, body: utf8("{}") });
    expect(verdict).toEqual({ ok: false, reason: "address" });
    expect(received).toEqual([]);
  });
});

describe("an answer", () => {
  const certified = authority.issue(host, 30);

  test("that redirects is an answer; nobody follows it", async () => {
    const { port, received } = await serve(certified, (response) => {
      response.writeHead(307, { location: `https://${host}:${port}/elsewhere` }).end();
    });
    expect(await postTo(port)).toMatchObject({ ok: true, status: 307 });
    expect(received.length).toBe(1);
  });

  test("that never ends is read up to 4 KiB, and never unpacked", async () => {
    const { port } = await serve(certified, (response) => {
      response.writeHead(200, { "content-encoding": "gzip" });
      const more = (): void => {
        while (!response.destroyed && response.write("z".repeat(16_384)));
      };
      response.on("drain", more);
      response.on("error", () => {});
      more();
    });
    const verdict = await postTo(port);
    expect(verdict).toMatchObject({ ok: true, status: 200 });
    expect(verdict.ok && fromUtf8(verdict.body)).toBe("z".repeat(4_096));
  });

  test("that is cut, has too many headers, or wants another protocol is none", async () => {
    const { port } = await serve(certified, (response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("half", () => response.destroy());
    });
    expect(await postTo(port)).toEqual(refused);
    const long = await serve(certified, (response) => {
      response.writeHead(200, { "x-long": "a".repeat(16_384) }).end();
    });
    expect(await postTo(long.port)).toEqual(refused);
    const upgrade = await serve(certified, (response) => {
      response.socket?.end(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
      );
    });
    expect(await postTo(upgrade.port)).toEqual(refused);
  });
});

test("[TH-116] a webhook is confirmed and delivered over TLS, signed so that its receiver can tell", async () => {
  const { port, received } = await serve(authority.issue(host, 30), (response, { body }) => {
    const { data } = JSON.parse(body) as { data: { challenge?: string } };
    response.end(JSON.stringify({ challenge: data.challenge }));
  });
  const hosted = await startHosted({ outbound: outboundHere() });
  const url = `https://${host}:${port}/x`;
  const answer = await ask(hosted, `${hosted.path}/hooks`, {
    method: "POST",
    body: JSON.stringify({ provider: "webhook", target: { url } }),
  });
  expect(answer.status).toBe(201);
  const { id } = (await answer.json()) as { id: string };
  await writeThere(hosted, "one");
  await expect.poll(() => received.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(2);
  const relay = hosted.relay.author;
  const secret = hookSecretOf(crypto, followKeyOf(hosted), { relay, id });
  for (const { headers, body } of received) {
    const messageId = String(headers["webhook-id"]);
    const seconds = Number(headers["webhook-timestamp"]);
    const signature = signWebhook({ messageId, seconds, body: utf8(body), secret });
    expect(headers["webhook-signature"]).toBe(`v1,${signature}`);
  }
  expect(received.at(-1)?.body).toContain("hawser.topic.news");
});
