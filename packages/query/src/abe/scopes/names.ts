/**
 * Scopes of names: the constant ones, and those that the context looks up
 * (docs/spec/query.md §2.5.8). Layer 3; pure.
 */
import { equalBytes, utf8 } from "@hawser/codec";
import { privateGroup, publicGroup, testGroup } from "@hawser/packet";
import { success } from "../fault.ts";
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

/** Components of a name. */
const nameCounts: readonly [number, number] = [1, 7];

interface Lookup {
  readonly id: "#" | "@";
  readonly help: string;
  readonly find: (name: readonly Uint8Array[]) => Uint8Array | undefined;
  readonly nameOf: (bytes: Uint8Array) => string | undefined;
}

function lookupFunctions(lookup: Lookup): readonly ScopeFunction[] {
  const encode = (bytes: Uint8Array): Outcome<string> => {
    const name = lookup.nameOf(bytes);
    return name === undefined ? undefined : success(`[${lookup.id}:${name}]`);
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
      help: `the name of a value, as [${lookup.id}:name]`,
      apply: (call: Call) => {
        const text = encode(call.args[0] ?? new Uint8Array(0));
        if (text === undefined) return functionFault(call, "a value with a name", "no result");
        return text.ok ? success(utf8(text.value)) : text;
      },
    },
  ];
}

/** Names that the caller knows: asked after the constant ones. */
export function namesScope(names: AbeNames): Scope {
  return createScope("lns", "names of groups and public keys", [
    ...lookupFunctions({
      id: "#",
      help: "[name..] - the group of a name",
      find: (name) => names.group(name),
      nameOf: (bytes) => names.groupName(bytes),
    }),
    ...lookupFunctions({
      id: "@",
      help: "[name..] - the public key of a name",
      find: (name) => names.publicKey(name),
      nameOf: (bytes) => names.publicKeyName(bytes),
    }),
  ]);
}
