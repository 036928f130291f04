/**
 * Verdicts on addresses (docs/spec/record.md §9.3). Off unless somebody makes a verifier: then, when
 * asked, it probes the addresses that documents under a key ask about, within caps, and writes what
 * it found into its own document. What others write never changes.
 */
import type { AuthorId } from "@hawser/crypto";
import { verdictKey } from "./annotate.ts";
import { isPrivateAddress, parseAddress, type AddressPart } from "./multiaddr.ts";
import { identityOf } from "./node-bytes.ts";
import { predicate } from "./nodes.ts";
import type { Records } from "./records.ts";
import { matchAll } from "./select.ts";
import { connectivityTag, dialableTag } from "./tags.ts";
import type { PredicateNode } from "./types.ts";

/** Reaches out. Only what is injected ever touches a network. */
export interface Prober {
  /** Whether the address answers. Names may lead to private addresses: look after resolving. */
  dial(address: string, options: { readonly signal: AbortSignal }): Promise<boolean>;
  /** Whether there is a connection to that peer at the moment. */
  isConnected(peer: string): boolean;
}

/** What a verifier needs. */
export interface VerifierDeps {
  /** Its own records: where it reads requests and writes verdicts. */
  readonly records: Records;
  readonly prober: Prober;
  readonly clock: { nowMicros(): number };
}

/** How far a verifier goes. */
export interface VerifierOptions {
  /** Probes at a time; default 4. */
  readonly concurrency?: number;
  /** Dials a minute in all; default 60. */
  readonly dialsPerMinute?: number;
  /** Dials a minute for requests of one author; default 10. */
  readonly dialsPerMinuteAndAuthor?: number;
  /** Whether private and local addresses are dialled; default "refuse". */
  readonly privateAddresses?: "refuse" | "dial";
  /** How long a verdict holds; default 10 minutes. */
  readonly ttlMs?: number;
}

/** What came of one request. */
export interface ReachabilityReport {
  readonly author: AuthorId;
  readonly request: PredicateNode;
  /** `skipped`: nothing was tried, and no verdict was written. */
  readonly outcome:
    | "connected"
    | "notConnected"
    | "dialed"
    | "notDialable"
    | { readonly skipped: "RATE" | "PRIVATE_ADDRESS" };
}

/** Answers requests when asked. */
export interface Verifier {
  /**
   * Looks at all requests under a key and writes verdicts to `verdictKey(key)`. Rejects with what
   * the records throw, and when the signal aborts.
   */
  check(
    key: string,
    options?: { readonly signal?: AbortSignal },
  ): Promise<readonly ReachabilityReport[]>;
}

interface Request {
  readonly author: AuthorId;
  readonly node: PredicateNode;
  readonly tag: "connectivity" | "dialable";
  readonly address: string;
}

/** A verifier over records. Requests that say the same are probed once. */
export function createVerifier(deps: VerifierDeps, options: VerifierOptions = {}): Verifier {
  const { concurrency = 4, ttlMs = 10 * 60 * 1_000 } = options;
  const isAllowed = createRate(deps.clock, options);
  const running = { signal: new AbortController().signal };
  return {
    check: async (key, { signal = running.signal } = {}) => {
      const requests = requestsIn(deps.records, key);
      const outcomes = new Map<Request, ReachabilityReport["outcome"]>();
      const work = requests.values();
      const worker = async (): Promise<void> => {
        for (const request of work) {
          signal.throwIfAborted();
          const outcome = await probe(deps.prober, request, { options, isAllowed, signal });
          outcomes.set(request, outcome);
        }
      };
      await Promise.all(Array.from({ length: Math.max(1, concurrency) }, worker));
      const reports: ReachabilityReport[] = [];
      for (const request of requests) {
        const outcome = outcomes.get(request) ?? { skipped: "RATE" };
        reports.push({ author: request.author, request: request.node, outcome });
        if (typeof outcome !== "string") continue;
        const verdict = predicate(outcome, [], { address: request.address });
        await deps.records.set(verdictKey(key), [request.node], verdict, { ttlMs });
      }
      return reports;
    },
  };
}

/** Requests in everybody's documents, each once: the first author by id asks for all. */
function requestsIn(records: Records, key: string): readonly Request[] {
  const requests = new Map<string, Request>();
  for (const [author, document] of records.get(key)) {
    for (const tag of [connectivityTag, dialableTag]) {
      for (const { node, value } of matchAll(tag, document.node)) {
        const identity = identityOf(node);
        if (node.kind !== "predicate" || requests.has(identity)) continue;
        const name = tag === dialableTag ? "dialable" : "connectivity";
        requests.set(identity, { author, node, tag: name, address: value.address });
      }
    }
  }
  return [...requests.values()];
}

interface ProbeContext {
  readonly options: VerifierOptions;
  readonly isAllowed: (author: AuthorId) => boolean;
  readonly signal: AbortSignal;
}

async function probe(
  prober: Prober,
  { author, tag, address }: Request,
  { options, isAllowed, signal }: ProbeContext,
): Promise<ReachabilityReport["outcome"]> {
  const parts = parseAddress(address) ?? [];
  if (tag === "connectivity") {
    const peer = peerIn(parts);
    return peer !== undefined && prober.isConnected(peer) ? "connected" : "notConnected";
  }
  if (peerIn(parts) === undefined) return "notDialable";
  if (options.privateAddresses !== "dial" && isPrivateAddress(parts)) {
    return { skipped: "PRIVATE_ADDRESS" };
  }
  if (!isAllowed(author)) return { skipped: "RATE" };
  try {
    return (await prober.dial(address, { signal })) ? "dialed" : "notDialable";
  } catch {
    // Whatever keeps a dial from succeeding, the address could not be dialled.
    signal.throwIfAborted();
    return "notDialable";
  }
}

function peerIn(parts: readonly AddressPart[]): string | undefined {
  return parts.findLast((part) => part.protocol === "p2p")?.value;
}

/** Counts dials minute by minute. */
function createRate(
  clock: VerifierDeps["clock"],
  { dialsPerMinute = 60, dialsPerMinuteAndAuthor = 10 }: VerifierOptions,
): (author: AuthorId) => boolean {
  let minute = -1;
  let total = 0;
  const counts = new Map<AuthorId, number>();
  return (author) => {
    const now = Math.floor(clock.nowMicros() / 60_000_000);
    if (now !== minute) {
      minute = now;
      total = 0;
      counts.clear();
    }
    const count = counts.get(author) ?? 0;
    if (total >= dialsPerMinute || count >= dialsPerMinuteAndAuthor) return false;
    total += 1;
    counts.set(author, count + 1);
    return true;
  };
}
