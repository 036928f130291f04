// @vitest-environment happy-dom
/** The ProseMirror binding as it is, on two devices. */
import { createEphemeralHub } from "@hawser/space";
import { at, createWorld, spaceWith } from "@hawser/space/testing";
import { schema } from "prosemirror-schema-basic";
import { EditorState, type Command } from "prosemirror-state";
import { EditorView } from "prosemirror-view";
import { expect, test } from "vitest";
import { undo, yCursorPlugin, ySyncPlugin, yUndoPlugin } from "y-prosemirror";
import { createStage, settle } from "./help.ts";

test("y-prosemirror edits, follows, formats and takes back, unchanged", async () => {
  const world = await createWorld();
  const { devices, spaces } = await spaceWith(world, "ben");
  const stage = createStage();
  const hub = createEphemeralHub();
  const editors = spaces.map((space) => {
    const provider = stage.open(space, {}, { channel: space.ephemeral(hub.pipe()) });
    const plugins = [
      ySyncPlugin(provider.doc.getXmlFragment("note")),
      yCursorPlugin(provider.awareness),
      yUndoPlugin(),
    ];
    const state = EditorState.create({ schema, plugins });
    return { provider, view: new EditorView(null, { state }) };
  });
  const [ada, ben] = [at(editors, 0), at(editors, 1)];
  await Promise.all(editors.map(({ provider }) => provider.ready));
  const hasStrong = ({ state: { doc } }: EditorView, from: number, to: number): boolean =>
    doc.rangeHasMark(from, to, schema.mark("strong").type);
  const run = (view: EditorView, command: Command): void => {
    command(view.state, view.dispatch);
  };
  // The binding looks at its document in a task of its own.
  const settled = async (): Promise<void> => {
    await new Promise((resolve) => void setTimeout(resolve, 0));
    await settle(world, stage, ...devices);
    await new Promise((resolve) => void setTimeout(resolve, 0));
  };
  await settled();
  ada.view.dispatch(ada.view.state.tr.insertText("a shared note", 1));
  await settled();
  expect(ben.view.state.doc.textContent).toBe("a shared note");
  ben.view.dispatch(ben.view.state.tr.addMark(3, 9, schema.mark("strong")));
  await settled();
  expect(hasStrong(ada.view, 3, 9)).toBe(true);
  expect(hasStrong(ada.view, 0, 3)).toBe(false);
  ada.view.dispatch(ada.view.state.tr.insertText("Ada's: ", 1));
  await settled();
  expect(ben.view.state.doc.textContent).toBe("Ada's: a shared note");
  run(ben.view, undo);
  await settled();
  // Ben's own goes, Ada's words stay.
  expect(hasStrong(ada.view, 0, ada.view.state.doc.content.size)).toBe(false);
  expect(ada.view.state.doc.textContent).toBe("Ada's: a shared note");
  expect(ada.view.state.doc.eq(ben.view.state.doc)).toBe(true);
  for (const { view } of editors) view.destroy();
  await stage.close();
});
