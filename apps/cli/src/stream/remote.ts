/** A stream at a server that takes packets: what `mirror` needs besides reading. */
import type { ByteStore } from "@hawser/stream";
import { openHttpBytes } from "@hawser/stream/http";
import { codeOf } from "../errors.ts";
import { StreamFaultError, streamError } from "./errors.ts";
import type { StreamIo } from "./io.ts";
import type { Place } from "./places.ts";

type HttpPlace = Extract<Place, { kind: "http" }>;

/** A problem report is short; what is longer is none. */
const problemBytesMax = 65_536;

export interface Remote {
  readonly store: ByteStore;
  /** Names the head the server has, for If-Match. */
  readonly etag: string;
}

/** The stream at the server, or `undefined` when it has none of this id. */
export async function openRemote(
  io: StreamIo,
  { url, text }: HttpPlace,
): Promise<Remote | undefined> {
  const { signal } = io;
  const head = await request(io, text, url, { method: "HEAD", headers: {} });
  if (head.status === 404) return undefined;
  const etag = head.headers.get("etag");
  if (head.status !== 200 || etag === null || head.headers.get("hawser-height") === null) {
    const remedy = "Use the address that `hawser stream serve` prints, with the id behind it.";
    throw streamError("CLI_SERVER_REFUSED", `${text} is no server of streams`, remedy);
  }
  try {
    return { store: await openHttpBytes(io, url, { signal }), etag };
  } catch (error) {
    if (codeOf(error) === "BYTES_ABSENT") return undefined;
    throw error;
  }
}

/** Makes the stream there. */
export async function putManifest(
  io: StreamIo,
  { url, text }: HttpPlace,
  manifest: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const token = io.env["HAWSER_STREAM_TOKEN"];
  if (token === undefined || token === "") {
    const remedy = "Put the server's token into HAWSER_STREAM_TOKEN, or ask its owner to add it.";
    throw streamError("CLI_SERVER_REFUSED", `${text}: the server has no such stream`, remedy);
  }
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/octet-stream" };
  const answer = await request(io, text, url, { method: "PUT", headers, body: manifest });
  if (answer.status !== 201) throw await refusal(text, answer);
}

/** Sends what the server has not, which its head is followed by. */
export async function postBytes(
  io: StreamIo,
  { url, text }: HttpPlace,
  bytes: AsyncIterable<Uint8Array>,
  etag: string,
): Promise<void> {
  const headers = { "if-match": etag, "content-type": "application/octet-stream" };
  const body = ReadableStream.from(bytes);
  // A body that is sent while it is read has to say so (Fetch §5.4).
  const streamed = { method: "POST", headers, body, duplex: "half" };
  // Safe: `fetch` takes streams as bodies; the stores' narrower type has no use for them.
  const init = streamed as unknown as Parameters<StreamIo["fetch"]>[1];
  const answer = await request(io, text, url, init);
  if (answer.status !== 200) throw await refusal(text, answer);
  await answer.body?.cancel();
}

async function request(
  io: StreamIo,
  text: string,
  url: string,
  init: Parameters<StreamIo["fetch"]>[1],
): Promise<Response> {
  try {
    return await io.fetch(url, { ...init, signal: io.signal });
  } catch (error) {
    if (io.signal.aborted) throw error;
    const remedy = "Check the address and whether the server runs, then run the command again.";
    throw streamError("CLI_SERVER_REFUSED", `${text} cannot be reached`, remedy, error);
  }
}

interface Problem {
  readonly code: string;
  readonly title: string;
}

async function refusal(text: string, answer: Response): Promise<Error> {
  const problem = await readProblem(answer);
  if (answer.status === 409 && problem.code === "FORK") {
    return new StreamFaultError(text, { code: "FORK", message: problem.title });
  }
  const remedies: Readonly<Record<number, string>> = {
    403: "Check the token in HAWSER_STREAM_TOKEN.",
    405: "The server is read only; ask its owner.",
    412: "Somebody else wrote to it meanwhile: run the command again.",
    413: "The server takes less at once; ask its owner to raise --max-bytes.",
    422: "The server does not take these packets; verify the source.",
    503: "The server is busy with this stream: run the command again.",
    507: "The server has no room left; ask its owner.",
  };
  const message = `${text} answered ${answer.status}: ${problem.title} (${problem.code})`;
  const remedy = remedies[answer.status] ?? "Ask the server's owner.";
  return streamError("CLI_SERVER_REFUSED", message, remedy);
}

/** What a server says went wrong: a stranger's words, and short ones. */
async function readProblem(answer: Response): Promise<Problem> {
  const unknown = { code: "no code", title: "it gave no reason" };
  try {
    const parsed: unknown = JSON.parse(await readText(answer));
    if (typeof parsed !== "object" || parsed === null) return unknown;
    const code = "code" in parsed && typeof parsed.code === "string" ? parsed.code : unknown.code;
    const title =
      "title" in parsed && typeof parsed.title === "string" ? parsed.title : unknown.title;
    return { code: code.slice(0, 64), title: title.slice(0, 200) };
  } catch {
    // Another kind of server: its pages are no reason.
    return unknown;
  }
}

/** The body as text; what is longer than a problem report is cut off. */
async function readText(answer: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let byteCount = 0;
  for await (const piece of answer.body ?? []) {
    pieces.push(piece);
    byteCount += piece.length;
    if (byteCount > problemBytesMax) break;
  }
  return Buffer.concat(pieces).subarray(0, problemBytesMax).toString("utf8");
}
