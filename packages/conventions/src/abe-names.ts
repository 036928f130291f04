/**
 * Names for ABE expressions (docs/spec/conventions.md §7.8). Layer 4. An evaluation is synchronous
 * and a store is not, so an evaluation runs on the names known so far, those it asked for in vain
 * are looked up, and it runs again until it asks for nothing new.
 */
import { toHex } from "@hawser/codec";
import type { AbeNames } from "@hawser/query";
import { ConventionsError } from "./errors.ts";
import {
  staticGroup,
  staticGroupName,
  staticPublicKey,
  staticPublicKeyName,
  type Name,
} from "./name.ts";
import type { NameResolver } from "./resolver.ts";

/** Names that an expression may ask for. */
const namesMax = 64;

/** AbeNames over what was looked up before, noting what was not. */
interface NameMemory {
  readonly names: AbeNames;
  /** Looks up what was asked for in vain; false when there was nothing. */
  load(): Promise<boolean>;
}

/**
 * Runs `evaluate` with names from a resolver; it must have no effects, because it may run up to 65
 * times. Rejects with CONVENTIONS_NAME_ROUNDS when it asks for more than 64 names.
 */
export async function withNames<Value>(
  resolver: NameResolver,
  evaluate: (names: AbeNames) => Value,
): Promise<Value> {
  const memory = createMemory(resolver);
  for (;;) {
    const value = evaluate(memory.names);
    if (!(await memory.load())) return value;
  }
}

/** Looks the given names up once and keeps them, for expressions whose names are known before. */
export async function createNames(
  resolver: NameResolver,
  wanted: {
    readonly names?: readonly Name[];
    readonly groups?: readonly Uint8Array[];
    readonly publicKeys?: readonly Uint8Array[];
  },
): Promise<AbeNames> {
  const { names } = await withNames(resolver, (all) => {
    for (const name of wanted.names ?? []) {
      all.group(name);
      all.publicKey(name);
    }
    for (const group of wanted.groups ?? []) all.groupName(group);
    for (const key of wanted.publicKeys ?? []) all.publicKeyName(key);
    return { names: all };
  });
  return names;
}

function createMemory(resolver: NameResolver): NameMemory {
  const pending: (() => Promise<void>)[] = [];
  let count = 0;

  /** A look-up by `key`; the first time it finds nothing and is noted. */
  const remember = <Input, Output>(
    keyOf: (input: Input) => string,
    known: (input: Input) => Output | undefined,
    look: (input: Input) => Promise<Output | undefined>,
  ): ((input: Input) => Output | undefined) => {
    const found = new Map<string, Output | undefined>();
    return (input) => {
      const fixed = known(input);
      if (fixed !== undefined) return fixed;
      const key = keyOf(input);
      if (found.has(key)) return found.get(key);
      found.set(key, undefined);
      count += 1;
      if (count > namesMax) {
        throw new ConventionsError(
          "CONVENTIONS_NAME_ROUNDS",
          `an evaluation asked for more than ${namesMax} names`,
        );
      }
      pending.push(async () => {
        found.set(key, await look(input));
      });
      return undefined;
    };
  };
  const nameKey = (name: Name): string => name.map(toHex).join(":");

  return {
    names: {
      group: remember(nameKey, staticGroup, (name) => resolver.group(name)),
      publicKey: remember(nameKey, staticPublicKey, (name) => resolver.publicKey(name)),
      groupName: remember(toHex, staticGroupName, (group) => resolver.groupName(group)),
      publicKeyName: remember(toHex, staticPublicKeyName, (key) => resolver.publicKeyName(key)),
    },
    async load() {
      if (pending.length === 0) return false;
      for (const look of pending.splice(0)) await look();
      return true;
    },
  };
}
