/**
 * How transcripts are written down: events of one machine and the frames it answered with, as JSON.
 */
import { fromHex, toHex } from "@hawser/codec";
import type { MachineOptions, MachineSeed, SyncEvent } from "@hawser/sync";

/** One side of a session, from the first event to the last. */
export interface Transcript {
  readonly name: string;
  /** Feature bits in this side's hello. */
  readonly features: number;
  /** Feature bits in the hello of the other side. */
  readonly peerFeatures: number;
  readonly options: MachineOptions;
  readonly seed: Omit<MachineSeed, "identities">;
  /** Secrets behind the identities that the side proves. */
  readonly secrets: readonly Uint8Array[];
  readonly steps: readonly TranscriptStep[];
}

export interface TranscriptStep {
  readonly event: SyncEvent;
  /** What the machine sent in answer, in order. */
  readonly frames: readonly Uint8Array[];
}

const prefix = "hex:";

/** Byte strings as text; skip links, which sync does not look at, are left out. */
export function transcriptsToText(transcripts: readonly Transcript[]): string {
  const replace = (key: string, value: unknown): unknown => {
    if (value instanceof Uint8Array) return prefix + toHex(value);
    return key === "skips" ? [] : value;
  };
  const lines = transcripts.map((transcript) => {
    const { steps, ...head } = transcript;
    const texts = steps.map((step) => JSON.stringify(step, replace));
    return `{"head":${JSON.stringify(head, replace)},"steps":[\n${texts.join(",\n")}\n]}`;
  });
  return `[\n${lines.join(",\n")}\n]\n`;
}

/** The inverse of `transcriptsToText`. */
export function textToTranscripts(text: string): readonly Transcript[] {
  const revive = (_key: string, value: unknown): unknown => {
    if (typeof value !== "string" || !value.startsWith(prefix)) return value;
    const bytes = fromHex(value.slice(prefix.length));
    if (bytes === undefined) throw new Error("a transcript holds what is not hex");
    return bytes;
  };
  // Safe: the file is part of the repo and made by `transcriptsToText`.
  const parsed = JSON.parse(text, revive) as readonly {
    readonly head: Omit<Transcript, "steps">;
    readonly steps: readonly TranscriptStep[];
  }[];
  return parsed.map(({ head, steps }) => ({ ...head, steps }));
}
