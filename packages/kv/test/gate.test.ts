/** The map behind a gate, which takes events out again. */
import { encodeCbor, utf8 } from "@hawser/codec";
import { createKv, kvView, type KvChange } from "@hawser/kv";
import type { Gate, ViewEvent } from "@hawser/view";
import { createMemorySource, fakeEvent } from "@hawser/view/testing";
import { expect, test } from "vitest";

/** Takes out the seq that an event of type "mark" has as its body. */
const marking: Gate = {
  start: () => {
    const marked = new Set<number>();
    return {
      add: (events) => {
        const marks = events.filter(({ type }) => type === "mark");
        for (const { body } of marks) marked.add(body[0] ?? 0);
        return marks.length === 0 ? "none" : "all";
      },
      judge: ({ seq }) =>
        marked.has(seq) ? { verdict: "deleted", reason: "MARKED", by: [] } : { verdict: "admit" },
    };
  },
};

function mark(seq: number, target: number): ViewEvent {
  return fakeEvent(7, seq, { type: "mark", body: new Uint8Array([target]) });
}

test("[TH-192] a deleted put shows what it had replaced, and watchers hear of it", async () => {
  const source = createMemorySource();
  await using kv = createKv({ source }, { gate: marking });
  await kv.put("key", "first");
  await kv.put("key", "second");
  const heard: KvChange[] = [];
  const stop = new AbortController();
  const watching = (async () => {
    for await (const change of kv.watch({ signal: stop.signal })) {
      heard.push(change);
      stop.abort();
    }
  })();
  const deletion = mark(0, 1);
  source.deliver([deletion]);
  await kv.applied(deletion);
  await watching;
  expect(kv.get("key")).toBe("first");
  expect(heard).toEqual([{ key: "key", value: "first" }]);
});

test("[TH-192] with its only put deleted a key is absent, as if it had never been written", async () => {
  const source = createMemorySource();
  await using kv = createKv({ source }, { gate: marking });
  await kv.put("key", "only");
  const deletion = mark(0, 0);
  source.deliver([deletion]);
  await kv.applied(deletion);
  expect([kv.has("key"), kv.size, [...kv.range()]]).toEqual([false, 0, []]);
});

test("[TH-006] a state that was encoded and read again answers as the one in memory", () => {
  const events = ["a", "b", "a", "c"].map((key, seq) => {
    const body = encodeCbor([1, [key, `value ${seq}`, []]]);
    return fakeEvent(1, seq, { type: "kv", body });
  });
  let state = kvView.init();
  for (const event of events) state = kvView.apply(state, event);
  const persisted = kvView.decode(kvView.encode(state));
  if (persisted === undefined) throw new Error("not decoded");
  expect([...persisted.present.ascend("")]).toEqual([...state.present.ascend("")]);
  for (const key of ["a", "b", "c", "d"]) {
    expect(persisted.versions.get(key)).toEqual(state.versions.get(key));
  }
  // And it goes on as that one does.
  const next = fakeEvent(1, 4, { type: "kv", body: encodeCbor([1, ["b", utf8("x"), []]]) });
  expect(kvView.encode(kvView.apply(persisted, next))).toEqual(
    kvView.encode(kvView.apply(state, next)),
  );
});
