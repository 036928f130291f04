/** What a test page does in a browser: a tab that counts for whoever leads, and the contract's cases. */
import { connectionCases } from "@hawser/sync/testing";
import { createTabs, platformTabs } from "@hawser/transport-tabs";
import { framesOf, openTestTab, type TestTab } from "./group.ts";

let tab: TestTab | undefined;
const echoes: string[] = [];

/** Leads or follows; a leader sends back every frame with its own id in front. */
function start(name: string): string {
  const opened = createTabs(platformTabs(), {
    name,
    lead: async () => ({
      accept: (connection) => {
        void (async () => {
          for await (const frame of connection.frames) {
            const text = `${opened.id} ${new TextDecoder().decode(frame)}`;
            await connection.send(new TextEncoder().encode(text));
          }
        })().catch(() => {});
      },
      end: async () => {},
    }),
    follow: async (connection) => {
      await connection.send(new TextEncoder().encode(opened.id));
      for await (const frame of connection.frames) echoes.push(new TextDecoder().decode(frame));
    },
  });
  current = opened;
  return opened.id;
}

let current: ReturnType<typeof createTabs> | undefined;

/** Half of a pair, the other half being another tab of the browser. */
async function sendMany(name: string, count: number): Promise<string> {
  tab = openTestTab(name);
  const { connected, until } = tab;
  await until(() => connected.length === 1);
  const [connection] = connected;
  for (let n = 0; n < count; n++) await connection?.send(new Uint8Array(100_000).fill(n & 255));
  connection?.close();
  return "sent";
}

/** Leads, so that whoever comes next is the one that sends. */
async function openReceiver(name: string): Promise<string> {
  tab = openTestTab(name);
  const { led, until } = tab;
  await until(() => led.begun === 1);
  return "leading";
}

async function receiveMany(): Promise<string> {
  if (tab === undefined) throw new Error("openReceiver comes first");
  const { accepted, until } = tab;
  await until(() => accepted.length === 1);
  const [connection] = accepted;
  const frames = connection === undefined ? [] : await framesOf(connection.frames);
  const isInOrder = frames.every((frame, n) => frame.every((byte) => byte === (n & 255)));
  return `${frames.length} ${isInOrder}`;
}

async function runCases(): Promise<readonly string[]> {
  const failures: string[] = [];
  for (const [index, { name, run }] of connectionCases.entries()) {
    const open = async () => {
      const leader = openTestTab(`case ${index}`);
      await leader.until(() => leader.led.begun === 1);
      const follower = openTestTab(`case ${index}`);
      await leader.until(() => leader.accepted.length === 1);
      await follower.until(() => follower.connected.length === 1);
      const [[a], [b]] = [leader.accepted, follower.connected];
      if (a === undefined || b === undefined) throw new Error("no pair");
      const leave = async (): Promise<void> => {
        await Promise.all([leader, follower].map((one) => one.tabs[Symbol.asyncDispose]()));
      };
      return { a, b, [Symbol.asyncDispose]: leave };
    };
    await run(open).catch((error: unknown) => failures.push(`${name}: ${String(error)}`));
  }
  return failures;
}

Object.assign(globalThis, {
  hawser: {
    start,
    role: () => current?.role(),
    echoes: () => echoes,
    leave: async () => {
      await current?.[Symbol.asyncDispose]();
      return "left";
    },
    sendMany,
    openReceiver,
    receiveMany,
    runCases,
    caseCount: connectionCases.length,
  },
});
