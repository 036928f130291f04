/**
 * Expression text to its tree (docs/spec/query.md §2.3). Layer 3; pure. No recursion: nesting is a
 * stack of lists, bounded by `abeDepthMax`.
 */
import { fault, success, type Fault, type Result } from "./fault.ts";
import { abeDepthMax, abeInputBytesMax } from "./limits.ts";
import { isLooseByte, readGlyph } from "./text.ts";

/** Elements of an expression, each with the offset it starts at. */
export type Node =
  | { readonly kind: "separator"; readonly separator: ":" | "/"; readonly index: number }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array; readonly index: number }
  | { readonly kind: "list"; readonly items: readonly Node[]; readonly index: number };

/** `loose` takes bytes that are no ABE text as they are: templates with newlines and UTF-8. */
export type Strictness = "strict" | "loose";

/** The elements of `text`, or where and why it is no expression. */
export function parseAbe(text: Uint8Array, strictness: Strictness): Result<readonly Node[]> {
  if (text.length > abeInputBytesMax) {
    return fault("ABE_TOO_LARGE", 0, `at most ${abeInputBytesMax} bytes`);
  }
  const builder = createTreeBuilder();
  for (let index = 0; index < text.length;) {
    const glyph = readGlyph(text, index, "one line");
    if ("ok" in glyph) {
      if (strictness === "strict" || !isLooseByte(glyph, text)) return glyph;
      builder.addByte(text[index] ?? 0, index);
      index++;
      continue;
    }
    if (glyph.kind === "byte") builder.addByte(glyph.byte, index);
    else {
      const refused = addMark(builder, glyph.mark, index);
      if (refused !== undefined) return refused;
    }
    index = glyph.next;
  }
  const open = builder.openIndex();
  if (open === undefined) return success(builder.finish());
  return {
    ...fault("ABE_UNMATCHED_OPEN", open, "a ] for this [", "Unmatched '['"),
    saidBare: () => "UnmatchedOpen",
  };
}

function addMark(builder: TreeBuilder, mark: string, index: number): Fault | undefined {
  switch (mark) {
    case ":":
    case "/":
      builder.addSeparator(mark, index);
      return undefined;
    case "[":
      if (builder.depth() >= abeDepthMax) {
        return fault("ABE_TOO_LARGE", index, `at most ${abeDepthMax} brackets inside each other`);
      }
      builder.open(index);
      return undefined;
    default:
      if (builder.depth() > 0) {
        builder.close();
        return undefined;
      }
      return {
        ...fault("ABE_UNMATCHED_CLOSE", index, "a [ before this ]", "Unmatched ']'"),
        saidBare: () => "UnmatchedClose",
      };
  }
}

interface TreeBuilder {
  addByte(byte: number, index: number): void;
  addSeparator(separator: ":" | "/", index: number): void;
  open(index: number): void;
  close(): void;
  depth(): number;
  /** Offset of the innermost bracket that is still open. */
  openIndex(): number | undefined;
  finish(): readonly Node[];
}

function createTreeBuilder(): TreeBuilder {
  const root: Node[] = [];
  const stack: { readonly items: Node[]; readonly index: number }[] = [];
  let items = root;
  let run: number[] = [];
  let runIndex = 0;
  const flush = (): void => {
    if (run.length === 0) return;
    items.push({ kind: "bytes", bytes: Uint8Array.from(run), index: runIndex });
    run = [];
  };
  return {
    addByte(byte, index) {
      if (run.length === 0) runIndex = index;
      run.push(byte);
    },
    addSeparator(separator, index) {
      flush();
      items.push({ kind: "separator", separator, index });
    },
    open(index) {
      flush();
      const inner: Node[] = [];
      items.push({ kind: "list", items: inner, index });
      stack.push({ items, index });
      items = inner;
    },
    close() {
      flush();
      items = stack.pop()?.items ?? root;
    },
    depth: () => stack.length,
    openIndex: () => stack.at(-1)?.index,
    finish() {
      flush();
      return root;
    },
  };
}
