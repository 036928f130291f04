/**
 * The newest items as RSS 2.0 and Atom (RFC 4287): who wrote, when, and how much, never what
 * (docs/spec/relay-http.md §4). Pure. Layer 9.
 */

/** One item as a feed shows it. */
export interface FeedItem {
  /** A UUID. */
  readonly id: string;
  readonly entries: number;
  /** An author's key. */
  readonly author: string;
  /** Unix ms. */
  readonly timeMs: number;
  /** Bytes of the envelope at `url`; `undefined` where there is none. */
  readonly byteCount: number | undefined;
  /** Absolute address of the envelope alone. */
  readonly url: string;
}

/** A feed. */
export interface Feed {
  /** The space's blinded name. */
  readonly name: string;
  /** A UUID of the feed. */
  readonly id: string;
  /** Absolute address of this feed. */
  readonly url: string;
  /** Newest first. */
  readonly items: readonly FeedItem[];
}

export const rssType = "application/rss+xml; charset=utf-8";
export const atomType = "application/atom+xml; charset=utf-8";

const envelopeType = "application/octet-stream";
const prolog = '<?xml version="1.0" encoding="utf-8"?>\n';
const atomSpace = "http://www.w3.org/2005/Atom";
/** RSS wants a mail address in `author`; Dublin Core has a name. */
const creatorSpace = "http://purl.org/dc/elements/1.1/";
/** What RFC 3339 and RFC 822 can both say in four digits of a year. */
const timeMsMax = 253_402_300_799_000;

/** RSS 2.0. The Atom link to itself is what its advisory board asks for. */
export function rssOf(feed: Feed): string {
  return (
    `${prolog}<rss version="2.0" xmlns:atom="${atomSpace}" xmlns:dc="${creatorSpace}"><channel>` +
    element("title", titleOf(feed)) +
    element("link", feed.url) +
    element("description", "Sealed entries of one space, the newest first") +
    `<atom:link rel="self" type="application/rss+xml" href="${escapeXml(feed.url)}"/>` +
    element("ttl", "5") +
    feed.items.map(rssItem).join("") +
    "</channel></rss>\n"
  );
}

function rssItem(item: FeedItem): string {
  const { url, byteCount } = item;
  const enclosure =
    byteCount === undefined
      ? ""
      : `<enclosure url="${escapeXml(url)}" length="${byteCount}" type="${envelopeType}"/>`;
  return (
    "<item>" +
    element("title", itemTitle(item)) +
    element("description", itemText(item)) +
    element("dc:creator", item.author) +
    `<guid isPermaLink="false">${escapeXml(`urn:uuid:${item.id}`)}</guid>` +
    element("pubDate", rfc822(item.timeMs)) +
    enclosure +
    "</item>"
  );
}

/** Atom. */
export function atomOf(feed: Feed): string {
  const updatedMs = feed.items.reduce((latest, { timeMs }) => Math.max(latest, timeMs), 0);
  return (
    `${prolog}<feed xmlns="${atomSpace}">` +
    element("id", `urn:uuid:${feed.id}`) +
    element("title", titleOf(feed)) +
    element("updated", rfc3339(updatedMs)) +
    `<link rel="self" type="application/atom+xml" href="${escapeXml(feed.url)}"/>` +
    feed.items.map(atomEntry).join("") +
    "</feed>\n"
  );
}

function atomEntry(item: FeedItem): string {
  const { url, byteCount } = item;
  const time = rfc3339(item.timeMs);
  // An entry without content has to have an alternate link (RFC 4287 §4.1.1.1).
  const content =
    byteCount === undefined
      ? element("content", itemText(item))
      : `<content type="${envelopeType}" src="${escapeXml(url)}"/>` +
        `<link rel="enclosure" type="${envelopeType}" length="${byteCount}" ` +
        `href="${escapeXml(url)}"/>`;
  return (
    "<entry>" +
    element("id", `urn:uuid:${item.id}`) +
    element("title", itemTitle(item)) +
    element("published", time) +
    element("updated", time) +
    `<author>${element("name", item.author)}</author>` +
    element("summary", itemText(item)) +
    content +
    "</entry>"
  );
}

function titleOf({ name }: Feed): string {
  return `Space ${name}`;
}

function itemTitle({ entries }: FeedItem): string {
  return entries === 1 ? "1 sealed entry" : `${entries} sealed entries`;
}

function itemText(item: FeedItem): string {
  const size =
    item.byteCount === undefined ? "too long for one envelope" : `${item.byteCount} bytes`;
  return `${itemTitle(item)} by ${item.author}, ${size}`;
}

function element(name: string, text: string): string {
  return `<${name}>${escapeXml(text)}</${name}>`;
}

const entityByCharacter: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};

/** Text for XML 1.0: what means something is escaped, what may not stand there is replaced. */
export function escapeXml(text: string): string {
  return text
    .toWellFormed()
    .replace(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, "\u{fffd}")
    .replace(/[&<>"']/g, (character) => entityByCharacter[character] ?? "");
}

/** A date as RFC 822 has it, with the four-digit year that RSS asks for. */
function rfc822(timeMs: number): string {
  return toDate(timeMs).toUTCString().replace("GMT", "+0000");
}

/** RFC 3339, in whole seconds. */
function rfc3339(timeMs: number): string {
  return toDate(timeMs)
    .toISOString()
    .replace(/\.\d+Z$/, "Z");
}

/** A stamp is its author's claim and may lie beyond what a date can say. */
function toDate(timeMs: number): Date {
  return new Date(Math.max(0, Math.min(timeMs, timeMsMax)));
}
