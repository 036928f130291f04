/**
 * Scopes of names: the constant ones, and those that the context looks up
 * (docs/spec/query.md §2.5.8). Layer 3; pure.
 */
import { equalBytes, fromBase64url, fromUtf8, utf8 } from "@hawser/codec";
import { privateGroup, publicGroup, testGroup } from "@hawser/packet";
import { success, type Result } from "../fault.ts";
import { nameText } from "../join.ts";
import {
  createScope,
  functionFault,
  type Call,
  type Outcome,
  type Scope,
  type ScopeFunction,
} from "../scope.ts";
import type { AbeNames } from "../types.ts";

const groups: readonly (readonly [string, () => Uint8Array])[] = [
  ["0", privateGroup],
  ["pub", publicGroup],
  ["test", testGroup],
];

const publicKeys: readonly (readonly [string, () => Uint8Array])[] = [["none", privateGroup]];

function constantFunction(
  id: "#" | "@",
  help: string,
  names: readonly (readonly [string, () => Uint8Array])[],
): ScopeFunction {
  return {
    id,
    use: "open",
    counts: [1, 16],
    help,
    apply: ({ args }) => {
      const name = nameText(args[0] ?? new Uint8Array(0));
      const found = names.find(([text]) => text === name)?.[1];
      return found === undefined ? undefined : success(found());
    },
    encode: (bytes) => {
      const found = names.find(([, value]) => equalBytes(bytes, value()));
      return found === undefined ? undefined : success(`[${id}:${found[0]}]`);
    },
  };
}

export const staticNameScope: Scope = createScope(
  "static-lns",
  "static lns for local only [#:0] and public [#:pub]",
  [
    constantFunction("#", "resolve #:0 , #:pub, and #:test without a db", groups),
    constantFunction("@", "resolve @:none", publicKeys),
  ],
);

/** Bytes of a group or public key, and characters of their base64url. */
const hashBytes = 32;
const hashTextLength = 43;

/** Components of a name. */
const nameCounts: readonly [number, number] = [1, 7];

interface Lookup {
  readonly id: "#" | "@";
  readonly help: string;
  readonly reverseHelp: string;
  readonly find: (name: readonly Uint8Array[]) => Uint8Array | undefined;
  readonly nameOf: (bytes: Uint8Array) => string | undefined;
}

/** 32 bytes as they are, or what 43 characters of base64url say; `undefined` for anything else. */
function readValue(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length === hashBytes) return bytes;
  const text = bytes.length === hashTextLength ? fromUtf8(bytes) : undefined;
  return text === undefined ? undefined : fromBase64url(text);
}

function lookupFunctions(lookup: Lookup): readonly ScopeFunction[] {
  const encode = (bytes: Uint8Array): Outcome<string> => {
    const name = lookup.nameOf(bytes);
    return name === undefined ? undefined : success(`[${lookup.id}:${name}]`);
  };
  // A reverse lookup gives the bare name, as `?u` gives the bare number; `?:` gives the expression.
  const printName = (call: Call): Result<Uint8Array> => {
    const value = readValue(call.args[0] ?? new Uint8Array(0));
    const name = value === undefined ? undefined : lookup.nameOf(value);
    if (name !== undefined) return success(utf8(name));
    return functionFault(call, "a value with a name", "cant find lns entry");
  };
  return [
    {
      id: lookup.id,
      use: "open",
      counts: nameCounts,
      help: lookup.help,
      apply: ({ args }) => {
        const found = lookup.find(args);
        return found === undefined ? undefined : success(found);
      },
      encode,
    },
    {
      id: `?${lookup.id}`,
      use: "any",
      counts: [1, 1],
      help: lookup.reverseHelp,
      apply: printName,
    },
  ];
}

/** Names that the caller knows: asked after the constant ones. */
export function namesScope(names: AbeNames): Scope {
  return createScope("lns", "", [
    ...lookupFunctions({
      id: "#",
      help: "(namecomp)* - get the associated lns group",
      reverseHelp: "find by group# tag",
      find: (name) => names.group(name),
      nameOf: (bytes) => names.groupName(bytes),
    }),
    ...lookupFunctions({
      id: "@",
      help: "(namecomp)* - get the associated lns key",
      reverseHelp: "find by pubkey@ tag",
      find: (name) => names.publicKey(name),
      nameOf: (bytes) => names.publicKeyName(bytes),
    }),
  ]);
}
