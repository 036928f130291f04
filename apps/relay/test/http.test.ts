/** What the relay answers over HTTP, to good requests and to all others. */
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { createRelay } from "../src/index.ts";
import {
  bundleOf,
  createDevice,
  errorOf,
  hostAt,
  httpUrl,
  postHosting,
  startRelay,
} from "./help.ts";

const allowOrigin = "access-control-allow-origin";

/** Everything the relay sends back over a bare socket, until it closes. */
function exchange(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(Number(port), hostname, () => socket.write(text));
    socket.on("data", (chunk) => {
      answer += chunk.toString();
    });
    socket.on("close", () => resolve(answer));
    socket.on("error", reject);
  });
}

describe("GET /healthz", () => {
  test("says ok while the relay runs", async () => {
    const answer = await fetch(httpUrl(await startRelay(), "/healthz"));
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(await answer.json()).toEqual({ status: "ok" });
  });

  test("HEAD has the same headers and no body; a query changes nothing", async () => {
    const relay = await startRelay();
    const answer = await fetch(httpUrl(relay, "/healthz?x=1"), { method: "HEAD" });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-length")).toBe("15");
    expect(await answer.text()).toBe("");
  });

  test("says 503 on a connection that is still open while the relay closes", async () => {
    const relay = await startRelay();
    const { hostname, port } = new URL(relay.url);
    const socket = connect(Number(port), hostname);
    // Half a request keeps the connection from being idle when the relay begins to close.
    socket.write("GET /v1/relay HTTP/1.1\r\nhost: x\r\n\r\nGET /healthz HTTP/1.1\r\n");
    await new Promise((resolve) => socket.once("data", resolve));
    const rest = new Promise<string>((resolve) => {
      let text = "";
      socket.on("data", (chunk) => {
        text += chunk.toString();
      });
      socket.on("close", () => resolve(text));
    });
    const closed = relay.close();
    socket.write("host: x\r\n\r\n");
    expect(await rest).toMatch(/^HTTP\/1.1 503 .*RELAY_CLOSING/s);
    await closed;
    await expect(fetch(httpUrl(relay, "/healthz"))).rejects.toThrow("fetch failed");
  });
});

describe("GET /v1/relay", () => {
  test("tells version, key and a bundle that this key signed, to pages of any origin", async () => {
    const relay = await startRelay();
    const answer = await fetch(httpUrl(relay, "/v1/relay"));
    expect(answer.headers.get(allowOrigin)).toBe("*");
    const body = (await answer.json()) as Record<string, unknown>;
    expect(Object.keys(body)).toEqual(["version", "author", "bundle"]);
    expect(body).toMatchObject({ version: 1, author: relay.author });
    expect((await bundleOf(relay)).author).toBe(relay.author);
  });
});

describe("wrong requests", () => {
  const cases: readonly (readonly [method: string, path: string, error: string])[] = [
    ["GET", "/", "404 RELAY_NOT_FOUND"],
    ["GET", "/v1", "404 RELAY_NOT_FOUND"],
    ["GET", "/v1/relay/", "404 RELAY_NOT_FOUND"],
    ["GET", "/V1/RELAY", "404 RELAY_NOT_FOUND"],
    ["GET", "/v1/%72elay", "404 RELAY_NOT_FOUND"],
    ["GET", "/constructor", "404 RELAY_NOT_FOUND"],
    ["POST", "/healthz", "405 RELAY_METHOD"],
    ["OPTIONS", "/healthz", "405 RELAY_METHOD"],
    ["DELETE", "/v1/relay", "405 RELAY_METHOD"],
    ["GET", "/v1/host", "405 RELAY_METHOD"],
    ["PUT", "/v1/host", "405 RELAY_METHOD"],
    ["POST", "/v1/sync", "405 RELAY_METHOD"],
    ["GET", "/v1/sync", "426 RELAY_UPGRADE_REQUIRED"],
  ];
  test.each(cases)("%s %s is %s", async (method, path, error) => {
    const answer = await fetch(httpUrl(await startRelay(), path), { method });
    expect(await errorOf(answer)).toBe(error);
  });

  test("a wrong method is told the right ones", async () => {
    const answer = await fetch(httpUrl(await startRelay(), "/v1/host"));
    expect(answer.headers.get("allow")).toBe("POST, OPTIONS");
    expect(answer.headers.get(allowOrigin)).toBe("*");
  });

  test("a browser's question before POST /v1/host is answered", async () => {
    const answer = await fetch(httpUrl(await startRelay(), "/v1/host"), { method: "OPTIONS" });
    expect(answer.status).toBe(204);
    expect(answer.headers.get(allowOrigin)).toBe("*");
    expect(answer.headers.get("access-control-allow-methods")).toBe("POST, OPTIONS");
    expect(answer.headers.get("access-control-allow-headers")).toBe("content-type");
  });

  test("what is no HTTP, or has headers over 8 KiB, is cut off with an answer", async () => {
    const relay = await startRelay();
    expect(await exchange(relay.url, "hello\r\n\r\n")).toMatch(
      /^HTTP\/1.1 400 .*RELAY_BAD_REQUEST/s,
    );
    const large = `GET /healthz HTTP/1.1\r\nx: ${"y".repeat(9_000)}\r\n\r\n`;
    expect(await exchange(relay.url, large)).toMatch(/^HTTP\/1.1 400 .*RELAY_BAD_REQUEST/s);
    expect((await fetch(httpUrl(relay, "/healthz"))).status).toBe(200);
  });
});

describe("POST /v1/host", () => {
  test("[TH-037] takes a request that a member sealed to this relay; a second one changes nothing", async () => {
    const relay = await startRelay();
    const ada = await createDevice("ada");
    const space = await ada.spaces.create();
    for (let n = 0; n < 2; n++) {
      const answer = await hostAt(relay, space);
      expect(answer.status).toBe(204);
      expect(answer.headers.get(allowOrigin)).toBe("*");
      expect((await relay.stats()).topics).toBe(1);
    }
  });

  test("requests for one space that come together make it one space", async () => {
    const relay = await startRelay();
    const space = await (await createDevice("ada")).spaces.create();
    const bundle = await bundleOf(relay);
    await space.add(bundle, "pull");
    const requests = [1, 2, 3].map(() => postHosting(relay, space.hosting(bundle)));
    expect((await Promise.all(requests)).map((answer) => answer.status)).toEqual([204, 204, 204]);
    expect((await relay.stats()).topics).toBe(1);
  });

  test.each([
    ["nothing", new Uint8Array(0)],
    ["zeros", new Uint8Array(100)],
    ["the largest allowed garbage", new Uint8Array(8_192).fill(0xff)],
  ])("refuses %s", async (_name, body) => {
    const relay = await startRelay();
    expect(await errorOf(await postHosting(relay, body))).toBe("400 RELAY_HOSTING_INVALID");
    expect((await relay.stats()).topics).toBe(0);
  });

  test("refuses a request sealed to another relay, an offer of membership, and a cut one", async () => {
    const relay = await startRelay();
    const other = await startRelay();
    const space = await (await createDevice("ada")).spaces.create();
    const [own, foreign] = [await bundleOf(relay), await bundleOf(other)];
    const hosting = space.hosting(own);
    const flipped = Uint8Array.from(hosting);
    flipped[flipped.length - 1]! ^= 1;
    for (const body of [space.hosting(foreign), space.offer(own), hosting.slice(0, -1), flipped]) {
      expect(await errorOf(await postHosting(relay, body))).toBe("400 RELAY_HOSTING_INVALID");
    }
    expect((await relay.stats()).topics).toBe(0);
    expect((await postHosting(relay, hosting)).status).toBe(204);
  });

  test("refuses a body over 8 KiB, announced or not, and goes on serving", async () => {
    const relay = await startRelay();
    const body = new Uint8Array(8_193);
    expect(await errorOf(await postHosting(relay, body))).toBe("413 RELAY_BODY_TOO_LARGE");
    const chunks = `${(5_000).toString(16)}\r\n${"x".repeat(5_000)}\r\n`.repeat(2);
    const head = "POST /v1/host HTTP/1.1\r\nhost: x\r\ncontent-type: application/octet-stream\r\n";
    const unannounced = `${head}transfer-encoding: chunked\r\n\r\n${chunks}`;
    expect(await exchange(relay.url, unannounced)).toMatch(
      /^HTTP\/1.1 413 .*RELAY_BODY_TOO_LARGE/s,
    );
    expect((await fetch(httpUrl(relay, "/healthz"))).status).toBe(200);
  });

  test("a client that leaves in the middle of its request harms nobody", async () => {
    const relay = await startRelay();
    const { hostname, port } = new URL(relay.url);
    const head = "POST /v1/host HTTP/1.1\r\nhost: x\r\ncontent-type: application/octet-stream\r\n";
    const socket = connect(Number(port), hostname);
    await new Promise((resolve) => {
      socket.write(`${head}content-length: 100\r\nexpect: 100-continue\r\n\r\nhalf`);
      // The relay has begun to read once it asks for the body.
      socket.once("data", resolve);
    });
    socket.destroy();
    expect((await fetch(httpUrl(relay, "/healthz"))).status).toBe(200);
    await relay.close();
    expect((await relay.stats()).topics).toBe(0);
  });

  test("refuses another content type", async () => {
    const relay = await startRelay();
    const answer = await postHosting(relay, new Uint8Array(1), { "content-type": "text/plain" });
    expect(await errorOf(answer)).toBe("415 RELAY_CONTENT_TYPE");
  });

  test("takes so many requests of one address, good or bad, and no more", async () => {
    const relay = await startRelay({ limits: { hostRequestsPerHourMax: 2 } });
    const post = (): Promise<Response> => postHosting(relay, new Uint8Array(1));
    expect(await errorOf(await post())).toBe("400 RELAY_HOSTING_INVALID");
    expect(await errorOf(await post())).toBe("400 RELAY_HOSTING_INVALID");
    const answer = await post();
    expect(answer.headers.get("retry-after")).toBe("60");
    expect(await errorOf(answer)).toBe("429 RELAY_RATE_LIMITED");
  });

  test("counts by X-Forwarded-For only when told to trust the proxy", async () => {
    const limits = { hostRequestsPerHourMax: 1 };
    const codes = async (trustProxy: boolean): Promise<readonly number[]> => {
      const relay = await startRelay({ limits, trustProxy });
      const answers: number[] = [];
      for (const forwarded of ["9.9.9.9, 1.1.1.1", "9.9.9.9, 2.2.2.2", "8.8.8.8, 1.1.1.1"]) {
        const headers = { "x-forwarded-for": forwarded };
        answers.push((await postHosting(relay, new Uint8Array(1), headers)).status);
      }
      return answers;
    };
    expect(await codes(false)).toEqual([400, 429, 429]);
    expect(await codes(true)).toEqual([400, 400, 429]);
  });

  test("takes no more spaces than its limit, and those it has again", async () => {
    const relay = await startRelay({ limits: { topicsMax: 1 } });
    const ada = await createDevice("ada");
    const first = await ada.spaces.create();
    expect((await hostAt(relay, first)).status).toBe(204);
    const answer = await hostAt(relay, await ada.spaces.create());
    expect(await errorOf(answer)).toBe("507 RELAY_FULL");
    expect((await hostAt(relay, first)).status).toBe(204);
    expect((await relay.stats()).topics).toBe(1);
  });
});

describe("options", () => {
  test.each([
    ["port", { port: 70_000 }],
    ["host", { host: "" }],
    ["topicsMax", { limits: { topicsMax: 0 } }],
    ["connectionsMax", { limits: { connectionsMax: 1.5 } }],
  ])("a bad %s is refused before anything is opened", async (name, options) => {
    await expect(createRelay(options)).rejects.toMatchObject({ code: "RELAY_OPTION" });
    await expect(createRelay(options)).rejects.toThrow(`${name}: expected`);
  });

  test("a port in use is an error with a code", async () => {
    const { port } = new URL((await startRelay()).url);
    await expect(startRelay({ port: Number(port) })).rejects.toMatchObject({
      code: "RELAY_LISTEN_FAILED",
    });
  });
});
