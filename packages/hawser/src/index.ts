export type { HawserErrorCode } from "./errors.ts";
export type {
  DirectConnections,
  DirectHost,
  DirectTransport,
  Hawser,
  HawserOptions,
  HawserSpace,
  InviteOptions,
  JoinOptions,
  RelayClient,
  RelayState,
  SpaceMember,
  SpaceViewDeps,
  Traffic,
  WhyAnswer,
} from "./types.ts";
export { HawserError } from "./errors.ts";
export { createHawser } from "./hawser.ts";
export { createRelayClient } from "./relay-client.ts";
