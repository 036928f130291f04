import { afterAll, describe, expect, test } from "vitest";
import { createServer, type RequestListener, type Server } from "node:http";
import { createRelayClient, type RelayClient } from "@hawser/hawser";

const servers: Server[] = [];
afterAll(() => {
  for (const server of servers) server.close();
});

async function relayThat(answers: RequestListener): Promise<RelayClient> {
  const server = createServer(answers);
  servers.push(server);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  return createRelayClient(`ws://127.0.0.1:${port}`);
}

const signal = AbortSignal.timeout(20_000);

describe("what a relay answers is not believed", () => {
  test.each<[string, RequestListener]>([
    ["text that is no JSON", (_, answer) => answer.end("<html>hello</html>")],
    ["JSON without a bundle", (_, answer) => answer.end('{"version":1}')],
    ["a bundle that is no base64url", (_, answer) => answer.end('{"bundle":"+++"}')],
    ["null", (_, answer) => answer.end("null")],
    [
      "an answer without end",
      (_, answer) => {
        const more = (): void => {
          if (answer.write("x".repeat(16_384))) setImmediate(more);
          else answer.once("drain", more);
        };
        answer.on("close", () => answer.removeAllListeners("drain"));
        more();
      },
    ],
    [
      "a redirect",
      (_, answer) => answer.writeHead(302, { location: "http://127.0.0.1:1/v1/relay" }).end(),
    ],
  ])("%s: HAWSER_RELAY_UNREACHABLE", async (_name, answers) => {
    const client = await relayThat(answers);
    await expect(client.bundle({ signal })).rejects.toMatchObject({
      code: "HAWSER_RELAY_UNREACHABLE",
    });
  });

  test("a refusal carries the relay's code and nothing else of its answer", async () => {
    const body = '{"code":"RELAY_FULL","message":"call me at <script>"}';
    const client = await relayThat((_, answer) => answer.writeHead(503).end(body));
    await expect(client.host(new Uint8Array(3), { signal })).rejects.toMatchObject({
      code: "HAWSER_RELAY_REFUSED",
      message: "the relay refused: RELAY_FULL",
    });
  });

  test("nobody there: HAWSER_RELAY_UNREACHABLE", async () => {
    const client = createRelayClient("ws://127.0.0.1:1");
    await expect(client.bundle({ signal })).rejects.toMatchObject({
      code: "HAWSER_RELAY_UNREACHABLE",
    });
  });
});
