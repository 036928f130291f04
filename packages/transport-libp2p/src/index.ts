export type { TransportLibp2pErrorCode } from "./errors.ts";
export type {
  Behind,
  Gossip,
  GossipContent,
  GossipDeps,
  GossipOptions,
  GossipStats,
  GossipTopic,
  GossipValidator,
  GossipVerdict,
  PubSub,
  PubSubMessage,
} from "./gossip-types.ts";
export type {
  DialTarget,
  SyncNode,
  SyncStreams,
  SyncStreamsDeps,
  SyncStreamsOptions,
} from "./sync-streams.ts";
export { TransportLibp2pError } from "./errors.ts";
export { createGossip, gossipsubOptions } from "./gossip.ts";
export { gossipName } from "./gossip-name.ts";
export { createSyncStreams, syncProtocol } from "./sync-streams.ts";
