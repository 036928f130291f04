/**
 * The state of the document view (docs/spec/doc.md §4): every document of every collection, also of
 * those that this device knows no schema for. Commutative: each part is a maximum or a sum. Layer 7.
 */
import type { View } from "@hawser/view";
import { applyItem, createStoredDoc, type StoredDoc } from "./document.ts";
import { marksOf } from "./marks.ts";
import { inverseItems } from "./invert.ts";
import { decodeItems, packWrite } from "./ops.ts";
import { decodeState, encodeState } from "./state-codec.ts";
import { isSuperseded } from "./superseded.ts";

/** Documents by collection and id. */
export type DocState = Map<string, Map<string, StoredDoc>>;

const version = 3;

/** The type of the events. */
export const docEventType = "doc";

/** The reducer. */
export const docView: View<DocState> = {
  name: "doc",
  version,
  types: [docEventType],
  commutative: true,
  init: () => new Map(),
  apply: (state, event) => {
    const markAt = marksOf(event);
    let index = 0;
    for (const item of decodeItems(event.body)) {
      const docs = state.get(item.collection) ?? new Map<string, StoredDoc>();
      state.set(item.collection, docs);
      const doc = docs.get(item.id) ?? createStoredDoc();
      docs.set(item.id, doc);
      index = applyItem(doc, item, markAt, index);
    }
    return state;
  },
  encode: encodeState,
  decode: decodeState,
  superseded: isSuperseded,
  invert: (event, before, now) =>
    packWrite(inverseItems(event, before, now), "one entry").map((body) => ({
      type: docEventType,
      body,
    })),
};
