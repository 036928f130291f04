// @vitest-environment happy-dom
/** The CodeMirror binding as it is, on two devices. */
import { EditorState } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { createEphemeralHub } from "@hawser/space";
import { at, createWorld, spaceWith } from "@hawser/space/testing";
import { expect, test } from "vitest";
import { yCollab } from "y-codemirror.next";
import { UndoManager } from "yjs";
import { atSpace, createStage, settle } from "./help.ts";

test("y-codemirror.next edits, follows and shows who is there, unchanged", async () => {
  const world = await createWorld();
  const { devices, spaces } = await spaceWith(world, "ben");
  const stage = createStage();
  const hub = createEphemeralHub();
  const editors = spaces.map((space) => {
    const provider = stage.open(space, {}, { channel: space.ephemeral(hub.pipe()) });
    const text = provider.doc.getText("text");
    const undoManager = new UndoManager(text);
    const extensions = [yCollab(text, provider.awareness, { undoManager })];
    const view = new EditorView({ state: EditorState.create({ extensions }) });
    return { provider, view, undoManager };
  });
  const [ada, ben] = [at(editors, 0), at(editors, 1)];
  await Promise.all(editors.map(({ provider }) => provider.ready));
  ada.view.dispatch({ changes: { from: 0, insert: "written in an editor" } });
  await settle(world, stage, ...devices);
  expect(ben.view.state.doc.toString()).toBe("written in an editor");
  ben.view.dispatch({ changes: { from: 0, to: 7, insert: "typed" } });
  await settle(world, stage, ...devices);
  expect(ada.view.state.doc.toString()).toBe("typed in an editor");
  ada.undoManager.undo();
  await settle(world, stage, ...devices);
  // Ada's own goes, Ben's word stays.
  expect(ada.view.state.doc.toString()).toBe("typed");
  expect(ben.view.state.doc.toString()).toBe("typed");
  ada.provider.awareness.setLocalStateField("user", { name: "Ada" });
  await stage.pass(200);
  expect(ben.provider.awareness.getStates().get(ada.provider.doc.clientID)).toMatchObject({
    user: { name: "Ada" },
  });
  expect(atSpace(spaces, 0).failure).toBeUndefined();
  for (const { view } of editors) view.destroy();
  await stage.close();
});
