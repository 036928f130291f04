/**
 * Scope of other packets, read by their hash (docs/spec/query.md §2.5.12). Layer 3; pure: the context
 * reads them, and decides which it shows.
 */
import { toBase64url } from "@hawser/codec";
import { hashBytes, type Packet } from "@hawser/packet";
import { applyIn } from "../call.ts";
import { fault, success, type Result } from "../fault.ts";
import { nameText } from "../join.ts";
import type { Node } from "../parse.ts";
import { abeBytes } from "../parts.ts";
import { splitNodes } from "../print-nodes.ts";
import {
  createScope,
  functionFault,
  type Call,
  type Outcome,
  type Run,
  type Scope,
} from "../scope.ts";
import { packetScopes } from "./packet.ts";

type ReadHash = (hash: Uint8Array) => Packet | undefined;

const none = new Uint8Array(0);

interface At {
  readonly index: number;
}

function readPacketOf(at: At, read: ReadHash, hash: Uint8Array): Result<Packet | undefined> {
  if (hash.length === hashBytes) return success(read(hash));
  return functionFault(at, `a hash of ${hashBytes} bytes, not ${hash.length}`);
}

/** Scopes in which `packet` takes the place of the packet around the call. */
function runWithin(run: Run, packet: Packet): Run {
  return { ...run, scopes: [...packetScopes(packet), ...run.scopes] };
}

/** `[readhash:HASH:field:argument]`: a function of the packet scopes, on another packet. */
function callOnPacket(read: ReadHash, call: Call): Outcome {
  const [hash = none, name, ...args] = call.args;
  const packet = readPacketOf(call, read, hash);
  if (!packet.ok) return packet;
  if (packet.value === undefined) return notFound(call, hash);
  const inner: Call = {
    args,
    opens: true,
    index: call.index,
    run: runWithin(call.run, packet.value),
  };
  for (const scope of packetScopes(packet.value)) {
    const found = applyIn(scope, name === undefined ? "pkt" : nameText(name), inner);
    if (found !== undefined) return found;
  }
  return undefined;
}

function notFound(at: At, hash: Uint8Array): Result<never> {
  return functionFault(
    at,
    "the hash of a packet that is there",
    `could not find pkt ${toBase64url(hash)}`,
  );
}

/** `[/readhash:HASH:EXPR:ALTERNATIVE]`: an expression within another packet. */
function evaluateOnPacket(
  read: ReadHash,
  nodes: readonly Node[],
  index: number,
  run: Run,
): Result<Uint8Array> {
  const [before = [], hashNodes, body, alternative, ...more] = splitNodes(nodes, ":");
  const isComplete = before.length === 0 && hashNodes !== undefined && body !== undefined;
  if (!isComplete || more.length > 0) {
    return fault("ABE_SYNTAX", index, ":HASH:EXPR, perhaps :ALTERNATIVE behind it");
  }
  const hashParts = run.evaluate(hashNodes, run);
  if (!hashParts.ok) return hashParts;
  const hash = abeBytes(hashParts.value);
  const packet = readPacketOf({ index }, read, hash);
  if (!packet.ok) return packet;
  if (packet.value === undefined && alternative === undefined) return notFound({ index }, hash);
  const parts =
    packet.value === undefined
      ? run.evaluate(alternative ?? [], run)
      : run.evaluate(body, runWithin(run, packet.value));
  return parts.ok ? success(abeBytes(parts.value)) : parts;
}

export function readHashScope(read: ReadHash): Scope {
  return createScope(
    "database",
    "other packets by their hash, read as if they were the packet of the expression",
    [
      {
        id: "readhash",
        use: "any",
        counts: [1, 16],
        help: "open a pkt by hash and use tail args as if calling in a netpkt scope",
        apply: (call) => callOnPacket(read, call),
      },
    ],
    [
      {
        id: "readhash",
        help: "HASH ':' expr (':' alt if not found) ",
        apply: (nodes, index, run) => evaluateOnPacket(read, nodes, index, run),
      },
    ],
  );
}
