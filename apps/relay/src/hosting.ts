/** Taking spaces in: what the relay tells of itself, and hosting requests. Layer 9. */
import type { AuthorId } from "@hawser/crypto";
import { encodeBundle } from "@hawser/keys";
import type { Spaces } from "@hawser/space";
import { codeOf } from "./errors.ts";

/** What became of a hosting request. */
export type HostOutcome =
  /** The space is hosted, by this request or since before. */
  | "hosted"
  /** Malformed, or sealed to another device. */
  | "invalid"
  /** It contradicts what the relay knows of the space, or too many others do. */
  | "conflict"
  /** A space that is new here, and the relay has as many spaces or bytes as it takes. */
  | "full";

/** The relay as a host. */
export interface Hosting {
  readonly author: AuthorId;
  /** The key bundle to which hosting requests are sealed, encoded. */
  bundle(): Promise<Uint8Array>;
  host(request: Uint8Array): Promise<HostOutcome>;
  /** Resolves when no request is under way. */
  idle(): Promise<void>;
}

/** A space is only taken in where it can begin to grow. */
const roomBytesMin = 1024 * 1024;

/** Whether a relay with so much has no room for one more space. */
export function isFull(
  topicCount: number,
  bytes: number,
  limits: { readonly topicsMax: number; readonly storeBytesMax: number },
): boolean {
  return topicCount >= limits.topicsMax || limits.storeBytesMax - bytes < roomBytesMin;
}

/** A host on `spaces`, whose option `admitSpace` says when the relay is full. */
export function createHosting(spaces: Pick<Spaces, "author" | "bundle" | "follow">): Hosting {
  let last: Promise<unknown> = Promise.resolve();

  const take = async (request: Uint8Array): Promise<HostOutcome> => {
    try {
      await spaces.follow(request);
      return "hosted";
    } catch (error) {
      switch (codeOf(error)) {
        case "SPACE_OFFER_INVALID":
          return "invalid";
        case "SPACE_EXISTS":
          return "conflict";
        case "SPACE_REFUSED":
          return "full";
        default:
          throw error;
      }
    }
  };

  return {
    author: spaces.author,
    bundle: async () => encodeBundle(await spaces.bundle()),
    // One after another: two requests at once would both find the last place free.
    host: (request) => {
      const taken = last.then(() => take(request));
      last = taken.catch(() => undefined);
      return taken;
    },
    idle: async () => {
      await last;
    },
  };
}
