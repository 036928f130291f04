/** Fills the template with a name, a layer and a description. */
import { existsSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export interface NewPackage {
  /** Kebab-case, without the scope. */
  readonly name: string;
  /** 0 to 8; what it may import is below. */
  readonly layer: number;
  /** One sentence with its full stop, for package.json and the README. */
  readonly description: string;
}

const templateFolder = fileURLToPath(new URL("../template", import.meta.url));

/** What is wrong with a wish, or undefined. */
export function validate(wish: NewPackage, root: string): string | undefined {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(wish.name)) return "a name is kebab-case: store-opfs";
  if (!Number.isInteger(wish.layer) || wish.layer < 0 || wish.layer > 8) {
    return "a layer is a whole number from 0 to 8";
  }
  if (!/^[A-Z].*[^.]\.$/.test(wish.description) || /["\\\n]/.test(wish.description)) {
    return "a description is one sentence: capital letter, full stop, no quotes";
  }
  if (existsSync(join(root, "packages", wish.name)))
    return `packages/${wish.name} is there already`;
  return undefined;
}

/** Writes the package under `root` and returns the paths of its files, relative to `root`. */
export function generate(wish: NewPackage, root: string): readonly string[] {
  const fill = createFill(wish, commonVersion(root));
  const folder = join("packages", wish.name);
  const files = globSync("**/*", { cwd: templateFolder })
    .filter((path) => statSync(join(templateFolder, path)).isFile())
    .sort();
  return files.map((path) => {
    const target = join(folder, fill(path));
    mkdirSync(dirname(join(root, target)), { recursive: true });
    writeFileSync(join(root, target), fill(readFileSync(join(templateFolder, path), "utf8")));
    return target;
  });
}

/** All packages share one version: a new one starts with it. */
function commonVersion(root: string): string {
  const [path] = globSync("packages/*/package.json", { cwd: root }).sort();
  if (path === undefined) return "0.0.0";
  const { version } = JSON.parse(readFileSync(join(root, path), "utf8")) as { version?: string };
  return version ?? "0.0.0";
}

function createFill(wish: NewPackage, version: string): (text: string) => string {
  const words = wish.name.split("-");
  const pascal = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
  const values: Readonly<Record<string, string>> = {
    __name__: wish.name,
    __Name__: pascal,
    __camelName__: pascal.charAt(0).toLowerCase() + pascal.slice(1),
    __NAME__: words.join("_").toUpperCase(),
    __layer__: String(wish.layer),
    __description__: wish.description,
    __version__: version,
  };
  return (text) =>
    text.replaceAll(/__(?:name|Name|camelName|NAME|layer|description|version)__/g, (key) =>
      key in values ? (values[key] ?? "") : key,
    );
}
