/**
 * Entries, feeds and hooks over HTTP (docs/spec/relay-http.md). Every request is counted against its
 * address before anything in it is looked at, and against its space once it has proven the follow
 * key. Layer 9.
 */
import { fromUtf8, toBase64url, utf8 } from "@hawser/codec";
import type { Crypto } from "@hawser/crypto";
import { refusal, type Answer } from "./answer.ts";
import { atomOf, atomType, rssOf, rssType, type Feed, type FeedItem } from "./feeds.ts";
import { followIdOf } from "./follow-proof.ts";
import type { Holder } from "./gate.ts";
import { strikesMax } from "./notifier.ts";
import { pageItemsDefault, pageItemsMax, toUuid, type PullItem } from "./pull.ts";
import { memberOf, parseJson, parseTarget, type Json } from "./push-provider.ts";
import type { Readers } from "./readers.ts";
import { readBody, retryAfterSeconds, type Request } from "./request.ts";

export interface ReaderDeps {
  readonly readers: Readers;
  readonly crypto: Crypto;
}

export type ReaderHandler = (deps: ReaderDeps, request: Request) => Promise<Answer>;
/** A handler for whoever has proven the follow key. */
type HolderHandler = (deps: ReaderDeps, proven: Proven) => Promise<Answer>;

interface Proven {
  readonly holder: Holder;
  readonly request: Request;
  readonly body: Uint8Array;
}

const bodyBytesMax = 8_192;
/** Methods of requests that change something here. */
const changing: ReadonlySet<string> = new Set(["POST", "DELETE"]);
const jsonType = "application/json";
const topicPattern = /^\/v1\/topics\/([A-Za-z0-9_-]{22})\/(entries|feeds|hooks)$/;
const thingPattern = /^\/v1\/topics\/([A-Za-z0-9_-]{22})\/(feeds|hooks)\/([A-Za-z0-9_-]{22})$/;
const deadPattern =
  /^\/v1\/topics\/([A-Za-z0-9_-]{22})\/hooks\/([A-Za-z0-9_-]{22})\/dead(?:\/(msg_[A-Za-z0-9_-]{22}))?$/;
const feedPattern = /^\/v1\/feeds\/([A-Za-z0-9_-]{64})\/(rss|atom)$/;
const itemPattern = /^\/v1\/feeds\/([A-Za-z0-9_-]{64})\/entries\/([A-Za-z0-9_-]{1,96})$/;

type Methods = ReadonlyMap<string, ReaderHandler>;

/** The handlers for a path of readers, or `undefined`. */
export function readerHandlers(path: string): Methods | undefined {
  if (path === "/v1/push") return new Map([["GET", limited(listProviders)]]);
  const [, name = "", kind] = topicPattern.exec(path) ?? [];
  if (kind !== undefined) return topicHandlers(name, kind);
  const [, thingName = "", thing, id = ""] = thingPattern.exec(path) ?? [];
  if (thing !== undefined) {
    const remove = thing === "feeds" ? revokeFeed(id) : removeHook(id);
    return new Map([["DELETE", proven(thingName, remove)]]);
  }
  const [, deadName, hookId = "", messageId] = deadPattern.exec(path) ?? [];
  if (deadName !== undefined) {
    return messageId === undefined
      ? new Map([["GET", proven(deadName, listDead(hookId))]])
      : new Map([["POST", proven(deadName, making(replayDead(hookId, messageId)))]]);
  }
  const [, token = "", format] = feedPattern.exec(path) ?? [];
  if (format !== undefined) return new Map([["GET", limited(readFeed(token, format))]]);
  const [, itemToken = "", cursor] = itemPattern.exec(path) ?? [];
  if (cursor !== undefined) return new Map([["GET", limited(readItem(itemToken, cursor))]]);
  return undefined;
}

function topicHandlers(name: string, kind: string): Methods {
  if (kind === "entries") return new Map([["GET", proven(name, readEntries)]]);
  const [list, create] = kind === "feeds" ? [listFeeds, createFeed] : [listHooks, createHook];
  return new Map([
    ["GET", proven(name, list)],
    ["POST", proven(name, making(create))],
  ]);
}

/** Counted before anything is read: a request costs us work whatever it holds. */
function limited(handler: ReaderHandler): ReaderHandler {
  return async (deps, request) => {
    const { readers } = deps;
    if (readers.isClosing()) return refusal("RELAY_CLOSING");
    if (!readers.requests.take(request.address)) return tooMany();
    return handler(deps, request);
  };
}

function proven(name: string, handler: HolderHandler): ReaderHandler {
  return limited(async (deps, request) => {
    const { readers } = deps;
    const body = await readBody(request, bodyBytesMax);
    if (body === undefined) return refusal("RELAY_BODY_TOO_LARGE");
    const { authorization, method, target } = request;
    const verdict = readers.gate.check(name, authorization, { method, target, body });
    if (!verdict.ok) return refused(verdict.reason);
    const { holder, nonce } = verdict;
    const { topic } = holder;
    if (!readers.topicRequests.take(topic)) return tooMany();
    // What changes nothing may come again at another node: it brings what is sealed.
    const isFirst = !changing.has(method) || (await readers.usedProofs.take({ topic, nonce }));
    return isFirst ? handler(deps, { holder, request, body }) : refused("stale");
  });
}

/** For what makes something, or sends: less often than reading. */
function making(handler: HolderHandler): HolderHandler {
  return async (deps, asked) => {
    const { makings } = deps.readers;
    const { request, holder } = asked;
    const isAllowed =
      makings.take(`address ${request.address}`) && makings.take(`topic ${holder.topic}`);
    return isAllowed ? handler(deps, asked) : tooMany();
  };
}

function refused(reason: "unknown" | "stale" | "busy"): Answer {
  if (reason === "busy") return tooMany();
  const headers = { "www-authenticate": "Hawser-Follow" };
  return refusal(reason === "stale" ? "RELAY_PROOF_STALE" : "RELAY_PROOF", headers);
}

function tooMany(): Answer {
  return refusal("RELAY_RATE_LIMITED", { "retry-after": retryAfterSeconds });
}

async function listProviders({ readers }: ReaderDeps): Promise<Answer> {
  const providers = [...readers.providers.values()].map(({ name, info }) => ({ name, ...info }));
  return { status: 200, body: { providers } };
}

async function readEntries(deps: ReaderDeps, { holder, request }: Proven): Promise<Answer> {
  const { puller } = deps.readers;
  const options = readPageOptions(request.target);
  if (options === undefined) return refusal("RELAY_REQUEST_INVALID");
  return paged(deps, request, async () => {
    const page = await puller.page(holder.topic, options);
    if (page === undefined) return refusal("RELAY_CURSOR_UNKNOWN");
    const { items, next, more } = page;
    const etag = etagOf(deps, holder, [
      "json",
      ...items.map(({ id }) => id),
      next ?? "",
      `${more}`,
    ]);
    if (isKnown(request, etag)) return { status: 304, headers: { ...freshness, etag } };
    const entries = items.map((item) => {
      const { id, cursor, entries: count } = item;
      const sealed = puller.seal(holder.followKey, item);
      return { id, cursor, count, sealed: sealed === undefined ? null : toBase64url(sealed) };
    });
    const body = { version: 1, topic: holder.name, entries, next: next ?? null, more };
    return textAnswer(JSON.stringify(body), jsonType, etag);
  });
}

/** `undefined` when there is anything else in the query than `after` and `limit`. */
function readPageOptions(
  target: string,
): { readonly after: string | undefined; readonly limit: number } | undefined {
  const query = new URLSearchParams(target.split("?").slice(1).join("?"));
  let after: string | undefined;
  let limit = pageItemsDefault;
  for (const [name, value] of query) {
    if (name === "after" && after === undefined && value !== "") after = value;
    else if (name === "limit" && /^[1-9][0-9]{0,5}$/.test(value)) limit = Number(value);
    else return undefined;
  }
  return { after, limit: Math.min(limit, pageItemsMax) };
}

async function listFeeds({ readers }: ReaderDeps, { holder }: Proven): Promise<Answer> {
  return { status: 200, body: { feeds: await readers.feeds.list(holder) } };
}

async function createFeed({ readers }: ReaderDeps, asked: Proven): Promise<Answer> {
  const { holder, request } = asked;
  const feed = await readers.feeds.create(holder);
  if (feed === "full") return refusal("RELAY_HOOKS_FULL");
  const { id, created, token } = feed;
  const url = `${baseOf(readers, request)}/v1/feeds/${token}`;
  return { status: 201, body: { id, created, rss: `${url}/rss`, atom: `${url}/atom` } };
}

function revokeFeed(id: string): HolderHandler {
  return async ({ readers }, { holder }) =>
    (await readers.feeds.revoke(holder, id)) ? { status: 204 } : refusal("RELAY_NOT_FOUND");
}

function readFeed(token: string, format: string): ReaderHandler {
  return async (deps, request) => {
    const { readers } = deps;
    const holder = await readers.feeds.open(token);
    if (holder === undefined) return refusal("RELAY_NOT_FOUND");
    if (!readers.topicRequests.take(holder.topic)) return tooMany();
    return paged(deps, request, async () => {
      const items = await readers.puller.newest(holder.topic);
      const etag = etagOf(deps, holder, [format, token, ...items.map(({ id }) => id)]);
      if (isKnown(request, etag)) return { status: 304, headers: { ...freshness, etag } };
      const base = `${baseOf(readers, request)}/v1/feeds/${token}`;
      const feed: Feed = {
        name: holder.name,
        id: toUuid(deps.crypto.deriveKey("hawser relay feed uuid v1", utf8(holder.id), 16)),
        url: `${base}/${format}`,
        items: await Promise.all(items.map((item) => feedItem(deps, holder, item, base))),
      };
      return format === "rss"
        ? textAnswer(rssOf(feed), rssType, etag)
        : textAnswer(atomOf(feed), atomType, etag);
    });
  };
}

async function feedItem(
  { readers }: ReaderDeps,
  holder: Holder,
  item: PullItem,
  base: string,
): Promise<FeedItem> {
  const { id, entries, author, cursor } = item;
  const timeMs = await readers.puller.timeOf(item);
  const byteCount = readers.puller.seal(holder.followKey, item)?.length;
  return { id, entries, author, timeMs, byteCount, url: `${base}/entries/${cursor}` };
}

function readItem(token: string, cursor: string): ReaderHandler {
  return async (deps, request) => {
    const { readers } = deps;
    const holder = await readers.feeds.open(token);
    if (holder === undefined) return refusal("RELAY_NOT_FOUND");
    if (!readers.topicRequests.take(holder.topic)) return tooMany();
    return paged(deps, request, async () => {
      const item = await readers.puller.item(holder.topic, cursor);
      const sealed = item === undefined ? undefined : readers.puller.seal(holder.followKey, item);
      if (sealed === undefined) return refusal("RELAY_NOT_FOUND");
      return { status: 200, headers: freshness, octets: sealed };
    });
  };
}

async function listHooks({ readers }: ReaderDeps, { holder }: Proven): Promise<Answer> {
  const list = await readers.notifier.list(holder.topic);
  // Others hold the follow key too: they see where to, never the address itself.
  const hooks = list.map(({ id, provider, shown, created, strikes }) => ({
    id,
    provider,
    host: shown,
    created,
    state: strikes >= strikesMax ? "suspended" : "active",
  }));
  return { status: 200, body: { hooks } };
}

async function createHook({ readers }: ReaderDeps, asked: Proven): Promise<Answer> {
  const { holder, request, body } = asked;
  const [type = ""] = (request.contentType ?? "").split(";");
  if (type.trim().toLowerCase() !== jsonType) return refusal("RELAY_CONTENT_TYPE");
  const json = parseJson(fromUtf8(body) ?? "");
  const name = memberOf(json, "provider");
  const wanted: Json | undefined = memberOf(json, "target");
  if (typeof name !== "string" || wanted === undefined) return refusal("RELAY_REQUEST_INVALID");
  const provider = readers.providers.get(name);
  const target = provider === undefined ? undefined : parseTarget(provider, wanted);
  if (provider === undefined || target === undefined) return refusal("RELAY_HOOK_TARGET");
  const outcome = await readers.notifier.register(holder, provider, target);
  switch (outcome.status) {
    case "active":
      return { status: 201, body: { id: outcome.id, provider: name, state: "active" } };
    case "full":
      return refusal("RELAY_HOOKS_FULL");
    case "unconfirmed":
      return refusal("RELAY_HOOK_UNCONFIRMED");
    case "busy":
      return refusal("RELAY_BUSY", { "retry-after": retryAfterSeconds });
  }
}

function removeHook(id: string): HolderHandler {
  return async ({ readers }, { holder: { topic } }) =>
    (await readers.notifier.remove({ topic, id })) ? { status: 204 } : refusal("RELAY_NOT_FOUND");
}

function listDead(id: string): HolderHandler {
  return async ({ readers }, { holder: { topic } }) => {
    const letters = await readers.notifier.dead({ topic, id });
    if (letters === undefined) return refusal("RELAY_NOT_FOUND");
    const dead = letters.map(({ messageId, seconds, attempts, reason }) => ({
      id: messageId,
      at: seconds,
      attempts,
      reason,
    }));
    return { status: 200, body: { dead } };
  };
}

function replayDead(id: string, messageId: string): HolderHandler {
  return async ({ readers }, { holder: { topic } }) => {
    switch (await readers.notifier.replay({ topic, id }, messageId)) {
      case "delivered":
        return { status: 204 };
      case "absent":
        return refusal("RELAY_NOT_FOUND");
      case "failed":
        return refusal("RELAY_HOOK_UNDELIVERED");
      case "busy":
        return refusal("RELAY_BUSY", { "retry-after": retryAfterSeconds });
    }
  };
}

/** Holds a place until the answer has left: a page stays in memory as long as that takes. */
async function paged(
  { readers }: ReaderDeps,
  { address }: Request,
  make: () => Promise<Answer>,
): Promise<Answer> {
  const busy = refusal("RELAY_BUSY", { "retry-after": "1" });
  const close = readers.pages.open(address);
  if (close === undefined) return busy;
  try {
    const answer = await make();
    const forgetBytes = readers.pageBytes.hold(answer.octets?.length ?? 0);
    if (forgetBytes === undefined) {
      close();
      return busy;
    }
    const release = (): void => {
      forgetBytes();
      close();
    };
    return { ...answer, release };
  } catch (error) {
    close();
    throw error;
  }
}

const freshness: Readonly<Record<string, string>> = {
  "cache-control": "private, no-cache",
  vary: "authorization",
};

function textAnswer(text: string, type: string, etag: string): Answer {
  return {
    status: 200,
    headers: { ...freshness, "content-type": type, etag },
    octets: utf8(text),
  };
}

/** Weak: envelopes of the same entries differ in their nonces. */
function etagOf({ crypto }: ReaderDeps, holder: Holder, parts: readonly string[]): string {
  const text = [followIdOf(crypto, holder.followKey), ...parts].join("\n");
  return `W/"${toBase64url(crypto.hash(utf8(text)).subarray(0, 16))}"`;
}

/** RFC 9110 §13.1.2, weakly compared. */
function isKnown(request: Request, etag: string): boolean {
  const known = request.header("if-none-match");
  if (known === undefined) return false;
  const bare = (tag: string): string => tag.trim().replace(/^W\//, "");
  return known.trim() === "*" || known.split(",").some((tag) => bare(tag) === bare(etag));
}

/** Where the relay is reached, without a slash at the end. */
function baseOf({ publicUrl, trustProxy }: Readers, request: Request): string {
  if (publicUrl !== undefined) return publicUrl;
  const host = request.header("host") ?? "";
  const scheme = trustProxy && request.header("x-forwarded-proto") === "https" ? "https" : "http";
  return `${scheme}://${/^[A-Za-z0-9.:[\]-]{1,255}$/.test(host) ? host : "localhost"}`;
}
