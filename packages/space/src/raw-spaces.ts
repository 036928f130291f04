/**
 * The raw spaces of one device (docs/spec/6-space.md §13): made, opened by id alone, followed.
 * Layer 5, internal.
 */
import { equalBytes } from "@hawser/codec";
import type { Topic } from "@hawser/log";
import type { Device } from "./device.ts";
import { SpaceError } from "./errors.ts";
import { parseSpaceId, randomSpaceId, spaceIdRandomBytes } from "./ids.ts";
import { isRawLink, parseRawLink, type RawLink } from "./link.ts";
import type { RawHostingOffer } from "./offer.ts";
import { openRawCore, type RawCore } from "./raw-core.ts";
import { decodeRawAbout, encodeRawAbout, rawAboutOf, type RawAbout } from "./raw-keys.ts";
import { createRawSpace, type RawSpace } from "./raw-space.ts";
import type { SpacesDeps, SpacesOptions } from "./types.ts";

/** How a raw space is made. */
export interface CreateRawOptions {
  /** Random bytes of its id, 16–126; default 32. */
  readonly idRandomBytes?: number;
}

/** Raw spaces by topic. Calls are made one at a time. */
export interface RawSpaces {
  create(options?: CreateRawOptions): Promise<RawSpace>;
  /** By id or link. Throws the parsers' codes, and `SPACE_EXISTS` where it is followed. */
  open(idOrLink: string): Promise<RawSpace>;
  /** Throws `SPACE_EXISTS` where it is open otherwise. */
  follow(offer: RawHostingOffer): Promise<RawSpace>;
  core(topic: Topic): RawCore | undefined;
  space(topic: Topic): RawSpace | undefined;
  cores(): Iterable<RawCore>;
  /** Closes a space and knows it no more; its record is the caller's affair. */
  remove(topic: Topic): Promise<void>;
  /** Opens what the store holds; tells which records failed. */
  load(onDamage: (topic: Topic, cause: unknown) => void): Promise<void>;
  /** Opens what the store holds besides those that are open. */
  loadNew(): Promise<void>;
  close(): Promise<void>;
}

/** Records of raw spaces are listed by this prefix. */
export const rawPrefix = "raw-spaces/";

/** No raw space is open yet. */
export function createRawSpaces(
  deps: SpacesDeps,
  options: SpacesOptions,
  parts: { readonly device: Device; readonly onTopicsChanged: () => void },
): RawSpaces {
  const { device } = parts;
  const { crypto, store, random } = deps;
  const cores = new Map<Topic, RawCore>();
  const spaces = new Map<Topic, RawSpace>();
  const damaged = new Set<Topic>();

  const add = async (about: RawAbout): Promise<RawSpace> => {
    const core = await openRawCore(deps, options, { device, about });
    const space = createRawSpace(core);
    cores.set(about.topic, core);
    spaces.set(about.topic, space);
    parts.onTopicsChanged();
    return space;
  };

  const keep = async (about: RawAbout): Promise<RawSpace> => {
    const known = cores.get(about.topic);
    const space = spaces.get(about.topic);
    if (known !== undefined && space !== undefined) {
      if (isSame(known.about, about)) return space;
      throw new SpaceError("SPACE_EXISTS", "this device takes part in that raw space otherwise");
    }
    if (damaged.has(about.topic)) {
      // What is damaged is not written over: it may still be mended.
      throw new SpaceError("SPACE_STATE_CORRUPT", "the record of that raw space is damaged");
    }
    const write = device.vault.write(rawPrefix + about.topic, encodeRawAbout(about));
    await store.commit({ writes: [write, device.guard.welcome(about.topic)] });
    return add(about);
  };

  return {
    create: ({ idRandomBytes = spaceIdRandomBytes } = {}) =>
      keep(rawAboutOf(crypto, randomSpaceId(random, idRandomBytes), [])),
    open: (idOrLink) => {
      const { id, addresses } = readIdOrLink(deps, idOrLink);
      return keep(rawAboutOf(crypto, id, addresses));
    },
    follow: ({ topic, metadataKey, followKey, addresses }) =>
      keep({ topic, id: undefined, metadataKey, followKey, addresses }),
    core: (topic) => cores.get(topic),
    space: (topic) => spaces.get(topic),
    cores: () => cores.values(),
    remove: async (topic) => {
      await cores.get(topic)?.close();
      cores.delete(topic);
      spaces.delete(topic);
    },
    load: async (onDamage) => {
      for (const { key } of await store.list(rawPrefix)) {
        try {
          const plaintext = await device.vault.read(key);
          if (plaintext !== undefined) await add(decodeRawAbout(plaintext));
        } catch (cause) {
          // Safe: only topics are written behind this prefix.
          const topic = key.slice(rawPrefix.length) as Topic;
          damaged.add(topic);
          onDamage(topic, cause);
        }
      }
    },
    loadNew: async () => {
      for (const { key } of await store.list(rawPrefix)) {
        // Safe: only topics are written behind this prefix.
        const topic = key.slice(rawPrefix.length) as Topic;
        if (cores.has(topic) || damaged.has(topic)) continue;
        const plaintext = await device.vault.read(key);
        if (plaintext !== undefined) await add(decodeRawAbout(plaintext));
      }
    },
    close: async () => {
      for (const core of cores.values()) await core.close();
    },
  };
}

function isSame(a: RawAbout, b: RawAbout): boolean {
  const isOneId = a.id === b.id;
  return (
    isOneId && equalBytes(a.metadataKey, b.metadataKey) && equalBytes(a.followKey, b.followKey)
  );
}

function readIdOrLink({ crypto }: SpacesDeps, text: string): RawLink {
  if (isRawLink(text)) return parseRawLink(crypto, text);
  const parsed = parseSpaceId(text);
  if (!parsed.ok) throw new SpaceError(parsed.reason, "not a space id");
  const { id, variant } = parsed.value;
  if (variant === "raw") return { id, addresses: [] };
  const message = "an id of a space with members: join it by a link";
  throw new SpaceError("SPACE_ID_VARIANT", message);
}
