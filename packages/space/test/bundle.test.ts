/** Bundles: what somebody lacks, in one file (docs/spec/bundle.md). */
import {
  BundleError,
  exportBundle,
  exportFrontier,
  importBundle,
  readFrontier,
  type BundleExportOptions,
  type BundleExportReport,
  type BundleImportReport,
} from "@hawser/space/bundle";
import { concatBytes, fromHex, toHex, utf8 } from "@hawser/codec";
import { seededRandom } from "@hawser/crypto/testing";
import {
  at,
  createWorld,
  spaceWith,
  textsOf,
  write,
  type Device,
  type World,
} from "@hawser/space/testing";
import { describe, expect, test } from "vitest";

let salt = 0;

async function* inPieces(file: Uint8Array, size = 1_000): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < file.length; from += size) yield file.subarray(from, from + size);
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return concatBytes(...parts);
}

const exportDeps = (world: World, { store, spaces }: Device) => ({
  store,
  spaces,
  crypto: world.crypto,
  clock: { nowMicros: () => world.now() },
  random: seededRandom(`bundle ${salt++}`),
});

async function bundleOf(
  world: World,
  device: Device,
  options: BundleExportOptions = {},
): Promise<{ readonly file: Uint8Array; readonly report: BundleExportReport }> {
  const made = exportBundle(exportDeps(world, device), options);
  const file = await collect(made.bytes);
  const report = made.report();
  if (report === undefined) throw new Error("no report");
  return { file, report };
}

const take = (world: World, device: Device, file: Uint8Array): Promise<BundleImportReport> =>
  importBundle({ ...device, crypto: world.crypto }, () => inPieces(file));

async function frontierOf(world: World, from: Device, reader: Device) {
  const file = await collect(exportFrontier(exportDeps(world, from)));
  return readFrontier({ crypto: world.crypto, spaces: reader.spaces }, inPieces(file, 7));
}

const quiet = (world: World): Promise<void> => world.pass(5_000);

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "none";
  } catch (error) {
    return error instanceof BundleError ? error.code : String(error);
  }
}

describe("what somebody lacks, in one file", () => {
  test("a log whose beginning the maker compacted away is named, and goes to who has that", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben");
    const [ada, ben] = [at(devices, 0), at(devices, 1)];
    const { logId } = await write(at(spaces, 0), "one");
    await take(world, ben, (await bundleOf(world, ada)).file);
    const known = await frontierOf(world, ben, ada);
    await write(at(spaces, 0), "two");
    expect(await ada.store.prune(logId, 1)).toBe(1);
    const whole = await bundleOf(world, ada);
    expect(whole.report.withheld).toMatchObject([{ logId, reason: "PRUNED" }]);
    const rest = await bundleOf(world, ada, { frontier: known });
    expect(rest.report.withheld).toEqual([]);
    // Whoever has the beginning takes the rest out of either, and is told that the one is not whole.
    const taken = await take(world, ben, whole.file);
    expect(taken.complete).toBe(false);
    expect(taken.spaces).toMatchObject([{ entries: 1, withheld: 1 }]);
    expect(await take(world, ben, rest.file)).toMatchObject({ complete: true, refusedCount: 0 });
  });

  test("edits of both sides cross on a stick, each file only with the rest", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben");
    const [ada, ben] = [at(devices, 0), at(devices, 1)];
    await write(at(spaces, 0), "from ada");
    await write(at(spaces, 1), "from ben");
    const everything = await bundleOf(world, ada);
    const rest = await bundleOf(world, ada, { frontier: await frontierOf(world, ben, ada) });
    expect(rest.report.entries).toBe(1);
    expect(rest.report.entries).toBeLessThan(everything.report.entries);
    const taken = await take(world, ben, rest.file);
    expect(taken).toMatchObject({ complete: true, foreign: 0, refusedCount: 0, damageCount: 0 });
    expect(at(taken.spaces, 0)).toMatchObject({ entries: 1, unopened: 0, withheld: 0 });
    await take(world, ada, (await bundleOf(world, ben)).file);
    for (const space of spaces) expect(await textsOf(space)).toEqual(["from ada", "from ben"]);
  });

  test("taking the same file again changes nothing, and says so", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben");
    await write(at(spaces, 0), "once");
    const { file } = await bundleOf(world, at(devices, 0));
    await take(world, at(devices, 1), file);
    const before = await at(devices, 1).store.stats();
    const again = await take(world, at(devices, 1), file);
    expect(again.complete).toBe(true);
    expect(at(again.spaces, 0).entries).toBe(0);
    expect(at(again.spaces, 0).known).toBeGreaterThan(0);
    expect(await at(devices, 1).store.stats()).toEqual(before);
  });

  test("an import that broke off anywhere is taken up by doing it anew", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben");
    for (let n = 0; n < 20; n++) await write(at(spaces, 0), `note ${n}`);
    const { file } = await bundleOf(world, at(devices, 0));
    for (const share of [0.3, 0.6, 0.9]) {
      const cut = file.subarray(0, Math.floor(file.length * share));
      expect((await take(world, at(devices, 1), cut)).complete).toBe(false);
    }
    expect((await take(world, at(devices, 1), file)).complete).toBe(true);
    expect(await textsOf(at(spaces, 1))).toHaveLength(20);
  });

  test("a newcomer joins by files alone: its join out, keys and entries back", async () => {
    const world = await createWorld();
    const ada = await world.device("ada");
    const space = await ada.spaces.create();
    await write(space, "before");
    const link = await space.invite({ level: "write" });
    const carla = await world.device("carla");
    const joined = await carla.spaces.join(link);
    await take(world, carla, (await bundleOf(world, ada)).file);
    await quiet(world);
    await take(world, ada, (await bundleOf(world, carla)).file);
    await quiet(world);
    expect(joined.status().state).toBe("waiting");
    const last = await take(world, carla, (await bundleOf(world, ada)).file);
    await quiet(world);
    expect(last.complete).toBe(true);
    expect(joined.status().state).toBe("active");
    expect(await textsOf(joined)).toEqual(["before"]);
  });

  test("a member who missed a rotation follows it from the file that is sealed after it", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben", "carla");
    await at(spaces, 0).remove(at(devices, 2).author);
    await quiet(world);
    await write(at(spaces, 0), "after the rotation");
    const { file } = await bundleOf(world, at(devices, 0));
    const report = await take(world, at(devices, 1), file);
    expect(report.complete).toBe(true);
    expect(await textsOf(at(spaces, 1))).toEqual(["after the rotation"]);
    // The removed one learns who is in, and opens nothing else.
    const removed = await take(world, at(devices, 2), file);
    expect(removed.complete).toBe(false);
    expect(at(removed.spaces, 0).unopened).toBe(1);
    expect(await textsOf(at(spaces, 2))).toEqual([]);
  });

  test("several spaces in one file; spaces of somebody else are passed over and counted", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben");
    const other = await at(devices, 0).spaces.create();
    await write(other, "not for ben");
    await write(at(spaces, 0), "for ben");
    const { file, report } = await bundleOf(world, at(devices, 0));
    expect(report.spaces).toBe(2);
    const taken = await take(world, at(devices, 1), file);
    expect(taken).toMatchObject({ complete: true, foreign: 1 });
    expect(await textsOf(at(spaces, 1))).toEqual(["for ben"]);
    const only = await bundleOf(world, at(devices, 0), { topics: [at(spaces, 0).topic] });
    expect(await take(world, at(devices, 1), only.file)).toMatchObject({ foreign: 0 });
  });

  test("control logs that need one another come in whatever order they stand in", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben", "carla", "dan", "eve");
    for (const [n, space] of spaces.entries()) await write(space, `of ${n}`);
    await world.settle(...devices);
    let opensMost = 0;
    for (const name of ["fay", "gil", "hal"]) {
      const newcomer = await world.device(name);
      await newcomer.spaces.join(await at(spaces, 0).invite({ level: "write" }));
      const { file } = await bundleOf(world, at(devices, 0));
      let opens = 0;
      const open = () => {
        opens += 1;
        return inPieces(file);
      };
      const report = await importBundle({ ...newcomer, crypto: world.crypto }, open);
      opensMost = Math.max(opensMost, opens);
      expect(report.damageCount).toBe(0);
      expect(report.refused.filter(({ domain }) => domain === "hawser.control")).toEqual([]);
      expect(await newcomer.store.heads(at(spaces, 0).topic)).toHaveLength(
        (await at(devices, 0).store.heads(at(spaces, 0).topic)).length,
      );
    }
    expect(opensMost).toBeGreaterThan(1);
    expect(opensMost).toBeLessThan(8);
  });

  test("a long log is written and read in small pieces", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben");
    for (let n = 0; n < 40; n++) {
      await at(spaces, 0).append([{ type: "note", body: new Uint8Array(50_000).fill(n) }]);
    }
    const sizes: number[] = [];
    const made = exportBundle(exportDeps(world, at(devices, 0)));
    const parts: Uint8Array[] = [];
    for await (const piece of made.bytes) {
      expect(made.report()).toBeUndefined();
      sizes.push(piece.length);
      parts.push(piece);
    }
    expect(Math.max(...sizes)).toBeLessThan(512 * 1024);
    const file = concatBytes(...parts);
    expect(file.length).toBeLessThan(40 * 50_000 * 1.3);
    let offsetMax = 0;
    const report = await importBundle(
      { ...at(devices, 1), crypto: world.crypto },
      () => inPieces(file, 10_007),
      { onProgress: ({ bytes }) => void (offsetMax = Math.max(offsetMax, bytes)) },
    );
    expect(report.complete).toBe(true);
    expect(offsetMax).toBeLessThanOrEqual(file.length);
    expect(await textsOf(at(spaces, 1))).toHaveLength(40);
  });

  test("a raw space crosses too", async () => {
    const world = await createWorld();
    const [ada, ben] = [await world.device("ada"), await world.device("ben")];
    const raw = await ada.spaces.createRaw();
    await raw.append([{ type: "note", body: utf8("to all") }]);
    const there = await ben.spaces.openRaw(raw.link());
    expect((await take(world, ben, (await bundleOf(world, ada)).file)).complete).toBe(true);
    expect(await textsOf(there)).toEqual(["to all"]);
  });
});

describe("files that are not what was written", () => {
  /** Two devices, and a file with three control logs and data of two authors. */
  async function scene(): Promise<{
    readonly world: World;
    readonly ben: Device;
    readonly file: Uint8Array;
  }> {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben", "carla");
    for (const name of ["a", "b", "c"]) await write(at(spaces, 0), name);
    await write(at(spaces, 2), "d");
    const ben = at(devices, 1);
    await world.carry(at(devices, 2), at(devices, 0));
    return { world, ben, file: (await bundleOf(world, at(devices, 0))).file };
  }

  test("a flipped bit anywhere is noticed, and nothing false is stored", async () => {
    const { world, ben, file } = await scene();
    const random = seededRandom("flips");
    for (let round = 0; round < 60; round++) {
      const [high = 0, low = 0, bit = 0] = random(3);
      // The header whole, and places all over the rest.
      const offset = round < 44 ? round : 44 + ((high * 256 + low) % (file.length - 44));
      const changed = file.slice();
      changed[offset] = (changed[offset] ?? 0) ^ (1 << (bit % 8));
      const before = await ben.store.stats();
      const outcome = await take(world, ben, changed).catch((error: unknown) => error);
      if (outcome instanceof BundleError) expect(round).toBeLessThan(44);
      // A changed salt or tag makes it a section of a space that nobody has.
      else expect(outcome).toSatisfy((r: BundleImportReport) => !r.complete || r.foreign === 1);
      const after = await ben.store.stats();
      expect(after.entries).toBeGreaterThanOrEqual(before.entries);
    }
    expect((await take(world, ben, file)).complete).toBe(true);
  });

  test("every truncation is noticed", async () => {
    const { world, ben, file } = await scene();
    for (let length = 0; length < file.length; length += length < 80 ? 1 : 97) {
      const cut = file.subarray(0, length);
      if (length < 44) expect(await codeOf(take(world, ben, cut))).toBe("BUNDLE_MALFORMED");
      else {
        const report = await take(world, ben, cut);
        expect(report.complete).toBe(false);
        expect(report.damage.at(-1)?.reason).toBe("truncated");
      }
    }
    const withoutEnd = await take(world, ben, file.subarray(0, file.length - 4));
    expect(withoutEnd.complete).toBe(false);
  });

  test("bytes behind the end are noticed", async () => {
    const { world, ben, file } = await scene();
    const report = await take(world, ben, concatBytes(file, utf8("more")));
    expect(report.damage).toMatchObject([{ reason: "malformed" }]);
  });

  test("chunks that were swapped, doubled or left out do not count", async () => {
    const { world, ben, file } = await scene();
    const parts = chunksOf(file);
    const swapped = [...parts.chunks];
    [swapped[1], swapped[2]] = [at(parts.chunks, 2), at(parts.chunks, 1)];
    const doubled = parts.chunks.toSpliced(2, 0, at(parts.chunks, 2));
    const missing = parts.chunks.toSpliced(2, 1);
    const endless = parts.chunks.slice(0, -2).concat(parts.chunks.slice(-1));
    for (const chunks of [swapped, doubled, missing, endless]) {
      const report = await take(world, ben, concatBytes(parts.front, ...chunks));
      expect(report.complete).toBe(false);
      expect(report.damageCount).toBeGreaterThan(0);
    }
  });

  test("sections that were swapped, dropped, or come from another file do not count", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben");
    const [ada, ben] = [at(devices, 0), at(devices, 1)];
    const other = await ada.spaces.create();
    await write(at(spaces, 0), "a");
    const first = await bundleOf(world, ada, { topics: [at(spaces, 0).topic] });
    const second = await bundleOf(world, ada, { topics: [other.topic] });
    // The count says two, the sections are of two files.
    const head = first.file.slice(0, 44);
    head[11] = 2;
    const glued = concatBytes(head, first.file.subarray(44), second.file.subarray(44));
    expect(await take(world, ben, glued)).toMatchObject({ complete: false });
    const both = await bundleOf(world, ada);
    const dropped = both.file.slice();
    dropped[11] = 1;
    expect((await take(world, ben, dropped)).complete).toBe(false);
    const replayed = concatBytes(first.file.subarray(0, 44), both.file.subarray(44));
    const report = await take(world, ben, replayed);
    expect(report.spaces).toEqual([]);
    expect(await textsOf(at(spaces, 1))).toEqual([]);
  });

  test("a stranger's file brings nothing, whatever it says", async () => {
    const world = await createWorld();
    const { devices } = await spaceWith(world, "ben");
    const mallory = await world.device("mallory");
    await write(await mallory.spaces.create(), "spam");
    const { file } = await bundleOf(world, mallory);
    const before = await at(devices, 1).store.stats();
    expect(await take(world, at(devices, 1), file)).toMatchObject({ spaces: [], foreign: 1 });
    expect(await at(devices, 1).store.stats()).toEqual(before);
  });

  test("of a removed member's file all is verified, and what it wrote since is quarantined", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben", "mallory");
    const [ada, ben, mallory] = [at(devices, 0), at(devices, 1), at(devices, 2)];
    await at(spaces, 0).remove(mallory.author);
    await quiet(world);
    await world.carry(ada, ben);
    await write(at(spaces, 2), "after my removal");
    const { file } = await bundleOf(world, mallory);
    const report = await take(world, ben, file);
    expect(report.damageCount).toBe(0);
    expect(await textsOf(at(spaces, 1))).toEqual([]);
    const quarantined = await at(spaces, 1).quarantine();
    expect(quarantined).toMatchObject([{ author: mallory.author, cause: "ENDED" }]);
    // It knows by now that it is out: it has no key to seal anything with, and says so.
    await world.carry(ada, mallory);
    const late = await bundleOf(world, mallory);
    expect(late.report.withheld.map(({ reason }) => reason)).toContain("SPACE_NO_KEY");
    const incomplete = await take(world, ben, late.file);
    expect(incomplete.complete).toBe(false);
    expect(at(incomplete.spaces, 0).withheld).toBeGreaterThan(0);
  });

  test("a range that its maker tampered with is refused and named, the rest counts", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben");
    const [ada, ben] = [at(devices, 0), at(devices, 1)];
    await write(at(spaces, 0), "tampered with");
    const lying: Device = {
      ...ada,
      store: {
        ...ada.store,
        ranges: async function* ranges(logId, options) {
          for await (const range of ada.store.ranges(logId, options)) {
            const bytes = range.bytes.slice();
            bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
            yield range.context.domain === "hawser.data" ? { ...range, bytes } : range;
          }
        },
      },
    };
    await at(spaces, 0).announceAddress("https://relay.example", 60);
    const { file } = await bundleOf(world, lying);
    const report = await take(world, ben, file);
    expect(at(report.spaces, 0).entries).toBe(1);
    expect(await textsOf(at(spaces, 1))).toEqual([]);
    expect(report.complete).toBe(false);
    expect(report.refused.length).toBeGreaterThan(0);
    expect(report.refused.every(({ domain }) => domain === "hawser.data")).toBe(true);
  });

  test("a lost stick shows sizes: no key, id, author or text, and no two files are alike", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben");
    await write(at(spaces, 0), "a secret sentence");
    const [one, two] = [
      await bundleOf(world, at(devices, 0)),
      await bundleOf(world, at(devices, 0)),
    ];
    const needles = [
      utf8("a secret sentence"),
      utf8("hawser.control"),
      ...devices.map(({ author }) => fromHex(author)),
      fromHex(at(spaces, 0).topic),
    ];
    const hex = toHex(one.file);
    for (const needle of needles) expect(hex).not.toContain(toHex(needle ?? new Uint8Array(0)));
    // Beyond the header's fixed bytes nothing ties a file to another one of the same space.
    const blocks = (file: Uint8Array) => {
      const found = new Set<string>();
      for (let n = 12; n + 8 <= file.length; n++) {
        const block = file.subarray(n, n + 8);
        // Sizes are what a stick shows.
        if (!block.includes(0)) found.add(toHex(block));
      }
      return found;
    };
    const others = blocks(two.file);
    expect([...blocks(one.file)].filter((block) => others.has(block))).toEqual([]);
  });
});

describe("frontiers", () => {
  test("a frontier is no bundle, and a bundle no frontier", async () => {
    const world = await createWorld();
    const { devices } = await spaceWith(world, "ben");
    const [ada, ben] = [at(devices, 0), at(devices, 1)];
    const frontier = await collect(exportFrontier(exportDeps(world, ada)));
    expect(await codeOf(take(world, ben, frontier))).toBe("BUNDLE_KIND");
    const { file } = await bundleOf(world, ada);
    const deps = { crypto: world.crypto, spaces: ben.spaces };
    expect(await codeOf(readFrontier(deps, inPieces(file)))).toBe("BUNDLE_KIND");
    const newer = frontier.slice();
    newer[8] = 9;
    expect(await codeOf(readFrontier(deps, inPieces(newer)))).toBe("BUNDLE_VERSION");
    const broken = frontier.slice();
    broken[frontier.length - 30] = (broken[frontier.length - 30] ?? 0) ^ 1;
    expect(await codeOf(readFrontier(deps, inPieces(broken)))).toBe("BUNDLE_DAMAGED");
    expect(await codeOf(readFrontier(deps, inPieces(frontier.subarray(0, 90))))).toBe(
      "BUNDLE_DAMAGED",
    );
  });

  test("[TH-124] who was offline for 1,000 events catches up from one file", async () => {
    const world = await createWorld();
    const { devices, spaces } = await spaceWith(world, "ben");
    const frontier = await frontierOf(world, at(devices, 1), at(devices, 0));
    for (let n = 0; n < 10; n++) {
      const drafts = Array.from({ length: 100 }, (_, k) => ({
        type: "note",
        body: utf8(`${n} ${k}`),
      }));
      await at(spaces, 0).append(drafts);
    }
    const { file, report } = await bundleOf(world, at(devices, 0), { frontier });
    expect(report.entries).toBe(1_000);
    expect((await take(world, at(devices, 1), file)).complete).toBe(true);
    expect(await textsOf(at(spaces, 1))).toHaveLength(1_000);
    const next = await frontierOf(world, at(devices, 1), at(devices, 0));
    expect((await bundleOf(world, at(devices, 0), { frontier: next })).report.entries).toBe(0);
  });
});

/** A file of one section, taken apart. */
function chunksOf(file: Uint8Array): {
  readonly front: Uint8Array;
  readonly chunks: readonly Uint8Array[];
} {
  const front = file.slice(0, 44 + 16);
  const chunks: Uint8Array[] = [];
  for (let from = front.length; from < file.length;) {
    const size = 4 + new DataView(file.buffer, file.byteOffset + from).getUint32(0);
    chunks.push(file.slice(from, from + size));
    from += size;
  }
  return { front, chunks };
}
