/**
 * The queue of writes: one at a time, in the order they were asked for, each worked out on what is
 * confirmed when its turn comes. Layer 7.
 */
import { equalBytes } from "@hawser/codec";
import type { ViewEvent } from "@hawser/view";
import type { RefusedWrite } from "./docs.ts";
import { DocError } from "./errors.ts";
import { packWrite, type WriteForm } from "./ops.ts";
import { madeAgain, type Overlay, type Run, type WaitingWrite } from "./overlay.ts";
import type { OpenShelf } from "./shelf.ts";
import { docEventType } from "./state.ts";
import { createDraft, type Draft } from "./writer.ts";

/** Writes that may wait; of those that are shown meanwhile fewer: each is worked out often. */
const waitingMax = 4_096;
const shownWaitingMax = 128;

/** What the queue works with. */
export interface WritesDeps {
  /** Where writes are shown while they wait; none: they are not. */
  readonly overlay: Overlay | undefined;
  readonly makeId: () => string;
  /** Brings the confirmed documents up to date. */
  settle(): void;
  /** Something else is shown now. */
  tell(refused?: RefusedWrite): void;
  /** Resolves when the events are folded in, with the log they are in. */
  append(bodies: readonly Uint8Array[]): Promise<string | undefined>;
}

/** The queue. */
export interface Writes {
  /** Throws DOC_BUSY, and what the write and the source throw. */
  write<Result>(run: Run<Result>, form?: WriteForm | "import"): Promise<Result>;
  /** Events were folded in: what is confirmed by them is not shown on top of them any more. */
  arrived(events: readonly ViewEvent[]): void;
}

/** A write whose events are being appended. */
interface Flight {
  readonly waiting: WaitingWrite;
  /** Bodies that have not been folded in. */
  readonly bodies: Uint8Array[];
}

/** A queue without writes. */
export function createWrites(deps: WritesDeps): Writes {
  const { overlay, makeId } = deps;
  let last: Promise<unknown> = Promise.resolve();
  let waitingCount = 0;
  let flight: Flight | undefined;
  let ownLog: string | undefined;

  /** Takes a write from what is shown, unless its events did already. */
  const end = (waiting: WaitingWrite | undefined, refused?: RefusedWrite): void => {
    if (overlay === undefined || waiting === undefined) return;
    const wasShown = overlay.drop(waiting);
    if (!wasShown) return;
    overlay.rebase(new Map());
    deps.tell(refused);
  };

  const work = async <Result>(
    run: Run<Result>,
    form: WriteForm,
    waiting: WaitingWrite | undefined,
  ): Promise<Result> => {
    try {
      deps.settle();
      const drafts = new Map<OpenShelf, Draft>();
      const result = run((shelf) => draftIn(drafts, shelf), madeAgain(waiting?.made ?? [], makeId));
      const items = [...drafts.values()].flatMap((draft) => draft.items());
      const bodies = packWrite(items, form);
      if (waiting !== undefined) flight = { waiting, bodies: [...bodies] };
      if (bodies.length > 0) ownLog = (await deps.append(bodies)) ?? ownLog;
      end(waiting);
      return result;
    } catch (error) {
      end(waiting, { error });
      throw error;
    } finally {
      flight = undefined;
    }
  };

  return {
    write: async (run, given = "one entry") => {
      const isShown = overlay !== undefined && given !== "import";
      const form = given === "import" ? "batch" : given;
      const isFull = isShown && overlay.waitingCount >= shownWaitingMax;
      if (waitingCount >= waitingMax || isFull) {
        throw new DocError("DOC_BUSY", `${waitingCount} writes wait already: await some of them`);
      }
      deps.settle();
      const waiting = isShown ? overlay.add(run, form) : undefined;
      if (waiting !== undefined) deps.tell();
      waitingCount += 1;
      const done = last.then(() => work(run, form, waiting));
      last = done.catch(() => undefined);
      try {
        return await done;
      } finally {
        waitingCount -= 1;
      }
    },
    arrived: (events) => {
      for (const event of events) {
        if (flight === undefined || event.type !== docEventType) continue;
        // Before the first append resolves the log is not known; the body says enough.
        if (ownLog !== undefined && event.logId !== ownLog) continue;
        const { bodies, waiting } = flight;
        const at = bodies.findIndex((body) => equalBytes(body, event.body));
        if (at < 0) continue;
        bodies.splice(at, 1);
        if (bodies.length === 0) overlay?.drop(waiting);
      }
    },
  };
}

function draftIn(drafts: Map<OpenShelf, Draft>, shelf: OpenShelf): Draft {
  const draft = drafts.get(shelf) ?? createDraft(shelf);
  drafts.set(shelf, draft);
  return draft;
}
