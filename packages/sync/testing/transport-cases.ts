/**
 * What every transport must do, as cases any test runner can loop over: the contract of its
 * connections (docs/spec/3-sync.md §11), and what only a way to open and to break them can show.
 */
import { equalBytes } from "@hawser/codec";
import { type Connection, frameBytesMax } from "@hawser/sync";
import { connectionCases, type ConnectionPair } from "./connection-cases.ts";

/** Two ends of one open connection that can be broken. */
export interface TransportPair extends ConnectionPair {
  /** Breaks the pipe without a word to either end, as a process that dies does. */
  cut(): Promise<void>;
}

/** One transport, as the cases use it. */
export interface TransportHarness {
  /** Opens a pair of its own for each call; `a` dialled, `b` was dialled. */
  open(): Promise<TransportPair>;
  /**
   * Dials a peer that never answers. Rejects once the signal aborts, or at once when it has, with an
   * error whose `code` is a string. Left out where connections come by themselves, as between tabs.
   */
  dialSilence?(signal: AbortSignal): Promise<Connection>;
  /** False where the platform cannot stop to read, as a browser's WebSocket: credit bounds it. */
  readonly waitsForReader: boolean;
}

export interface TransportCase {
  readonly name: string;
  /** The case asks for a harness whose `waitsForReader` is true. */
  readonly needsReader: boolean;
  /** The case asks for a harness with `dialSilence`. */
  readonly needsDial: boolean;
  /** Rejects when the transport breaks the contract. */
  run(harness: TransportHarness): Promise<void>;
}

/** Bytes that a transport, and the platform under it, may take while nobody reads. */
const unreadBytesMax: number = 24 * 1024 * 1024;
const unreadFrameBytes = 256 * 1024;

function check(holds: boolean, message: string): void {
  if (!holds) throw new Error(message);
}

/** A frame that tells its number, and in every stretch of 97 bytes which byte is out of place. */
function patternFrame(number: number, byteCount: number): Uint8Array {
  const frame = new Uint8Array(byteCount).fill(number);
  for (let at = 0; at < byteCount; at += 97) frame[at] = number * 31 + at * 7 + (at >> 8);
  if (byteCount > 0) frame[byteCount - 1] = ~number;
  return frame;
}

async function readAll(connection: Connection): Promise<readonly Uint8Array[]> {
  const frames: Uint8Array[] = [];
  for await (const frame of connection.frames) frames.push(frame);
  return frames;
}

/** The next frames; the iteration goes on afterwards. */
function reader(connection: Connection): (count: number) => Promise<readonly Uint8Array[]> {
  const iterator = connection.frames[Symbol.asyncIterator]();
  return async (count) => {
    const frames: Uint8Array[] = [];
    while (frames.length < count) {
      const next = await iterator.next();
      if (next.done === true) break;
      frames.push(next.value);
    }
    return frames;
  };
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "none";
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}

async function expectLost(work: Promise<unknown>): Promise<void> {
  const code = await codeOf(work);
  check(code === "SYNC_CONNECTION_LOST", `expected SYNC_CONNECTION_LOST, got ${code}`);
}

/** Sends until the connection is gone. */
async function sendForEver(connection: Connection, byteCount: number): Promise<never> {
  for (let number = 0; ; number++) await connection.send(patternFrame(number & 255, byteCount));
}

function expectSame(frames: readonly Uint8Array[], sent: readonly Uint8Array[]): void {
  check(frames.length === sent.length, `sent ${sent.length} frames, got ${frames.length}`);
  for (const [index, frame] of frames.entries()) {
    check(equalBytes(frame, sent[index] ?? frame.subarray(1)), `frame ${index} changed`);
  }
}

type OwnCase = Omit<TransportCase, "needsReader" | "needsDial"> & { readonly needsReader?: true };

const frameCases: readonly OwnCase[] = [
  {
    name: "an empty frame arrives as an empty frame, between others",
    run: async ({ open }) => {
      await using pair = await open();
      const sizes = [3, 0, 1, 0, 0, 2];
      const sent = sizes.map((size, number) => patternFrame(number, size));
      const received = reader(pair.b)(sizes.length);
      for (const frame of sent) await pair.a.send(frame);
      expectSame(await received, sent);
    },
  },
  {
    name: "frames of every size around the limits of packets arrive whole, both ways at once",
    run: async ({ open }) => {
      await using pair = await open();
      const limits = [1_200, 16_384, 65_535, 131_072, frameBytesMax];
      const sizes = limits.flatMap((limit) => [-9, -1, 0, 1].map((change) => limit + change));
      const sent = sizes
        .filter((size) => size <= frameBytesMax)
        .map((size, number) => patternFrame(number, size));
      const pass = async (from: Connection, to: Connection): Promise<void> => {
        const received = reader(to)(sent.length);
        for (const frame of sent) await from.send(frame);
        expectSame(await received, sent);
      };
      await Promise.all([pass(pair.a, pair.b), pass(pair.b, pair.a)]);
    },
  },
  {
    name: "the part of a buffer that is sent is what arrives",
    run: async ({ open }) => {
      await using pair = await open();
      const whole = patternFrame(5, 1_000);
      await pair.a.send(whole.subarray(400, 600));
      expectSame(await reader(pair.b)(1), [whole.slice(400, 600)]);
    },
  },
  {
    name: "connections that are open at once do not mix",
    run: async ({ open }) => {
      const pairs = await Promise.all([open(), open(), open()]);
      try {
        await Promise.all(
          pairs.map(async ({ a, b }, index) => {
            const sent = Array.from({ length: 20 }, (_, n) => patternFrame(index * 50 + n, 3_000));
            const received = reader(b)(sent.length);
            for (const frame of sent) await a.send(frame);
            expectSame(await received, sent);
          }),
        );
      } finally {
        await Promise.all(pairs.map((pair) => pair[Symbol.asyncDispose]()));
      }
    },
  },
  {
    name: "both ends know the same channel binding, another connection has another, or none has any",
    run: async ({ open }) => {
      await using one = await open();
      await using two = await open();
      const [first, other] = [one.a.channelBinding, two.a.channelBinding];
      if (first === undefined || other === undefined) {
        const all = [one.a, one.b, two.a, two.b].map(({ channelBinding }) => channelBinding);
        return check(
          all.every((binding) => binding === undefined),
          "one end alone is bound",
        );
      }
      check(first.length >= 16 && first.length <= 64, `a binding of ${first.length} bytes`);
      check(equalBytes(first, one.b.channelBinding ?? new Uint8Array()), "the ends differ");
      check(!equalBytes(first, other), "two connections share a binding");
    },
  },
];

const pressureCases: readonly OwnCase[] = [
  {
    name: "what a reader that does not read is sent is bounded, and none of it is lost",
    needsReader: true,
    run: async ({ open }) => {
      await using pair = await open();
      const count = Math.ceil((2 * unreadBytesMax) / unreadFrameBytes);
      let sent = 0;
      const sending = (async () => {
        for (; sent < count; sent++) await pair.a.send(patternFrame(sent, unreadFrameBytes));
      })();
      // The other direction is free meanwhile; it gives the first one time to take what it takes.
      const answers = reader(pair.a);
      for (let round = 0; round < 200; round++) {
        await pair.b.send(patternFrame(round, 100));
        expectSame(await answers(1), [patternFrame(round, 100)]);
      }
      const taken = sent * unreadFrameBytes;
      check(taken < unreadBytesMax, `${taken} bytes were taken from a sender nobody reads`);
      const next = reader(pair.b);
      for (let number = 0; number < count; number++) {
        expectSame(await next(1), [patternFrame(number, unreadFrameBytes)]);
      }
      await sending;
    },
  },
];

const closeCases: readonly OwnCase[] = [
  {
    name: "what was sent before close can be read after it, whichever side closes",
    run: async ({ open }) => {
      for (const side of ["a", "b"] as const) {
        await using pair = await open();
        const [from, to] = side === "a" ? [pair.a, pair.b] : [pair.b, pair.a];
        const sent = Array.from({ length: 12 }, (_, number) => patternFrame(number, 20_000));
        for (const frame of sent) await from.send(frame);
        from.close("SYNC_DONE");
        expectSame(await readAll(to), sent);
      }
    },
  },
  {
    name: "no reason, however strange, keeps a connection open",
    run: async ({ open }) => {
      const strange = ["", "SYNC_IDLE", "x".repeat(5_000), "\u{1f6a2} \ud800 é\n\0", "'\"<&>"];
      for (const reason of strange) {
        await using pair = await open();
        const ended = [readAll(pair.a), readAll(pair.b)];
        pair.b.close(reason);
        for (const frames of await Promise.all(ended)) expectSame(frames, []);
      }
    },
  },
  {
    name: "nothing arrives at a side that has closed",
    run: async ({ open }) => {
      await using pair = await open();
      pair.a.close("SYNC_DONE");
      const sending = Promise.allSettled(
        Array.from({ length: 20 }, (_, number) => pair.b.send(patternFrame(number, 1_000))),
      );
      expectSame(await readAll(pair.a), []);
      await readAll(pair.b);
      await sending;
      await expectLost(pair.b.send(patternFrame(1, 1)));
    },
  },
  {
    name: "a reader that left its loop holds nothing up",
    run: async ({ open }) => {
      await using pair = await open();
      await pair.a.send(patternFrame(1, 10));
      for await (const frame of pair.b.frames) {
        expectSame([frame], [patternFrame(1, 10)]);
        break;
      }
      await pair.a.send(patternFrame(2, 10));
      const ended = readAll(pair.a);
      pair.b.close("SYNC_DONE");
      expectSame(await ended, []);
    },
  },
];

const lossCases: readonly OwnCase[] = [
  {
    name: "a pipe that breaks ends both ends, and sends reject",
    run: async ({ open }) => {
      await using pair = await open();
      const ended = [readAll(pair.a), readAll(pair.b)];
      await pair.a.send(patternFrame(1, 10));
      await pair.cut();
      await Promise.all(ended);
      for (const end of [pair.a, pair.b]) await expectLost(end.send(patternFrame(1, 1)));
      pair.a.close("SYNC_DONE");
      pair.b.close();
    },
  },
  {
    name: "a pipe that breaks under a flood rejects the sends that wait",
    run: async ({ open }) => {
      await using pair = await open();
      const sending = [codeOf(sendForEver(pair.a, 100_000)), codeOf(sendForEver(pair.b, 100_000))];
      await pair.cut();
      for (const code of await Promise.all(sending)) {
        check(code === "SYNC_CONNECTION_LOST", `expected SYNC_CONNECTION_LOST, got ${code}`);
      }
    },
  },
  {
    name: "a frame is never cut: what a broken pipe delivered is whole",
    run: async ({ open }) => {
      await using pair = await open();
      const received = readAll(pair.b);
      const sending = codeOf(sendForEver(pair.a, 200_000));
      const back = reader(pair.a);
      await pair.b.send(patternFrame(1, 1));
      await back(1);
      await pair.cut();
      await sending;
      for (const [number, frame] of (await received).entries()) {
        expectSame([frame], [patternFrame(number & 255, 200_000)]);
      }
    },
  },
];

const noDial = (): Promise<never> => Promise.reject(new Error("the harness dials nobody"));

const dialCases: readonly OwnCase[] = [
  {
    name: "a signal that has aborted ends a dial before it begins",
    run: async ({ dialSilence = noDial }) => {
      const code = await codeOf(dialSilence(AbortSignal.abort()));
      check(/^[A-Z]+(_[A-Z0-9]+)+$/.test(code), `expected a code, got ${code}`);
    },
  },
  {
    name: "a signal ends a dial that nobody answers",
    run: async ({ dialSilence = noDial }) => {
      const abort = new AbortController();
      const dialling = codeOf(dialSilence(abort.signal));
      // Not at once: the dial is under way by then.
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
      abort.abort();
      const code = await dialling;
      check(/^[A-Z]+(_[A-Z0-9]+)+$/.test(code), `expected a code, got ${code}`);
    },
  },
];

/** The cases, in no particular order; each opens its own pairs. */
export const transportCases: readonly TransportCase[] = [
  ...connectionCases.map(({ name, needsReader = false, run }) => ({
    name,
    needsReader,
    needsDial: false,
    run: ({ open }: TransportHarness) => run(open),
  })),
  ...[...frameCases, ...pressureCases, ...closeCases, ...lossCases].map(
    ({ name, needsReader = false, run }) => ({ name, needsReader, needsDial: false, run }),
  ),
  ...dialCases.map(({ name, run }) => ({ name, needsReader: false, needsDial: true, run })),
];

/** The cases that a harness of such traits must pass. */
export function transportCasesFor(
  harness: Pick<TransportHarness, "waitsForReader" | "dialSilence">,
): readonly TransportCase[] {
  const { waitsForReader, dialSilence } = harness;
  return transportCases.filter(
    ({ needsReader, needsDial }) =>
      (waitsForReader || !needsReader) && (dialSilence !== undefined || !needsDial),
  );
}
