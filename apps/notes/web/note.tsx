/** The note: rich text that several people type at once. */
import type { YjsProvider } from "@hawser/yjs";
import { baseKeymap, setBlockType, toggleMark } from "prosemirror-commands";
import { inputRules, textblockTypeInputRule, wrappingInputRule } from "prosemirror-inputrules";
import { keymap } from "prosemirror-keymap";
import { Schema } from "prosemirror-model";
import { schema as basic } from "prosemirror-schema-basic";
import { addListNodes, liftListItem, splitListItem, wrapInList } from "prosemirror-schema-list";
import { EditorState, type Command } from "prosemirror-state";
import { EditorView } from "prosemirror-view";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { redo, undo, yCursorPlugin, ySyncPlugin, yUndoPlugin } from "y-prosemirror";

/** Paragraphs, headings and lists, strong, emphasis and code: no pictures, nothing that is fetched. */
const schema = new Schema({
  nodes: addListNodes(
    basic.spec.nodes.remove("image").remove("horizontal_rule"),
    "paragraph block*",
    "block",
  ),
  marks: basic.spec.marks.remove("link"),
});
const { heading, bullet_list: bullets, list_item: item, paragraph } = schema.nodes;
const { strong, em, code } = schema.marks;

interface Tool {
  readonly name: string;
  readonly label: string;
  readonly command: Command;
}

const tools: readonly Tool[] = [
  ...(strong === undefined ? [] : [{ name: "Bold", label: "B", command: toggleMark(strong) }]),
  ...(em === undefined ? [] : [{ name: "Italic", label: "I", command: toggleMark(em) }]),
  ...(code === undefined ? [] : [{ name: "Code", label: "<>", command: toggleMark(code) }]),
  ...(heading === undefined
    ? []
    : [{ name: "Heading", label: "H", command: setBlockType(heading, { level: 2 }) }]),
  ...(paragraph === undefined
    ? []
    : [{ name: "Text", label: "¶", command: setBlockType(paragraph) }]),
  ...(bullets === undefined ? [] : [{ name: "List", label: "•", command: wrapInList(bullets) }]),
  { name: "Undo", label: "↶", command: undo },
  { name: "Redo", label: "↷", command: redo },
];

function pluginsFor({ doc, awareness }: YjsProvider) {
  return [
    ySyncPlugin(doc.getXmlFragment("note")),
    yCursorPlugin(awareness),
    yUndoPlugin(),
    keymap({ "Mod-z": undo, "Mod-y": redo, "Mod-Shift-z": redo }),
    ...(item === undefined
      ? []
      : [keymap({ Enter: splitListItem(item), "Shift-Tab": liftListItem(item) })]),
    ...(strong === undefined || em === undefined
      ? []
      : [keymap({ "Mod-b": toggleMark(strong), "Mod-i": toggleMark(em) })]),
    keymap(baseKeymap),
    inputRules({
      rules: [
        ...(bullets === undefined ? [] : [wrappingInputRule(/^\s*[-*]\s$/, bullets)]),
        ...(heading === undefined
          ? []
          : [textblockTypeInputRule(/^##?\s$/, heading, { level: 2 })]),
      ],
    }),
  ];
}

export function Note({ provider }: { readonly provider: YjsProvider }): ReactNode {
  const place = useRef<HTMLDivElement>(null);
  const [view, setView] = useState<EditorView>();
  useEffect(() => {
    if (place.current === null) return undefined;
    const made = new EditorView(place.current, {
      state: EditorState.create({ schema, plugins: pluginsFor(provider) }),
      attributes: { "aria-label": "Note", role: "textbox", "aria-multiline": "true" },
    });
    setView(made);
    return () => made.destroy();
  }, [provider]);
  return (
    <section className="note" aria-label="Note">
      <div className="tools" role="toolbar" aria-label="Format">
        {tools.map(({ name, label, command }) => (
          <button
            key={name}
            type="button"
            title={name}
            aria-label={name}
            onMouseDown={(event) => {
              // The editor keeps the selection.
              event.preventDefault();
              if (view !== undefined) command(view.state, view.dispatch, view);
            }}
          >
            {label}
          </button>
        ))}
      </div>
      <div ref={place} className="paper" />
    </section>
  );
}
