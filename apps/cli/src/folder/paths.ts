/**
 * Paths inside a shared folder: relative, with "/" between parts, safe to create on every system. A
 * path comes from another member, so nothing that could leave the folder or surprise a file system
 * gets through.
 */
const partBytesMax = 200;
const pathBytesMax = 900;
const partCountMax = 32;

/** Device names that Windows takes for files in every folder. */
const reservedNames = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)/i;
/** Control characters, and what one of the common file systems forbids. */
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const forbiddenCharacters = /[\u0000-\u001f\u007f<>:"|?*\\]/;

/** Folders and files that are never shared: version control, dependencies, temporary files. */
const ignoredNames: ReadonlySet<string> = new Set([
  ".git",
  "node_modules",
  ".DS_Store",
  "Thumbs.db",
]);
/** Marks files that a mirror is still writing. */
export const temporarySuffix = ".hawser-part";

/** Why a path cannot be shared, or `undefined` when it can. */
export function unsafePathReason(path: string): string | undefined {
  const parts = path.split("/");
  if (!path.isWellFormed() || path.normalize("NFC") !== path) return "is not normalised text";
  if (Buffer.byteLength(path) > pathBytesMax) return `is longer than ${pathBytesMax} bytes`;
  if (parts.length > partCountMax) return `is deeper than ${partCountMax} folders`;
  for (const part of parts) {
    if (part === "" || part === "." || part === "..") return "does not stay inside the folder";
    if (Buffer.byteLength(part) > partBytesMax) return `has a name over ${partBytesMax} bytes`;
    if (forbiddenCharacters.test(part)) return "has a character that not every system allows";
    if (reservedNames.test(part)) return "has a name that Windows reserves";
    if (part.endsWith(".") || part.endsWith(" ")) return "has a name that ends in a dot or space";
    if (isIgnoredName(part)) return "is a name that is never shared";
  }
  return undefined;
}

/** True for names that scanning leaves out. */
export function isIgnoredName(name: string): boolean {
  return ignoredNames.has(name) || name.endsWith(temporarySuffix);
}

/** The name under which a local version is kept when both sides changed a file. */
export function conflictPath(path: string, device: string, count: number): string {
  const slash = path.lastIndexOf("/");
  const dot = path.lastIndexOf(".");
  const stemEnd = dot > slash + 1 ? dot : path.length;
  const label = count === 1 ? device : `${device} ${count}`;
  return `${path.slice(0, stemEnd)} (conflict ${label})${path.slice(stemEnd)}`;
}
