/**
 * The little of Markdown the checks need: fenced blocks, headings with their anchors, and links.
 */

export interface FencedBlock {
  /** The info string after the fence, such as `ts`. */
  readonly language: string;
  readonly text: string;
  /** Line of the opening fence, from 1. */
  readonly line: number;
  /** Text of the nearest heading above, or an empty string. */
  readonly heading: string;
  /** Text of the nearest heading of level 1 or 2 above: the section it is in. */
  readonly section: string;
}

export interface Heading {
  readonly text: string;
  /** The anchor GitHub gives it. */
  readonly anchor: string;
}

export interface Link {
  readonly target: string;
  readonly line: number;
}

export interface Markdown {
  readonly blocks: readonly FencedBlock[];
  readonly headings: readonly Heading[];
  readonly links: readonly Link[];
}

const fencePattern = /^ {0,3}(`{3,}|~{3,})\s*([^\s`]*)/;
const headingPattern = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/;
const linkPattern = /\[(?:[^\]\\]|\\.)*\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g;
const definitionPattern = /^ {0,3}\[[^\]]+\]:\s+<?(\S+?)>?(?:\s|$)/;

/** GitHub's anchor of a heading: lower case, punctuation gone, spaces as hyphens. */
function anchorOf(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\p{M} _-]/gu, "")
    .replaceAll(" ", "-");
}

/** Reads one document. */
export function readMarkdown(text: string): Markdown {
  const blocks: FencedBlock[] = [];
  const headings: Heading[] = [];
  const links: Link[] = [];
  const countByAnchor = new Map<string, number>();
  let section = "";
  let open:
    | { readonly fence: string; readonly language: string; readonly line: number }
    | undefined;
  let body: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const [, fence = "", language = ""] = fencePattern.exec(line) ?? [];
    if (open !== undefined) {
      const isClosing = fence.startsWith(open.fence) && line.trim() === fence;
      if (!isClosing) {
        body.push(line);
        continue;
      }
      const { line: at, language: of } = open;
      const heading = headings.at(-1)?.text ?? "";
      blocks.push({ language: of, text: `${body.join("\n")}\n`, line: at, heading, section });
      open = undefined;
      body = [];
      continue;
    }
    if (fence !== "") {
      open = { fence, language, line: index + 1 };
      continue;
    }
    const [, level = "", title] = headingPattern.exec(line) ?? [];
    if (title !== undefined) {
      if (level.length <= 2) section = title;
      const anchor = anchorOf(title);
      const count = countByAnchor.get(anchor) ?? 0;
      countByAnchor.set(anchor, count + 1);
      headings.push({ text: title, anchor: count === 0 ? anchor : `${anchor}-${count}` });
    }
    // Code spans hold examples of links, not links.
    const prose = line.replaceAll(/(`+)(?:(?!\1).)+\1/g, (span) => " ".repeat(span.length));
    const found = [...prose.matchAll(linkPattern)].map((match) => match[1]);
    for (const target of [...found, definitionPattern.exec(prose)?.[1]]) {
      if (target !== undefined) links.push({ target, line: index + 1 });
    }
  }
  return { blocks, headings, links };
}
