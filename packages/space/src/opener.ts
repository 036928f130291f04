/**
 * Opening data entries with the keys at hand (docs/spec/6-space.md §4). Layer 5, internal.
 */
import type { AuthorId, Crypto } from "@hawser/crypto";
import type { EpochId } from "@hawser/keys";
import type { Entry, LogId, Topic } from "@hawser/log";
import type { Device } from "./device.ts";
import {
  contentKeyAt,
  openEvent,
  openForRecipient,
  openPlain,
  parseEnvelope,
  type DataEnvelope,
  type OpenedEvent,
} from "./layers.ts";
import { hexBytes, placesIn, type Place } from "./place.ts";

/** An entry's content, or why there is none. */
export type Opened =
  | {
      readonly status: "opened";
      readonly type: string;
      readonly sequence: string | undefined;
      /** `undefined`: sealed to others. */
      readonly body: Uint8Array | undefined;
      readonly recipients: readonly AuthorId[] | undefined;
    }
  /** A checkpoint: an entry that only signs. */
  | { readonly status: "empty" }
  /** None of the keys at hand opens it; `keyCount` of epochs with its reference were tried. */
  | { readonly status: "noKey"; readonly reference: Uint8Array; readonly keyCount: number }
  /** It opens, or is plain, and holds no event. */
  | { readonly status: "malformed" };

/** Opens entries of one space. */
export interface Opener {
  open(author: AuthorId, entry: Entry): Opened;
  /** How many epochs of that reference the read key is at hand of. */
  keyCount(reference: Uint8Array): number;
  /** The read key of an epoch, derived once. */
  readKey(id: EpochId): Uint8Array | undefined;
  /** The key that opens this entry alone, or `undefined`. */
  contentKey(author: AuthorId, entry: Entry): Uint8Array | undefined;
}

/** What opening takes. */
export interface OpenerDeps {
  readonly crypto: Crypto;
  readonly topic: Topic;
  readonly device: Pick<Device, "author" | "hpkeOpen">;
  readonly keys: ReadKeys;
}

/** Read keys as they are at hand now. */
export interface ReadKeys {
  readKey(id: EpochId): Uint8Array | undefined;
  /** Epochs whose id starts with these four bytes. */
  resolveReference(reference: Uint8Array): readonly EpochId[];
}

/** An opener; it keeps read keys in memory and derives each once. */
export function createOpener(deps: OpenerDeps): Opener {
  const { crypto, keys } = deps;
  const readKeys = new Map<EpochId, Uint8Array>();
  const idBytes = new Map<EpochId, Uint8Array>();
  const places = new Map<LogId, (seq: number) => Place>();

  const readKeyOf = (id: EpochId): Uint8Array | undefined => {
    const known = readKeys.get(id);
    if (known !== undefined) return known;
    const key = keys.readKey(id);
    if (key !== undefined) readKeys.set(id, key);
    return key;
  };
  const epochsOf = (reference: Uint8Array): readonly EpochId[] => keys.resolveReference(reference);
  const bytesOf = (id: EpochId): Uint8Array => {
    const bytes = idBytes.get(id) ?? hexBytes(id);
    idBytes.set(id, bytes);
    return bytes;
  };
  const placeOf = (author: AuthorId, { logId, seq }: Entry): Place => {
    const place = places.get(logId) ?? placesIn(deps.topic, logId, author);
    places.set(logId, place);
    return place(seq);
  };

  const openSealed = (
    place: Place,
    envelope: Extract<DataEnvelope, { readonly mode: "sealed" }>,
  ): Opened => {
    const reference = envelope.epochReference;
    let keyCount = 0;
    // Four bytes can be the same by chance or by grinding: a key that fails proves nothing.
    for (const epochId of epochsOf(reference)) {
      const readKey = readKeyOf(epochId);
      if (readKey === undefined) continue;
      keyCount += 1;
      const key = contentKeyAt(crypto, readKey, place, envelope.nonce);
      const event = openEvent(crypto, key, place, { epochId: bytesOf(epochId), envelope });
      if (event !== undefined) return toOpened(deps, place, event);
    }
    return { status: "noKey", reference, keyCount };
  };

  return {
    open: (author, entry) => {
      if (entry.data.length === 0) return { status: "empty" };
      const envelope = parseEnvelope(entry.data);
      if (envelope === undefined) return { status: "malformed" };
      if (envelope.mode === "sealed") return openSealed(placeOf(author, entry), envelope);
      const event = openPlain(envelope);
      return event === undefined
        ? { status: "malformed" }
        : toOpened(deps, placeOf(author, entry), event);
    },
    keyCount: (reference) => epochsOf(reference).filter((id) => readKeyOf(id) !== undefined).length,
    readKey: readKeyOf,
    contentKey: (author, entry) => {
      const envelope = parseEnvelope(entry.data);
      if (envelope?.mode !== "sealed") return undefined;
      const place = placeOf(author, entry);
      for (const epochId of epochsOf(envelope.epochReference)) {
        const readKey = readKeyOf(epochId);
        if (readKey === undefined) continue;
        const key = contentKeyAt(crypto, readKey, place, envelope.nonce);
        if (openEvent(crypto, key, place, { epochId: bytesOf(epochId), envelope }) !== undefined)
          return key;
      }
      return undefined;
    },
  };
}

function toOpened(deps: OpenerDeps, place: Place, event: OpenedEvent): Opened {
  const { type, sequence, forRecipients } = event;
  if (forRecipients === undefined) {
    return { status: "opened", type, sequence, body: event.body, recipients: undefined };
  }
  const { author } = deps.device;
  const hpkeOpen = deps.device.hpkeOpen.bind(deps.device);
  const body = openForRecipient(deps.crypto, place, forRecipients, { author, hpkeOpen });
  return { status: "opened", type, sequence, body, recipients: forRecipients.recipients };
}
