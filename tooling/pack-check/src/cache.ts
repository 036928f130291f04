/**
 * Remembers which checks passed on which bytes, so that a second `pnpm check` packs everything but
 * lints and installs only what changed. A clean checkout remembers nothing.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

export interface PassCache {
  has(key: string): boolean;
  add(key: string): void;
  /** Writes what was asked for in this run; older keys are dropped. */
  save(): void;
}

/** Opens the cache in `path`; an unreadable file counts as empty. */
export function openPassCache(path: string): PassCache {
  const known = new Set(readKeys(path));
  const current = new Set<string>();
  return {
    has: (key) => {
      if (!known.has(key)) return false;
      current.add(key);
      return true;
    },
    add: (key) => {
      current.add(key);
    },
    save: () => {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, JSON.stringify([...current].sort()));
    },
  };
}

function readKeys(path: string): readonly string[] {
  if (!existsSync(path)) return [];
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    return Array.isArray(value) ? value.filter((key) => typeof key === "string") : [];
  } catch {
    // A half-written cache costs one more run of the checks, nothing else.
    return [];
  }
}
