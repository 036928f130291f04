/** Bots to start from. Layer 9. */
export type { ArchiveBot, ArchiveBotDeps, ArchiveBotOptions, Saved } from "./archive-bot.ts";
export type { BridgeBot, BridgeBotDeps, BridgeBotOptions } from "./bridge-bot.ts";
export type { BotErrorCode } from "./errors.ts";
export { createArchiveBot } from "./archive-bot.ts";
export { createBridgeBot, webhook } from "./bridge-bot.ts";
export { BotError } from "./errors.ts";
