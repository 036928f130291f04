/** What a test page does in a browser: the cases of every transport, over its own WebSocket. */
import { transportCasesFor, type TransportHarness, type TransportPair } from "@hawser/sync/testing";
// The bundler takes the door for browsers.
import { connectWebSocket } from "@hawser/transport-ws";

let base = "";
let silence = "";
let count = 0;

async function openPair(): Promise<TransportPair> {
  const name = `${base}/pair${count++}`;
  const [a, b] = await Promise.all([connectWebSocket(name), connectWebSocket(name)]);
  return {
    a,
    b,
    cut: async () => {
      await connectWebSocket(`${name}/cut`).catch(() => undefined);
    },
    [Symbol.asyncDispose]: async () => {
      a.close();
      b.close();
    },
  };
}

const harness: TransportHarness = {
  waitsForReader: false,
  open: openPair,
  dialSilence: (signal) => connectWebSocket(silence, { signal }),
};
const cases = transportCasesFor(harness);

Object.assign(globalThis, {
  hawser: {
    use: (port: number, silentPort: number) => {
      base = `ws://127.0.0.1:${port}`;
      silence = `ws://127.0.0.1:${silentPort}`;
    },
    names: cases.map(({ name }) => name),
    runCase: async (index: number) =>
      (await cases[index]?.run(harness).then(
        () => "passed",
        (error: unknown) => String(error),
      )) ?? "no such case",
  },
});
