/**
 * Mailboxes for pairing in a table, so that two devices may use different nodes (their meaning:
 * mailboxes.ts, docs/spec/account.md §2.2). Layer 9.
 */
import type { Timers } from "@hawser/sync";
import type { Mailboxes, MailboxesOptions } from "./mailboxes.ts";

/** What the table needs. */
export interface MailboxTableDeps {
  readonly query: (
    text: string,
    values: readonly unknown[],
  ) => Promise<readonly Readonly<Record<string, unknown>>[]>;
  readonly timers: Timers;
  /** Tells every node, this one too, that a mailbox changed. */
  readonly tell: (name: string) => void;
}

/** Mailboxes that several nodes share. */
export interface MailboxTable {
  /** As the relay's options say. */
  open(options: MailboxesOptions): Mailboxes;
  /** A mailbox changed: whoever waits on it looks again. */
  wake(name: string): void;
  stop(): void;
}

const table = "hawser_relay.mailboxes";
/** The row that stands for the mailbox itself. */
const boxSlot = -1;
const namesTried = 64;
const nameCount = 10_000;
/** A notification may be lost, so a waiter looks by itself as well. */
const lookMs = 2_000;

/** Mailboxes in `hawser_relay.mailboxes`. */
export function createMailboxTable({ query, timers, tell }: MailboxTableDeps): MailboxTable {
  const waiting = new Map<string, Set<() => void>>();
  let waitingCount = 0;
  let isStopped = false;

  const wake = (name: string): void => {
    for (const resolve of waiting.get(name) ?? []) resolve();
  };
  /** Until something changed, or for `ms`. */
  const pause = (name: string, ms: number): Promise<void> =>
    new Promise((resolve) => {
      const set = waiting.get(name) ?? new Set();
      waiting.set(name, set);
      const done = (): void => {
        cancel();
        set.delete(done);
        if (set.size === 0) waiting.delete(name);
        resolve();
      };
      const cancel = timers.after(ms, done);
      set.add(done);
    });
  const isThere = async (name: string): Promise<boolean> => {
    const text = `SELECT 1 FROM ${table} WHERE name = $1 AND slot = $2`;
    return (await query(text, [name, boxSlot])).length > 0;
  };
  const read = async (name: string, slot: number): Promise<Uint8Array | "empty" | "absent"> => {
    const text = `SELECT message FROM ${table} WHERE name = $1 AND slot = $2`;
    const [row] = await query(text, [name, slot]);
    const message = row?.["message"];
    if (message instanceof Uint8Array) return new Uint8Array(message);
    return (await isThere(name)) ? "empty" : "absent";
  };

  const open = ({ countMax, lifeMs, waitMs, waitingMax, random }: MailboxesOptions): Mailboxes => {
    const dropOld = (): Promise<unknown> =>
      query(
        `DELETE FROM ${table} WHERE name IN (SELECT name FROM ${table}
           WHERE slot = $1::smallint AND at < now() - $2::float8 * interval '1 millisecond')`,
        [boxSlot, lifeMs],
      );
    const drawName = (): string => {
      const [high = 0, low = 0] = random(2);
      const number = high * 256 + low;
      // The last incomplete run of names is drawn again, so that all are equally likely.
      return number < 6 * nameCount ? String(number % nameCount).padStart(4, "0") : drawName();
    };
    return {
      claim: async () => {
        await dropOld();
        for (let attempt = 0; attempt < namesTried; attempt++) {
          const name = drawName();
          const made = await query(
            `INSERT INTO ${table} (name, slot, message) SELECT $1::text, $2::smallint, ''::bytea
               WHERE (SELECT count(*) FROM ${table} WHERE slot = $2::smallint) < $3::bigint
             ON CONFLICT DO NOTHING RETURNING 1 AS made`,
            [name, boxSlot, countMax],
          );
          if (made.length > 0) return name;
        }
        return undefined;
      },
      put: async (name, slot, message) => {
        await dropOld();
        const put = await query(
          `INSERT INTO ${table} (name, slot, message) SELECT $1::text, $2::smallint, $3::bytea
             WHERE EXISTS (SELECT 1 FROM ${table} WHERE name = $1::text AND slot = $4::smallint)
           ON CONFLICT DO NOTHING RETURNING 1 AS put`,
          [name, slot, Buffer.from(message), boxSlot],
        );
        if (put.length === 0) return (await isThere(name)) ? "taken" : "absent";
        tell(name);
        return "stored";
      },
      take: async (name, slot) => {
        await dropOld();
        let found = await read(name, slot);
        if (waitingCount >= waitingMax) return found;
        waitingCount += 1;
        try {
          let leftMs = waitMs;
          for (; found === "empty" && leftMs > 0 && !isStopped; leftMs -= lookMs) {
            await pause(name, Math.min(lookMs, leftMs));
            found = await read(name, slot);
          }
        } finally {
          waitingCount -= 1;
        }
        return found;
      },
      close: async (name) => {
        await query(`DELETE FROM ${table} WHERE name = $1`, [name]);
        tell(name);
      },
      stop,
    };
  };
  const stop = (): void => {
    isStopped = true;
    for (const name of waiting.keys()) wake(name);
  };
  return { open, wake, stop };
}
