/**
 * What several nodes on one PostgreSQL database share beside the logs: who writes in the relay's
 * name, that a space was added, and the mailboxes for pairing (docs/guides/relay.md, *Several
 * nodes*). Layer 9.
 *
 * The writer is whoever holds an advisory lock of a session of its own. A node that dies, or whose
 * connection does, loses it with the session. Nothing depends on that being exact: the store lets an
 * entry in only behind the head it was made for, so two writers cannot fork the relay's log.
 */
import { randomBytes } from "node:crypto";
import { Client, Pool } from "pg";
import type { Crypto } from "@hawser/crypto";
import type { Timers } from "@hawser/sync";
import { createLiveBus, type LiveBus } from "./live-bus.ts";
import { createMailboxTable, type MailboxTable } from "./mailbox-table.ts";
import { RelayError } from "./errors.ts";
import { proofKeptSeconds, usedProofId, type UsedProofs } from "./used-proofs.ts";

/** A node's part in a cluster. */
export interface Cluster {
  /** Whether this node writes in the relay's name now. */
  isLeader(): boolean;
  /** Runs `work` while no other node runs any. */
  exclusively<Value>(work: () => Promise<Value>): Promise<Value>;
  /**
   * Stands for election from now on; resolves after the first attempt. A leader that is elected
   * leads when `onElected` has resolved.
   */
  join(listener: ClusterListener): Promise<void>;
  /** Tells the other nodes that a space was added. */
  tellSpaces(): void;
  /** Hears and leads no more. */
  leave(): Promise<void>;
  readonly mailboxes: MailboxTable;
  /** What the nodes say to each other and nobody keeps. */
  readonly live: LiveBus;
  /** Proofs that changed something, at whichever node. */
  usedProofs(deps: { readonly crypto: Crypto }): UsedProofs;
  close(): Promise<void>;
}

/** What a node hears. */
export interface ClusterListener {
  /** Before it leads: takes over what the leader before left. */
  onElected(): Promise<void>;
  /** It leads now, or no more. */
  onLeading(isLeader: boolean): void;
  /** Other nodes may have added spaces. */
  onSpaces(): void;
  onFailure(cause: unknown): void;
}

const lockSpace = 1_212_241_747;
const leaderLock = 1;
const openingLock = 2;
const channel = "hawser_relay";
const schema = "hawser_relay";
const electionMs = 1_000;
const poolSize = 4;
const timeoutMs = 10_000;

/** Connects and makes the tables that are missing. Throws `RELAY_DATA_UNUSABLE`. */
export async function openCluster(timers: Timers, connectionString: string): Promise<Cluster> {
  const config = {
    connectionString,
    application_name: "hawser-relay",
    keepAlive: true,
    connectionTimeoutMillis: timeoutMs,
    statement_timeout: timeoutMs * 3,
    query_timeout: timeoutMs * 4,
  };
  const pool = new Pool({ ...config, max: poolSize });
  // A connection that breaks while idle is replaced; one in use fails its statement.
  pool.on("error", () => undefined);
  const exclusively = async <Value>(work: () => Promise<Value>): Promise<Value> => {
    const client = await pool.connect();
    try {
      await client.query("SELECT pg_advisory_lock($1, $2)", [lockSpace, openingLock]);
      return await work();
    } finally {
      // The lock goes with the session.
      client.release(true);
    }
  };
  try {
    await exclusively(() => makeTables(pool));
  } catch (cause) {
    await pool.end();
    const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "unreachable";
    throw new RelayError("RELAY_DATA_UNUSABLE", `the database cannot be used: ${reason}`);
  }
  const mailboxes = createMailboxTable({
    query: async (text, values) => {
      const { rows } = await pool.query<Record<string, unknown>>(text, [...values]);
      return rows;
    },
    timers,
    tell: (name) => tell(`mail ${name}`),
  });
  const live = createLiveBus({
    timers,
    random: (byteCount) => new Uint8Array(randomBytes(byteCount)),
    nowMs: () => performance.now(),
    tell: async (parts) => {
      const text = "SELECT pg_notify($1, 'live ' || part) FROM unnest($2::text[]) AS part";
      await pool.query(text, [channel, parts]);
    },
  });
  let member: Member | undefined;
  const tell = (payload: string): void => {
    pool
      .query("SELECT pg_notify($1, $2)", [channel, payload])
      .catch((cause: unknown) => member?.listener.onFailure(cause));
  };
  return {
    isLeader: () => member?.isLeader() ?? false,
    exclusively,
    join: async (listener) => {
      const makeClient = (): Client => new Client(config);
      member = createMember({ timers, listener, makeClient, mailboxes, live });
      await member.started;
    },
    tellSpaces: () => tell("spaces"),
    leave: async () => member?.stop(),
    mailboxes,
    live,
    usedProofs: ({ crypto }) => usedProofsIn(pool, crypto),
    close: async () => {
      mailboxes.stop();
      live.stop();
      await member?.stop();
      await pool.end();
    },
  };
}

async function makeTables(pool: Pool): Promise<void> {
  await pool.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
  await pool.query(`CREATE TABLE IF NOT EXISTS ${schema}.mailboxes (
    name text NOT NULL, slot smallint NOT NULL, message bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (name, slot))`);
  await pool.query(`CREATE TABLE IF NOT EXISTS ${schema}.used_proofs (
    id bytea PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())`);
}

/** The first to insert a proof has taken it; the database's clock says when it may go. */
function usedProofsIn(pool: Pool, crypto: Crypto): UsedProofs {
  return {
    take: async (proof) => {
      const { rowCount } = await pool.query(
        `INSERT INTO ${schema}.used_proofs (id) VALUES ($1) ON CONFLICT DO NOTHING`,
        [Buffer.from(usedProofId(crypto, proof))],
      );
      await pool.query(
        `DELETE FROM ${schema}.used_proofs WHERE at < now() - $1::float8 * interval '1 second'`,
        [proofKeptSeconds],
      );
      return rowCount === 1;
    },
  };
}

interface Member {
  readonly listener: ClusterListener;
  readonly started: Promise<void>;
  isLeader(): boolean;
  stop(): Promise<void>;
}

/** One session that listens and stands for election; made again when it breaks. */
function createMember(deps: {
  readonly timers: Timers;
  readonly listener: ClusterListener;
  readonly makeClient: () => Client;
  readonly mailboxes: MailboxTable;
  readonly live: LiveBus;
}): Member {
  const { timers, listener } = deps;
  let client: Client | undefined;
  let isLeader = false;
  let isStopped = false;
  let stopTimer = (): void => {};
  let running: Promise<void> | undefined;

  const resign = (): void => {
    if (!isLeader) return;
    isLeader = false;
    listener.onLeading(false);
  };
  const hear = (payload: string): void => {
    if (isStopped) return;
    if (payload === "spaces") listener.onSpaces();
    else if (payload.startsWith("live ")) deps.live.hear(payload.slice("live ".length));
    else if (payload.startsWith("mail ")) deps.mailboxes.wake(payload.slice("mail ".length));
  };
  const connect = async (): Promise<Client> => {
    const fresh = deps.makeClient();
    const lose = (): void => {
      if (client !== fresh) return;
      client = undefined;
      resign();
    };
    fresh.on("error", lose);
    fresh.on("end", lose);
    fresh.on("notification", ({ payload = "" }) => hear(payload));
    try {
      await fresh.connect();
      await fresh.query(`LISTEN ${channel}`);
    } catch (cause) {
      // One more attempt follows every second: each must leave no connection behind.
      await fresh.end().catch(() => undefined);
      throw cause;
    }
    client = fresh;
    // What was told while nobody listened is lost: look for it.
    if (!isStopped) listener.onSpaces();
    return fresh;
  };
  const elect = async (own: Client): Promise<void> => {
    const lock = "SELECT pg_try_advisory_lock($1, $2) AS won";
    const { rows } = await own.query<{ won: boolean }>(lock, [lockSpace, leaderLock]);
    if (rows[0]?.won !== true) return;
    await listener.onElected();
    // The session may have broken meanwhile, and with it the lock.
    if (client !== own || isStopped) return;
    isLeader = true;
    listener.onLeading(true);
  };
  const turn = async (): Promise<void> => {
    try {
      const own = client ?? (await connect());
      if (isLeader) await own.query("SELECT 1");
      else await elect(own);
    } catch (cause) {
      const broken = client;
      client = undefined;
      resign();
      await broken?.end().catch(() => undefined);
      if (!isStopped) listener.onFailure(cause);
    }
    if (!isStopped) stopTimer = timers.after(electionMs, start);
  };
  const start = (): void => {
    running = turn();
  };
  start();
  return {
    listener,
    started: Promise.resolve(running),
    isLeader: () => isLeader,
    stop: async () => {
      isStopped = true;
      stopTimer();
      isLeader = false;
      await running;
      const last = client;
      client = undefined;
      await last?.end().catch(() => undefined);
    },
  };
}
