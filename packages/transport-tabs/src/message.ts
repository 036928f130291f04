/**
 * What tabs tell each other, in versioned messages (README *Protocol*). Whatever does not parse, or
 * is of another name, was never said. Layer 5.
 */
import { frameBytesMax } from "@hawser/sync";

/** Version of the messages below. */
export const messageVersion = 1;
const app = "hawser-tabs";

/** Names of channels and locks; no two names of spaces give the same. */
export interface TabNames {
  readonly channel: string;
  readonly leaderLock: string;
  tabLock(id: string): string;
  pipe(id: string): string;
}

/** Locks have no version: tabs of two versions never lead at once. */
export function namesOf(name: string): TabNames {
  const base = `${app}/${encodeURIComponent(name)}`;
  return {
    channel: `${base}/all`,
    leaderLock: `${base}/leader`,
    tabLock: (id) => `${base}/tab/${id}`,
    pipe: (id) => `${base}/pipe/${id}`,
  };
}

/** On the channel of all tabs. */
export type TabMessage =
  /** Who leads? */
  | { readonly kind: "hello"; readonly from: string }
  | { readonly kind: "leads"; readonly from: string }
  /** Be the other end of the pipe of that id. */
  | { readonly kind: "open"; readonly from: string; readonly to: string; readonly pipe: string }
  /** The leader speaks another version. */
  | { readonly kind: "foreign" };

/** On the channel of one pipe. */
export type PipeMessage =
  | { readonly kind: "accept" }
  | { readonly kind: "frame"; readonly bytes: Uint8Array }
  /** So many bytes of what was sent are read. */
  | { readonly kind: "credit"; readonly bytes: number }
  | { readonly kind: "close"; readonly reason: string };

/** Characters of a close reason. */
export const reasonCharactersMax = 32;

const idText = /^[0-9a-f]{32}$/;
const reasonText = /^[A-Z0-9_]{0,32}$/;

/** The message as it is posted. */
export function wrapMessage(
  name: string,
  message: Exclude<TabMessage, { kind: "foreign" }> | PipeMessage,
): Readonly<Record<string, unknown>> {
  return { app, version: messageVersion, name, ...message };
}

/** `undefined` for what is no message to tabs of this name. */
export function parseTabMessage(value: unknown, name: string): TabMessage | undefined {
  const fields = fieldsOf(value, name);
  if (fields === undefined) return undefined;
  const { kind, version, from, to, pipe } = fields;
  if (version !== messageVersion) {
    return kind === "leads" && typeof version === "number" ? { kind: "foreign" } : undefined;
  }
  if (!isId(from)) return undefined;
  if (kind === "hello" || kind === "leads") return { kind, from };
  return kind === "open" && isId(to) && isId(pipe) ? { kind, from, to, pipe } : undefined;
}

/** `undefined` for what is no message of this version on a pipe of this name. */
export function parsePipeMessage(value: unknown, name: string): PipeMessage | undefined {
  const fields = fieldsOf(value, name);
  if (fields?.["version"] !== messageVersion) return undefined;
  const { kind, bytes, reason } = fields;
  switch (kind) {
    case "accept":
      return { kind };
    case "frame":
      return bytes instanceof Uint8Array && bytes.length <= frameBytesMax
        ? { kind, bytes }
        : undefined;
    case "credit":
      return typeof bytes === "number" && Number.isSafeInteger(bytes) && bytes > 0
        ? { kind, bytes }
        : undefined;
    case "close":
      return typeof reason === "string" && reasonText.test(reason) ? { kind, reason } : undefined;
    default:
      return undefined;
  }
}

/** A reason that the other side takes. */
export function toReason(text: string): string {
  return text
    .toUpperCase()
    .replace(/[^A-Z0-9_]/g, "_")
    .slice(0, reasonCharactersMax);
}

function fieldsOf(value: unknown, name: string): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  // Safe: any object may be looked at so.
  const fields = value as Readonly<Record<string, unknown>>;
  return fields["app"] === app && fields["name"] === name ? fields : undefined;
}

function isId(value: unknown): value is string {
  return typeof value === "string" && idText.test(value);
}
