/**
 * What tells somebody outside that a space has news: webhooks, web push, and whatever an operator
 * plugs in for a platform's own service (docs/spec/relay-http.md §5). Layer 9.
 */

import { utf8 } from "@hawser/codec";

/** A value of JSON. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [name: string]: Json };

/** Where a provider sends to, as it parsed it from what a registrant sent. */
export interface PushTarget {
  /** Canonical and secret: as long as it is the same, it is the same target. At most 4,096 bytes. */
  readonly address: string;
  /** The service or host in it, that others who hold the follow key may see. */
  readonly shown: string;
}

/** What is sent. It says that there is news, never what. */
export interface PushNotice {
  /** The same over all attempts: who gets it twice can tell. */
  readonly messageId: string;
  readonly hookId: string;
  /** Unix seconds of this attempt. */
  readonly seconds: number;
  /** JSON: the space's blinded name and a cursor. */
  readonly body: Uint8Array;
  /** Key of signatures, known to registrant and relay; 32 bytes. */
  readonly secret: Uint8Array;
}

/** What became of a notice. */
export type PushOutcome =
  | { readonly status: "delivered" }
  /** Try again, not before `afterSeconds` where it is given. */
  | { readonly status: "later"; readonly reason: string; readonly afterSeconds?: number }
  /** Trying again does not help. */
  | { readonly status: "refused"; readonly reason: string }
  /** The target is no more, or wants nothing more: the hook is removed. */
  | { readonly status: "gone" };

/** One way to send notices. All methods stand hostile input; none throws for what a peer does. */
export interface PushProvider {
  /** 1–32 of a–z, 0–9 and "-"; what registrants ask for. */
  readonly name: string;
  /** Public settings that registrants need. */
  readonly info?: Readonly<Record<string, Json>>;
  /** Reads a target; `undefined` for one that this provider does not send to. */
  parse(target: Json): PushTarget | undefined;
  /**
   * Makes sure that the target wants notices, before any is sent: a relay must not become a weapon.
   * `challenge` is random and to be given back.
   */
  confirm(target: PushTarget, notice: PushNotice, challenge: string): Promise<boolean>;
  send(target: PushTarget, notice: PushNotice): Promise<PushOutcome>;
}

const namePattern = /^[a-z0-9-]{1,32}$/;
const addressBytesMax = 4_096;

/** Providers by name. Throws `TypeError` for names that are malformed or used twice. */
export function providersByName(
  providers: readonly PushProvider[],
): ReadonlyMap<string, PushProvider> {
  const byName = new Map<string, PushProvider>();
  for (const provider of providers) {
    const { name } = provider;
    if (!namePattern.test(name) || byName.has(name)) {
      throw new TypeError(`push provider: ${JSON.stringify(name)} is no name, or used twice`);
    }
    byName.set(name, provider);
  }
  return byName;
}

/** `parse` within limits. */
export function parseTarget(provider: PushProvider, target: Json): PushTarget | undefined {
  const parsed = provider.parse(target);
  return parsed !== undefined && utf8(parsed.address).length <= addressBytesMax
    ? parsed
    : undefined;
}

/** The member of a JSON object, or `undefined`. */
export function memberOf(value: Json | undefined, name: string): Json | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  // Safe: what is neither of these is an object of JSON.
  const members = value as { readonly [name: string]: Json };
  return Object.hasOwn(members, name) ? members[name] : undefined;
}

/** A text as JSON, or `undefined`. Its length is bounded by whoever read it. */
export function parseJson(text: string): Json | undefined {
  try {
    // Safe: what JSON.parse returns is JSON.
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
