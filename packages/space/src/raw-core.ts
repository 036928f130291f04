/**
 * The engine of one raw space on one device (docs/spec/6-space.md §13): whoever knows the id reads
 * and writes; signatures and chains are checked, and nothing else is judged. Layer 5, internal.
 */
import { equalBytes } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import {
  ingestRange,
  isLogContext,
  logIdOf,
  type EncodedRange,
  type Entry,
  type LogContext,
  type LogId,
} from "@hawser/log";
import type { IngestOutcome, SyncTopic } from "@hawser/sync";
import type { Sealer } from "./recipients.ts";
import { createAddressBook } from "./addresses.ts";
import { openBodies, type PreparedDraft } from "./bodies.ts";
import { encodeControl, sealControl, type ControlContent } from "./control.ts";
import { defaultDriftSeconds, timerMsMax, toIngestOutcome } from "./core.ts";
import type { Device } from "./device.ts";
import { SpaceError } from "./errors.ts";
import { createOpener, type ReadKeys } from "./opener.ts";
import { createOwnLogs } from "./own-logs.ts";
import { hexBytes } from "./place.ts";
import { createQueue, createSignal, type Queue } from "./queue.ts";
import { createRawControl } from "./raw-control.ts";
import { rawEpochOf, type RawAbout, type RawEpoch } from "./raw-keys.ts";
import { openRawBook, rawQuota } from "./raw-usage.ts";
import type { Reading } from "./reading.ts";
import { createRecentEntries } from "./recent.ts";
import { createRefusals } from "./refusals.ts";
import { createSequencer, type SignedHead } from "./sequencer.ts";
import type { AnnouncedAddress, SpacesDeps, SpacesOptions } from "./types.ts";
import { controlDomain, dataDomain, snapDomain } from "./words.ts";
import { writeDrafts } from "./write-drafts.ts";

/** One raw space at work. */
export interface RawCore extends Reading, Sealer {
  readonly about: RawAbout;
  readonly device: Device;
  readonly queue: Queue;
  /** Unexpired addresses that authors announced for their own logs. */
  announced(): readonly AnnouncedAddress[];
  forkedAt(logId: LogId): number | undefined;
  /** Seals and appends as one batch; only inside `queue`. */
  append(drafts: readonly PreparedDraft[]): Promise<readonly Entry[]>;
  /** Appends to the own control log; only inside `queue`. */
  publish(contents: readonly ControlContent[]): Promise<void>;
  ingest(range: EncodedRange): Promise<IngestOutcome>;
  /** A fork became known: judge again. */
  recheck(): Promise<void>;
  failure(): SpaceError | undefined;
  close(): Promise<void>;
}

const epochReferenceBytes = 4;

/** A raw space from its record and whatever the store holds of its logs. */
export async function openRawCore(
  deps: SpacesDeps,
  options: SpacesOptions,
  parts: { readonly device: Device; readonly about: RawAbout },
): Promise<RawCore> {
  const { device, about } = parts;
  const { store, crypto, clock } = deps;
  const { topic, id, metadataKey } = about;
  const { author, secret } = device;
  const driftMicros = (options.clockDriftSeconds ?? defaultDriftSeconds) * 1e6;
  const changed = createSignal();
  const queue = createQueue();
  const recent = createRecentEntries(store);
  const refusals = createRefusals();
  const addresses = createAddressBook({ clock });
  const assertMayWrite = (): void => device.guard.assertMayWrite(topic);
  const own = createOwnLogs({ store, crypto, clock, topic, author, secret, assertMayWrite });
  const book = await openRawBook(store, topic, author);
  const admit = options.admit ?? rawQuota();
  const epoch = id === undefined ? undefined : rawEpochOf(crypto, id);
  const contentEpoch = epoch && { id: hexBytes(epoch.id), readKey: epoch.readKey };
  const opener = createOpener({ crypto, topic, device, keys: keysOf(epoch) });
  let control = createRawControl({ crypto, metadataKey, addresses });
  const controlLogs = new Map<LogId, AuthorId>();
  let forks: ReadonlyMap<LogId, number> = new Map();
  let forkRevision = 0;
  let started = false;
  let closed = false;
  let failure: SpaceError | undefined;
  let stopTimer: (() => void) | undefined;
  let advancing: Promise<void> | undefined;
  const forkedAt = (logId: LogId): number | undefined => forks.get(logId);
  const sequencer = createSequencer({
    store,
    recent,
    clock,
    topic,
    changed,
    driftMicros,
    self: device.author,
    fold: () => ({
      decidedHeight: (logId) => control.height(logId),
      opsAt: () => [],
      graph: { antichain: (ops) => ops },
    }),
    branches: [],
    forkedAt,
    // What an author points at may lie on another branch, or be over somebody's quota.
    mayStayAway: () => true,
  });

  const syncTopic: SyncTopic = {
    topic,
    followKeys: () => [about.followKey],
    // Nobody is known by name here: the follow key is all there is.
    accessOf: () => "none",
    controlDomains: [controlDomain],
  };
  const time = (): number => Math.floor(clock.nowMicros() / 1e6);

  const fail = (cause: unknown): void => {
    const message = "work in the background failed; the logs are unharmed";
    failure ??= new SpaceError("SPACE_BACKGROUND", message, { cause });
    changed.notify();
  };

  const advance = async (): Promise<void> => {
    started = true;
    await sequencer.advance();
    stopTimer?.();
    stopTimer = undefined;
    const due = sequencer.nextDue();
    if (due === undefined || closed) return;
    const delayMs = Math.max(1, Math.ceil((due - clock.nowMicros()) / 1_000));
    stopTimer = deps.timers.after(Math.min(delayMs, timerMsMax), kick);
  };

  /** Advances in the background, once somebody reads; calls that come meanwhile share one run. */
  const kick = (): void => {
    if (!started || closed) return;
    advancing ??= Promise.resolve().then(async () => {
      advancing = undefined;
      try {
        if (!closed) await advance();
      } catch (cause) {
        fail(cause);
      }
    });
  };

  const readControl = async (logId: LogId, context: LogContext): Promise<void> => {
    const from = control.height(logId);
    const to = forkedAt(logId) ?? Infinity;
    if (from >= to) return;
    const entries: Entry[] = [];
    for await (const entry of store.entries(logId, { from, to })) entries.push(entry);
    control.take(context, logId, entries);
    if (control.shreds.length > 0) bodies.obey().catch(fail);
    if (entries.length > 0) controlLogs.set(logId, context.author);
  };

  const recheck = async (): Promise<void> => {
    const heads = await store.heads(topic);
    const found = new Map<LogId, number>();
    for (const head of heads) {
      if (head.forkedAt !== undefined) found.set(head.logId, head.forkedAt);
    }
    const isSame = [...found].every(([logId, seq]) => forks.get(logId) === seq);
    if (isSame && found.size === forks.size) return;
    forks = found;
    forkRevision += 1;
    addresses.clear();
    control = createRawControl({ crypto, metadataKey, addresses });
    for (const { logId, context } of heads) {
      if (context.domain === controlDomain) await readControl(logId, context);
    }
    changed.notify();
  };

  const refusalOf = async (range: EncodedRange, logId: LogId): Promise<string | undefined> => {
    const { author: of, domain } = range.context;
    if (domain !== controlDomain && domain !== dataDomain && domain !== snapDomain) {
      return "NOT_ADMITTED";
    }
    // What this device wrote itself comes back after a loss, whatever the quota.
    if (of === author && options.admit === undefined) return undefined;
    return admit({
      topic,
      logId,
      author: of,
      domain,
      count: range.count,
      byteCount: range.bytes.length,
      role: id === undefined ? "follower" : "member",
      raw: await book.usageOf(of),
    });
  };

  const take = async (range: EncodedRange, logId: LogId): Promise<IngestOutcome> => {
    const { context } = range;
    const reason = await refusalOf(range, logId);
    if (reason !== undefined) return { status: "refused", reason };
    const isControl = context.domain === controlDomain;
    const drift = { clock, microsMax: driftMicros };
    const outcome = await ingestRange({ store, crypto }, range, isControl ? { drift } : {});
    if (outcome.status === "stored") {
      book.add(context.author, outcome.range.bytes.length);
      if (!isControl) recent.remember(logId, outcome.range.entries);
    }
    if (isControl) await readControl(logId, context);
    if (outcome.status === "forked") await recheck();
    changed.notify();
    kick();
    return toIngestOutcome(outcome);
  };

  const ingest = async (range: EncodedRange): Promise<IngestOutcome> => {
    if (closed) return { status: "refused", reason: "SPACE_CLOSED" };
    const { context, from } = range;
    if (!isLogContext(context) || context.topic !== topic) {
      return { status: "bad", reason: "LOG_RANGE_CONTEXT", seq: from };
    }
    const logId = logIdOf(crypto, context);
    const outcome = await queue.run(() => take(range, logId));
    if (outcome.status === "refused") refusals.note(logId, { from, reason: outcome.reason });
    else if (outcome.status === "bad") {
      refusals.note(logId, { from: outcome.seq, reason: outcome.reason });
    } else if (outcome.status === "stored") refusals.forget(logId);
    return outcome;
  };

  /** Nobody points at what is quarantined: on other devices it may not be there. */
  const heads = (): readonly SignedHead[] =>
    sequencer.heads().filter((head) => head.seq < (forkedAt(head.logId) ?? Infinity));

  const append = async (drafts: readonly PreparedDraft[]): Promise<readonly Entry[]> => {
    if (contentEpoch === undefined) {
      throw new SpaceError("SPACE_NO_ACCESS", "a follower of a raw space has no key to write with");
    }
    await advance();
    const writer = { deps, device, own, syncTopic, time, opener: () => opener };
    const entries = await writeDrafts(writer, { drafts, epoch: contentEpoch, heads: heads() });
    recent.remember(own.logId("data"), entries);
    await advance();
    return entries;
  };

  const publish = async (contents: readonly ControlContent[]): Promise<void> => {
    await advance();
    const plaintexts = contents.flatMap(encodeControl);
    const make = (logId: LogId, seq: number): readonly Uint8Array[] =>
      plaintexts.map((plaintext, index) =>
        sealControl(crypto, metadataKey, { topic, logId, author, seq: seq + index }, plaintext),
      );
    await own.append("control", { make, heads: heads() });
    await readControl(own.logId("control"), { topic, author, domain: controlDomain });
    kick();
    changed.notify();
  };

  const bodies = await openBodies({
    deps,
    changed,
    syncTopic,
    self: author,
    opener: () => opener,
    shreds: () => control.shreds,
    // Whoever is not the author has its wish turned down when it is read.
    mayShred: () => true,
  });
  const core: RawCore = {
    deps,
    about,
    device,
    queue,
    changed,
    recent,
    refusals,
    announced: () =>
      [...controlLogs].flatMap(([logId, of]) =>
        addresses
          .addresses(logId)
          .map(({ address, expiresAt }) => ({ author: of, address, expiresAt })),
      ),
    syncTopic,
    bodies,
    sequencer: () => sequencer,
    opener: () => opener,
    compacted: () => undefined,
    forkedAt,
    advance,
    isReadable: () => epoch !== undefined,
    isClosed: () => closed,
    membershipRevision: () => forkRevision,
    keyRevision: () => 0,
    judge: ({ logId }) => ({ kind: "accept", upTo: forkedAt(logId) ?? Infinity, ruled: [] }),
    controlVerdict: (ref) => control.verdictOf(ref),
    time,
    append,
    publish,
    ingest,
    recheck,
    failure: () => failure,
    close: async () => {
      closed = true;
      stopTimer?.();
      changed.notify();
      await queue.idle();
      await advancing;
      await bodies.close();
      await own.close();
    },
  };
  await queue.run(async () => {
    await recheck();
    for (const { logId, context } of await store.heads(topic)) {
      if (context.domain === controlDomain) await readControl(logId, context);
    }
  });
  return core;
}

/** The one epoch of a raw space, as the opener asks for it. */
function keysOf(epoch: RawEpoch | undefined): ReadKeys {
  if (epoch === undefined) return { readKey: () => undefined, resolveReference: () => [] };
  const reference = hexBytes(epoch.id).subarray(0, epochReferenceBytes);
  return {
    readKey: (id) => (id === epoch.id ? epoch.readKey : undefined),
    resolveReference: (found) => (equalBytes(found, reference) ? [epoch.id] : []),
  };
}
