/** Relays on loopback, raw clients, and devices with everything but the front door. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBase64url, toHex, utf8 } from "@hawser/codec";
import { createCrypto, type AuthorId, type Crypto } from "@hawser/crypto";
import { seededRandom } from "@hawser/crypto/testing";
import { parseBundle, verifyBundle, type VerifiedBundle } from "@hawser/keys";
import { createMemoryStore, type Clock, type LogStore } from "@hawser/log";
import {
  createBodyDepot,
  createSpaces,
  type Space,
  type SpaceEvent,
  type Spaces,
} from "@hawser/space";
import { createSyncPeer, type SyncPeer, type SyncSession } from "@hawser/sync";
import { connectWebSocket, platformTimers } from "@hawser/transport-ws";
import { onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { createRelay, type Relay, type RelayOptions } from "../src/index.ts";

export const crypto: Crypto = await createCrypto();

/** One clock for everybody, which moves by a microsecond a look: tests need no real time. */
export const clock: Clock = (() => {
  let now = 1_794_000_000_000_000;
  return {
    nowMicros: () => {
      now += 1;
      return now;
    },
  };
})();

/** `crypto` that also keeps what goes through each key derivation: secrets in, keys out. */
export function recordDerivations(): {
  crypto: Crypto;
  of(context: string): readonly Uint8Array[];
} {
  const seen = new Map<string, Uint8Array[]>();
  return {
    of: (context) => seen.get(context) ?? [],
    crypto: {
      ...crypto,
      deriveKey: (context, material, byteCount) => {
        const derived = crypto.deriveKey(context, material, byteCount);
        const copies = [material.slice(), derived.slice()];
        seen.set(context, [...(seen.get(context) ?? []), ...copies]);
        return derived;
      },
    },
  };
}

/** A relay that is closed after the test. */
export async function startRelay(options: RelayOptions = {}): Promise<Relay> {
  const relay = await createRelay({
    crypto,
    clock,
    nowMs: () => 0,
    drainMs: 3_000,
    onFailure: (cause) => {
      throw cause;
    },
    ...options,
  });
  onTestFinished(() => relay.close());
  return relay;
}

/** A folder that is removed after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "hawser-relay-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** `http://…` of a path. */
export function httpUrl(relay: Pick<Relay, "url">, path: string): string {
  return `http${relay.url.slice("ws".length)}${path}`;
}

export function postHosting(
  relay: Pick<Relay, "url">,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return fetch(httpUrl(relay, "/v1/host"), {
    method: "POST",
    headers: { "content-type": "application/octet-stream", ...headers },
    body: body.slice(),
  });
}

/** Status and code of an error answer, whose body holds nothing else but a sentence. */
export async function errorOf(answer: Response): Promise<string> {
  const body: unknown = await answer.json();
  if (typeof body !== "object" || body === null || !("code" in body)) throw new Error("no code");
  const keys = Object.keys(body).join();
  if (keys !== "code,message") throw new Error(`an error with ${keys}`);
  return `${answer.status} ${String(body.code)}`;
}

/** The relay's bundle as a member gets it. */
export async function bundleOf(relay: Pick<Relay, "url" | "author">): Promise<VerifiedBundle> {
  const answer = await fetch(httpUrl(relay, "/v1/relay"));
  const { bundle } = (await answer.json()) as { bundle: string };
  const parsed = parseBundle(fromBase64url(bundle)!);
  if (!parsed.ok) throw new Error(parsed.reason);
  const verified = verifyBundle(crypto, parsed.bundle, relay.author);
  if (!verified.ok) throw new Error(verified.reason);
  return verified.bundle;
}

/** What a WebSocket upgrade came to: "open", or the status of the refusal. */
export function tryUpgrade(url: string): Promise<{ result: string; socket: WebSocket }> {
  const socket = new WebSocket(url);
  onTestFinished(() => socket.terminate());
  return new Promise((resolve, reject) => {
    socket.on("open", () => resolve({ result: "open", socket }));
    socket.on("unexpected-response", (request, answer) => {
      let text = "";
      answer.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      answer.on("end", () => {
        request.destroy();
        const { code } = JSON.parse(text) as { code: string };
        resolve({ result: `${answer.statusCode} ${code}`, socket });
      });
    });
    socket.on("error", reject);
  });
}

/** A device: spaces and sync over a store in memory. */
export interface Device {
  readonly author: AuthorId;
  readonly secret: Uint8Array;
  readonly store: LogStore;
  readonly spaces: Spaces;
  readonly peer: SyncPeer;
  connect(relay: Pick<Relay, "url">): Promise<SyncSession>;
}

export async function createDevice(
  name: string,
  given: { readonly crypto?: Crypto; readonly clock?: Clock } = {},
): Promise<Device> {
  const deps = { crypto, clock, ...given };
  const random = seededRandom(name);
  const secret = random(32);
  // Safe: a public key in hex is what the brand stands for.
  const author = toHex(crypto.publicKey(secret)) as AuthorId;
  const store = createMemoryStore(deps);
  const timers = platformTimers;
  const identity = { author, secret };
  const bodies = createBodyDepot({ store, crypto: deps.crypto });
  const spaces = await createSpaces(
    { ...deps, store, random, timers, identity, bodies },
    { answerDelayMs: 1 },
  );
  const { ingest, identities, topics } = spaces;
  const peer = createSyncPeer({
    store,
    crypto,
    random,
    timers,
    ingest,
    bodies: bodies.source,
    identities,
    topics,
  });
  bodies.fetchFrom(peer);
  spaces.onTopicsChanged(() => peer.topicsChanged());
  onTestFinished(async () => {
    await peer[Symbol.asyncDispose]();
    await spaces.close();
    await store.close();
  });
  return {
    author,
    secret,
    store,
    spaces,
    peer,
    connect: async (relay) => peer.attach(await connectWebSocket(`${relay.url}/v1/sync`)),
  };
}

/** Makes the relay follow a space, the way every client does. */
export async function hostAt(
  relay: Pick<Relay, "url" | "author">,
  space: Space,
): Promise<Response> {
  const bundle = await bundleOf(relay);
  if (space.access(relay.author) === undefined) await space.add(bundle, "pull");
  return postHosting(relay, space.hosting(bundle, [relay.url]));
}

export async function write(space: Space, ...texts: readonly string[]): Promise<void> {
  await space.append(texts.map((text) => ({ type: "note", body: utf8(text) })));
}

/** The first `count` events of a space, waiting for those that are still on their way. */
export async function readEvents(space: Space, count: number): Promise<readonly SpaceEvent[]> {
  const events: SpaceEvent[] = [];
  for await (const event of space.events()) {
    events.push(event);
    if (events.length === count) break;
  }
  return events;
}

/** Their texts, sorted. */
export async function readTexts(space: Space, count: number): Promise<readonly string[]> {
  const events = await readEvents(space, count);
  return events.map((event) => new TextDecoder().decode(event.body)).sort();
}

/** Resolves once `check` holds; asked again after each change of the session. */
export async function untilSession(session: SyncSession, check: () => boolean): Promise<void> {
  if (check()) return;
  await new Promise<void>((resolve) => {
    const off = session.onChange(() => {
      if (!check()) return;
      off();
      resolve();
    });
  });
}
