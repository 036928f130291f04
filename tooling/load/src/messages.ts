/** What the processes of a load tell each other. */

/** A topic as a client needs it. Hex, because it goes over a pipe. */
export interface TopicKeys {
  readonly topic: string;
  readonly followKey: string;
}

/** The work of one process of clients. */
export interface ClientsJob {
  readonly url: string;
  readonly topics: readonly TopicKeys[];
  /** The first client's number, and how many there are: client n takes part in topic n mod count. */
  readonly first: number;
  readonly count: number;
  /** Time between two writes of one client, in ms. */
  readonly writeEveryMs: number;
  readonly payloadBytes: number;
}

/** To a process of clients. */
export type ToClients =
  | { readonly type: "connect"; readonly job: ClientsJob }
  | { readonly type: "write" }
  | { readonly type: "stop" }
  | { readonly type: "count" };

/** From a process of clients. */
export type FromClients =
  | { readonly type: "connected" }
  | { readonly type: "stopped" }
  | {
      readonly type: "counted";
      /** Entries written. */
      readonly written: number;
      /** Entries of others that arrived, each counted at each client. */
      readonly received: number;
      /** Sessions that ended before they were told to. */
      readonly lost: number;
      /** Delays from writing to arriving, in ms: a count for each bucket of `delayBucketsMs`. */
      readonly delays: readonly number[];
    };

/** Upper ends of the buckets of delays: 5 % apart, from 0.5 ms to a minute. */
export const delayBucketsMs: readonly number[] = (() => {
  const ends: number[] = [];
  for (let end = 0.5; end < 60_000; end *= 1.05) ends.push(end);
  return [...ends, Infinity];
})();
