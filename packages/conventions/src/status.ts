/**
 * Status points: how processes of one device ask whether something is running, and answer
 * (docs/spec/conventions.md §3). Layer 4; pure. `status-exchange.ts` holds what happens over time.
 */
import { compareBytes, equalBytes, fromUtf8, utf8 } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import {
  buildLinkpoint,
  exchangeDomain,
  groupBytes,
  hashBytes,
  privateGroup,
  statusComponent,
  type BytesOrText,
  type Packet,
} from "@hawser/packet";
import { ConventionsError } from "./errors.ts";
import { isTag, padLeft, toBytes, type Place } from "./place.ts";

/** What a status is about. */
export interface StatusSubject {
  /** Of the application that is meant; at most 16 bytes. */
  readonly domain: BytesOrText;
  /** The group the status is about. Requests and replies themselves lie in the private group. */
  readonly group: Uint8Array;
  /** Such as `process`. */
  readonly objectType: BytesOrText;
  /** One of several that may answer. Without it all of them are asked. */
  readonly instance?: BytesOrText;
}

/** The instance of a reply that names none. */
export const defaultInstance = "default";

/** What a reply says: the part before the first newline, and the rest. */
export interface StatusAnswer {
  /** `"other"` for replies of other processes that begin with neither OK nor ERR. */
  readonly state: "ok" | "error" | "other";
  /** What follows the first line; the whole data when the state is `"other"`. */
  readonly detail: Uint8Array;
}

export interface StatusRequest {
  readonly kind: "request";
  readonly packet: Packet<"verified">;
  readonly instance: Uint8Array | undefined;
}

export interface StatusReply {
  readonly kind: "reply";
  readonly packet: Packet<"verified">;
  readonly instance: Uint8Array;
  readonly answer: StatusAnswer;
  /** Hash of the reply before it; `undefined` for the first of a process. */
  readonly previous: Uint8Array | undefined;
}

export type StatusVerdict =
  | { readonly ok: true; readonly value: StatusRequest | StatusReply }
  | { readonly ok: false; readonly reason: StatusReason };

export type StatusReason =
  /** Another domain, group or path: about something else. */
  | "STATUS_SUBJECT"
  /** Neither a request (no links, no data) nor a reply (both). */
  | "STATUS_SHAPE"
  /** A reply that names no instance. */
  | "STATUS_INSTANCE"
  /** A reply whose first link is neither `init` to zeros nor `prev`. */
  | "STATUS_LINK";

/** Asks an exchange process whether it runs for a group. */
export function exchangeProcess(group: Uint8Array): StatusSubject {
  return { domain: exchangeDomain(), group, objectType: "process" };
}

/** Asks an exchange process about its connection to a key. */
export function exchangeConnection(group: Uint8Array, publicKey: Uint8Array): StatusSubject {
  return { domain: exchangeDomain(), group, objectType: "connection", instance: publicKey };
}

/** Asks an exchange process about a pull request, by the hash of its packet. */
export function exchangePull(group: Uint8Array, pull: Uint8Array): StatusSubject {
  return { domain: exchangeDomain(), group, objectType: "pull", instance: pull };
}

/** Where requests (and, with an instance, replies) of a subject lie. Throws CONVENTIONS_STATUS. */
export function statusPlace(subject: StatusSubject): Place {
  const domain = padLeft(subject.domain);
  const objectType = toBytes(subject.objectType);
  if (domain === undefined) throw misuse("a domain has at most 16 bytes");
  if (subject.group.length !== groupBytes) throw misuse("a group has 32 bytes");
  if (objectType.length === 0) throw misuse("an object type has at least one byte");
  const path = [statusComponent(), subject.group, objectType];
  if (subject.instance === undefined) return { group: privateGroup(), domain, path };
  const instance = toBytes(subject.instance);
  if (instance.length === 0) throw misuse("an instance has at least one byte");
  return { group: privateGroup(), domain, path: [...path, instance] };
}

/** A request: no links, no data. Throws CONVENTIONS_STATUS, or PacketError for too long fields. */
export function buildStatusRequest(
  crypto: Pick<Crypto, "hash">,
  subject: StatusSubject,
  stamp: bigint,
): Packet<"verified"> {
  return buildLinkpoint(crypto, { ...statusPlace(subject), stamp });
}

/**
 * A reply: one link, `init` or `prev`, and a first line of `OK` or `ERR`. Errors as the request.
 */
export function buildStatusReply(
  crypto: Pick<Crypto, "hash">,
  subject: StatusSubject,
  reply: {
    readonly state: "ok" | "error";
    readonly detail?: BytesOrText;
    /** The reply before it; default: this is the first. */
    readonly previous?: Packet<"verified">;
    readonly stamp: bigint;
  },
): Packet<"verified"> {
  const { previous } = reply;
  const line = utf8(reply.state === "ok" ? "OK\n" : "ERR\n");
  const detail = toBytes(reply.detail ?? "");
  const data = new Uint8Array(line.length + detail.length);
  data.set(line);
  data.set(detail, line.length);
  const link =
    previous === undefined
      ? { tag: "init", pointer: new Uint8Array(hashBytes) }
      : { tag: "prev", pointer: previous.hash };
  const place = statusPlace({ ...subject, instance: subject.instance ?? defaultInstance });
  return buildLinkpoint(crypto, { ...place, links: [link], data, stamp: reply.stamp });
}

/** Judges any packet as a request or reply about `subject`, or about one of its instances. */
export function readStatus(subject: StatusSubject, packet: Packet<"verified">): StatusVerdict {
  const place = statusPlace(subject);
  if (!isBelow(packet, place)) return { ok: false, reason: "STATUS_SUBJECT" };
  const instance = packet.pathComponent(3);
  const { linkCount, data } = packet;
  if (linkCount === 0 && data.length === 0) {
    return { ok: true, value: { kind: "request", packet, instance } };
  }
  if (linkCount === 0 || data.length === 0) return { ok: false, reason: "STATUS_SHAPE" };
  if (instance === undefined) return { ok: false, reason: "STATUS_INSTANCE" };
  const previous = readPrevious(packet);
  if (previous === undefined) return { ok: false, reason: "STATUS_LINK" };
  const answer = readAnswer(data);
  const reply = { kind: "reply", packet, instance, answer, previous: previous.hash } as const;
  return { ok: true, value: reply };
}

/** Does a request for `asked` (no instance: all) reach `instance`? */
export function reachesInstance(asked: Uint8Array | undefined, instance: Uint8Array): boolean {
  return asked === undefined || equalBytes(asked, instance);
}

/** In the place's group and domain, at its path or one component below it, and nothing deeper. */
function isBelow(packet: Packet, place: Place): boolean {
  if (!equalBytes(packet.group, place.group) || !equalBytes(packet.domain, place.domain)) {
    return false;
  }
  // A subject with an instance has a path of its own; nothing lies below an instance.
  if (packet.pathDepth < place.path.length || packet.pathDepth > 4) return false;
  return place.path.every((component, index) => {
    const own = packet.pathComponent(index);
    return own !== undefined && compareBytes(own, component) === 0;
  });
}

function readPrevious(packet: Packet): { readonly hash: Uint8Array | undefined } | undefined {
  const link = packet.link(0);
  if (link === undefined) return undefined;
  const isZero = link.pointer.every((byte) => byte === 0);
  if (isTag(link.tag, "init")) return isZero ? { hash: undefined } : undefined;
  return isTag(link.tag, "prev") && !isZero ? { hash: link.pointer } : undefined;
}

function readAnswer(data: Uint8Array): StatusAnswer {
  const end = data.indexOf(0x0a);
  const line = fromUtf8(end < 0 ? data : data.subarray(0, end));
  const detail = end < 0 ? new Uint8Array(0) : data.subarray(end + 1);
  if (line === "OK") return { state: "ok", detail };
  if (line === "ERR") return { state: "error", detail };
  return { state: "other", detail: data };
}

function misuse(message: string): ConventionsError {
  return new ConventionsError("CONVENTIONS_STATUS", message);
}
