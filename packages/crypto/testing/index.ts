/** Published test help of `@hawser/crypto`: randomness that repeats. */
export { seededRandom } from "./seeded-random.ts";
