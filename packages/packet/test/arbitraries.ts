/** fast-check arbitraries of everything a packet may say. */
import fc from "fast-check";
import type { LinkDraft, LinkpointDraft } from "@hawser/packet";

/** 0–8 components of 1–200 bytes that fit the 242 bytes of a path together. */
export const arbitraryPath: fc.Arbitrary<Uint8Array[]> = fc
  .array(
    fc.oneof(
      { weight: 8, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 28 }) },
      { weight: 1, arbitrary: fc.uint8Array({ minLength: 190, maxLength: 200 }) },
    ),
    { maxLength: 8 },
  )
  .filter((path) => path.reduce((sum, component) => sum + component.length + 1, 0) <= 242);

export const arbitraryLink: fc.Arbitrary<LinkDraft> = fc.record({
  tag: fc.uint8Array({ maxLength: 16 }),
  pointer: fc.uint8Array({ minLength: 32, maxLength: 32 }),
});

/** Any linkpoint of up to about 1.5 kB. */
export const arbitraryDraft: fc.Arbitrary<LinkpointDraft> = fc.record({
  group: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  domain: fc.uint8Array({ maxLength: 16 }),
  path: arbitraryPath,
  links: fc.array(arbitraryLink, { maxLength: 6 }),
  stamp: fc.oneof(
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  ),
  data: fc.uint8Array({ maxLength: 600 }),
});
