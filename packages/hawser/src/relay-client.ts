/**
 * A relay over HTTP and WebSocket: `GET /v1/relay`, `POST /v1/host`, `/v1/sync`.
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
  const socket = `${base.protocol}//${base.host}/v1/sync`;
  return {
    addresses: [`${base.protocol}//${base.host}`],
    bundle: async ({ signal }) => {
      const answer = await request(`${http}/v1/relay`, { signal });
      const value: unknown = JSON.parse(await boundedText(answer));
      const text = typeof value === "object" && value !== null && "bundle" in value && value.bundle;
      const bundle = typeof text === "string" ? fromBase64url(text) : undefined;
      if (bundle !== undefined) return bundle;
      throw new HawserError("HAWSER_RELAY_UNREACHABLE", `${address} is no relay`);
    },
    host: async (hosting, { signal }) => {
      const headers = { "content-type": "application/octet-stream" };
      const body = hosting.slice();
      await request(`${http}/v1/host`, { method: "POST", headers, body, signal });
    },
    connect: ({ signal }) => connectWebSocket(socket, { signal }),
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
    answer = await fetch(url, init);
  } catch (cause) {
    throw new HawserError("HAWSER_RELAY_UNREACHABLE", `${url} does not answer`, { cause });
  }
  if (answer.ok) return answer;
  const code = codeOf(await boundedText(answer));
  throw new HawserError("HAWSER_RELAY_REFUSED", `the relay refused: ${code ?? answer.status}`);
}

async function boundedText(answer: Response): Promise<string> {
  const text = await answer.text();
  if (text.length <= answerCharactersMax) return text;
  throw new HawserError("HAWSER_RELAY_UNREACHABLE", "the answer is too long for a relay");
}

/** The `code` of an error answer; only its safe characters go into a message. */
function codeOf(text: string): string | undefined {
  return /"code"\s*:\s*"([A-Z0-9_]{1,64})"/.exec(text)?.[1];
}
