/**
 * Scopes of a packet: its fields, its printed forms, its links, when it was received
 * (docs/spec/query.md §2.5.13). Layer 3; pure.
 */
import {
  kindName,
  printNetFlags,
  printPaddedExpression,
  printPath,
  type Packet,
} from "@hawser/packet";
import { success } from "../fault.ts";
import { nameText } from "../join.ts";
import { createScope, functionFault, type Scope, type ScopeFunction } from "../scope.ts";
import { toAbeText } from "../text.ts";
import {
  base64Forms,
  bitForms,
  formFunction,
  giveForm,
  integerForms,
  paddedForms,
  type FieldForms,
} from "./forms.ts";
import { linkScope } from "./links.ts";
import { printScope } from "./print.ts";
import { printPathExpression } from "./space.ts";
import { toStamp } from "./time.ts";

const none = new Uint8Array(0);
const noPublicKey = new Uint8Array(32);
const noSignature = new Uint8Array(64);

function componentForms(packet: Packet, index: number): FieldForms {
  const bytes = packet.pathComponent(index) ?? none;
  return { bytes, text: toAbeText(bytes), expression: printPaddedExpression(bytes) };
}

function pathForms(packet: Packet, bytes: Uint8Array): FieldForms {
  return {
    bytes,
    text: printPath(packet.path),
    expression: printPathExpression(packet.path),
  };
}

function dataForms(packet: Packet): FieldForms {
  const text = toAbeText(packet.data);
  return { bytes: packet.data, text, expression: `[:${text}]` };
}

type FieldReader = (packet: Packet) => FieldForms;

const fields: readonly (readonly [string, FieldReader])[] = [
  ["netflags", ({ netHeader }) => bitForms(netHeader.flags, printNetFlags(netHeader.flags))],
  ["hop", (packet) => integerForms(packet.netHeader.hop, 4)],
  ["stamp", (packet) => integerForms(packet.netHeader.stamp, 8)],
  ["ubits0", (packet) => integerForms(packet.netHeader.ubits[0], 4)],
  ["ubits1", (packet) => integerForms(packet.netHeader.ubits[1], 4)],
  ["ubits2", (packet) => integerForms(packet.netHeader.ubits[2], 4)],
  ["ubits3", (packet) => integerForms(packet.netHeader.ubits[3], 4)],
  ["hash", (packet) => base64Forms(packet.hash)],
  ["type", (packet) => bitForms(packet.typeByte, kindName(packet.kind))],
  ["size", (packet) => integerForms(packet.bytes.length, 2)],
  ["pubkey", (packet) => base64Forms(packet.publicKey ?? noPublicKey)],
  ["signature", (packet) => base64Forms(packet.signature ?? noSignature)],
  ["group", (packet) => base64Forms(packet.group)],
  ["domain", (packet) => paddedForms(packet.domain)],
  ["create", (packet) => integerForms(packet.stamp, 8)],
  ["depth", (packet) => integerForms(packet.pathDepth, 1)],
  ["links_len", (packet) => integerForms(packet.linkCount, 2)],
  ["data_size", (packet) => integerForms(packet.data.length, 2)],
  ["spacename", (packet) => pathForms(packet, packet.unrootedPath)],
  ["rspacename", (packet) => pathForms(packet, packet.rootedPath)],
  ...Array.from({ length: 8 }, (_, index): readonly [string, FieldReader] => [
    `comp${index}`,
    (packet) => componentForms(packet, index),
  ]),
  ["data", dataForms],
];

/** Names of Linkspace 0.6 that mean nothing else in 0.5.1; no list of 0.5.1 has them. */
const laterNames: readonly (readonly [string, FieldReader])[] = [
  ["varstamp", (packet) => integerForms(packet.netHeader.stamp, 8)],
  ["space", (packet) => pathForms(packet, packet.unrootedPath)],
];

function fieldFunction(packet: Packet, name: string, read: FieldReader): ScopeFunction {
  return {
    id: name,
    use: "open",
    counts: [0, 1],
    help: `?(str|abe) - netpkt.${name}`,
    apply: (call) => {
      const wantsBytes = nameText(call.args[0] ?? none) === "bytes";
      if (wantsBytes) return success(read(packet).bytes);
      return giveForm(call, () => read(packet), "expect ?(str|abe)");
    },
  };
}

const receiveScope: Scope = createScope(
  "recv",
  "recv stamp for packet. value depends on the context",
  [
    {
      ...formFunction("recv", "recv stamp - returns now if unavailable in context", ({ run }) => {
        const { recv, nowMicros } = run.context;
        return success(integerForms(toStamp(recv ?? nowMicros()), 8));
      }),
      use: "open",
    },
    {
      ...formFunction(
        "recv_now",
        "recv stamp - returns an error if not available in context",
        (call) => {
          const { recv } = call.run.context;
          if (recv !== undefined) return success(integerForms(toStamp(recv), 8));
          return functionFault(
            call,
            "a packet with a receive stamp",
            "no recv available in context",
          );
        },
      ),
      use: "open",
    },
  ],
);

/** All scopes of `packet`. */
export function packetScopes(packet: Packet): readonly Scope[] {
  return [
    createScope("netpkt field", "get a field of a netpkt. also used in watch predicates.", [
      ...fields.map(([name, read]) => fieldFunction(packet, name, read)),
      ...laterNames.map(([name, read]) => ({
        ...fieldFunction(packet, name, read),
        help: undefined,
      })),
    ]),
    printScope(packet),
    linkScope(packet),
    receiveScope,
  ];
}

/** What stands for them in `[help]` where there is no packet. */
export const noPacketScope: Scope = createScope(
  "Unset<(abe::eval::EScope<linkspace_pkt::eval::NetPktFieldsEval>, " +
    "abe::eval::EScope<linkspace_pkt::eval::NetPktPrintDefault>, " +
    "(abe::eval::EScope<linkspace_pkt::eval::SelectLink>, " +
    "abe::eval::EScope<linkspace_pkt::eval::RecvStamp>))>",
  "",
  [],
);
