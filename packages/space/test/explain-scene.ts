/** A space of two members, and what one of them publishes by hand, for the tests of `explain`. */
import {
  createOp,
  inviteOfSecret,
  proveJoin,
  type AuthAction,
  type GroupId,
  type OpId,
} from "@hawser/auth";
import { encodeCbor } from "@hawser/codec";
import type { AuthorId } from "@hawser/crypto";
import { createBundle, encodeBundle } from "@hawser/keys";
import { logIdOf, type EncodedRange, type StoreStats } from "@hawser/log";
import type { Space, SpaceExplanation } from "@hawser/space";
import type { IngestOutcome } from "@hawser/sync";
import { expect } from "vitest";
import { joinBinding } from "../src/join.ts";
import { attacker, forgeControl, type ForgedContent } from "./forge.ts";
import { createWorld, spaceOn, twoMembers, type TestDevice, type World } from "./world.ts";

export interface Scene {
  readonly world: World;
  readonly ada: TestDevice;
  readonly ben: TestDevice;
  readonly space: Space;
  readonly other: Space;
}

/** Ada and Ben, who manages unless told otherwise. */
export async function scene(isManager = true): Promise<Scene> {
  const world = await createWorld();
  const { ada, ben, space, other } = await twoMembers(world);
  if (isManager) await space.set(ben.author, "manage");
  await world.settle(ada, ben);
  return { world, ada, ben, space, other };
}

export const individual = (id: string) => ({ kind: "individual", id }) as never;
export const filled = (byte: number, count = 32): Uint8Array => new Uint8Array(count).fill(byte);
export const write1 = { level: "write", mayDelete: false } as const;

export function headsOf(space: Space): readonly OpId[] {
  const items = space.timeline().filter(({ status }) => status.state !== "rejected");
  const seen = new Set(items.flatMap(({ deps }) => deps));
  return items.map(({ op }) => op).filter((op) => !seen.has(op));
}

export const groupOf = ({ space, ada }: Scene): GroupId =>
  space.why(ada.author, "pull")!.chain[0]!.group;
export const foundingOf = ({ space }: Scene): OpId => space.timeline()[0]!.op;

/** A membership operation of Ben, bytes alone. */
export function opBytes(
  at: Scene,
  action: AuthAction,
  change: { readonly deps?: readonly OpId[]; readonly author?: string } = {},
): Uint8Array {
  return createOp(at.world.crypto, {
    author: (change.author ?? at.ben.author) as never,
    group: groupOf(at),
    deps: change.deps ?? headsOf(at.space),
    action,
  }).bytes;
}

export const auth = (op: Uint8Array): ForgedContent => ({ kind: "auth", op });

/** Ben's next control entries, as he would write them by hand. */
export function byBen(at: Scene, contents: readonly ForgedContent[]): Promise<EncodedRange> {
  const { world, ben, ada, space } = at;
  return forgeControl({
    crypto: world.crypto,
    id: space.id!,
    topic: space.topic,
    author: ben.author,
    secret: ben.secret,
    now: world.clock.nowMicros(),
    base: ada.store,
    contents,
  });
}

/** What Ada says about the last of these entries, once she has them. */
export async function explained(
  at: Scene,
  contents: readonly ForgedContent[],
): Promise<SpaceExplanation> {
  const { world, ada, ben, space } = at;
  const range = await byBen(at, contents);
  expect((await ada.spaces.ingest(range)).status).toBe("stored");
  const context = { topic: space.topic, author: ben.author, domain: "hawser.control" };
  const ref = { logId: logIdOf(world.crypto, context), seq: range.from + range.count - 1 };
  const here = await space.explain(ref);
  // Whoever gets it in another session, and reads everything again, says the same.
  await at.world.copy(ada, ben);
  expect(await spaceOn(ben, space).explain(ref)).toEqual(here);
  return here;
}

export type Make = (at: Scene) => readonly ForgedContent[] | Promise<readonly ForgedContent[]>;

export const op =
  (action: (at: Scene) => AuthAction, deps?: (at: Scene) => readonly OpId[]): Make =>
  (at) => [auth(opBytes(at, action(at), deps === undefined ? {} : { deps: deps(at) }))];

export const secret: Uint8Array = filled(7);
export const inviteOf = ({ world }: Scene): AuthorId => inviteOfSecret(world.crypto, secret);
export const invite =
  (uses: number, notAfter?: number) =>
  (at: Scene): AuthAction => ({
    type: "invite",
    invite: inviteOf(at),
    access: write1,
    uses,
    notAfter,
  });

export const remove = (id: string): AuthAction => ({ type: "remove", member: individual(id) });
export const nobody: string = "ab".repeat(32);

/** An array that is nearly an operation. */
export const raw =
  (fields: (at: Scene) => readonly unknown[]): Make =>
  (at) => [auth(encodeCbor(fields(at) as never))];

export const fieldsWith =
  (change: Readonly<Record<number, unknown>>) =>
  (_: Scene): readonly unknown[] => {
    const fields: unknown[] = [1, 2, filled(1), filled(2), [filled(3)], [0, filled(4)]];
    for (const [index, field] of Object.entries(change)) fields[Number(index)] = field;
    return fields;
  };

/** A join as a stranger publishes it; the answer is Ada's. */
export async function joinOutcome(
  at: Scene,
  change: {
    readonly time?: number;
    readonly flip?: boolean;
    readonly uses?: number;
    readonly deps?: readonly OpId[];
    /** Who joins; default "eve". */
    readonly name?: string;
    /** The secret of another invite by which the same log tries first. */
    readonly firstBy?: Uint8Array;
  } = {},
): Promise<{
  readonly outcome: IngestOutcome;
  readonly explanation: SpaceExplanation;
  readonly before: StoreStats;
  readonly after: StoreStats;
}> {
  const { world, ada, space } = at;
  const { crypto } = world;
  const eve = attacker(crypto, change.name ?? "eve");
  const nowSeconds = Math.floor(world.clock.nowMicros() / 1e6);
  const { bundle } = createBundle(
    crypto,
    {
      identity: {
        id: eve.author,
        sign: (label, message) => crypto.signTagged(label, message, eve.secret),
      },
      lifetime: { notBefore: nowSeconds - 10, notAfter: nowSeconds + 86_400 },
    },
    (byteCount) => filled(3, byteCount),
  );
  const group = groupOf(at);
  const claim = {
    group,
    author: eve.author,
    binding: joinBinding(crypto, bundle),
    time: change.time ?? nowSeconds,
  };
  const action = proveJoin(crypto, claim, secret);
  if (change.flip === true && action.type === "join") action.proof[5]! ^= 1;
  const { bytes } = createOp(crypto, {
    author: eve.author,
    group,
    deps: change.deps ?? headsOf(space),
    action,
  });
  const { firstBy } = change;
  const tried = firstBy === undefined ? [] : [opBytes(at, proveJoin(crypto, claim, firstBy), eve)];
  const range = await forgeControl({
    crypto,
    id: space.id!,
    topic: space.topic,
    author: eve.author,
    secret: eve.secret,
    now: world.clock.nowMicros(),
    contents: [{ kind: "bundle", bundle: encodeBundle(bundle) }, ...tried.map(auth), auth(bytes)],
  });
  const before = await ada.store.stats();
  const outcome = await ada.spaces.ingest(range);
  const context = { topic: space.topic, author: eve.author, domain: "hawser.control" };
  const ref = { logId: logIdOf(crypto, context), seq: 0 };
  return { outcome, explanation: await space.explain(ref), before, after: await ada.store.stats() };
}
