/**
 * Scope "help": the active scopes as text (docs/spec/query.md §2.5.5). Layer 3; pure.
 */
import { utf8 } from "@hawser/codec";
import { success } from "../fault.ts";
import { nameText } from "../join.ts";
import { createScope, type Scope, type ScopeFunction } from "../scope.ts";

const introduction = `Each scope has functions and macros
For each function the option set  ['[' , '/' , '?'] is given
These refers to its use as:
 '['  => Can be used to open   '[func/..]'
 ':'  => Can be used in sequence '[../func]' (taking the left-side as first argument)
 '?'  => Can be encoded (i.e. 'reversed') to some extend '[../?:func]' || [?:..:func]

`;

/** Every scope with what it holds, in the order in which they are asked. */
function describeScopes(scopes: readonly Scope[]): string {
  const seen = new Set<string>();
  return introduction + scopes.map((scope) => describeScope(scope, seen)).join("");
}

function describeScope(scope: Scope, seen: Set<string>): string {
  const lines = [`# ${scope.name}`, scope.about];
  if (scope.functions.size > 0) lines.push("## Functions");
  for (const entry of scope.functions.values()) {
    if (entry.help !== undefined) lines.push(describeFunction(entry, seen));
  }
  if (scope.macros.size > 0) lines.push("## Macros");
  for (const { id, help } of scope.macros.values()) lines.push(`- ${id.padEnd(16)} ${help}  `);
  return `${lines.join("\n")}\n\n`;
}

/** A name that an earlier scope has too is asked there first: its line says `<partial>`. */
function describeFunction(entry: ScopeFunction, seen: Set<string>): string {
  const state = seen.has(entry.id) ? "<partial>" : "        ";
  seen.add(entry.id);
  const chains = entry.use === "any" ? "/" : " ";
  const encodes = entry.encode === undefined ? " " : "?";
  const [least, most] = entry.counts;
  const counts = `${least}..=${most}`;
  return `- ${entry.id.padEnd(16)} [${chains}${encodes} ${state} ${counts}     ${entry.help}  `;
}

function describeOne(scopes: readonly Scope[], name: string): string {
  const found = scopes.find((scope) => scope.functions.has(name) || scope.macros.has(name));
  return found === undefined ? "no such fnc found" : describeScope(found, new Set());
}

export const helpScope: Scope = createScope(
  "help",
  "",
  [
    {
      id: "help",
      use: "any",
      counts: [0, 16],
      help: "help",
      apply: ({ args, run }) => {
        const [name] = args;
        return success(
          utf8(
            name === undefined
              ? describeScopes(run.scopes)
              : describeOne(run.scopes, nameText(name)),
          ),
        );
      },
    },
  ],
  [
    {
      id: "help",
      help: "desribe current eval context",
      apply: (_nodes, _index, run) => success(utf8(describeScopes(run.scopes))),
    },
  ],
);
