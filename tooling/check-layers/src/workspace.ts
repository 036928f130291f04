/**
 * Finds the projects of a workspace: every folder of packages/, apps/ and tooling/ that has a
 * package.json. Nothing is listed by hand, so a new package is checked from its first commit.
 */
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The fields of a package.json that the checks read. */
export interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly description?: string;
  readonly private?: boolean;
  readonly exports?: Readonly<Record<string, unknown>>;
  readonly imports?: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly hawser?: {
    readonly layer?: number;
    /** File of src/ → platform names it may use: the reason stands in the file's own header. */
    readonly platform?: Readonly<Record<string, readonly string[]>>;
  };
}

/** One package, app or tool. */
export interface Project {
  /** Folder relative to the workspace's root, with forward slashes: `packages/log`. */
  readonly folder: string;
  readonly kind: "package" | "app" | "tool";
  readonly name: string;
  readonly layer: number | undefined;
  readonly manifest: Manifest;
  /** Source files relative to `folder`, sorted: src, testing, test and bench. */
  readonly files: readonly string[];
}

export interface Workspace {
  readonly root: string;
  /** Sorted by layer, then by name. */
  readonly projects: readonly Project[];
  /** What the root's package.json offers to tests and benches. */
  readonly rootDependencies: ReadonlySet<string>;
}

const kinds = { packages: "package", apps: "app", tooling: "tool" } as const;

function readManifest(path: string): Manifest {
  // Safe: every field is optional and checked where it is used.
  return JSON.parse(readFileSync(path, "utf8")) as Manifest;
}

/** Reads a workspace from disk. */
export function findWorkspace(root: string): Workspace {
  const projects = Object.entries(kinds).flatMap(([parent, kind]) =>
    globSync(`${parent}/*/package.json`, { cwd: root }).map((path): Project => {
      const folder = path.replaceAll("\\", "/").replace(/\/package\.json$/, "");
      const manifest = readManifest(join(root, path));
      const files = globSync("{src,testing,test,bench}/**/*.{ts,mts,tsx}", {
        cwd: join(root, folder),
        exclude: (name) => name === "node_modules",
      });
      return {
        folder,
        kind,
        name: manifest.name ?? folder,
        layer: manifest.hawser?.layer,
        manifest,
        files: files.map((file) => file.replaceAll("\\", "/")).sort(),
      };
    }),
  );
  const rootPath = join(root, "package.json");
  const rootManifest = existsSync(rootPath) ? readManifest(rootPath) : {};
  return {
    root,
    projects: projects.sort(
      (left, right) =>
        (left.layer ?? -1) - (right.layer ?? -1) || (left.name < right.name ? -1 : 1),
    ),
    rootDependencies: new Set(
      Object.keys({ ...rootManifest.dependencies, ...rootManifest.devDependencies }),
    ),
  };
}
