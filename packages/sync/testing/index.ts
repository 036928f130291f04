export type { ConnectionCase, ConnectionPair } from "./connection-cases.ts";
export type {
  MemoryNetwork,
  MemoryNetworkOptions,
  MemoryPair,
  NetworkFaults,
} from "./memory-network.ts";
export type { TransportCase, TransportHarness, TransportPair } from "./transport-cases.ts";
export type { VirtualTimers } from "./virtual-timers.ts";
export { connectionCases } from "./connection-cases.ts";
export { createMemoryNetwork, createMemoryPair } from "./memory-network.ts";
export { createSeededNumbers, createSeededRandom } from "./random.ts";
export { realTimers } from "./real-timers.ts";
export { transportCases, transportCasesFor } from "./transport-cases.ts";
export { createVirtualTimers, drain } from "./virtual-timers.ts";
