/**
 * Which scopes are active, in the order in which they are asked (docs/spec/query.md §2.5).
 * Layer 3; pure.
 */
import type { Scope } from "./scope.ts";
import { argvScope } from "./scopes/argv.ts";
import { baseScope } from "./scopes/base-n.ts";
import { bytesScope } from "./scopes/bytes.ts";
import { commentScope } from "./scopes/comment.ts";
import { encodeScope } from "./scopes/encode.ts";
import { envScope } from "./scopes/env.ts";
import { helpScope } from "./scopes/help.ts";
import { integerScope } from "./scopes/integers.ts";
import { logicScope } from "./scopes/logic.ts";
import { namesScope, staticNameScope } from "./scopes/names.ts";
import { noPacketScope, packetScopes } from "./scopes/packet.ts";
import { readHashScope } from "./scopes/read-hash.ts";
import { spaceScope } from "./scopes/space.ts";
import { timeScope } from "./scopes/time.ts";
import type { AbeContext } from "./types.ts";

const constantScopes: readonly Scope[] = [
  bytesScope,
  integerScope,
  baseScope,
  commentScope,
  helpScope,
  logicScope,
  encodeScope,
  staticNameScope,
  timeScope,
  spaceScope,
];

export function scopesFor(context: AbeContext): readonly Scope[] {
  return [
    ...(context.packet === undefined ? [noPacketScope] : packetScopes(context.packet)),
    ...constantScopes,
    ...(context.names === undefined ? [] : [namesScope(context.names)]),
    ...(context.readHash === undefined ? [] : [readHashScope(context.readHash)]),
    ...(context.env === undefined ? [] : [envScope(context.env)]),
    ...(context.argv === undefined ? [] : [argvScope(context.argv)]),
  ];
}
