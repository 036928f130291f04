/**
 * Addresses of streams, `iw://[host[:port]/]id[/block]` (docs/spec/stream.md, "Addresses"). Layer 4;
 * pure.
 */

/** Where a stream is, and which block of it. */
export interface StreamAddress {
  /** A server: lower-case name, IPv4 address, or IPv6 address in brackets. */
  readonly host?: string;
  /** 1–65,535; only with a host. */
  readonly port?: number;
  /** 64 lower-case hex digits, or the 32 of an ImmutableWeb stream. */
  readonly id: string;
  /** The seq of an entry. */
  readonly block?: number;
}

const idPattern = /^(?:[0-9a-f]{64}|[0-9a-f]{32})$/;
const blockPattern = /^(?:0|[1-9][0-9]{0,15})$/;
const hostPattern =
  /^(\[[0-9a-f:.]{2,45}\]|(?=[^:]{1,253}(?::|$))[a-z0-9](?:[a-z0-9-]{0,62})(?:\.[a-z0-9][a-z0-9-]{0,62})*)(?::([1-9][0-9]{0,4}))?$/;
const addressCharsMax = 512;

/**
 * The address a text spells, or `undefined`. There is one spelling of each: no leading zeros, no
 * upper case, nothing left over. An id is never a block number, so the short forms are unambiguous.
 */
export function parseStreamAddress(text: string): StreamAddress | undefined {
  if (text.length > addressCharsMax || !text.startsWith("iw://")) return undefined;
  const parts = text.slice("iw://".length).split("/");
  if (parts.length > 3) return undefined;
  const [first = "", second, third] = parts;
  if (second === undefined) return parseLocal(first, undefined);
  if (third === undefined && !idPattern.test(second)) return parseLocal(first, second);
  const [, host, portText] = hostPattern.exec(first) ?? [];
  const local = parseLocal(second, third);
  const port = portText === undefined ? undefined : Number(portText);
  if (host === undefined || local === undefined || (port ?? 0) > 65_535) return undefined;
  return port === undefined ? { host, ...local } : { host, port, ...local };
}

function parseLocal(id: string, blockText: string | undefined): StreamAddress | undefined {
  if (!idPattern.test(id)) return undefined;
  if (blockText === undefined) return { id };
  const block = Number(blockText);
  return blockPattern.test(blockText) && Number.isSafeInteger(block) ? { id, block } : undefined;
}

/** The one spelling of an address. */
export function printStreamAddress(address: StreamAddress): string {
  const { host, port, id, block } = address;
  const server = host === undefined ? "" : `${host}${port === undefined ? "" : `:${port}`}/`;
  return `iw://${server}${id}${block === undefined ? "" : `/${block}`}`;
}
