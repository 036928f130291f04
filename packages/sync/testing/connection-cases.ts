/**
 * What every Connection must do, as cases any test runner can loop over
 * (docs/spec/3-sync.md §11).
 */
import { equalBytes } from "@hawser/codec";
import { type Connection, frameBytesMax } from "@hawser/sync";

/** Two ends of one open connection. */
export interface ConnectionPair extends AsyncDisposable {
  readonly a: Connection;
  readonly b: Connection;
}

export interface ConnectionCase {
  readonly name: string;
  /** The case asks for a platform that can stop to read. */
  readonly needsReader?: true;
  /** Rejects when the transport breaks the contract. */
  run(open: () => Promise<ConnectionPair>): Promise<void>;
}

function check(holds: boolean, message: string): void {
  if (!holds) throw new Error(message);
}

function numberedFrame(number: number, byteCount: number): Uint8Array {
  const frame = new Uint8Array(byteCount);
  frame[0] = number & 0xff;
  frame[frame.length - 1] = number >> 8;
  return frame;
}

async function take(connection: Connection, count: number): Promise<readonly Uint8Array[]> {
  const frames: Uint8Array[] = [];
  for await (const frame of connection.frames) {
    frames.push(frame);
    if (frames.length === count) break;
  }
  return frames;
}

async function takeAll(connection: Connection): Promise<readonly Uint8Array[]> {
  return take(connection, Number.POSITIVE_INFINITY);
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "none";
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}

async function expectFrames(from: Connection, to: Connection): Promise<void> {
  const sizes = [1, 2, 125, 126, 65_535, 65_536, 100_000];
  const sent = sizes.map((size, index) => numberedFrame(index, size));
  const received = take(to, sent.length);
  for (const frame of sent) await from.send(frame);
  const frames = await received;
  check(frames.length === sent.length, `sent ${sent.length} frames, got ${frames.length}`);
  for (const [index, frame] of frames.entries()) {
    check(equalBytes(frame, sent[index] ?? frame.subarray(1)), `frame ${index} changed`);
  }
}

/** The cases, in no particular order; each opens its own pair. */
export const connectionCases: readonly ConnectionCase[] = [
  {
    name: "frames arrive whole and in order, both ways",
    run: async (open) => {
      await using pair = await open();
      await Promise.all([expectFrames(pair.a, pair.b), expectFrames(pair.b, pair.a)]);
    },
  },
  {
    name: "the largest frame passes, a larger one is refused and harms nothing",
    run: async (open) => {
      await using pair = await open();
      const received = take(pair.b, 2);
      await pair.a.send(numberedFrame(1, frameBytesMax));
      const code = await codeOf(pair.a.send(new Uint8Array(frameBytesMax + 1)));
      check(code === "SYNC_FRAME_TOO_LARGE", `expected SYNC_FRAME_TOO_LARGE, got ${code}`);
      await pair.a.send(numberedFrame(2, 10));
      const sizes = (await received).map((frame) => frame.length);
      check(sizes.join() === `${frameBytesMax},10`, `got frames of ${sizes.join()} bytes`);
    },
  },
  {
    name: "many sends without waiting keep their order",
    run: async (open) => {
      await using pair = await open();
      const received = take(pair.b, 500);
      const sends = Array.from({ length: 500 }, (_, n) => pair.a.send(numberedFrame(n, 300)));
      await Promise.all(sends);
      for (const [index, frame] of (await received).entries()) {
        check(equalBytes(frame, numberedFrame(index, 300)), `frame ${index} is out of order`);
      }
    },
  },
  {
    name: "what was sent before close arrives, then iteration ends on both sides",
    run: async (open) => {
      await using pair = await open();
      const atA = takeAll(pair.a);
      const atB = takeAll(pair.b);
      for (let n = 0; n < 20; n++) await pair.a.send(numberedFrame(n, 1000));
      pair.a.close("SYNC_DONE");
      check((await atB).length === 20, "frames sent before close were lost");
      check((await atA).length === 0, "frames from nowhere");
    },
  },
  {
    name: "close is idempotent from either side, and at once from both",
    run: async (open) => {
      await using pair = await open();
      const ends = [takeAll(pair.a), takeAll(pair.b)];
      pair.a.close("SYNC_DONE");
      pair.b.close("SYNC_IDLE");
      pair.a.close();
      pair.b.close();
      await Promise.all(ends);
    },
  },
  {
    name: "send after close rejects with SYNC_CONNECTION_LOST on both sides",
    run: async (open) => {
      await using pair = await open();
      const ended = takeAll(pair.b);
      pair.a.close("SYNC_DONE");
      await ended;
      for (const end of [pair.a, pair.b]) {
        const code = await codeOf(end.send(Uint8Array.of(1)));
        check(code === "SYNC_CONNECTION_LOST", `expected SYNC_CONNECTION_LOST, got ${code}`);
      }
    },
  },
  {
    name: "send waits for a reader that does not read, and goes on when it does",
    needsReader: true,
    run: async (open) => {
      await using pair = await open();
      const count = 1_000;
      let sent = 0;
      const sending = (async () => {
        for (; sent < count; sent++) await pair.a.send(numberedFrame(sent, 100_000));
      })();
      // 100 MB cannot all be on their way: some send is still waiting when the first frame is read.
      const received = take(pair.b, count);
      await Promise.resolve();
      check(sent < count, "send took 100 MB without waiting for the reader");
      const frames = await received;
      await sending;
      check(frames.length === count, "frames were lost under backpressure");
    },
  },
  {
    name: "a send that waits rejects when the connection closes",
    run: async (open) => {
      await using pair = await open();
      const sending = (async () => {
        for (let n = 0; n < 2_000; n++) await pair.a.send(numberedFrame(n, 100_000));
      })();
      const code = codeOf(sending);
      pair.a.close("SYNC_SLOW");
      check((await code) === "SYNC_CONNECTION_LOST", `got ${await code}`);
    },
  },
  {
    name: "frames can be iterated once",
    run: async (open) => {
      await using pair = await open();
      const first = takeAll(pair.b);
      const code = await codeOf(takeAll(pair.b));
      check(code === "SYNC_CONNECTION_LOST", `expected SYNC_CONNECTION_LOST, got ${code}`);
      pair.a.close();
      await first;
    },
  },
];
