/** Places that answers hold are given back whatever the client does. */
import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { writeAnswer } from "../src/answer.ts";
import { ask, proofFor, startHosted, writeThere, type Hosted } from "./reader-help.ts";

const patient = { timeout: 20_000 };

/** Sends raw requests on one socket. */
async function open(hosted: Hosted, text: string): Promise<Socket> {
  const { hostname, port } = new URL(hosted.relay.url);
  const socket = connect(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  socket.write(text);
  return socket;
}

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.once("close", () => resolve());
    socket.destroy();
  });

describe("a place for a page", () => {
  test("is given back when the client goes while its answer waits behind another", async () => {
    const hosted = await startHosted();
    await writeThere(hosted, "one");
    const target = `${hosted.path}/entries`;
    const { hostname, port } = new URL(hosted.relay.url);
    const claim = await fetch(`http://${hostname}:${port}/v1/pair`, { method: "POST" });
    const { name } = (await claim.json()) as { name: string };
    const statusNow = async (): Promise<number> => (await ask(hosted, target)).status;
    for (let round = 0; round < 2; round++) {
      // The first request waits for a message that does not come; the pages wait behind it.
      let text = `GET /v1/pair/${name}/0 HTTP/1.1\r\nhost: x\r\n\r\n`;
      for (let page = 0; page < 4; page++) {
        const proof = proofFor(hosted, target);
        text += `GET ${target} HTTP/1.1\r\nhost: x\r\nauthorization: ${proof}\r\n\r\n`;
      }
      const socket = await open(hosted, text);
      await expect.poll(statusNow, patient).toBe(503);
      await closed(socket);
      await expect.poll(statusNow, patient).toBe(200);
    }
  });

  test("is given back when the client went before its answer was made", async () => {
    let released = 0;
    const served = new Promise<void>((resolve, reject) => {
      const server = createServer((_request, response) => {
        const answer = async (): Promise<void> => {
          await once(response, "close");
          const octets = new Uint8Array(9);
          writeAnswer(response, { status: 200, octets, release: () => (released += 1) });
        };
        answer().then(resolve, reject);
      });
      onTestFinished(() => void server.close());
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        if (address === null || typeof address === "string") return reject(new Error("no port"));
        const socket = connect(address.port, "127.0.0.1");
        socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
        server.once("request", () => socket.destroy());
      });
    });
    await served;
    await expect.poll(() => released, patient).toBe(1);
  });
});
