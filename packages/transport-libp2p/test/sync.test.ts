/** Two peers over a libp2p stream, compared with the memory network and with gossip. */
import { concatBytes, toHex } from "@hawser/codec";
import { type Connection, decodeMessage } from "@hawser/sync";
import { createMemoryPair } from "@hawser/sync/testing";
import { expect, test } from "vitest";
import { crypto, followKeyOf, startDevice } from "./support/device.ts";
import { openEnvelope } from "./support/envelope.ts";
import { connect, reaches, until } from "./support/nodes.ts";
import { openEnds } from "./support/pair.ts";

/** Keeps what is sent of ranges through a connection, without the number a session has for a topic. */
function recording(connection: Connection, sent: Uint8Array[]): Connection {
  return {
    ...connection,
    send: (frame) => {
      const message = decodeMessage(frame);
      if (message?.type === "range" || message?.type === "more") sent.push(message.bytes);
      return connection.send(frame);
    },
  };
}

test("[TH-101] [TH-113] the same envelopes, byte for byte, over two transports", async () => {
  await using writer = await startDevice("writer");
  for (let batch = 0; batch < 20; batch++) await writer.append(50, 500);
  await using ends = await openEnds();
  const sent: Uint8Array[] = [];
  for (const pair of [createMemoryPair(), await ends.open()]) {
    await using reader = await startDevice("reader");
    const parts: Uint8Array[] = [];
    const sessions = [writer.peer.attach(recording(pair.a, parts)), reader.peer.attach(pair.b)];
    await Promise.all(sessions.map((session) => session.synced()));
    expect(await reader.heightOf(writer.logId)).toBe(1_000);
    await Promise.all(sessions.map((session) => session.close()));
    sent.push(concatBytes(...parts));
  }
  const [overMemory = new Uint8Array(0), overLibp2p] = sent;
  expect(overMemory.length).toBeGreaterThan(500_000);
  expect(toHex(crypto.hash(overLibp2p ?? overMemory.subarray(1)))).toBe(
    toHex(crypto.hash(overMemory)),
  );
});

test("[TH-101] gossip carries the bytes that sync carries", async () => {
  await using writer = await startDevice("writer");
  await using listener = await startDevice("listener");
  const envelopes: Uint8Array[] = [];
  const { pubsub } = listener.node.services;
  pubsub.addEventListener("message", ({ detail }) => envelopes.push(detail.data));
  await connect(listener.node, writer.node);
  const [name = ""] = pubsub.getTopics();
  await until(() => reaches(name, writer.node, listener.node));
  await writer.append(10);
  await until(() => envelopes.length > 0);
  const pair = createMemoryPair();
  await using reader = await startDevice("reader");
  const parts: Uint8Array[] = [];
  const sessions = [writer.peer.attach(recording(pair.a, parts)), reader.peer.attach(pair.b)];
  await Promise.all(sessions.map((session) => session.synced()));
  const content = openEnvelope(crypto, followKeyOf("1"), envelopes[0] ?? new Uint8Array(0));
  if (content?.kind !== "range") throw new Error("no range");
  expect(content.range).toMatchObject({ context: writer.context, from: 0, count: 10 });
  expect(toHex(content.range.bytes)).toBe(toHex(concatBytes(...parts)));
});
