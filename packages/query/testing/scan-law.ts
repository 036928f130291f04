/**
 * The law of reading: what an index scan gives is what the naive filter gives, for random packets,
 * rules, receive bounds and limits, in all six modes. Needs fast-check.
 */
import type { Packet } from "@hawser/packet";
import {
  compileQuery,
  parseQuery,
  readQuery,
  type Clock,
  type PacketStore,
  type QueryMode,
  type StoredPacket,
} from "@hawser/query";
import fc from "fast-check";
import {
  packetArbitrary,
  ruleArbitrary,
  ruleStatement,
  type ArbitraryRule,
} from "./arbitraries.ts";
import { checkEqual, collect } from "./check.ts";
import { createTestTime, testStart } from "./fixtures.ts";
import { oracleTest } from "./oracle.ts";
import { oracleRead, type OracleCounts, type OracleQuery } from "./store-oracle.ts";

const modes: readonly QueryMode[] = [
  "tree-asc",
  "tree-desc",
  "hash-asc",
  "hash-desc",
  "log-asc",
  "log-desc",
];

/** Rules of one read, in the plain form and as statements. */
interface ReadPlan {
  readonly rules: readonly ArbitraryRule[];
  /** Receive stamps, counted from the first. */
  readonly recv: OracleCounts;
  readonly all: OracleCounts;
  readonly stored: OracleCounts;
  readonly branch: OracleCounts;
  /** The place of a packet whose hash is a bound: below, above, or none. */
  readonly hash: { readonly operator: ">" | "<" | ">=" | "<=" | undefined; readonly index: number };
}

const any: OracleCounts = { low: 0, high: 0xffff_ffff };

/** Mostly no bounds, else small ones; sometimes empty. */
function countsArbitrary(max: number): fc.Arbitrary<OracleCounts> {
  const bounds = fc.tuple(fc.nat({ max }), fc.nat({ max })).map(([low, size]) => ({
    low,
    high: low + size,
  }));
  return fc.oneof({ weight: 3, arbitrary: fc.constant(any) }, { weight: 2, arbitrary: bounds });
}

/** What indexes are ordered by, often, and some fields that only the packet itself can tell. */
const ruleFields: readonly string[] =
  "group domain prefix spacename pubkey create depth type links_len data_size hash hop comp0 data".split(
    " ",
  );

const planArbitrary: fc.Arbitrary<ReadPlan> = fc.record({
  // Few rules: with many, hardly anything is ever given.
  rules: fc.array(ruleArbitrary({ fields: ruleFields }), { maxLength: 3 }),
  recv: countsArbitrary(30),
  all: countsArbitrary(6),
  stored: countsArbitrary(6),
  branch: countsArbitrary(2),
  hash: fc.record({
    operator: fc.option(fc.constantFrom(">", "<", ">=", "<="), { nil: undefined }),
    index: fc.nat(),
  }),
});

function boundStatements(field: string, size: string, counts: OracleCounts, from = 0): string[] {
  if (counts === any) return [];
  const { low, high } = counts;
  return [`${field}:>=:[${size}:${from + low}]`, `${field}:<=:[${size}:${from + high}]`];
}

/** The statements of a plan; `hash` is that of the chosen packet. */
function statementsOf(plan: ReadPlan, hashRule: ArbitraryRule | undefined): string[] {
  const rules = hashRule === undefined ? plan.rules : [...plan.rules, hashRule];
  return [
    ...rules.map(ruleStatement),
    ...boundStatements("recv", "u64", plan.recv, testStart),
    ...boundStatements("i", "u32", plan.all),
    ...boundStatements("i_db", "u32", plan.stored),
    ...boundStatements("i_branch", "u32", plan.branch),
  ];
}

function hashRuleOf(plan: ReadPlan, packets: readonly StoredPacket[]): ArbitraryRule | undefined {
  const { operator, index } = plan.hash;
  const chosen = packets[index % Math.max(1, packets.length)];
  if (operator === undefined || chosen === undefined) return undefined;
  return { field: "hash", operator, value: chosen.packet.hash };
}

/** `hash:=` gives one result at most. */
function allCounts(plan: ReadPlan): OracleCounts {
  const isOne = plan.rules.some(({ field, operator }) => field === "hash" && operator === "=");
  return isOne ? { low: plan.all.low, high: Math.min(plan.all.high, 0) } : plan.all;
}

async function checkPlan(
  store: PacketStore,
  packets: readonly StoredPacket[],
  plan: ReadPlan,
): Promise<void> {
  const hashRule = hashRuleOf(plan, packets);
  const rules = hashRule === undefined ? plan.rules : [...plan.rules, hashRule];
  const recv =
    plan.recv === any
      ? { low: 0, high: Number.MAX_SAFE_INTEGER }
      : { low: testStart + plan.recv.low, high: testStart + plan.recv.high };
  for (const mode of modes) {
    const statements = [...statementsOf(plan, hashRule), `:mode:${mode}`];
    const verdict = parseQuery(statements, { nowMicros: () => testStart });
    // A contradiction: the filter gives nothing either.
    const test = (packet: Packet): boolean => oracleTest(rules, packet);
    const { stored, branch } = plan;
    const query: OracleQuery = { mode, recv, all: allCounts(plan), stored, branch, test };
    const expected = oracleRead(packets, query).map((each) => each.recv);
    const found = verdict.ok
      ? (await collect(readQuery(store, compileQuery(verdict.query)))).map((each) => each.recv)
      : [];
    checkEqual(found, expected, statements.join("\n"));
  }
}

/** One store a run, several queries on it. Rejects with a counterexample when the law is broken. */
export async function checkScanLaw(
  open: (clock: Clock) => Promise<PacketStore>,
  options: { readonly runs: number; readonly seed?: number },
): Promise<void> {
  const law = fc.asyncProperty(
    fc.array(fc.array(packetArbitrary, { maxLength: 12 }), { maxLength: 5 }),
    fc.array(planArbitrary, { minLength: 1, maxLength: 8 }),
    async (batches, plans) => {
      await using store = await open(createTestTime().clock);
      const packets: StoredPacket[] = [];
      for (const batch of batches) {
        const outcome = await store.add(batch);
        for (const [index, { recv, isNew }] of outcome.packets.entries()) {
          const packet = batch[index];
          if (isNew && packet !== undefined) packets.push({ packet, recv });
        }
      }
      for (const plan of plans) await checkPlan(store, packets, plan);
    },
  );
  const { runs, seed } = options;
  await fc.assert(law, seed === undefined ? { numRuns: runs } : { numRuns: runs, seed });
}
