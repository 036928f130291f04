/** A network of data channels in memory: descriptions name peers, certificates are numbers. */
import { toHex, utf8 } from "@hawser/codec";
import type { RtcChannel, RtcPeer, RtcPlatform } from "@hawser/transport-webrtc";

type Listener = (event: { readonly data: unknown }) => void;

/** One end of a data channel; `sent` keeps what was sent. */
export class FakeChannel implements RtcChannel {
  binaryType = "arraybuffer";
  readyState = "connecting";
  bufferedAmount = 0;
  bufferedAmountLowThreshold = 0;
  other: FakeChannel | undefined;
  readonly sent: Uint8Array[] = [];
  readonly #listeners = new Map<string, Listener[]>();

  addEventListener(type: string, listener: Listener | (() => void)): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  emit(type: string, data?: unknown): void {
    for (const listener of this.#listeners.get(type) ?? []) listener({ data });
  }

  hear(bytes: Uint8Array): void {
    this.emit("message", bytes.slice().buffer);
  }

  open(): void {
    if (this.readyState !== "connecting") return;
    this.readyState = "open";
    this.emit("open");
  }

  send(data: Uint8Array<ArrayBuffer>): void {
    if (this.readyState !== "open") throw new Error("InvalidStateError");
    const copy = data.slice();
    this.sent.push(copy);
    queueMicrotask(() => this.other?.hear(copy));
  }

  close(): void {
    if (this.readyState === "closed") return;
    this.readyState = "closed";
    queueMicrotask(() => {
      this.emit("close");
      this.other?.close();
    });
  }
}

/** A description as browsers make it, as far as anything here reads it. */
export function describe(fingerprint: Uint8Array, extra: readonly string[] = []): string {
  const hex = toHex(fingerprint).match(/../g)?.join(":").toUpperCase() ?? "";
  return [
    "v=0",
    "o=- 1 2 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    `a=fingerprint:sha-256 ${hex}`,
    "a=sctp-port:5000",
    ...extra,
    "",
  ].join("\r\n");
}

/** Devices on it reach each other when each has the description that the other made. */
export interface FakeRtc {
  platform(name: string): RtcPlatform;
  /** Peers opened so far. */
  opened(): number;
}

interface Made {
  readonly channel: FakeChannel;
  readonly fingerprint: Uint8Array;
  /** The fingerprint in the description it took. */
  expects: string | undefined;
}

export function createFakeRtc(hash: (bytes: Uint8Array) => Uint8Array): FakeRtc {
  const peers = new Map<string, Made>();
  let count = 0;
  const meet = (a: Made | undefined, b: Made | undefined): void => {
    if (a === undefined || b === undefined) return;
    // The handshake of the certificates: a description of somebody else's leads nowhere.
    if (a.expects !== toHex(b.fingerprint) || b.expects !== toHex(a.fingerprint)) return;
    a.channel.other = b.channel;
    b.channel.other = a.channel;
    queueMicrotask(() => {
      a.channel.open();
      b.channel.open();
    });
  };
  const idIn = (text: string): string => /a=peer:(\d+)/.exec(text)?.[1] ?? "";
  const printIn = (text: string): string =>
    /sha-256 (\S+)/.exec(text)?.[1]?.replaceAll(":", "").toLowerCase() ?? "";
  return {
    opened: () => count,
    platform: (name) => {
      const fingerprint = hash(utf8(name));
      const open = async (): Promise<RtcPeer> => {
        const id = String(++count);
        const made: Made = { channel: new FakeChannel(), fingerprint, expects: undefined };
        peers.set(id, made);
        const text = describe(fingerprint, [`a=peer:${id}`]);
        return {
          channel: made.channel,
          offer: async () => text,
          answer: async (offer) => {
            made.expects = printIn(offer);
            return `${text}a=to:${idIn(offer)}\r\n`;
          },
          accept: async (answer) => {
            made.expects = printIn(answer);
            meet(made, peers.get(idIn(answer)));
          },
          messageBytesMax: () => 65_536,
          onLost: () => {},
          close: () => made.channel.close(),
        };
      };
      return { open, fingerprint: async () => fingerprint };
    },
  };
}
