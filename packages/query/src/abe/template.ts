/**
 * Templates: expressions evaluated once per packet (docs/spec/query.md §3.2). Layer 3; pure.
 */
import { utf8 } from "@hawser/codec";
import type { Packet } from "@hawser/packet";
import { checkContext, createRun, evaluateNodes, type AbeOptions } from "./evaluate.ts";
import { toFailure } from "./fault.ts";
import { parseAbe } from "./parse.ts";
import { abeBytes } from "./parts.ts";
import type { AbeContext, AbeVerdict } from "./types.ts";

/** An expression that was parsed once. */
export interface AbeTemplate {
  /** What the template gives for `packet`; the context's own packet is set aside. */
  format(packet: Packet, context: AbeContext): AbeVerdict<Uint8Array>;
}

/**
 * A template of `expression`, or why it is none. Templates for people are usually loose: newlines and
 * UTF-8 stand for themselves.
 */
export function createTemplate(
  expression: string | Uint8Array,
  options: AbeOptions = {},
): AbeVerdict<AbeTemplate> {
  const text = typeof expression === "string" ? utf8(expression) : expression;
  const nodes = parseAbe(text, options.loose === true ? "loose" : "strict");
  if (!nodes.ok) return toFailure(nodes);
  return {
    ok: true,
    value: {
      format(packet, context) {
        const refused = checkContext(context);
        if (refused !== undefined) return toFailure(refused);
        const run = createRun({ ...context, packet }, options.encodings);
        const parts = evaluateNodes(nodes.value, run);
        if (!parts.ok) return toFailure(parts);
        return { ok: true, value: abeBytes(parts.value) };
      },
    },
  };
}
