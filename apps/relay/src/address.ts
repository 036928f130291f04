/** Whose share a request counts against. Layer 9. */
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";

/** Where the remote address is taken from. */
export interface AddressOptions {
  /** Believe the last entry of X-Forwarded-For: right behind one's own proxy, wrong elsewhere. */
  readonly trustProxy: boolean;
}

/**
 * The key under which a client is counted: its IPv4 address, or the /64 network of its IPv6
 * address, since one customer has at least that many addresses. "unknown" for a socket that is gone.
 */
export function addressKey(
  request: Pick<IncomingMessage, "headers" | "socket">,
  options: AddressOptions,
): string {
  const remote = request.socket.remoteAddress ?? "";
  return networkOf(options.trustProxy ? (forwardedFor(request) ?? remote) : remote);
}

/** The entry that the proxy next to us added; what stands before it was written by the client. */
function forwardedFor(request: Pick<IncomingMessage, "headers">): string | undefined {
  const header = request.headers["x-forwarded-for"];
  const text = Array.isArray(header) ? header.join(",") : header;
  const last = text?.split(",").at(-1)?.trim();
  return last !== undefined && isIP(last) !== 0 ? last : undefined;
}

function networkOf(address: string): string {
  const [bare = ""] = address.split("%");
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1];
  if (mapped !== undefined) return mapped;
  switch (isIP(bare)) {
    case 4:
      return bare;
    case 6:
      return `${firstGroups(bare)}::/64`;
    default:
      return "unknown";
  }
}

/** The first four of eight groups, without leading zeros. */
function firstGroups(address: string): string {
  const [head = "", tail] = address.toLowerCase().split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  // An IPv4 tail stands for two groups; it never reaches into the first four.
  const afterCount = after.length + (after.at(-1)?.includes(".") === true ? 1 : 0);
  const zeros = Array.from({ length: 8 - before.length - afterCount }, () => "0");
  const groups = tail === undefined ? before : [...before, ...zeros, ...after];
  return groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ""))
    .join(":");
}
