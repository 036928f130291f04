/** What the page says of its state, and where an invite is in its address. Layer 10, pure. */
export type { Facts, Status, Tone } from "./status.ts";
export { inviteInHash, pageLink, relayInQuery } from "./address.ts";
export { statusOf } from "./status.ts";
