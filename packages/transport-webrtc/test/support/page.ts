/** What a test page does in a browser: the cases of every transport, over real data channels. */
import { createCrypto } from "@hawser/crypto";
import {
  realTimers as timers,
  transportCases,
  transportCasesFor,
  type TransportHarness,
  type TransportPair,
} from "@hawser/sync/testing";
import {
  answerPipe,
  offerPipe,
  platformRtc,
  type EstablishDeps,
  type Pipe,
  type RtcPeer,
} from "@hawser/transport-webrtc";

const crypto = await createCrypto();

/** A platform whose peers the test can end without a word. */
function createEnd(): { readonly deps: EstablishDeps; readonly peers: RtcPeer[] } {
  const peers: RtcPeer[] = [];
  const platform = platformRtc();
  const open = async (): Promise<RtcPeer> => {
    const peer = await platform.open();
    peers.push(peer);
    return peer;
  };
  return { deps: { crypto, timers, platform: { ...platform, open } }, peers };
}

async function openPair(): Promise<TransportPair> {
  const [offerer, answerer] = [createEnd(), createEnd()];
  const session = globalThis.crypto.getRandomValues(new Uint8Array(16));
  let answering: Promise<Pipe> | undefined;
  const a = await offerPipe(
    offerer.deps,
    (offer) =>
      new Promise((resolve, reject) => {
        const reply = async (answer: string): Promise<void> => resolve(answer);
        answering = answerPipe(answerer.deps, { offer, reply }, { session });
        answering.catch(reject);
      }),
    { session },
  );
  const b = await answering;
  if (b === undefined) throw new Error("nobody answered");
  const end = async (): Promise<void> => {
    for (const peer of [...offerer.peers, ...answerer.peers]) peer.close();
    a.lose();
    b.lose();
  };
  return {
    a: a.connection,
    b: b.connection,
    // One process is gone; the other end has to notice.
    cut: async () => {
      for (const peer of offerer.peers) peer.close();
      a.lose();
    },
    [Symbol.asyncDispose]: end,
  };
}

const harness: TransportHarness = {
  waitsForReader: true,
  open: openPair,
  dialSilence: async (signal) => {
    const session = new Uint8Array(16).fill(1);
    const silence = (): Promise<string> => new Promise(() => {});
    return (await offerPipe(createEnd().deps, silence, { session, signal })).connection;
  },
};

async function runCase(index: number): Promise<string> {
  const entry = transportCasesFor(harness)[index];
  if (entry === undefined) return "no such case";
  return entry.run(harness).then(
    () => "passed",
    (error: unknown) => String(error),
  );
}

Object.assign(globalThis, {
  hawser: { runCase, names: transportCases.map(({ name }) => name) },
});
