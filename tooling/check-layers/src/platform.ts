/**
 * Platform names that packages up to layer 4 may not use: clock, random, timers, network, process
 * and Node's own modules arrive there as injected interfaces, so that the whole stack runs in a
 * seeded simulator and in every runtime. A back end or a store adapter names its exceptions in its
 * package.json, file by file: `"hawser": { "platform": { "src/native.ts": ["node:crypto"] } }`.
 */
import { builtinModules } from "node:module";
import type { GlobalUse, Import } from "./source.ts";

/** Layers above this one may use the platform. */
export const pureLayerMax = 4;

const bannedGlobals = new Set(
  [
    ["setTimeout", "setInterval", "setImmediate", "queueMicrotask", "requestAnimationFrame"],
    ["clearTimeout", "clearInterval", "clearImmediate", "requestIdleCallback"],
    ["fetch", "XMLHttpRequest", "WebSocket", "EventSource", "BroadcastChannel", "Worker"],
    ["crypto", "performance", "process", "Buffer", "console", "require", "module"],
    ["globalThis", "global", "self", "window", "document", "navigator", "location"],
    ["localStorage", "sessionStorage", "indexedDB", "caches", "Deno", "Bun"],
    ["__dirname", "__filename", "eval", "Function"],
  ].flat(),
);

/** What a use amounts to, as it stands in an allow-list; undefined when it is no platform use. */
export function platformNameOfGlobal(use: GlobalUse): string | undefined {
  const [base = "", member = ""] = use.name.replace(/\(.*\)$/, "").split(".");
  if (bannedGlobals.has(base)) return base;
  // A Date of a given number is arithmetic; every other use can read the clock.
  if (base === "Date") {
    const isPure = use.name === "Date(…)" || member === "UTC" || member === "parse";
    return isPure ? undefined : member === "now" ? "Date.now" : "Date";
  }
  // Math handed on as a whole, or read by a computed name, can be Math.random.
  if (base === "Math") return member === "" || member === "random" ? "Math.random" : undefined;
  return undefined;
}

/** The same for an import: `node:fs/promises` counts as `node:fs`. */
export function platformNameOfImport(found: Import): string | undefined {
  const { specifier } = found;
  if (specifier === undefined) return undefined;
  const isBuiltin = specifier.startsWith("node:") || builtinModules.includes(specifier);
  return isBuiltin ? `node:${specifier.replace(/^node:/, "").split("/")[0]}` : undefined;
}
