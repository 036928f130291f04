/** Mailboxes at a relay that does not behave. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { createRelayRendezvous } from "../src/index.ts";

it("a relay that never answers does not hold up whoever is done with it", async () => {
  const heard: (string | undefined)[] = [];
  const server = createServer(({ method }) => heard.push(method));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    // Safe: a server that listens on TCP.
    const { port } = server.address() as AddressInfo;
    const { signal } = new AbortController();
    const mailbox = await createRelayRendezvous(`http://127.0.0.1:${port}`).open("0001", {
      signal,
    });
    await mailbox.close();
    expect(heard).toEqual(["DELETE"]);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}, 10_000);
