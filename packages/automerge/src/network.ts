/**
 * createAutomergeNetwork: repos that are there at the same time, over sealed messages that nobody
 * keeps (docs/spec/automerge.md §5). Layer 7.
 */
import {
  NetworkAdapter,
  type Message,
  type NetworkAdapterInterface,
  type PeerId,
  type PeerMetadata,
} from "@automerge/automerge-repo/slim";
import { concatBytes, decodeCbor, encodeCbor, type CborValue } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import type { EphemeralChannel } from "@hawser/space";

/** Bytes of one part of a message. */
const partBytesMax = 12 * 1024;
/** Parts of one message; what is larger goes through the space. */
const partCountMax = 32;
/** Peers that are known at a time, and messages of one peer that are not whole. */
const peersMax = 256;
const unfinishedMax = 8;
const textMax = 4_096;
const kinds = { arrive: 1, welcome: 2, leave: 3, part: 4 } as const;

interface Peer {
  readonly author: AuthorId;
  /** Number of message → its parts. */
  readonly unfinished: Map<number, (Uint8Array | undefined)[]>;
}

/** A network adapter for `new Repo({ network: [adapter] })`. */
export function createAutomergeNetwork(channel: EphemeralChannel): NetworkAdapterInterface {
  return new SpaceNetwork(channel);
}

/** A class, since a repo takes event emitters of its own kind. */
class SpaceNetwork extends NetworkAdapter {
  readonly #channel: EphemeralChannel;
  readonly #peers = new Map<string, Peer>();
  readonly #ready = Promise.withResolvers<void>();
  #unsubscribe: (() => void) | undefined;
  #isReady = false;
  #messageCount = 0;

  constructor(channel: EphemeralChannel) {
    super();
    this.#channel = channel;
  }

  isReady(): boolean {
    return this.#isReady;
  }

  whenReady(): Promise<void> {
    return this.#ready.promise;
  }

  connect(peerId: PeerId, peerMetadata: PeerMetadata = {}): void {
    this.disconnect();
    this.peerId = peerId;
    this.peerMetadata = peerMetadata;
    this.#unsubscribe = this.#channel.onMessage((from, bytes) => {
      // A repo answers while it is being told: let it finish first.
      queueMicrotask(() => this.#receive(from, bytes));
    });
    this.#say(kinds.arrive);
    this.#isReady = true;
    this.#ready.resolve();
  }

  disconnect(): void {
    if (this.#unsubscribe === undefined) return;
    this.#say(kinds.leave);
    this.#unsubscribe();
    this.#unsubscribe = undefined;
    for (const peerId of this.#peers.keys()) this.#drop(peerId);
  }

  send(message: Message): void {
    if (this.#unsubscribe === undefined) return;
    const { data, ...rest } = message;
    const bytes = encodeCbor([JSON.stringify(rest), data ?? null]);
    const count = Math.ceil(bytes.length / partBytesMax);
    if (count > partCountMax) return;
    const number = this.#messageCount++;
    for (let index = 0; index < count; index++) {
      const part = bytes.subarray(index * partBytesMax, (index + 1) * partBytesMax);
      const { senderId, targetId } = message;
      this.#channel.send(encodeCbor([kinds.part, senderId, targetId, number, index, count, part]));
    }
  }

  #say(kind: number): void {
    const { peerId = "", peerMetadata = {} } = this;
    this.#channel.send(encodeCbor([kind, peerId, JSON.stringify(peerMetadata)]));
  }

  #drop(peerId: string): void {
    if (!this.#peers.delete(peerId)) return;
    // Safe: it came in as a peer id.
    this.emit("peer-disconnected", { peerId: peerId as PeerId });
  }

  #receive(from: AuthorId, bytes: Uint8Array): void {
    const fields = decodeCbor(bytes);
    if (this.#unsubscribe === undefined || !Array.isArray(fields)) return;
    const [kind, peerId]: readonly CborValue[] = fields;
    if (typeof peerId !== "string" || peerId === "" || peerId.length > textMax) return;
    const known = this.#peers.get(peerId);
    // Whoever came first under a name keeps it.
    if ((known !== undefined && known.author !== from) || peerId === this.peerId) return;
    if (kind === kinds.part && known !== undefined) this.#takePart(known, fields);
    if (kind === kinds.leave) this.#drop(peerId);
    if (kind !== kinds.arrive && kind !== kinds.welcome) return;
    const metadata = metadataOf(fields[2]);
    if (metadata === undefined || this.#peers.size >= peersMax) return;
    if (kind === kinds.arrive) this.#say(kinds.welcome);
    if (known !== undefined && kind === kinds.welcome) return;
    this.#drop(peerId);
    this.#peers.set(peerId, { author: from, unfinished: new Map() });
    // Safe: any text names a peer.
    this.emit("peer-candidate", { peerId: peerId as PeerId, peerMetadata: metadata });
  }

  #takePart({ unfinished }: Peer, fields: readonly CborValue[]): void {
    const [, senderId, targetId, number, index, count, part] = fields;
    if (targetId !== this.peerId || typeof number !== "number") return;
    if (!isCount(count, partCountMax) || !isCount(index, count - 1)) return;
    if (!(part instanceof Uint8Array) || part.length > partBytesMax) return;
    const parts = unfinished.get(number) ?? Array.from<undefined>({ length: count });
    if (parts.length !== count) return;
    parts[index] = part;
    unfinished.set(number, parts);
    const [oldest] = unfinished.keys();
    if (unfinished.size > unfinishedMax && oldest !== undefined) unfinished.delete(oldest);
    const whole = parts.filter((each) => each !== undefined);
    if (whole.length < count) return;
    unfinished.delete(number);
    const message = messageOf(concatBytes(...whole));
    if (message === undefined || message.senderId !== senderId) return;
    if (message.targetId === this.peerId) this.emit("message", message);
  }
}

function isCount(value: unknown, max: number): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= max;
}

function metadataOf(value: CborValue | undefined): PeerMetadata | undefined {
  if (typeof value !== "string" || value.length > textMax) return undefined;
  const metadata = objectOf(value);
  if (metadata === undefined) return undefined;
  const { storageId, isEphemeral } = metadata;
  return {
    // Safe: any text is a storage id.
    ...(typeof storageId === "string"
      ? { storageId: storageId as NonNullable<PeerMetadata["storageId"]> }
      : {}),
    ...(typeof isEphemeral === "boolean" ? { isEphemeral } : {}),
  };
}

function messageOf(bytes: Uint8Array): Message | undefined {
  const fields = decodeCbor(bytes);
  if (!Array.isArray(fields) || fields.length !== 2) return undefined;
  const [text, data]: readonly CborValue[] = fields;
  if (typeof text !== "string") return undefined;
  const rest = objectOf(text);
  if (typeof rest?.["type"] !== "string") return undefined;
  // Safe: a repo asks what type a message is, and its fields are checked against the sender.
  return { ...rest, ...(data instanceof Uint8Array ? { data } : {}) } as Message;
}

function objectOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    // Safe: an object has fields of any value.
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    // The verdict on text that is no JSON.
    return undefined;
  }
}
