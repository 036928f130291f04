/**
 * Presence (docs/spec/yjs.md §6): the awareness of Yjs over messages that are sealed, name their
 * author and are not kept. Layer 7.
 */
import { createByteWriter, decodeCbor, encodeCbor, utf8, type CborValue } from "@hawser/codec";
import type { AuthorId, Crypto } from "@hawser/crypto";
import type { EphemeralChannel } from "@hawser/space";
import { applyAwarenessUpdate, type Awareness } from "y-protocols/awareness";
import { clientIdOf } from "./body.ts";
import type { Timers } from "./outbox.ts";

/** UTF-8 bytes of one state as JSON. */
export const presenceBytesMax = 8_192;
/** Sessions of one author that are shown at a time. */
const sessionsPerAuthorMax = 16;
/** States are sent at most once in so many ms. */
const sendMs = 50;
const kindState = 1;
const kindQuery = 2;

/** What presence takes. */
export interface PresenceDeps {
  readonly crypto: Pick<Crypto, "deriveKey">;
  readonly timers: Timers;
  readonly channel: EphemeralChannel;
  readonly awareness: Awareness;
}

/** Presence at work. */
export interface Presence {
  /** True while the own state is too large to be sent. */
  readonly isTooLarge: boolean;
  /** Says good-bye and stops. */
  close(): void;
}

interface Change {
  readonly added: readonly number[];
  readonly updated: readonly number[];
  readonly removed: readonly number[];
}

/** Sends the own state when it changes, and shows those of others. */
export function startPresence(
  deps: PresenceDeps,
  options: { readonly name: string; readonly session: number },
): Presence {
  const { awareness, channel, timers } = deps;
  const { name, session } = options;
  const origin = channel;
  const clientsOf = new Map<AuthorId, Set<number>>();
  let cancel: (() => void) | undefined;
  let isTooLarge = false;

  const send = (): void => {
    cancel?.();
    cancel = undefined;
    const state: unknown = awareness.getLocalState();
    const clock = awareness.meta.get(awareness.clientID)?.clock ?? 0;
    const text = JSON.stringify(state);
    isTooLarge = utf8(text).length > presenceBytesMax;
    if (!isTooLarge) channel.send(encodeCbor([kindState, name, session, clock, text]));
  };
  const sendSoon = (): void => {
    cancel ??= timers.after(sendMs, send);
  };
  const onUpdate = ({ added, updated, removed }: Change, from: unknown): void => {
    if (from === origin) return;
    const isMine = [...added, ...updated, ...removed].includes(awareness.clientID);
    if (isMine) sendSoon();
  };
  const onMessage = (from: AuthorId, bytes: Uint8Array): void => {
    const message = parseMessage(bytes);
    if (message?.name !== name) return;
    if (message.kind === kindQuery) {
      sendSoon();
      return;
    }
    const client = clientIdOf(deps.crypto, from, message.session);
    if (client === awareness.clientID) return;
    const clients = clientsOf.get(from) ?? new Set<number>();
    clientsOf.set(from, clients);
    for (const known of clients) if (!awareness.states.has(known)) clients.delete(known);
    if (!clients.has(client) && clients.size >= sessionsPerAuthorMax) return;
    clients.add(client);
    const update = oneState(client, message.clock, message.state);
    applyAwarenessUpdate(awareness, update, origin);
  };

  awareness.on("update", onUpdate);
  const unsubscribe = channel.onMessage(onMessage);
  channel.send(encodeCbor([kindQuery, name]));
  sendSoon();
  return {
    get isTooLarge() {
      return isTooLarge;
    },
    close: () => {
      awareness.off("update", onUpdate);
      awareness.setLocalState(null);
      send();
      unsubscribe();
    },
  };
}

/** The form in which y-protocols takes one state. */
function oneState(client: number, clock: number, state: string): Uint8Array {
  const writer = createByteWriter(32 + state.length);
  writer.varint(1);
  writer.varint(client);
  writer.varint(clock);
  writer.sized(utf8(state));
  return writer.finish();
}

type Message =
  | { readonly kind: typeof kindQuery; readonly name: string }
  | {
      readonly kind: typeof kindState;
      readonly name: string;
      readonly session: number;
      readonly clock: number;
      /** JSON of an object, or of `null`: gone. */
      readonly state: string;
    };

function parseMessage(bytes: Uint8Array): Message | undefined {
  const fields = decodeCbor(bytes);
  if (!Array.isArray(fields)) return undefined;
  const [kind, name, session, clock, state]: readonly CborValue[] = fields;
  if (typeof name !== "string") return undefined;
  if (kind === kindQuery && fields.length === 2) return { kind, name };
  if (kind !== kindState || fields.length !== 5) return undefined;
  if (!isCount(session) || session > 0xffff_ffff || !isCount(clock)) return undefined;
  if (typeof state !== "string" || !isState(state)) return undefined;
  return { kind, name, session, clock, state };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** Editors read fields of states: whatever is no object would break them. */
function isState(text: string): boolean {
  if (utf8(text).length > presenceBytesMax) return false;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && !Array.isArray(value);
  } catch {
    // The verdict on text that is no JSON.
    return false;
  }
}
