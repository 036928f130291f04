/** What the relay answers to which method and path. Layer 9. */
import { toBase64url, utf8 } from "@hawser/codec";
import { refusal, type Answer } from "./answer.ts";
import type { Hosting, HostOutcome } from "./hosting.ts";
import { hostingBytesMax, type RateLimit } from "./limits.ts";
import { isAuthorized, metricsPath } from "./metrics-server.ts";
import { metricsContentType } from "./metrics.ts";
import { pairHandlers, type PairDeps } from "./pair-routes.ts";
import { readerHandlers, type ReaderDeps } from "./reader-routes.ts";
import { octets, readBody, retryAfterSeconds, type Request } from "./request.ts";
import { signalPath } from "./signal-rooms.ts";

/** The WebSocket's path. */
export const syncPath = "/v1/sync";
/** Paths at which an upgrade is more than an offer. */
export const webSocketPaths: ReadonlySet<string> = new Set([syncPath, signalPath]);

export interface RouteDeps extends PairDeps, ReaderDeps {
  readonly hosting: Pick<Hosting, "author" | "bundle" | "host">;
  readonly hostRequests: RateLimit;
  /** Figures, for whoever has the token; without one there are none here. */
  readonly scrape?: { readonly render: () => string; readonly token: string | undefined };
}

type Handler = (deps: RouteDeps, request: Request) => Promise<Answer>;

interface Route {
  readonly handlers: ReadonlyMap<string, Handler>;
  /** Pages of any origin may use it: nothing here depends on cookies or on who asks. */
  readonly anyOrigin: boolean;
  /** Headers that such a page may send; default: content-type. */
  readonly headers?: string;
}

const routes: ReadonlyMap<string, Route> = new Map([
  ["/healthz", { handlers: new Map([["GET", health]]), anyOrigin: false }],
  ["/v1/relay", { handlers: new Map([["GET", info]]), anyOrigin: true }],
  ["/v1/host", { handlers: new Map([["POST", host]]), anyOrigin: true }],
  [metricsPath, { handlers: new Map([["GET", figures]]), anyOrigin: false }],
  [syncPath, { handlers: new Map([["GET", upgradeRequired]]), anyOrigin: false }],
  [signalPath, { handlers: new Map([["GET", upgradeRequired]]), anyOrigin: false }],
]);

const openToPages: Readonly<Record<string, string>> = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "etag, retry-after",
};

/** The answer to a request. Rejects when the relay fails, or the client goes away. */
export async function answerTo(deps: RouteDeps, request: Request): Promise<Answer> {
  const route = routeOf(request.path);
  if (route === undefined) return refusal("RELAY_NOT_FOUND");
  if (!route.anyOrigin) return handle(deps, route, request);
  const answer = await handle(deps, route, request);
  return { ...answer, headers: { ...answer.headers, ...openToPages } };
}

function routeOf(path: string): Route | undefined {
  const readers = readerHandlers(path);
  if (readers !== undefined) {
    const headers = "authorization, content-type, if-none-match";
    return { handlers: readers, anyOrigin: true, headers };
  }
  const handlers = pairHandlers(path);
  return handlers === undefined ? routes.get(path) : { handlers, anyOrigin: true };
}

async function handle(deps: RouteDeps, route: Route, request: Request): Promise<Answer> {
  // A HEAD is a GET whose body stays away; the server sees to that.
  const method = request.method === "HEAD" ? "GET" : request.method;
  const handler = route.handlers.get(method);
  if (handler !== undefined) return handler(deps, request);
  const methods = methodsOf(route);
  if (method !== "OPTIONS" || !route.anyOrigin) return refusal("RELAY_METHOD", { allow: methods });
  return {
    status: 204,
    headers: {
      allow: methods,
      "access-control-allow-methods": methods,
      "access-control-allow-headers": route.headers ?? "content-type",
      "access-control-max-age": "86400",
    },
  };
}

function methodsOf(route: Route): string {
  const methods = [...route.handlers.keys()];
  const extra = [
    ...(methods.includes("GET") ? ["HEAD"] : []),
    ...(route.anyOrigin ? ["OPTIONS"] : []),
  ];
  return [...methods, ...extra].join(", ");
}

async function health(deps: RouteDeps): Promise<Answer> {
  return deps.isClosing() ? refusal("RELAY_CLOSING") : { status: 200, body: { status: "ok" } };
}

async function info(deps: RouteDeps): Promise<Answer> {
  if (deps.isClosing()) return refusal("RELAY_CLOSING");
  const { author } = deps.hosting;
  const bundle = toBase64url(await deps.hosting.bundle());
  return { status: 200, body: { version: 1, author, bundle } };
}

async function host(deps: RouteDeps, request: Request): Promise<Answer> {
  if (deps.isClosing()) return refusal("RELAY_CLOSING");
  // Counted before anything is read: a request costs us work whatever it holds.
  if (!deps.hostRequests.take(request.address)) {
    return refusal("RELAY_RATE_LIMITED", { "retry-after": retryAfterSeconds });
  }
  if (request.contentType?.trim().toLowerCase() !== octets) return refusal("RELAY_CONTENT_TYPE");
  const body = await readBody(request, hostingBytesMax);
  if (body === undefined) return refusal("RELAY_BODY_TOO_LARGE");
  return hostAnswer(await deps.hosting.host(body));
}

function hostAnswer(outcome: HostOutcome): Answer {
  switch (outcome) {
    case "hosted":
      return { status: 204 };
    case "invalid":
      return refusal("RELAY_HOSTING_INVALID");
    case "conflict":
      return refusal("RELAY_HOSTING_CONFLICT");
    case "full":
      return refusal("RELAY_FULL");
  }
}

async function figures({ scrape }: RouteDeps, { authorization }: Request): Promise<Answer> {
  const isAllowed = scrape?.token !== undefined && isAuthorized(authorization, scrape.token);
  // Whoever may not read them need not know that there are any.
  if (scrape === undefined || !isAllowed) return refusal("RELAY_NOT_FOUND");
  const headers = { "content-type": metricsContentType };
  return { status: 200, headers, octets: utf8(scrape.render()) };
}

async function upgradeRequired(): Promise<Answer> {
  return refusal("RELAY_UPGRADE_REQUIRED", { upgrade: "websocket" });
}
