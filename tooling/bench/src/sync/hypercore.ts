/** Hypercore: cores on disk, one storage and one Noise stream for all of a side's. */
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
// @ts-expect-error -- hypercore ships no types.
import Hypercore from "hypercore";
import type { HypercoreBench } from "../peers/hypercore.ts";
import { entriesData, entryBytes } from "./data.ts";
import { startStopwatch, until, untilQuiet } from "./stopwatch.ts";
import { freshCount, type SyncRun, type SyncSystem } from "./types.ts";

type Core = Awaited<ReturnType<HypercoreBench["open"]>>;
type Measured = Pick<SyncRun, "seconds" | "cpuSeconds" | "wireBytes">;

const batchSize = 1_000;

async function append(core: Core, from: number, count: number): Promise<void> {
  for (let done = 0; done < count; done += batchSize) {
    await core.append(entriesData(from + done, Math.min(batchSize, count - done)));
  }
}

/** One connection between two sets of cores, open until every core of `to` is as long as its twin. */
async function replicate(from: readonly Core[], to: readonly Core[]): Promise<Measured> {
  const watch = startStopwatch();
  const one = Hypercore.createProtocolStream(true, { keepAlive: false });
  const two = Hypercore.createProtocolStream(false, { keepAlive: false });
  let wireBytes = 0;
  for (const end of [one, two]) {
    end.on("data", (data: Uint8Array) => {
      wireBytes += data.length;
    });
  }
  one.pipe(two).pipe(one);
  for (const core of from) core.replicate(one, { keepAlive: false });
  for (const core of to) {
    core.replicate(two, { keepAlive: false });
    core.download({ start: 0, end: -1 });
  }
  await until(() => to.every((core, index) => core.contiguousLength === from[index]?.length));
  const run = { seconds: watch.seconds(), cpuSeconds: watch.cpuSeconds() };
  await untilQuiet(() => wireBytes);
  one.destroy();
  two.destroy();
  return { ...run, wireBytes };
}

/** Two sides, each with one storage: a storage takes 75 MB of disk however little is in it. */
interface Sides {
  /** A core to write, and its empty twin on the other side. */
  open(): Promise<readonly [Core, Core]>;
}

async function openSides(folder: string): Promise<Sides> {
  const [from, to] = [1, 2].map(() => mkdtemp(join(folder, "side-")));
  const here = Hypercore.defaultStorage(await from);
  const there = Hypercore.defaultStorage(await to);
  return {
    open: async () => {
      const keyPair = createKeyPair();
      const manifest = { version: 1, signers: [{ publicKey: keyPair.publicKey }] };
      const core = new Hypercore(here, Hypercore.key(manifest), { keyPair, manifest }) as Core;
      await core.ready();
      const twin = new Hypercore(there, core.key) as Core;
      await twin.ready();
      return [core, twin];
    },
  };
}

/** An Ed25519 key pair as libsodium writes it: the secret key is seed and public key. */
function createKeyPair(): { readonly publicKey: Buffer; readonly secretKey: Buffer } {
  const { x = "", d = "" } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const [publicKey, seed] = [Buffer.from(x, "base64url"), Buffer.from(d, "base64url")];
  return { publicKey, secretKey: Buffer.concat([seed, publicKey]) };
}

export async function createHypercoreSystem(): Promise<SyncSystem & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), "hawser-bench-"));
  return {
    initial: async (entries) => {
      const core = new Hypercore(await mkdtemp(join(folder, "side-"))) as Core;
      await core.ready();
      await append(core, 0, entries);
      return async () => {
        const twin = new Hypercore(await mkdtemp(join(folder, "side-")), core.key) as Core;
        await twin.ready();
        const run = await replicate([core], [twin]);
        return { ...run, entries, logs: 1, payloadBytes: entries * entryBytes };
      };
    },
    incremental: async ({ logs, entriesPerLog }) => {
      const sides = await openSides(folder);
      const [from, to]: [Core[], Core[]] = [[], []];
      for (let log = 0; log < logs; log++) {
        const [core, twin] = await sides.open();
        await append(core, log * entriesPerLog, entriesPerLog);
        from.push(core);
        to.push(twin);
      }
      await replicate(from, to);
      for (const [log, core] of from.slice(0, freshCount).entries()) {
        await append(core, logs * entriesPerLog + log, 1);
      }
      const run = await replicate(from, to);
      return { ...run, entries: freshCount, logs, payloadBytes: freshCount * entryBytes };
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
