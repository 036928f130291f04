/**
 * The boundary of the private group (docs/spec/conventions.md §2): packets of the all-zero group
 * stay on the device unless somebody asks for the opposite. Layer 4; pure.
 */
import { isPrivate, type Packet } from "@hawser/packet";

/**
 * What happens to a private packet at a boundary: it goes through, is left out without a word, or
 * ends the stream with an error.
 */
export type PrivateMode = "allow" | "skip" | "refuse";

export type BoundaryVerdict =
  | { readonly ok: true; readonly passes: boolean }
  | { readonly ok: false; readonly reason: "PACKET_GROUP_PRIVATE" };

/**
 * The mode of a reader. Private packets from outside are an error unless `allowed` is true: who
 * sends them means harm or made a mistake.
 */
export function readerPrivateMode(allowed: boolean | undefined): PrivateMode {
  return allowed === true ? "allow" : "refuse";
}

/**
 * The mode of a writer: without a word on it (`undefined`) private packets are left out; `false` is
 * the wish to hear of them; `true` writes them.
 */
export function writerPrivateMode(allowed: boolean | undefined): PrivateMode {
  if (allowed === undefined) return "skip";
  return allowed ? "allow" : "refuse";
}

/** Whether `packet` passes a boundary of that mode. Datapoints have no group and always pass. */
export function checkBoundary(packet: Packet, mode: PrivateMode): BoundaryVerdict {
  if (mode === "allow" || !isPrivate(packet)) return { ok: true, passes: true };
  return mode === "skip"
    ? { ok: true, passes: false }
    : { ok: false, reason: "PACKET_GROUP_PRIVATE" };
}

/**
 * A stream of packets across a boundary. It yields a rejection and ends at the first packet that is
 * refused, so nothing after it gets through either.
 */
export async function* acrossBoundary<AnyPacket extends Packet>(
  packets: AsyncIterable<AnyPacket> | Iterable<AnyPacket>,
  mode: PrivateMode,
): AsyncGenerator<
  { readonly ok: true; readonly packet: AnyPacket } | (BoundaryVerdict & { readonly ok: false }),
  void,
  undefined
> {
  for await (const packet of packets) {
    const verdict = checkBoundary(packet, mode);
    if (!verdict.ok) {
      yield verdict;
      return;
    }
    if (verdict.passes) yield { ok: true, packet };
  }
}
