/** How a device stands with its relays: probing one, waiting for them, hearing of changes. */
import { createRelayClient, type Hawser, type HawserSpace } from "@hawser/hawser";
import { CliError, codeOf } from "./errors.ts";

/** How long a relay may take to answer the first question. */
const probeMsMax = 10_000;
/** How long no relay may be connected before that counts as away. */
export const awayMs = 5_000;

/** Throws HAWSER_RELAY_UNREACHABLE when nothing at the address answers as a relay. */
export async function probeRelay(address: string): Promise<void> {
  const signal = AbortSignal.timeout(probeMsMax);
  try {
    await createRelayClient(address).bundle({ signal });
  } catch (cause) {
    if (codeOf(cause) === "HAWSER_RELAY_UNREACHABLE") throw cause;
    throw unreachable(address, cause);
  }
}

function unreachable(address: string, cause: unknown): CliError {
  return new CliError(
    "HAWSER_RELAY_UNREACHABLE",
    `no relay answers at ${address}`,
    "Check the address and whether the relay runs; nothing was changed.",
    { cause },
  );
}

export type RelayCondition =
  /** This device has no relay. */
  | { readonly kind: "none" }
  | { readonly kind: "connected" }
  | { readonly kind: "away" }
  /** Every relay broke the rules; `code` says how. */
  | { readonly kind: "misbehaves"; readonly code: string };

export function relayCondition(hawser: Hawser): RelayCondition {
  const relays = hawser.relays();
  if (relays.length === 0) return { kind: "none" };
  if (relays.some((relay) => relay.isConnected)) return { kind: "connected" };
  const codes = relays.flatMap((relay) => relay.misbehaviour ?? []);
  const [code] = codes;
  if (code !== undefined && codes.length === relays.length) return { kind: "misbehaves", code };
  return { kind: "away" };
}

export function misbehaves(code: string): CliError {
  const message = `the relay sent what does not verify or breaks the protocol: ${code}`;
  const remedy = "Use another relay (--relay <url>); nothing false was stored, nothing is lost.";
  return new CliError("HAWSER_RELAY_MISBEHAVES", message, remedy);
}

/**
 * Calls back with each change of the condition, "away" only when it lasts. Ends with the signal.
 */
export async function watchRelays(
  hawser: Hawser,
  signal: AbortSignal,
  onChange: (condition: RelayCondition) => void,
): Promise<void> {
  let told: RelayCondition["kind"] | undefined;
  while (!signal.aborted) {
    const condition = relayCondition(hawser);
    const isDoubtful = condition.kind === "away" && told !== "away";
    const changed = hawser.relaysChanged({
      signal: isDoubtful ? AbortSignal.any([signal, AbortSignal.timeout(awayMs)]) : signal,
    });
    if (!isDoubtful && condition.kind !== told) {
      told = condition.kind;
      onChange(condition);
    }
    const isOver = await changed.then(
      () => false,
      () => true,
    );
    if (isOver && isDoubtful && !signal.aborted && relayCondition(hawser).kind === "away") {
      told = "away";
      onChange({ kind: "away" });
    }
  }
}

/** What became of a change: at the relay, or here until one is back, or here without any. */
export type Reach = "reached" | "away" | "none";

/**
 * Waits until the relay has all that is here, and here is all that it has. "away" when no relay can
 * be reached, "none" without one: what is here then goes out when one is back. Throws
 * HAWSER_RELAY_MISBEHAVES, HAWSER_NO_ACCESS, and the signal's reason when it aborts.
 */
export async function settle(
  hawser: Hawser,
  space: HawserSpace,
  signal: AbortSignal,
): Promise<Reach> {
  if (hawser.relays().length === 0) return "none";
  const over = new AbortController();
  const stop = AbortSignal.any([signal, over.signal]);
  let isAway = false;
  void watchRelays(hawser, stop, ({ kind }) => {
    if (kind !== "away") return;
    isAway = true;
    over.abort();
  });
  try {
    await space.synced({ signal: stop });
    return "reached";
  } catch (error) {
    if (isAway && !signal.aborted) return "away";
    throw error;
  } finally {
    over.abort();
  }
}
