/**
 * What every part of the machine does: send, close, count (docs/spec/3-sync.md §2). Layer 4; pure.
 */
import { equalBytes } from "@hawser/codec";
import type { LogHead } from "@hawser/log";
import { encodeMessage } from "./encode.ts";
import { itemsPerMessageMax } from "./limits.ts";
import type { InLog, TopicState, Turn } from "./machine-types.ts";
import type { Message } from "./message.ts";
import type { SyncCloseCode, TopicAccess } from "./types.ts";

/** Sends one message. A peer that takes nothing while we owe it answers ends as SYNC_SLOW. */
export function send(turn: Turn, message: Message): void {
  sendFrame(turn, encodeMessage(message));
}

export function sendFrame(turn: Turn, frame: Uint8Array): void {
  const { state } = turn;
  if (state.phase === "closed") return;
  turn.effects.push({ type: "send", frame });
  state.bytesSent += frame.length;
  state.outboxBytes += frame.length;
  if (state.outboxBytes > turn.deps.options.outboxBytes) close(turn, "SYNC_SLOW");
}

/** Ends the session from this side; the peer is told why. */
export function close(turn: Turn, code: SyncCloseCode, cause?: unknown): void {
  const { state } = turn;
  if (state.phase === "closed") return;
  if (state.phase !== "new") {
    turn.effects.push({ type: "send", frame: encodeMessage({ type: "bye", code }) });
  }
  end(turn, code, "local", cause);
}

/** Ends the session because the other side, or the pipe, did. */
export function end(
  turn: Turn,
  code: SyncCloseCode,
  by: "local" | "remote" | "connection",
  cause?: unknown,
): void {
  const { state } = turn;
  if (state.phase === "closed") return;
  state.phase = "closed";
  turn.effects.push({ type: "stopTimer", name: "handshake" });
  turn.effects.push({ type: "stopTimer", name: "heartbeat" });
  if (state.isRefilling) turn.effects.push({ type: "stopTimer", name: "broadcast" });
  turn.effects.push({ type: "close", code, by, ...(cause === undefined ? {} : { cause }) });
}

/** Marks that progress, access or sync state changed. */
export function progressed(turn: Turn): void {
  turn.state.progressed = true;
}

/** True while both sides' sets of logs are being compared, or are about to be. */
export function isReconciling(topic: TopicState): boolean {
  return topic.recon !== undefined && topic.recon.phase !== "done";
}

/** Do two heads of one height differ? */
export function isOtherHead(log: InLog, head: LogHead | undefined): boolean {
  if (log.hash === undefined || head?.signedHash === undefined) return false;
  if (log.height !== head.signedHeight) return false;
  return !equalBytes(log.hash, head.signedHash);
}

/** True when the peer may know of logs of this domain here. */
export function isVisible(topic: TopicState, domain: string): boolean {
  return isVisibleTo(topic.given, topic.snapshot.controlDomains, domain);
}

/** True when `access` covers a domain. */
export function isVisibleTo(
  access: TopicAccess,
  controlDomains: readonly string[],
  domain: string,
): boolean {
  return access === "full" || (access === "control" && controlDomains.includes(domain));
}

/** `items` in pieces that fit a message. */
export function* chunked<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let start = 0; start < items.length; start += itemsPerMessageMax) {
    yield items.slice(start, start + itemsPerMessageMax);
  }
}
