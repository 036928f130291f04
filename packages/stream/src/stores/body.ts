/** Bodies of HTTP answers, read with a bound. Layer 4; pure. */
import { StreamError } from "../errors.ts";
import { toStreamError } from "./common.ts";

/** What the stores use of `fetch`, which is injected. */
export type Fetch = (url: string, init: FetchInit) => Promise<Response>;

export interface FetchInit {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: Uint8Array<ArrayBuffer>;
  readonly signal?: AbortSignal;
}

/**
 * The whole body. Throws BYTES_IO when it is longer than `bytesMax` or breaks off; nothing longer
 * than that is ever held, whatever the headers say.
 */
export async function readBody(
  response: Response,
  bytesMax: number,
): Promise<Uint8Array<ArrayBuffer>> {
  if (response.body === null) return new Uint8Array(0);
  const reader = response.body.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
      if (size > bytesMax) throw new StreamError("BYTES_IO", `an answer is over ${bytesMax} bytes`);
      chunks.push(value);
    }
  } catch (error) {
    await reader.cancel().catch(() => undefined);
    throw toStreamError(error, "reading an answer");
  }
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}

/** Lets go of a body nobody reads, so that its connection can be used again. */
export async function dropBody(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => undefined);
}
