/**
 * Requests that the relay makes itself, to addresses that somebody else chose: HTTPS to a public
 * address and nowhere else (docs/spec/relay-http.md §7). Layer 9.
 *
 * A name is resolved once, every address it has must be public, and the connection goes to the
 * address that was checked: a name that changes its mind between check and use (DNS rebinding)
 * changes nothing. Redirects are answers like any other; nobody follows them.
 */
import { Resolver } from "node:dns/promises";
import { request as httpsRequest } from "node:https";
import { BlockList, isIP } from "node:net";
import type { Timers } from "@hawser/sync";

/** A POST to somewhere. */
export interface OutboundRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** What came of it. */
export type OutboundVerdict =
  | {
      readonly ok: true;
      readonly status: number;
      /** The first 4 KiB of the answer. */
      readonly body: Uint8Array;
      /** `Retry-After` in seconds, where it is a number. */
      readonly retryAfterSeconds: number | undefined;
    }
  /** `url`: not one to ask; `address`: not public; `network`: no answer, or none in time. */
  | { readonly ok: false; readonly reason: "url" | "address" | "network" };

/** The relay's way out. */
export interface Outbound {
  /** Whether `post` would take the URL, as far as that can be said without asking a name server. */
  accepts(url: string): boolean;
  post(request: OutboundRequest): Promise<OutboundVerdict>;
}

/** An address that a name stands for. */
export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

/** What the way out needs; tests have their own network. */
export interface OutboundDeps {
  readonly timers: Timers;
  /** Everything a name stands for; default: what name servers say. */
  readonly resolve?: (name: string, signal: AbortSignal) => Promise<readonly ResolvedAddress[]>;
  /** `address` or `address:port` of name servers; default: the system's. */
  readonly nameServers?: readonly string[];
  /** Which addresses may be connected to; default `isPublicAddress`. */
  readonly permits?: (address: string) => boolean;
  /** PEM of the authorities that sign for servers; default: those that the platform trusts. */
  readonly authorities?: string;
  /** Sends to one of those very addresses. Rejects when there is no answer. */
  readonly send?: (
    request: OutboundRequest,
    target: OutboundTarget,
  ) => Promise<Extract<OutboundVerdict, { ok: true }>>;
}

/** Where a request goes. */
export interface OutboundTarget {
  readonly url: URL;
  /** Checked; the first that takes the connection gets it. At least one. */
  readonly addresses: readonly ResolvedAddress[];
  readonly signal: AbortSignal;
}

/** From the first question to the last byte of the answer, in ms. */
const postMsMax = 10_000;
/** Bytes of an answer that are read. */
const answerBytesMax = 4_096;
const urlCharactersMax = 2_048;
/** Addresses of one name that are tried: a name with thousands must not make a relay knock at all. */
const addressesTriedMax = 4;
/** What one name server gets for an answer, in ms, and how often it is asked. */
const nameServerTimes = { timeout: 2_000, tries: 2 };
const httpsPort = "443";
/** Ports below it belong to other protocols. */
const unprivilegedPort = 1_024;

const refusedV4 = new BlockList();
for (const [net, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
] as const) {
  refusedV4.addSubnet(net, prefix, "ipv4");
}

/** Global unicast is 2000::/3: mapped, translated, local and multicast addresses lie outside. */
const globalV6 = new BlockList();
globalV6.addSubnet("2000::", 3, "ipv6");
const refusedV6 = new BlockList();
for (const [net, prefix] of [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
] as const) {
  refusedV6.addSubnet(net, prefix, "ipv6");
}

/** Whether an address is one of the public Internet (IANA special-purpose registries). */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !refusedV4.check(address, "ipv4");
    case 6:
      return globalV6.check(address, "ipv6") && !refusedV6.check(address, "ipv6");
    default:
      return false;
  }
}

/** The URL if it is one that the relay may ask: HTTPS, without a user, on a port for it. */
export function parseOutboundUrl(text: string): URL | undefined {
  if (text.length > urlCharactersMax || !/^https:\/\/[\x21-\x7e]+$/.test(text)) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.protocol !== "https:") return undefined;
  if (url.username !== "" || url.password !== "" || url.hash !== "") return undefined;
  const port = url.port === "" ? httpsPort : url.port;
  if (port !== httpsPort && Number(port) < unprivilegedPort) return undefined;
  const literal = bareHost(url);
  if (isIP(literal) !== 0 && !isPublicAddress(literal)) return undefined;
  return url;
}

/** The way out over the given network; default: this machine's. */
export function createOutbound(deps: OutboundDeps): Outbound {
  const { timers, permits = isPublicAddress } = deps;
  const resolve =
    deps.resolve ??
    ((name: string, signal: AbortSignal) =>
      resolveName(name, { signal, servers: deps.nameServers }));
  const send = deps.send ?? ((request, target) => sendTo(request, target, deps.authorities));
  const attempt = async (
    request: OutboundRequest,
    signal: AbortSignal,
  ): Promise<OutboundVerdict> => {
    const url = parseOutboundUrl(request.url);
    if (url === undefined) return { ok: false, reason: "url" };
    const host = bareHost(url);
    const family = isIP(host);
    const found = family === 0 ? await resolve(host, signal) : [{ address: host, family }];
    if (found.length === 0) return { ok: false, reason: "network" };
    // One private address among public ones is enough: nobody honest publishes both.
    if (!found.every(({ address }) => permits(address))) {
      return { ok: false, reason: "address" };
    }
    return send(request, { url, addresses: found.slice(0, addressesTriedMax), signal });
  };
  return {
    accepts: (url) => parseOutboundUrl(url) !== undefined,
    post: async (request) => {
      const abort = new AbortController();
      const late = new Promise<OutboundVerdict>((resolveLate) => {
        abort.signal.addEventListener("abort", () => resolveLate({ ok: false, reason: "network" }));
      });
      const stopTimer = timers.after(postMsMax, () => abort.abort());
      try {
        return await Promise.race([attempt(request, abort.signal), late]);
      } catch {
        // Name servers, sockets, TLS: whatever it was, there is no answer.
        return { ok: false, reason: "network" };
      } finally {
        stopTimer();
      }
    },
  };
}

function bareHost(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, "$1");
}

/**
 * Asks name servers outright. `dns.lookup` would use threads that the whole process shares for its
 * files, and a few names whose servers never answer would keep all of them waiting.
 */
async function resolveName(
  name: string,
  options: { readonly signal: AbortSignal; readonly servers: readonly string[] | undefined },
): Promise<readonly ResolvedAddress[]> {
  const { signal, servers } = options;
  const resolver = new Resolver(nameServerTimes);
  if (servers !== undefined) resolver.setServers(servers);
  const cancel = (): void => resolver.cancel();
  signal.addEventListener("abort", cancel);
  try {
    const [v4, v6] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    return [
      ...(v4.status === "fulfilled" ? v4.value : []).map((address) => ({ address, family: 4 })),
      ...(v6.status === "fulfilled" ? v6.value : []).map((address) => ({ address, family: 6 })),
    ];
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

function sendTo(
  { headers, body }: OutboundRequest,
  target: OutboundTarget,
  authorities: string | undefined,
): Promise<Extract<OutboundVerdict, { ok: true }>> {
  const { url, addresses, signal } = target;
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      url,
      {
        method: "POST",
        headers: { ...headers, "content-length": String(body.length) },
        // Neither a shared agent nor a proxy of the environment.
        agent: false,
        // Said outright: an environment variable could turn the check off for the whole process.
        rejectUnauthorized: true,
        ...(authorities === undefined ? {} : { ca: authorities }),
        signal,
        maxHeaderSize: 8 * 1024,
        // The checked addresses, whatever the name stands for by now.
        lookup: (_name, options, callback) => {
          const [first] = addresses;
          if (options.all === true) callback(null, [...addresses]);
          else callback(null, first?.address ?? "", first?.family);
        },
      },
      (answer) => {
        const chunks: Uint8Array[] = [];
        let byteCount = 0;
        const done = (): void => {
          const retryAfter = answer.headers["retry-after"] ?? "";
          resolve({
            ok: true,
            status: answer.statusCode ?? 0,
            body: new Uint8Array(Buffer.concat(chunks)).subarray(0, answerBytesMax),
            retryAfterSeconds: /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) : undefined,
          });
          request.destroy();
        };
        answer.on("data", (chunk: Buffer) => {
          chunks.push(chunk);
          byteCount += chunk.length;
          if (byteCount >= answerBytesMax) done();
        });
        answer.on("end", done);
        answer.on("error", reject);
      },
    );
    request.on("error", reject);
    // Who switches protocols closes without an error; after an answer this changes nothing.
    request.on("close", () => reject(new Error("closed without an answer")));
    request.end(body);
  });
}
