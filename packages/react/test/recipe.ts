import type { Collection, DocRow, Query } from "@hawser/doc";

/** Calls `show` with the rows now and after each change; gives the function that ends it. */
export function followQuery<Doc extends object>(
  list: Collection<object, Doc>,
  query: Query,
  show: (rows: readonly DocRow<Doc>[]) => void,
): () => void {
  const live = list.live(query);
  const end = live.subscribe(() => show(live.rows));
  show(live.rows);
  return () => {
    end();
    live[Symbol.dispose]();
  };
}
