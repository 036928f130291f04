/** Mailboxes over HTTP: `POST /v1/pair`, `GET`, `PUT` and `DELETE` under `/v1/pair/`. Layer 9. */
import { refusal, type Answer } from "./answer.ts";
import { mailboxBytesMax, mailboxSlots, type Mailboxes } from "./mailboxes.ts";
import type { RateLimit } from "./limits.ts";
import { octets, readBody, retryAfterSeconds, type Request } from "./request.ts";

export interface PairDeps {
  readonly mailboxes: Mailboxes;
  readonly pairRequests: RateLimit;
  isClosing(): boolean;
}

type Handler = (deps: PairDeps, request: Request) => Promise<Answer>;

/** Where one message is. */
interface Place {
  readonly name: string;
  readonly slot: number;
}

const boxPattern = /^\/v1\/pair\/([0-9]{4})$/;
const slotPattern = /^\/v1\/pair\/([0-9]{4})\/([0-9])$/;

/** The handlers for a path under `/v1/pair`, or `undefined`. */
export function pairHandlers(path: string): ReadonlyMap<string, Handler> | undefined {
  if (path === "/v1/pair") return new Map([["POST", limited(claim)]]);
  const [, boxName] = boxPattern.exec(path) ?? [];
  if (boxName !== undefined) return new Map([["DELETE", limited(closeBox(boxName))]]);
  const [, name = "", digit = ""] = slotPattern.exec(path) ?? [];
  const slot = Number(digit);
  if (digit === "" || slot >= mailboxSlots) return undefined;
  const place = { name, slot };
  return new Map([
    ["GET", limited(take(place))],
    ["PUT", limited(put(place))],
  ]);
}

function limited(handler: Handler): Handler {
  return async (deps, request) => {
    if (deps.isClosing()) return refusal("RELAY_CLOSING");
    if (deps.pairRequests.take(request.address)) return handler(deps, request);
    return refusal("RELAY_RATE_LIMITED", { "retry-after": retryAfterSeconds });
  };
}

async function claim(deps: PairDeps): Promise<Answer> {
  const name = await deps.mailboxes.claim();
  if (name === undefined) return refusal("RELAY_BUSY", { "retry-after": retryAfterSeconds });
  return { status: 200, body: { name } };
}

function closeBox(name: string): Handler {
  return async (deps) => {
    await deps.mailboxes.close(name);
    return { status: 204 };
  };
}

/** 204 stands for a message that has not come yet: ask again. */
function take({ name, slot }: Place): Handler {
  return async (deps) => {
    const message = await deps.mailboxes.take(name, slot);
    if (message === "absent") return refusal("RELAY_MAILBOX_CLOSED");
    return message === "empty" ? { status: 204 } : { status: 200, octets: message };
  };
}

function put({ name, slot }: Place): Handler {
  return async (deps, request) => {
    if (request.contentType?.trim().toLowerCase() !== octets) return refusal("RELAY_CONTENT_TYPE");
    const message = await readBody(request, mailboxBytesMax);
    if (message === undefined) return refusal("RELAY_BODY_TOO_LARGE");
    const outcome = await deps.mailboxes.put(name, slot, message);
    if (outcome === "stored") return { status: 204 };
    return refusal(outcome === "taken" ? "RELAY_MAILBOX_TAKEN" : "RELAY_MAILBOX_CLOSED");
  };
}
