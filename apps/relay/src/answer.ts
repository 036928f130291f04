/** HTTP answers as values, and how they are written. Layer 9. */
import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { STATUS_CODES } from "node:http";
import { platformTimers } from "@hawser/transport-ws";
import type { RelayAnswerCode } from "./errors.ts";

/** What is sent back. No body where there is none to send. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Set where the answer is a refusal. */
  readonly code?: RelayAnswerCode;
  /** Sent as they are, instead of a body. */
  readonly octets?: Uint8Array;
  /** Called once the answer has left or never will. */
  readonly release?: () => void;
}

const statusByCode: Readonly<Record<RelayAnswerCode, number>> = {
  RELAY_NOT_FOUND: 404,
  RELAY_METHOD: 405,
  RELAY_UPGRADE_REQUIRED: 426,
  RELAY_BAD_REQUEST: 400,
  RELAY_CONTENT_TYPE: 415,
  RELAY_BODY_TOO_LARGE: 413,
  RELAY_HOSTING_INVALID: 400,
  RELAY_HOSTING_CONFLICT: 409,
  RELAY_MAILBOX_CLOSED: 404,
  RELAY_MAILBOX_TAKEN: 409,
  RELAY_PROOF: 401,
  RELAY_PROOF_STALE: 401,
  RELAY_REQUEST_INVALID: 400,
  RELAY_CURSOR_UNKNOWN: 410,
  RELAY_HOOK_TARGET: 422,
  RELAY_HOOK_UNCONFIRMED: 422,
  RELAY_HOOKS_FULL: 507,
  RELAY_HOOK_UNDELIVERED: 502,
  RELAY_FULL: 507,
  RELAY_RATE_LIMITED: 429,
  RELAY_BUSY: 503,
  RELAY_CLOSING: 503,
  RELAY_FAILED: 500,
};

const messageByCode: Readonly<Record<RelayAnswerCode, string>> = {
  RELAY_NOT_FOUND: "no such path",
  RELAY_METHOD: "not for this method",
  RELAY_UPGRADE_REQUIRED: "this path is a WebSocket",
  RELAY_BAD_REQUEST: "not a request of HTTP/1.1",
  RELAY_CONTENT_TYPE: "a body of another content type than is sent here",
  RELAY_BODY_TOO_LARGE: "the body is longer than it may be here",
  RELAY_HOSTING_INVALID: "malformed, or sealed to another device",
  RELAY_HOSTING_CONFLICT: "others say otherwise of that space",
  RELAY_MAILBOX_CLOSED: "no such mailbox, or no longer",
  RELAY_MAILBOX_TAKEN: "that slot has its message",
  RELAY_PROOF: "expected a proof of the space's current follow key",
  RELAY_PROOF_STALE: "that proof is too old, too new, or was used",
  RELAY_REQUEST_INVALID: "a parameter or the body is not as it has to be here",
  RELAY_CURSOR_UNKNOWN: "that cursor is not of this space at this relay; start without one",
  RELAY_HOOK_TARGET: "nothing is sent to such a target here",
  RELAY_HOOK_UNCONFIRMED: "the target did not give the challenge back",
  RELAY_HOOKS_FULL: "no more of them here; remove one first",
  RELAY_HOOK_UNDELIVERED: "the target did not take it",
  RELAY_FULL: "this relay takes no more spaces",
  RELAY_RATE_LIMITED: "too many from your address; try again later",
  RELAY_BUSY: "too many connections; try again later",
  RELAY_CLOSING: "this relay is stopping",
  RELAY_FAILED: "the relay failed; its operator can see why",
};

/** The answer that goes with a code. */
export function refusal(
  code: RelayAnswerCode,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return {
    status: statusByCode[code],
    headers,
    code,
    body: { code, message: messageByCode[code] },
  };
}

/** How long a client may take to take an answer in. */
const takeMsMax = 30_000;

/** Writes an answer to a request. */
export function writeAnswer(response: ServerResponse, answer: Answer): void {
  const { status, octets } = answer;
  if (answer.release !== undefined) releaseAfter(response, answer.release);
  if (octets !== undefined) {
    const type = "application/octet-stream";
    const content = { "content-type": type, "content-length": String(octets.length) };
    // What the answer says of its content comes before the usual.
    response.writeHead(status, { ...content, ...headersOf(answer, undefined) });
    // Who takes it byte by byte would hold its memory for as long as it likes.
    response.once(
      "close",
      platformTimers.after(takeMsMax, () => response.destroy()),
    );
    response.end(octets);
    return;
  }
  const text = bodyText(answer);
  response.writeHead(status, headersOf(answer, text));
  response.end(text);
}

/**
 * Calls `release` once the answer has left or never will. A response whose client has gone already, or
 * that waits behind another on its socket (pipelining), has no event "close" of its own.
 */
function releaseAfter(response: ServerResponse, release: () => void): void {
  const { socket } = response.req;
  if (response.closed || socket.destroyed) return release();
  const done = (): void => {
    response.off("close", done);
    socket.off("close", done);
    release();
  };
  response.once("close", done);
  socket.once("close", done);
}

/** How long a socket may take to go after its last answer. */
const lingerMsMax = 1_000;

/**
 * Writes an answer to a socket that carries no HTTP any more, and ends it. What still comes is read
 * and dropped, since closing over unread bytes could destroy the answer on its way.
 */
export function writeRawAnswer(socket: Duplex, answer: Answer): void {
  const text = bodyText(answer) ?? "";
  const headers = { ...headersOf(answer, text), connection: "close" };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const reason = STATUS_CODES[answer.status] ?? "";
  socket.end(`HTTP/1.1 ${answer.status} ${reason}\r\n${lines.join("")}\r\n${text}`);
  socket.resume();
  socket.once(
    "close",
    platformTimers.after(lingerMsMax, () => socket.destroy()),
  );
}

function bodyText(answer: Answer): string | undefined {
  return answer.body === undefined ? undefined : JSON.stringify(answer.body);
}

function headersOf(answer: Answer, text: string | undefined): Record<string, string> {
  const content =
    text === undefined
      ? {}
      : { "content-type": "application/json", "content-length": String(Buffer.byteLength(text)) };
  return {
    ...content,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...answer.headers,
  };
}
