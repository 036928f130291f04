/** A hosted space, and requests that prove its follow key. */
import { utf8 } from "@hawser/codec";
import { seededRandom } from "@hawser/crypto/testing";
import type { Topic } from "@hawser/log";
import type { Space } from "@hawser/space";
import type { SyncSession, SyncTopic } from "@hawser/sync";
import { blindName, proveFollow } from "../src/client.ts";
import type { Relay, RelayOptions } from "../src/index.ts";
import type { Outbound, OutboundRequest, OutboundVerdict } from "../src/outbound.ts";
import {
  clock,
  createDevice,
  crypto,
  hostAt,
  httpUrl,
  startRelay,
  write,
  type Device,
} from "./help.ts";

/** A relay that hosts one space of one device, which is connected. */
export interface Hosted {
  readonly relay: Relay;
  readonly device: Device;
  readonly space: Space;
  readonly session: SyncSession;
  /** `/v1/topics/<name>`. */
  readonly path: string;
}

export async function startHosted(options: RelayOptions = {}, name = "ada"): Promise<Hosted> {
  const relay = await startRelay(options);
  const device = await createDevice(name);
  const space = await device.spaces.create();
  const answer = await hostAt(relay, space);
  if (answer.status !== 204) throw new Error(`hosting: ${answer.status}`);
  const session = await device.connect(relay);
  await session.synced();
  return { relay, device, space, session, path: pathOf(relay, space.topic) };
}

export function pathOf(relay: Pick<Relay, "author">, topic: Topic): string {
  return `/v1/topics/${blindName(crypto, topic, relay.author)}`;
}

/** The space as sync sees it. */
export function topicOf(device: Device, topic: Topic): SyncTopic {
  const found = device.spaces.topics().find((item) => item.topic === topic);
  if (found === undefined) throw new Error("no such space");
  return found;
}

export function followKeyOf({ device, space }: Pick<Hosted, "device" | "space">): Uint8Array {
  const [key] = topicOf(device, space.topic).followKeys();
  if (key === undefined) throw new Error("no follow key");
  return key;
}

const random = seededRandom("nonces");

export interface Asked {
  readonly method?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Instead of the current one. */
  readonly followKey?: Uint8Array;
  /** Added to the clock. */
  readonly seconds?: number;
}

/** The header that proves the follow key for a request. */
export function proofFor(
  hosted: Pick<Hosted, "relay" | "device" | "space">,
  target: string,
  asked: Asked = {},
): string {
  const { method = "GET", body = "", seconds = 0 } = asked;
  return proveFollow(crypto, asked.followKey ?? followKeyOf(hosted), {
    relay: hosted.relay.author,
    method,
    target,
    body: utf8(body),
    seconds: Math.floor(clock.nowMicros() / 1_000_000) + seconds,
    nonce: random(16),
  });
}

/** A request with a proof. */
export function ask(hosted: Hosted, target: string, asked: Asked = {}): Promise<Response> {
  const { method = "GET", body } = asked;
  return fetch(httpUrl(hosted.relay, target), {
    method,
    headers: {
      authorization: proofFor(hosted, target, asked),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...asked.headers,
    },
    ...(body === undefined ? {} : { body }),
  });
}

/** The relay has these too when it resolves. */
export async function writeThere(hosted: Hosted, ...texts: readonly string[]): Promise<void> {
  await write(hosted.space, ...texts);
  await hosted.session.synced();
}

/** A way out that goes nowhere and tells what was sent. */
export function fakeOutbound(
  answer: (request: OutboundRequest) => OutboundVerdict | Promise<OutboundVerdict>,
): Outbound & { readonly sent: readonly OutboundRequest[] } {
  const sent: OutboundRequest[] = [];
  return {
    sent,
    accepts: (url) => url.startsWith("https://"),
    post: async (request) => {
      sent.push(request);
      return answer(request);
    },
  };
}

export function answerWith(status: number, body = "", retryAfterSeconds?: number): OutboundVerdict {
  return { ok: true, status, body: utf8(body), retryAfterSeconds };
}
