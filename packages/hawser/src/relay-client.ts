/**
 * A relay over HTTP and WebSocket: `GET /v1/relay`, `POST /v1/host`, `/v1/sync`, `/v1/signal`.
 */
import { fromBase64url } from "@hawser/codec";
import { connectWebSocket } from "@hawser/transport-ws";
import { HawserError } from "./errors.ts";
import type { RelayClient } from "./types.ts";

/** A relay's answer is small; anything larger is no relay. */
const answerCharactersMax = 16_384;

/** A client of the relay at a `ws:` or `wss:` base URL. Throws HAWSER_RELAY_UNREACHABLE for others. */
export function createRelayClient(address: string): RelayClient {
  const base = parseBase(address);
  const http = `${base.protocol === "wss:" ? "https:" : "http:"}//${base.host}`;
  const sockets = `${base.protocol}//${base.host}/v1`;
  return {
    addresses: [`${base.protocol}//${base.host}`],
    bundle: async ({ signal }) => {
      const answer = await request(`${http}/v1/relay`, { signal });
      const bundle = readBundle(await boundedText(answer));
      if (bundle !== undefined) return bundle;
      throw new HawserError("HAWSER_RELAY_UNREACHABLE", `${address} is no relay`);
    },
    host: async (hosting, { signal }) => {
      const headers = { "content-type": "application/octet-stream" };
      const body = hosting.slice();
      await request(`${http}/v1/host`, { method: "POST", headers, body, signal });
    },
    connect: ({ signal }) => connectWebSocket(`${sockets}/sync`, { signal }),
    signal: ({ signal }) => connectWebSocket(`${sockets}/signal`, { signal }),
  };
}

function parseBase(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url !== undefined && (url.protocol === "ws:" || url.protocol === "wss:")) return url;
  throw new HawserError(
    "HAWSER_RELAY_UNREACHABLE",
    "a relay's address begins with ws:// or wss://",
  );
}

async function request(url: string, init: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    // A relay that moved says so to its owner; nothing is sent to where an answer points.
    answer = await fetch(url, { ...init, redirect: "error" });
  } catch (cause) {
    throw new HawserError("HAWSER_RELAY_UNREACHABLE", `${url} does not answer`, { cause });
  }
  if (answer.ok) return answer;
  const code = codeOf(await boundedText(answer));
  throw new HawserError("HAWSER_RELAY_REFUSED", `the relay refused: ${code ?? answer.status}`);
}

/** The body as text, read no further than a relay's answer can be long. */
async function boundedText(answer: Response): Promise<string> {
  const decoder = new TextDecoder();
  const reader = answer.body?.getReader();
  let text = "";
  try {
    for (;;) {
      const part = await reader?.read();
      if (part?.value === undefined) return text + decoder.decode();
      text += decoder.decode(part.value, { stream: true });
      if (text.length <= answerCharactersMax) continue;
      throw new HawserError("HAWSER_RELAY_UNREACHABLE", "the answer is too long for a relay");
    }
  } finally {
    await reader?.cancel();
  }
}

/** The key bundle in a relay's description, or `undefined` when it is none. */
function readBundle(text: string): Uint8Array | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const bundle = typeof value === "object" && value !== null && "bundle" in value && value.bundle;
  return typeof bundle === "string" ? fromBase64url(bundle) : undefined;
}

/** The `code` of an error answer; only its safe characters go into a message. */
function codeOf(text: string): string | undefined {
  return /"code"\s*:\s*"([A-Z0-9_]{1,64})"/.exec(text)?.[1];
}
