/**
 * A peer whose every message is made by hand, to say what an honest one would not.
 */
import { toHex } from "@hawser/codec";
import type { Topic } from "@hawser/log";
import type { Connection } from "@hawser/sync";
import { decodeMessage } from "../src/decode.ts";
import { encodeMessage } from "../src/encode.ts";
import {
  followProof,
  identityBytes,
  otherRole,
  type Role,
  roleOf,
  sessionOf,
  topicHash,
  transcriptOf,
} from "../src/handshake.ts";
import { identityLabel as label } from "../src/handshake.ts";
import type { HelloMessage, Message } from "../src/message.ts";
import { crypto, identityOf, keyOf, type TestNode, type World } from "./harness.ts";

export interface RawPeer {
  readonly connection: Connection;
  /** Messages of the node so far. */
  readonly received: Message[];
  /** Their frames. */
  readonly frames: Uint8Array[];
  send(message: Message): void;
  sendFrame(frame: Uint8Array): void;
  /** Hello and identities, done right. */
  shakeHands(): Promise<void>;
  /** Announces topics as numbers 0, 1, …. */
  announce(...topics: readonly Topic[]): Promise<void>;
  /** Proves a topic by a follow key. */
  prove(topicNumber: number, topic: Topic, key: Uint8Array, counter?: number): Promise<void>;
  /** Messages of one type. */
  ofType<Type extends Message["type"]>(type: Type): readonly (Message & { type: Type })[];
  /** The node's number of a topic. */
  numberOf(topic: Topic): number | undefined;
  session(): { readonly session: Uint8Array; readonly role: Role; readonly transcript: Uint8Array };
}

export const rawSecret: Uint8Array = keyOf("secret raw");

export function connectRaw(
  world: World,
  node: TestNode,
  options: { readonly secret?: Uint8Array; readonly hello?: Partial<HelloMessage> } = {},
): RawPeer {
  const pair = world.network.connect();
  node.peer.attach(pair.a);
  const connection = pair.b;
  const secret = options.secret ?? rawSecret;
  const received: Message[] = [];
  const frames: Uint8Array[] = [];
  const read = async (): Promise<void> => {
    for await (const frame of connection.frames) {
      frames.push(frame);
      const message = decodeMessage(frame);
      if (message !== undefined) received.push(message);
    }
  };
  void read();
  const sendFrame = (frame: Uint8Array): void => {
    connection.send(frame).catch(() => {});
  };
  const send = (message: Message): void => sendFrame(encodeMessage(message));
  const nonce = crypto.hash(keyOf(`nonce ${world.numbers()}`));
  const hello: HelloMessage = {
    type: "hello",
    versionMin: 1,
    versionMax: 1,
    features: 0,
    nonce,
    windowBytes: 4 * 1024 * 1024,
    rangeBytes: 16 * 1024 * 1024,
    ...options.hello,
  };
  let secrets = { session: nonce, role: 0 as Role, transcript: nonce };

  const shakeHands = async (): Promise<void> => {
    const ownHello = encodeMessage(hello);
    sendFrame(ownHello);
    await world.timers.advance(1);
    const [theirs] = received;
    const [peerHello] = frames;
    if (theirs?.type !== "hello" || peerHello === undefined) throw new Error("no hello");
    const role = roleOf(hello.nonce, theirs.nonce) ?? 0;
    const channelBinding = new Uint8Array(0);
    const transcript = transcriptOf(crypto, role, { ownHello, peerHello, channelBinding });
    const identity = identityOf(secret);
    const ownIdentities = encodeMessage({
      type: "identities",
      proofs: [
        { id: identity.id, signature: identity.sign(label, identityBytes(transcript, role)) },
      ],
    });
    sendFrame(ownIdentities);
    await world.timers.advance(1);
    const peerIdentities = frames[1];
    if (peerIdentities === undefined) throw new Error("no identities");
    const session = sessionOf(crypto, role, { transcript, ownIdentities, peerIdentities });
    secrets = { session, role, transcript };
  };
  return {
    connection,
    received,
    frames,
    send,
    sendFrame,
    shakeHands,
    announce: async (...topics) => {
      const { session, role } = secrets;
      const added = topics.map((topic) => topicHash(crypto, session, role, topic));
      send({ type: "topics", removed: [], added, last: true });
      await world.timers.advance(1);
    },
    prove: async (topicNumber, topic, key, counter = 1) => {
      const { session, role } = secrets;
      const hash = topicHash(crypto, session, role, topic);
      const mac = followProof(crypto, key, { session, role, topicHash: hash });
      send({ type: "proof", topicNumber, counter, macs: [mac, mac, mac, mac] });
      await world.timers.advance(1);
    },
    ofType: (type) =>
      received.filter(
        (message): message is Message & { type: typeof type } => message.type === type,
      ),
    numberOf: (topic) => {
      const { session, role } = secrets;
      const wanted = toHex(topicHash(crypto, session, otherRole(role), topic));
      const hashes = received.flatMap((message) =>
        message.type === "topics" ? message.added.map(toHex) : [],
      );
      const index = hashes.indexOf(wanted);
      return index < 0 ? undefined : index;
    },
    session: () => secrets,
  };
}
