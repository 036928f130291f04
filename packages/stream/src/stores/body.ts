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

/** What is allocated before anything came. */
const firstBytes = 64 << 10;

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
  // Chunks are joined as they come: kept, a server's single bytes would take a hundred each.
  let bytes = new Uint8Array(Math.min(bytesMax, firstBytes));
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const end = size + value.length;
      if (end > bytesMax) throw new StreamError("BYTES_IO", `an answer is over ${bytesMax} bytes`);
      if (end > bytes.length) {
        const larger = new Uint8Array(Math.min(bytesMax, Math.max(end, 2 * bytes.length)));
        larger.set(bytes.subarray(0, size));
        bytes = larger;
      }
      bytes.set(value, size);
      size = end;
    }
  } catch (error) {
    await reader.cancel().catch(() => undefined);
    throw toStreamError(error, "reading an answer");
  }
  return size === bytes.length ? bytes : bytes.slice(0, size);
}

/** Lets go of a body nobody reads, so that its connection can be used again. */
export async function dropBody(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => undefined);
}
