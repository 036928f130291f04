/** What the page says and believes, and where an invite is in its address. Layer 10, pure. */
export type { Facts, Status, Tone } from "./status.ts";
export type { Person } from "./presence.ts";
export { inviteInHash, pageLink, relayInQuery } from "./address.ts";
export { hasCursor, personOf } from "./presence.ts";
export { statusOf } from "./status.ts";
export { problemText } from "./words.ts";
