/**
 * One update of a whole document, taken apart into updates of one client each
 * (docs/spec/yjs.md §9). Layer 7, pure.
 */
import { concatBytes, createByteWriter } from "@hawser/codec";
import { ContentDeleted, decodeUpdate, GC, UpdateEncoderV1 } from "yjs";

type Decoded = ReturnType<typeof decodeUpdate>;
type Struct = Decoded["structs"][number];

/** A document as few updates. */
export interface SessionWriting {
  /** Client → its updates, in order; each builds on what came before in some order of all. */
  readonly updates: ReadonlyMap<number, readonly Uint8Array[]>;
  /** One update with the deletions that structs do not tell of; `undefined` for none. */
  readonly deletions: Uint8Array | undefined;
}

/** Takes an update apart. Only the updates of `clients` are made; others stay as they came. */
export function condense(update: Uint8Array, clients: ReadonlySet<number>): SessionWriting {
  const decoded = decodeUpdate(update);
  const updates = new Map<number, readonly Uint8Array[]>();
  for (const [client, runs] of runsOf(decoded.structs)) {
    if (clients.has(client)) updates.set(client, runs.map(encodeRun));
  }
  return { updates, deletions: encodeDeletions(decoded, clients) };
}

interface Queue {
  readonly structs: Struct[];
  readonly runs: Struct[][];
  next: number;
}

/** For each client runs of structs, as long as they can be while all they build on comes before. */
function runsOf(structs: readonly Struct[]): ReadonlyMap<number, readonly (readonly Struct[])[]> {
  const queues = new Map<number, Queue>();
  for (const struct of structs) {
    const { client } = struct.id;
    const queue = queues.get(client) ?? { structs: [], runs: [], next: 0 };
    queues.set(client, queue);
    queue.structs.push(struct);
  }
  const states = new Map<number, number>();
  const isFree = (struct: Struct): boolean =>
    foundations(struct).every(({ client, clock }) => clock < (states.get(client) ?? 0));
  // Client → those whose next struct builds on its writing.
  const stuck = new Map<number, Set<number>>();
  const ready = [...queues.keys()];
  for (let client = ready.shift(); client !== undefined; client = ready.shift()) {
    const queue = queues.get(client);
    if (queue === undefined) continue;
    const run: Struct[] = [];
    let next = queue.structs[queue.next];
    for (; next !== undefined && isFree(next); next = queue.structs[queue.next]) {
      run.push(next);
      states.set(client, next.id.clock + next.length);
      queue.next += 1;
    }
    if (run.length > 0) {
      queue.runs.push(run);
      ready.push(...(stuck.get(client) ?? []));
      stuck.delete(client);
    }
    const lacked = next && foundations(next).find((id) => id.clock >= (states.get(id.client) ?? 0));
    if (lacked === undefined) continue;
    stuck.set(lacked.client, (stuck.get(lacked.client) ?? new Set()).add(client));
  }
  return new Map([...queues].map(([client, { runs }]) => [client, runs]));
}

interface Id {
  readonly client: number;
  readonly clock: number;
}

/** What a struct builds on. */
function foundations(struct: Struct): readonly Id[] {
  if (!("content" in struct)) return [];
  const { origin, rightOrigin, parent } = struct;
  const ids: unknown[] = [origin, rightOrigin, parent];
  // Safe: of what these can be, only ids have a clock.
  return ids.filter((id) => typeof id === "object" && id !== null && "clock" in id) as Id[];
}

function encodeRun(run: readonly Struct[]): Uint8Array {
  const head = createByteWriter(32);
  head.varint(1);
  head.varint(run.length);
  head.varint(run[0]?.id.client ?? 0);
  head.varint(run[0]?.id.clock ?? 0);
  const encoder = new UpdateEncoderV1();
  for (const struct of run) struct.write(encoder, 0);
  return concatBytes(head.finish(), encoder.toUint8Array(), Uint8Array.of(0));
}

/** Deletions of the clients whose structs do not all say themselves that they are deleted. */
function encodeDeletions(decoded: Decoded, clients: ReadonlySet<number>): Uint8Array | undefined {
  const told = new Map<number, number>();
  for (const struct of decoded.structs) {
    const isGone =
      struct.constructor === GC ||
      ("content" in struct && struct.content instanceof ContentDeleted);
    const { client } = struct.id;
    if (isGone && clients.has(client)) told.set(client, (told.get(client) ?? 0) + struct.length);
  }
  const left = [...decoded.ds.clients].filter(([client, ranges]) => {
    const deleted = ranges.reduce((sum, { len }) => sum + len, 0);
    return deleted > (told.get(client) ?? 0);
  });
  if (left.length === 0) return undefined;
  const writer = createByteWriter(256);
  writer.varint(0);
  writer.varint(left.length);
  for (const [client, ranges] of left) {
    writer.varint(client);
    writer.varint(ranges.length);
    for (const { clock, len } of ranges) {
      writer.varint(clock);
      writer.varint(len);
    }
  }
  return writer.finish();
}
