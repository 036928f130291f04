export type { MemoryRelay } from "./memory-relay.ts";
export { createMemoryRelay } from "./memory-relay.ts";
export { createMemoryRendezvous } from "@hawser/account";
