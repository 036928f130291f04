/** The second half of the random histories (model-random.test.ts), for another core. */
import { createCrypto } from "@hawser/crypto";
import { test } from "vitest";
import { checkHistories } from "./model-checks.ts";
import { createTracedCrypto } from "./model-crypto.ts";

const traced = createTracedCrypto(await createCrypto());

test("[P2-M1] [P2-M2] [P2-M3] [P2-M4] [P2-M5] [P2-M6] [P2-M11] [P2-M12] another 10,000 histories: no divergence, no leak, nobody locked out", () => {
  checkHistories(traced, 1);
}, 600_000);
