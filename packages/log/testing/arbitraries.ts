/** fast-check arbitraries of drafts, contexts and histories. Needs fast-check. */
import { compareBytes } from "@hawser/codec";
import fc from "fast-check";
import type { AuthorId } from "@hawser/crypto";
import type { Dep, DetachedBody, EntryDraft, LogContext, Topic } from "@hawser/log";

const hash: fc.Arbitrary<Uint8Array> = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** Any context, whether or not its author is a key. */
export const arbitraryContext: fc.Arbitrary<LogContext> = fc.record({
  topic: hexId<Topic>(),
  domain: fc
    .array(fc.integer({ min: 0x21, max: 0x7e }), { minLength: 1, maxLength: 16 })
    .map((codes) => String.fromCharCode(...codes)),
  author: hexId<AuthorId>(),
});

function hexId<Id extends string>(): fc.Arbitrary<Id> {
  return fc
    .array(fc.constantFrom(...Array.from("0123456789abcdef")), { minLength: 64, maxLength: 64 })
    .map((digits) => digits.join("") as Id);
}

/** 0–4 deps in order, seqs of every size. */
export const arbitraryDeps: fc.Arbitrary<readonly Dep[]> = fc
  .uniqueArray(hash, { maxLength: 4, comparator: (a, b) => compareBytes(a, b) === 0 })
  .chain((hashes) =>
    fc.tuple(...hashes.map((each) => fc.record({ seq: fc.maxSafeNat(), hash: fc.constant(each) }))),
  )
  .map((deps) => deps.sort((a, b) => compareBytes(a.hash, b.hash)));

/** Paths of 0–3 components out of few, so that neighbours often have the same. */
export const arbitraryPath: fc.Arbitrary<readonly Uint8Array[]> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom([], [new Uint8Array([7])], [new Uint8Array([7, 8])]) },
  {
    weight: 1,
    arbitrary: fc.array(fc.uint8Array({ minLength: 1, maxLength: 30 }), { maxLength: 3 }),
  },
);

const arbitraryBody: fc.Arbitrary<DetachedBody> = fc.record({ byteCount: fc.maxSafeNat(), hash });

/** Any draft of at most `dataMax` data bytes. */
export function arbitraryDraft(dataMax = 80): fc.Arbitrary<EntryDraft> {
  return fc.record(
    {
      data: fc.uint8Array({ maxLength: dataMax }),
      path: arbitraryPath,
      deps: arbitraryDeps,
      body: arbitraryBody,
    },
    { requiredKeys: ["data"] },
  );
}

/** One entry of a history. */
export interface HistoryStep {
  readonly draft: EntryDraft;
  /** µs after the entry before. */
  readonly delta: number;
  readonly signed: boolean;
}

/** A history of 1–`lengthMax` entries; its last one is signed, and so is the genesis. */
export function arbitraryHistory(lengthMax = 20): fc.Arbitrary<readonly HistoryStep[]> {
  const step = fc.record({
    draft: arbitraryDraft(),
    delta: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 2 ** 40 })),
    signed: fc.integer({ min: 0, max: 4 }).map((choice) => choice === 0),
  });
  return fc.array(step, { minLength: 1, maxLength: lengthMax }).map((steps) =>
    steps.map((each, index) => ({
      ...each,
      signed: each.signed || index === 0 || index === steps.length - 1,
    })),
  );
}
