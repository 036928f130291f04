/**
 * docs/spec/3-sync.md §4: what peers of the version before said and were told, held against the
 * machine of today. `transcripts/record.ts` says how the file was made.
 */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { toHex } from "@hawser/codec";
import { describe, expect, test } from "vitest";
import { createMachine, decodeMessage } from "@hawser/sync";
import { crypto, identityOf } from "./harness.ts";
import { textToTranscripts, type Transcript } from "./transcripts/text.ts";

const path = new URL("./transcripts/v1.json.gz", import.meta.url);
const transcripts = textToTranscripts(gunzipSync(readFileSync(path)).toString("utf8"));

/** The frames that today's machine sends when the same things happen to it, event by event. */
function replay(transcript: Transcript): readonly (readonly string[])[] {
  const { features } = transcript;
  const machine = createMachine({
    crypto,
    options: { ...transcript.options, features, reconcileLogs: 64 },
  });
  const identities = transcript.secrets.map(identityOf);
  let state = machine.initial({ ...transcript.seed, identities });
  return transcript.steps.map(({ event }) => {
    const stepped = machine.step(state, event);
    state = stepped.state;
    return stepped.effects.flatMap((effect) =>
      effect.type === "send" ? [toHex(effect.frame)] : [],
    );
  });
}

describe("transcripts of version 1 before it had features", () => {
  test.each(transcripts.map((transcript) => [nameOf(transcript), transcript] as const))(
    "[TH-101] %s: byte for byte what was said then",
    (_name, transcript) => {
      const said = transcript.steps.map(({ frames }) => frames.map(toHex));
      expect(replay(transcript)).toEqual(said);
    },
  );

  test("they hold every message there was, and peers with and without features", () => {
    const types = new Set(
      transcripts.flatMap(({ steps }) =>
        steps.flatMap(({ frames }) => frames.map((frame) => decodeMessage(frame)?.type)),
      ),
    );
    for (const type of ["hello", "identities", "topics", "proof", "frontier", "wants"]) {
      expect(types).toContain(type);
    }
    for (const type of ["acks", "range", "fork", "heartbeat", "bye"]) expect(types).toContain(type);
    expect(new Set(transcripts.map(({ features }) => features))).toEqual(new Set([0, 7]));
    expect(transcripts.every(({ peerFeatures }) => peerFeatures === 0)).toBe(true);
  });

  test("a frame that was altered is noticed", () => {
    const [first] = transcripts;
    if (first === undefined) throw new Error("no transcript");
    const steps = first.steps.map((step) => structuredClone(step));
    const heard = steps.find(({ event }) => event.type === "frame" && event.frame[0] === 4);
    if (heard?.event.type !== "frame") throw new Error("no proof in the transcript");
    heard.event.frame[10] = (heard.event.frame[10] ?? 0) ^ 1;
    const said = first.steps.map(({ frames }) => frames.map(toHex));
    expect(replay({ ...first, steps })).not.toEqual(said);
  });
});

function nameOf({ name, features }: Transcript): string {
  return features === 0 ? name : `${name}, offering features the peer does not have`;
}
