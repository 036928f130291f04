/**
 * The other side of HTTP pull (docs/spec/relay-http.md §3, §8): reads a space from a relay with plain
 * GET requests and puts what comes through the same checks as sync. For pages and programs whose
 * WebSocket is cut, or that never had one. Runs in browsers and Node; everything is injected.
 * Layer 9, without platform globals.
 */
import { fromBase64url, fromUtf8 } from "@hawser/codec";
import type { AuthorId, Crypto, Random } from "@hawser/crypto";
import type { Clock } from "@hawser/log";
import { openOuter } from "@hawser/space";
import type { Ingest, SyncTopic } from "@hawser/sync";
import { blindName, proveFollow } from "./follow-proof.ts";
import { memberOf, parseJson, type Json } from "./push-provider.ts";

export { blindName, hookIdOf, hookSecretOf, proveFollow } from "./follow-proof.ts";
export type { ProofPlace, ProvenRequest } from "./follow-proof.ts";

/** Why a pull failed. Codes are API: never renamed, never reused. */
export type PullErrorCode =
  /** No answer. */
  | "PULL_UNREACHABLE"
  /** The relay says no; `answer` is its code. */
  | "PULL_REFUSED"
  /** An answer that is none of this protocol's, or too long. */
  | "PULL_ANSWER_INVALID"
  /** An envelope does not open, or what is in it does not verify: the relay is at fault. */
  | "PULL_BAD_RANGE";

/** A pull that failed. Match on `code`. */
export class PullError extends Error {
  override readonly name = "PullError";
  readonly code: PullErrorCode;
  /** The relay's own code, such as `RELAY_RATE_LIMITED`, where it gave one. */
  readonly answer: string | undefined;

  constructor(
    code: PullErrorCode,
    message: string,
    options?: ErrorOptions & { readonly answer?: string | undefined },
  ) {
    super(message, options);
    this.code = code;
    this.answer = options?.answer;
  }
}

export interface PullReaderDeps {
  readonly crypto: Crypto;
  readonly random: Random;
  /** Within two minutes of the relay's. */
  readonly clock: Clock;
  /** `spaces.ingest`: verifies, authorises and stores. */
  readonly ingest: Ingest;
  /** The platform's `fetch`. */
  readonly fetch: (url: string, init: PullRequest) => Promise<Response>;
}

/** What `fetch` is given. */
export interface PullRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly redirect: "error";
  readonly signal?: AbortSignal;
}

export interface PullReaderOptions {
  /** `https://host`, without a path of `/v1`. */
  readonly url: string;
  /** The relay's key, of `GET /v1/relay`. */
  readonly relay: AuthorId;
  /** The space, of `spaces.topics()`. */
  readonly topic: SyncTopic;
  /** Where an earlier reader ended; default: the beginning. */
  readonly cursor?: string | undefined;
}

/** What a pull brought. */
export interface PullReport {
  /** Ranges that were new here. */
  readonly stored: number;
  readonly known: number;
  /** Not taken now: over quota, or of an author that is not known yet. Asked for again next time. */
  readonly refused: number;
  /** Too long for an envelope: only sync brings them. */
  readonly omitted: number;
}

/** Reads one space of one relay. */
export interface PullReader {
  /** Keep it and pass it to the next reader. Nothing before it is missing here. */
  readonly cursor: string | undefined;
  /**
   * Reads on to the end of what the relay has. One at a time: a call during another gets the same
   * report. Throws PullError; `cursor` then stands after what was stored.
   */
  pull(options?: { readonly signal?: AbortSignal }): Promise<PullReport>;
}

/** Characters of an answer: an item of 16 MiB in base64, and some. */
const answerBytesMax: number = 24 * 1024 * 1024;
const pageItems = 200;

export function createPullReader(deps: PullReaderDeps, options: PullReaderOptions): PullReader {
  const { topic } = options;
  let kept = options.cursor;
  let running: Promise<PullReport> | undefined;

  const run = async (signal: AbortSignal | undefined): Promise<PullReport> => {
    const report = { stored: 0, known: 0, refused: 0, omitted: 0 };
    let at = kept;
    let isWhole = true;
    let mayStartOver = at !== undefined;
    for (;;) {
      const page = await readPage(deps, options, { after: at, signal });
      if (page === "unknown" || (await takePage(page, report)) === "gap") {
        // The relay's order is another now, or this device has less than its cursor says.
        if (!mayStartOver) throw invalid("the relay's entries begin with a gap");
        mayStartOver = false;
        at = undefined;
        continue;
      }
      if (report.refused + report.omitted > 0) isWhole = false;
      at = page.next ?? at;
      if (isWhole) kept = at;
      if (!page.more) return report;
    }
  };
  const takePage = async (
    page: Page,
    report: { -readonly [Name in keyof PullReport]: number },
  ): Promise<"taken" | "gap"> => {
    for (const { sealed } of page.entries) {
      if (sealed === undefined) {
        report.omitted += 1;
        continue;
      }
      const content = openOuter(deps.crypto, topic.followKeys(), sealed);
      if (content?.kind !== "range" || content.range.context.topic !== topic.topic) {
        throw new PullError("PULL_BAD_RANGE", "an envelope holds no range of this space");
      }
      const outcome = await deps.ingest(content.range);
      if (outcome.status === "bad") {
        throw new PullError("PULL_BAD_RANGE", `a range does not verify: ${outcome.reason}`);
      }
      if (outcome.status === "gap") return "gap";
      if (outcome.status === "stored") report.stored += 1;
      else if (outcome.status === "refused") report.refused += 1;
      else report.known += 1;
    }
    return "taken";
  };

  return {
    get cursor() {
      return kept;
    },
    pull: ({ signal } = {}) => {
      running ??= run(signal).finally(() => {
        running = undefined;
      });
      return running;
    },
  };
}

interface Page {
  readonly entries: readonly { readonly sealed: Uint8Array | undefined }[];
  readonly next: string | undefined;
  readonly more: boolean;
}

/** Asks with each follow key in turn: the relay may not have seen the newest yet. */
async function readPage(
  deps: PullReaderDeps,
  { url, relay, topic }: PullReaderOptions,
  asked: { readonly after: string | undefined; readonly signal: AbortSignal | undefined },
): Promise<Page | "unknown"> {
  const { crypto, random, clock } = deps;
  const after = asked.after === undefined ? "" : `&after=${asked.after}`;
  const name = blindName(crypto, topic.topic, relay);
  const target = `/v1/topics/${name}/entries?limit=${pageItems}${after}`;
  let answer: string | undefined;
  for (const followKey of topic.followKeys()) {
    const seconds = Math.floor(clock.nowMicros() / 1_000_000);
    const request = { relay, method: "GET", target, body: new Uint8Array(0) };
    const place = { seconds, nonce: random(16) };
    const authorization = proveFollow(crypto, followKey, { ...request, ...place });
    const response = await ask(deps, `${url.replace(/\/+$/, "")}${target}`, {
      headers: { authorization },
      redirect: "error",
      ...(asked.signal === undefined ? {} : { signal: asked.signal }),
    });
    const json = await readJson(response);
    if (response.status === 200) return toPage(json);
    const code = memberOf(json, "code");
    answer = typeof code === "string" ? code : undefined;
    if (response.status === 410) return "unknown";
    if (answer !== "RELAY_PROOF") break;
  }
  throw new PullError("PULL_REFUSED", `the relay refuses: ${answer ?? "no follow key"}`, {
    answer,
  });
}

async function ask(deps: PullReaderDeps, url: string, init: PullRequest): Promise<Response> {
  try {
    return await deps.fetch(url, init);
  } catch (cause) {
    throw new PullError("PULL_UNREACHABLE", "no answer from the relay", { cause });
  }
}

async function readJson(response: Response): Promise<Json | undefined> {
  const chunks: Uint8Array[] = [];
  let byteCount = 0;
  const reader = response.body?.getReader();
  try {
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
      if (done) break;
      byteCount += value.length;
      if (byteCount > answerBytesMax) throw invalid("the answer is too long");
      chunks.push(value);
    }
  } catch (cause) {
    if (cause instanceof PullError) throw cause;
    throw new PullError("PULL_UNREACHABLE", "the answer was cut off", { cause });
  } finally {
    await reader?.cancel().catch(() => undefined);
  }
  const bytes = new Uint8Array(byteCount);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return parseJson(fromUtf8(bytes) ?? "");
}

function toPage(json: Json | undefined): Page {
  const [entries, next] = [memberOf(json, "entries"), memberOf(json, "next")];
  const more = memberOf(json, "more");
  if (memberOf(json, "version") !== 1 || !Array.isArray(entries) || typeof more !== "boolean") {
    throw invalid("the answer is no page");
  }
  if (next !== null && (typeof next !== "string" || !/^[A-Za-z0-9_-]{1,96}$/.test(next))) {
    throw invalid("a cursor of another form");
  }
  if (more && (entries.length === 0 || next === null)) throw invalid("a page that leads nowhere");
  return { entries: entries.map((item: Json) => toEntry(item)), next: next ?? undefined, more };
}

function toEntry(item: Json): { readonly sealed: Uint8Array | undefined } {
  const text = memberOf(item, "sealed");
  if (text === null) return { sealed: undefined };
  const sealed = typeof text === "string" ? fromBase64url(text) : undefined;
  if (sealed === undefined) throw invalid("an entry of another form");
  return { sealed };
}

function invalid(message: string): PullError {
  return new PullError("PULL_ANSWER_INVALID", message);
}
