/**
 * cojson (Jazz): one CoMap a log, an encrypted transaction an entry, its native crypto; messages as
 * JSON, as its WebSocket sends them. Verified and stored in memory; read as well when wanted.
 */
import { type CojsonInternalTypes, LocalNode, type Peer, type RawCoMap } from "cojson";
import { NapiCrypto } from "cojson/crypto/NapiCrypto";
import { entryBytes, entryText } from "./data.ts";
import { startStopwatch, until, untilQuiet } from "./stopwatch.ts";
import { freshCount, type SyncRun, type SyncSystem } from "./types.ts";

type Channel = Peer["incoming"] & Peer["outgoing"];
type Message = Parameters<Channel["push"]>[0];
type Measured = Pick<SyncRun, "seconds" | "cpuSeconds" | "wireBytes">;
type Id = CojsonInternalTypes.RawCoID;

const crypto = await NapiCrypto.create();

function createNode(): LocalNode {
  const secret = crypto.newRandomAgentSecret();
  return new LocalNode(secret, crypto.newRandomSessionID(crypto.getAgentID(secret)), crypto);
}

/** One direction of a connection: JSON text that arrives in a later turn. */
function createChannel(onText: (text: string) => void): Channel {
  let listener: ((message: Message) => void) | undefined;
  const waiting: Message[] = [];
  let isClosed = false;
  const channel: Channel = {
    push: (message) => {
      if (isClosed) return;
      if (message === "Disconnected") {
        listener?.(message);
        return;
      }
      const text = JSON.stringify(message);
      onText(text);
      setImmediate(() => {
        // Safe: the text of a message.
        const arrived = JSON.parse(text) as Message;
        if (listener === undefined) waiting.push(arrived);
        else listener(arrived);
      });
    },
    close: () => {
      isClosed = true;
    },
    onClose: () => {},
    onMessage: (callback) => {
      listener = callback;
      for (const message of waiting.splice(0)) callback(message);
    },
  };
  return channel;
}

function countOf(node: LocalNode, id: Id): number {
  const { sessions } = node.getCoValue(id).knownState();
  return Object.values(sessions).reduce((sum, count) => sum + count, 0);
}

/** Connects two nodes until the second has of each map as much as the first. */
async function sync(
  from: LocalNode,
  to: LocalNode,
  maps: readonly RawCoMap[],
  isRead: boolean,
): Promise<Measured> {
  let wireBytes = 0;
  const count = (text: string): void => {
    wireBytes += Buffer.byteLength(text);
  };
  const [there, back] = [createChannel(count), createChannel(count)];
  const wanted = maps.map(({ id }) => ({ id, count: countOf(from, id) }));
  const watch = startStopwatch();
  from.syncManager.addPeer({ id: "to", role: "client", incoming: back, outgoing: there });
  to.syncManager.addPeer({ id: "from", role: "server", incoming: there, outgoing: back });
  const isComplete = (): boolean => wanted.every((one) => countOf(to, one.id) >= one.count);
  await Promise.all(maps.map(({ id }) => to.loadCoValueCore(id)));
  await until(isComplete);
  if (isRead) {
    for (const { id } of maps) {
      const map = await to.load(id);
      if (map === "unavailable" || map.keys().length === 0) throw new Error("nothing to read");
    }
  }
  const run = { seconds: watch.seconds(), cpuSeconds: watch.cpuSeconds() };
  await untilQuiet(() => wireBytes);
  there.push("Disconnected");
  back.push("Disconnected");
  return { ...run, wireBytes };
}

function createSystem(isRead: boolean): SyncSystem {
  const fill = (map: RawCoMap, from: number, count: number): void => {
    for (let n = from; n < from + count; n++) map.set(`k${n}`, entryText(n), "private");
  };
  return {
    initial: async (entries) => {
      const from = createNode();
      const group = from.createGroup();
      group.addMember("everyone", "reader");
      const log = group.createMap();
      fill(log, 0, entries);
      return async () => {
        const run = await sync(from, createNode(), [log], isRead);
        return { ...run, entries, logs: 1, payloadBytes: entries * entryBytes };
      };
    },
    incremental: async ({ logs, entriesPerLog }) => {
      const [from, to] = [createNode(), createNode()];
      const group = from.createGroup();
      group.addMember("everyone", "reader");
      const maps = Array.from({ length: logs }, (_, log) => {
        const map = group.createMap();
        fill(map, log * entriesPerLog, entriesPerLog);
        return map;
      });
      await sync(from, to, maps, false);
      for (const map of maps.slice(0, freshCount)) fill(map, logs * entriesPerLog, 1);
      const run = await sync(from, to, maps, isRead);
      return { ...run, entries: freshCount, logs, payloadBytes: freshCount * entryBytes };
    },
  };
}

/** Verified and stored. */
export function createCojsonSystem(): Promise<SyncSystem> {
  return Promise.resolve(createSystem(false));
}

/** Also decrypted, as a map. */
export function createReadCojsonSystem(): Promise<SyncSystem> {
  return Promise.resolve(createSystem(true));
}
