/**
 * Invites in the page's address. They stand behind the `#`, which browsers send to nobody. Layer 10,
 * pure.
 */

const prefix = "#join=";

/** The invite link in a page's hash, if there is one. */
export function inviteInHash(hash: string): string | undefined {
  if (!hash.startsWith(prefix)) return undefined;
  try {
    const link = decodeURIComponent(hash.slice(prefix.length));
    return link === "" ? undefined : link;
  } catch {
    return undefined;
  }
}

/** The address that opens the page and joins. */
export function pageLink(page: string, invite: string): string {
  const [base = ""] = page.split("#");
  return `${base}${prefix}${encodeURIComponent(invite)}`;
}

/** The relay that the page's address names; WebSocket addresses only. */
export function relayInQuery(search: string): string | undefined {
  const relay = new URLSearchParams(search).get("relay");
  if (relay === null || !URL.canParse(relay)) return undefined;
  const { protocol } = new URL(relay);
  return protocol === "ws:" || protocol === "wss:" ? relay : undefined;
}
