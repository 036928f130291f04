/**
 * Links and citations:
 *   - a relative link in a Markdown file leads to a file, and its `#anchor` to a heading;
 *   - a citation in source code (`docs/spec/2-log.md §3.1`) leads to a chapter that has that
 *     numbered heading;
 *   - a chapter of the specification links to no source and names none: it must be possible to
 *     implement it elsewhere.
 */
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { dirname, join, posix, relative, resolve, sep } from "node:path";
import { type Markdown, readMarkdown } from "./markdown.ts";

const citationPattern = /docs\/(?:spec|adr)\/[A-Za-z0-9/_-]+\.md(?:\s+§\s?(\d+(?:\.\d+)*))?/g;
const codePathPattern = /\b(?:packages|apps|tooling)\/[a-z][\w./-]*/g;
const ignored = new Set(["node_modules", "dist", ".git", ".turbo", "template"]);

/** Everything that is wrong, as `file:line: message`, in order. */
export function checkLinks(root: string): readonly string[] {
  const find = (pattern: string): readonly string[] =>
    globSync(pattern, { cwd: root, exclude: (name) => ignored.has(posix.basename(name)) })
      .map((path) => path.split(sep).join("/"))
      .sort();
  const documents = new Map(
    find("**/*.md").map((path) => [path, readMarkdown(readFileSync(join(root, path), "utf8"))]),
  );
  const problems = [
    ...[...documents].flatMap(([path, document]) => checkDocument(path, document, root, documents)),
    ...find("docs/spec/**/*.md").flatMap((path) => checkChapter(path, root)),
    ...find("{packages,apps}/*/{src,testing,test,bench}/**/*.ts").flatMap((path) =>
      checkCitations(path, root, documents),
    ),
  ];
  // A file that cites a missing chapter often does it many times.
  return [...new Set(problems)];
}

function checkDocument(
  path: string,
  document: Markdown,
  root: string,
  documents: ReadonlyMap<string, Markdown>,
): readonly string[] {
  return document.links.flatMap(({ target, line }): readonly string[] => {
    // Other schemes are other people's addresses; no check may depend on the network.
    if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return [];
    const [file = "", anchor] = decodeURIComponent(target).split("#");
    const full = file === "" ? join(root, path) : resolve(root, dirname(path), file);
    const name = relative(root, full).split(sep).join("/");
    if (name.startsWith("..")) return [`${path}:${line}: ${target} leads out of the repository`];
    if (!existsSync(full)) return [`${path}:${line}: ${target} leads nowhere`];
    if (anchor === undefined || statSync(full).isDirectory()) return [];
    const headings = documents.get(name)?.headings;
    if (headings === undefined || headings.some((heading) => heading.anchor === anchor)) return [];
    return [`${path}:${line}: ${name} has no heading #${anchor}`];
  });
}

function checkChapter(path: string, root: string): readonly string[] {
  const lines = readFileSync(join(root, path), "utf8").split("\n");
  return lines.flatMap((line, index) =>
    [...line.matchAll(codePathPattern)].map(
      ([code]) => `${path}:${index + 1}: the specification names code (${code})`,
    ),
  );
}

function checkCitations(
  path: string,
  root: string,
  documents: ReadonlyMap<string, Markdown>,
): readonly string[] {
  const text = readFileSync(join(root, path), "utf8");
  // A citation may break over two comment lines.
  const joined = text.replaceAll(/\n\s*(?:\*|\/\/)(?= §)/g, "");
  return [...joined.matchAll(citationPattern)].flatMap(([citation, section]): readonly string[] => {
    const file = citation.split(/\s/)[0] ?? "";
    const document = documents.get(file);
    if (document === undefined) return [`${path}: cites ${file}, which does not exist`];
    if (section === undefined) return [];
    const hasSection = document.headings.some((heading) =>
      new RegExp(`^§?${section.replaceAll(".", "\\.")}(?![.\\d]*\\d)`).test(heading.text),
    );
    return hasSection ? [] : [`${path}: cites ${file} §${section}, a heading it does not have`];
  });
}
