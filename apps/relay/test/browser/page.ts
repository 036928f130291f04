/** The smallest app there can be: one space, its keys and values on the page, and how it is doing. */
import { createHawser, type Hawser, type HawserSpace } from "@hawser/hawser";
import { webRtc } from "@hawser/transport-webrtc";

let device: Hawser | undefined;
let space: HawserSpace | undefined;
let syncSockets = 0;
let isSyncBlocked = false;

/** Opens no socket for sync while those are blocked, as a firewall would. */
class CountedWebSocket extends WebSocket {
  constructor(url: string) {
    if (url.endsWith("/v1/sync")) {
      if (isSyncBlocked) throw new Error("blocked");
      syncSockets += 1;
    }
    super(url);
  }
}
Object.assign(globalThis, { WebSocket: CountedWebSocket });

function entries(): readonly (readonly [string, unknown])[] {
  return [...(space?.kv.range() ?? [])].map(({ key, value }) => [key, value] as const);
}

/** The part of the page that is used; the repository's types have no document. */
const { document } = globalThis as unknown as {
  readonly document: { readonly body: { innerText: string } };
};

function connectedRelays(): number {
  return device?.relays().filter(({ isConnected }) => isConnected).length ?? 0;
}

function draw(): void {
  const rows = entries().map(([key, value]) => `${key}: ${String(value)}`);
  const links = `relays: ${connectedRelays()}, direct: ${device?.directPeers() ?? 0}`;
  document.body.innerText = ["Hawser", ...rows, links].join("\n");
}

interface OpenOptions {
  readonly relay?: string;
  readonly isDirect?: boolean;
  readonly isSyncBlocked?: boolean;
}

async function open(options: OpenOptions): Promise<string> {
  isSyncBlocked = options.isSyncBlocked ?? false;
  device = await createHawser({
    path: "notes",
    ...(options.relay === undefined ? {} : { relay: options.relay }),
    ...(options.isDirect === true ? { direct: webRtc() } : {}),
  });
  space = device.spaces()[0];
  await space?.kv.ready;
  return device.author;
}

function required(): HawserSpace {
  if (space === undefined) throw new Error("no space is open");
  return space;
}

Object.assign(globalThis, {
  hawser: {
    open,
    create: async () => {
      space = await device?.create();
      return required().id;
    },
    invite: () => required().invite(),
    join: async (link: string) => {
      space = await device?.join(link);
      return required().id;
    },
    put: async (key: string, value: string) => {
      await required().kv.put(key, value);
    },
    remove: async (key: string) => {
      await required().kv.del(key);
    },
    shows: (keys: readonly string[]) => {
      draw();
      const shown = new Set(entries().map(([key]) => key));
      return keys.every((key) => shown.has(key));
    },
    text: () => JSON.stringify(entries()),
    synced: async () => {
      await required().synced();
      return "synced";
    },
    directPeers: () => device?.directPeers() ?? 0,
    connectedRelays,
    syncSockets: () => syncSockets,
    close: async () => {
      await device?.[Symbol.asyncDispose]();
      return "closed";
    },
  },
});
