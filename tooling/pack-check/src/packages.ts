/** The published packages, and what a package needs to be installed from tarballs alone. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface PublishedPackage {
  readonly name: string;
  readonly folder: string;
  /** Names of workspace packages it depends on, directly. */
  readonly dependencies: readonly string[];
  /** `name@version` of its third-party peers, optional ones too: its `./testing` door needs them. */
  readonly peers: readonly string[];
  /** Commands it installs. */
  readonly commands: readonly string[];
  /** True when it can be imported. */
  readonly hasExports: boolean;
}

/** A package as npm users get it. */
export interface PackedPackage extends PublishedPackage {
  readonly tarball: string;
  /** SHA-256 of the tarball, hex: packing the same files gives the same bytes. */
  readonly digest: string;
}

/** Packages and apps that are not private, by name. */
export function findPublished(root: string): readonly PublishedPackage[] {
  const manifests = globSync("{packages,apps}/*/package.json", { cwd: root }).map((path) => ({
    folder: path.replaceAll("\\", "/").replace(/\/package\.json$/, ""),
    manifest: JSON.parse(readFileSync(join(root, path), "utf8")) as {
      readonly name: string;
      readonly private?: boolean;
      readonly dependencies?: Readonly<Record<string, string>>;
      readonly peerDependencies?: Readonly<Record<string, string>>;
      readonly bin?: Readonly<Record<string, string>>;
      readonly exports?: object;
    },
  }));
  const names = new Set(manifests.map(({ manifest }) => manifest.name));
  return manifests
    .filter(({ manifest }) => manifest.private !== true)
    .map(({ folder, manifest }) => ({
      name: manifest.name,
      folder,
      dependencies: Object.keys({ ...manifest.dependencies }).filter((name) => names.has(name)),
      peers: Object.keys({ ...manifest.peerDependencies })
        .filter((name) => !names.has(name))
        .map((name) => `${name}@${installedVersion(name, join(root, folder), root)}`),
      commands: Object.keys({ ...manifest.bin }),
      hasExports: manifest.exports !== undefined,
    }))
    .sort((left, right) => (left.name < right.name ? -1 : 1));
}

/** The version the workspace works with; any, where it is not installed. */
function installedVersion(name: string, folder: string, root: string): string {
  const path = [folder, root]
    .map((place) => join(place, "node_modules", name, "package.json"))
    .find((candidate) => existsSync(candidate));
  if (path === undefined) return "*";
  const { version } = JSON.parse(readFileSync(path, "utf8")) as { readonly version?: string };
  return version ?? "*";
}

/** Packs one package with pnpm, which writes real versions in place of workspace: and catalog:. */
export function pack(one: PublishedPackage, root: string, destination: string): PackedPackage {
  mkdirSync(destination, { recursive: true });
  const result = spawnSync("pnpm", ["pack", "--pack-destination", destination], {
    cwd: join(root, one.folder),
    encoding: "utf8",
    shell: process.platform === "win32",
  });
  const prefix = one.name.replace("@", "").replace("/", "-");
  const [file] = globSync(`${prefix}-[0-9]*.tgz`, { cwd: destination });
  if (result.status !== 0 || file === undefined) {
    throw new Error(`pnpm pack failed in ${one.folder}\n${result.stdout}${result.stderr}`);
  }
  const tarball = join(destination, file);
  const digest = createHash("sha256").update(readFileSync(tarball)).digest("hex");
  return { ...one, tarball, digest };
}

/** `name` and everything it depends on within the workspace, sorted by name. */
export function closure<P extends PublishedPackage>(name: string, all: readonly P[]): readonly P[] {
  const wanted = new Set<string>();
  const pending = [name];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (wanted.has(next)) continue;
    wanted.add(next);
    pending.push(...(all.find((one) => one.name === next)?.dependencies ?? []));
  }
  return all.filter((one) => wanted.has(one.name));
}
