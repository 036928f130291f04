/** The note: rich text that several people type at once. */
import type { YjsProvider } from "@hawser/yjs";
import { baseKeymap, setBlockType, toggleMark } from "prosemirror-commands";
import { inputRules, textblockTypeInputRule, wrappingInputRule } from "prosemirror-inputrules";
import { keymap } from "prosemirror-keymap";
import { Schema, type MarkType, type NodeType } from "prosemirror-model";
import { schema as basic } from "prosemirror-schema-basic";
import { addListNodes, liftListItem, splitListItem, wrapInList } from "prosemirror-schema-list";
import { EditorState, Plugin, type Command } from "prosemirror-state";
import { EditorView } from "prosemirror-view";
import { useEffect, useRef, useState, type KeyboardEvent, type ReactNode } from "react";
import { redo, undo, yCursorPlugin, ySyncPlugin, yUndoPlugin } from "y-prosemirror";
import { hasCursor, personOf } from "../src/index.ts";

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
  readonly keys?: string;
  readonly command: Command;
  /** Does what is selected have it? Without: there is no such thing. */
  readonly isOn?: (state: EditorState) => boolean;
}

const hasMark = (mark: MarkType) => (state: EditorState) => {
  const { from, $from, to, empty } = state.selection;
  return empty
    ? mark.isInSet(state.storedMarks ?? $from.marks()) !== undefined
    : state.doc.rangeHasMark(from, to, mark);
};
const isBlock = (type: NodeType) => (state: EditorState) =>
  state.selection.$from.parent.type === type;
const isWithin = (type: NodeType) => (state: EditorState) => {
  const { $from } = state.selection;
  return Array.from({ length: $from.depth }, (_, depth) => $from.node(depth).type).includes(type);
};

function markTool(mark: MarkType | undefined, name: string, label: string, keys?: string): Tool[] {
  if (mark === undefined) return [];
  const tool = { name, label, command: toggleMark(mark), isOn: hasMark(mark) };
  return [keys === undefined ? tool : { ...tool, keys }];
}

const tools: readonly Tool[] = [
  ...markTool(strong, "Bold", "B", "Control+B"),
  ...markTool(em, "Italic", "I", "Control+I"),
  ...markTool(code, "Code", "<>"),
  ...(heading === undefined
    ? []
    : [
        {
          name: "Heading",
          label: "H",
          command: setBlockType(heading, { level: 2 }),
          isOn: isBlock(heading),
        },
      ]),
  ...(paragraph === undefined
    ? []
    : [{ name: "Text", label: "¶", command: setBlockType(paragraph) }]),
  ...(bullets === undefined
    ? []
    : [{ name: "List", label: "•", command: wrapInList(bullets), isOn: isWithin(bullets) }]),
  { name: "Undo", label: "↶", keys: "Control+Z", command: undo },
  { name: "Redo", label: "↷", keys: "Control+Y", command: redo },
];

/** Where somebody else is. Names are text and colours are colours, whatever they sent. */
function cursorOf(user: unknown): HTMLElement {
  const { name, colour } = personOf({ user }) ?? { name: "", colour: "#5b6570" };
  const cursor = document.createElement("span");
  cursor.className = "ProseMirror-yjs-cursor";
  cursor.style.borderColor = colour;
  const flag = document.createElement("div");
  flag.style.backgroundColor = colour;
  flag.textContent = name;
  cursor.append("\u2060", flag, "\u2060");
  return cursor;
}

function pluginsFor({ doc, awareness }: YjsProvider, changed: (state: EditorState) => void) {
  return [
    ySyncPlugin(doc.getXmlFragment("note")),
    yCursorPlugin(awareness, {
      awarenessStateFilter: (own: number, client: number, state: unknown) =>
        own !== client && personOf(state) !== undefined && hasCursor(state),
      cursorBuilder: cursorOf,
      selectionBuilder: (user: unknown) => ({
        style: `background-color: ${personOf({ user })?.colour ?? "#5b6570"}44`,
      }),
    }),
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
    new Plugin({ view: () => ({ update: (view) => changed(view.state) }) }),
  ];
}

const isEmpty = ({ doc }: EditorState): boolean =>
  doc.childCount <= 1 && doc.textContent === "" && doc.firstChild?.type !== bullets;

export function Note({
  provider,
  canWrite,
}: {
  readonly provider: YjsProvider;
  readonly canWrite: boolean;
}): ReactNode {
  const place = useRef<HTMLDivElement>(null);
  const editable = useRef(canWrite);
  const [view, setView] = useState<EditorView>();
  const [state, setState] = useState<EditorState>();
  useEffect(() => {
    if (place.current === null) return undefined;
    const made = new EditorView(place.current, {
      state: EditorState.create({ schema, plugins: pluginsFor(provider, setState) }),
      editable: () => editable.current,
      attributes: { "aria-label": "Note", role: "textbox", "aria-multiline": "true" },
    });
    setView(made);
    setState(made.state);
    return () => made.destroy();
  }, [provider]);
  useEffect(() => {
    editable.current = canWrite;
    view?.setProps({});
  }, [canWrite, view]);
  return (
    <section className="note" aria-label="Shared note">
      <Tools view={view} state={state} isDisabled={!canWrite} />
      <div className="paper">
        <div ref={place} />
        {state !== undefined && isEmpty(state) ? (
          <p className="hint" aria-hidden="true">
            {canWrite ? "Write something …" : "Nothing is written yet."}
          </p>
        ) : undefined}
      </div>
    </section>
  );
}

/** One stop of the tab key; arrow keys go from tool to tool. */
function Tools({
  view,
  state,
  isDisabled,
}: {
  readonly view: EditorView | undefined;
  readonly state: EditorState | undefined;
  readonly isDisabled: boolean;
}): ReactNode {
  const [place, setPlace] = useState(0);
  const step = (event: KeyboardEvent<HTMLDivElement>): void => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (by === 0) return;
    event.preventDefault();
    const next = (place + by + tools.length) % tools.length;
    setPlace(next);
    event.currentTarget.querySelectorAll("button")[next]?.focus();
  };
  return (
    <div className="tools" role="toolbar" aria-label="Format" onKeyDown={step}>
      {tools.map(({ name, label, keys, command, isOn }, index) => (
        <button
          key={name}
          type="button"
          title={keys === undefined ? name : `${name} (${keys.replace("Control", "Ctrl")})`}
          aria-label={name}
          aria-keyshortcuts={keys}
          aria-pressed={isOn === undefined || state === undefined ? undefined : isOn(state)}
          disabled={isDisabled}
          tabIndex={index === place ? 0 : -1}
          onFocus={() => setPlace(index)}
          // The editor keeps the selection.
          onMouseDown={(event) => event.preventDefault()}
          onClick={() => view !== undefined && command(view.state, view.dispatch, view)}
        >
          {label}
        </button>
      ))}
    </div>
  );
}
