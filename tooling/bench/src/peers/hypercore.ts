/**
 * Hypercore doing the same work as our log: append one by one, append in batches, replicate to a fresh
 * peer in the same process. On disk in a temporary folder, as it is meant to be used.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
// @ts-expect-error -- hypercore ships no types.
import Hypercore from "hypercore";

/** What this bench uses of a core. */
interface Core {
  readonly key: Uint8Array;
  readonly length: number;
  /** Blocks from the start that are here. */
  readonly contiguousLength: number;
  ready(): Promise<void>;
  append(blocks: Uint8Array | readonly Uint8Array[]): Promise<void>;
  replicate(
    isInitiator: boolean,
    options: { keepAlive: boolean },
  ): NodeJS.ReadWriteStream & {
    destroy(): void;
  };
  download(range: { start: number; end: number }): { done(): Promise<void> };
  close(): Promise<void>;
}

export interface HypercoreBench extends AsyncDisposable {
  open(key?: Uint8Array): Promise<Core>;
}

export interface Replication {
  readonly seconds: number;
  readonly wireBytes: number;
}

export async function createHypercoreBench(): Promise<HypercoreBench> {
  const folder = await mkdtemp(join(tmpdir(), "hawser-bench-"));
  const cores: Core[] = [];
  return {
    open: async (key) => {
      const path = join(folder, String(cores.length));
      const core = (key === undefined ? new Hypercore(path) : new Hypercore(path, key)) as Core;
      await core.ready();
      cores.push(core);
      return core;
    },
    [Symbol.asyncDispose]: async () => {
      for (const core of cores) await core.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Replicates the whole of `source` to a fresh core and counts the bytes both sides send. */
export async function replicateHypercore(
  bench: HypercoreBench,
  source: Core,
): Promise<Replication> {
  const target = await bench.open(source.key);
  const start = performance.now();
  const ours = source.replicate(true, { keepAlive: false });
  const theirs = target.replicate(false, { keepAlive: false });
  let wireBytes = 0;
  const count = (data: Uint8Array): void => {
    wireBytes += data.length;
  };
  ours.on("data", count);
  theirs.on("data", count);
  ours.pipe(theirs).pipe(ours);
  await target.download({ start: 0, end: source.length }).done();
  const seconds = (performance.now() - start) / 1_000;
  ours.destroy();
  theirs.destroy();
  return { seconds, wireBytes };
}
