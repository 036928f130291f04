/**
 * Opening data entries with the keys at hand (docs/spec/6-space.md §4). Layer 5, internal.
 */
import type { AuthorId, Crypto } from "@hawser/crypto";
import type { EpochId } from "@hawser/keys";
import type { DetachedBody, Entry, LogId, Topic } from "@hawser/log";
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
import { padmeSize } from "./padding.ts";
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
      /** Set when the body stands beside the entry; then `body` is `undefined`. */
      readonly detached: DetachedBodyInfo | undefined;
    }
  /** A checkpoint: an entry that only signs. */
  | { readonly status: "empty" }
  /** None of the keys at hand opens it; `keyCount` of epochs with its reference were tried. */
  | { readonly status: "noKey"; readonly reference: Uint8Array; readonly keyCount: number }
  /** It opens, or is plain, and holds no event. */
  | { readonly status: "malformed" };

/** Where a detached body lies. */
export interface DetachedBodyInfo {
  /** Bytes of the content, before padding. */
  readonly byteCount: number;
  /** Root of its sealed chunks, padding included. */
  readonly blob: { readonly hash: Uint8Array; readonly byteCount: number };
  /** Hash of the packet with its key. */
  readonly keyPacket: Uint8Array;
}

/** Opens entries of one space. */
export interface Opener {
  /** Opens data that is sealed like an entry's, at a place of its own. */
  openAt(place: Place, data: Uint8Array): Opened;
  open(author: AuthorId, entry: Entry): Opened;
  /**
   * Tells what an entry says that was just sealed here: `open` takes that for this very object, without
   * key and cipher, as long as somebody holds it.
   */
  know(entry: Entry, opened: Opened): void;
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
  const known = new WeakMap<Entry, Opened>();

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
    link: DetachedBody | undefined,
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
      if (event !== undefined) return toOpened(deps, place, event, { envelope, link });
    }
    return { status: "noKey", reference, keyCount };
  };

  const openEnvelope = (place: Place, envelope: DataEnvelope, link?: DetachedBody): Opened => {
    if (envelope.mode === "sealed") return openSealed(place, envelope, link);
    const event = openPlain(envelope);
    return event === undefined
      ? { status: "malformed" }
      : toOpened(deps, place, event, { envelope, link });
  };

  return {
    openAt: (place, data) => {
      const envelope = parseEnvelope(data);
      return envelope === undefined ? { status: "malformed" } : openEnvelope(place, envelope);
    },
    know: (entry, opened) => void known.set(entry, opened),
    open: (author, entry) => {
      const own = known.get(entry);
      if (own !== undefined) return own;
      if (entry.data.length === 0) return { status: "empty" };
      const envelope = parseEnvelope(entry.data);
      if (envelope === undefined) return { status: "malformed" };
      return openEnvelope(placeOf(author, entry), envelope, entry.body);
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

/** What the entry beside its event says of a detached body. */
interface Beside {
  readonly envelope: DataEnvelope;
  readonly link: DetachedBody | undefined;
}

function toOpened(deps: OpenerDeps, place: Place, event: OpenedEvent, beside: Beside): Opened {
  const { type, sequence, forRecipients } = event;
  const detached = detachedOf(event, beside);
  if (detached === "malformed") return { status: "malformed" };
  if (forRecipients === undefined) {
    return { status: "opened", type, sequence, body: event.body, recipients: undefined, detached };
  }
  const { author } = deps.device;
  const hpkeOpen = deps.device.hpkeOpen.bind(deps.device);
  const body = openForRecipient(deps.crypto, place, forRecipients, { author, hpkeOpen });
  const { recipients } = forRecipients;
  return { status: "opened", type, sequence, body, recipients, detached };
}

/** Event, key packet and body link go together, or the entry is none. */
function detachedOf(
  { detachedBytes }: OpenedEvent,
  { envelope, link }: Beside,
): DetachedBodyInfo | "malformed" | undefined {
  const { keyPacket } = envelope;
  if (detachedBytes === undefined && keyPacket === undefined && link === undefined) {
    return undefined;
  }
  if (detachedBytes === undefined || keyPacket === undefined || link === undefined) {
    return "malformed";
  }
  const isSized = padmeSize(detachedBytes) === link.byteCount;
  return isSized ? { byteCount: detachedBytes, blob: link, keyPacket } : "malformed";
}
