/** A web page's view of a relay: nothing but the WebSocket that every browser and Node has. */
import type { Connection } from "@hawser/sync";
import { expect, onTestFinished, test } from "vitest";
import { createDevice, hostAt, readTexts, startRelay, untilSession, write } from "./help.ts";

/** A pipe of frames over the standard WebSocket, as a page would write it itself. */
async function connectPage(url: string): Promise<Connection> {
  const socket = new globalThis.WebSocket(url);
  socket.binaryType = "arraybuffer";
  onTestFinished(() => socket.close());
  const frames = new ReadableStream<Uint8Array>({
    start: (controller) => {
      socket.addEventListener("message", ({ data }) => {
        if (data instanceof ArrayBuffer) controller.enqueue(new Uint8Array(data));
      });
      socket.addEventListener("close", () => controller.close());
    },
  });
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve);
    socket.addEventListener("error", reject);
  });
  return {
    frames,
    send: async (frame) => socket.send(frame.slice()),
    close: () => socket.close(),
  };
}

test("[TH-114] a follower relays what is written to web participants over the standard WebSocket", async () => {
  const relay = await startRelay();
  const ada = await createDevice("ada");
  const adas = await ada.spaces.create();
  expect((await hostAt(relay, adas)).status).toBe(204);
  const writing = await ada.connect(relay);
  const link = await adas.invite({ level: "write", addresses: [relay.url] });
  await writing.synced();

  const web = await createDevice("web");
  const page = await web.spaces.join(link);
  const session = web.peer.attach(await connectPage(`${relay.url}/v1/sync`));
  await page.ready();
  await untilSession(session, () => session.access(page.topic)?.received === "full");
  // Written while the page is connected: it is pushed, nobody asks for it.
  await write(adas, "to the web");
  expect(await readTexts(page, 1)).toEqual(["to the web"]);
  await write(page, "from the web");
  expect(await readTexts(adas, 2)).toEqual(["from the web", "to the web"]);
});
