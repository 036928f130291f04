/**
 * The hooks: views, documents and queries in React. Layer 8.
 */
import type { CollectionDefinition, Docs, DocRow, Query } from "@hawser/doc";
import type { OpenView } from "@hawser/view";
import {
  createContext,
  createElement,
  useContext,
  useMemo,
  useSyncExternalStore,
  type ReactElement,
  type ReactNode,
} from "react";
import { readableDoc, readableQuery } from "./docs.ts";
import { ReactError } from "./errors.ts";
import { createStore, loadingSnapshot, type Access, type Loaded, type Store } from "./store.ts";

/** What `DocsProvider` hands down. */
interface DocsContext {
  readonly docs: Docs;
  readonly access: Access | undefined;
}

const context = createContext<DocsContext | undefined>(undefined);

/** What a provider is given. */
export interface DocsProviderProps {
  readonly docs: Docs;
  /** Whose access decides what is `unauthorised`: the space the documents are in. */
  readonly access?: Access;
  readonly children?: ReactNode;
}

/** Gives documents to the hooks below it. */
export function DocsProvider({ docs, access, children }: DocsProviderProps): ReactElement {
  const value = useMemo(() => ({ docs, access }), [docs, access]);
  return createElement(context.Provider, { value }, children);
}

/** The documents of the provider above. Throws REACT_NO_PROVIDER. */
export function useDocs(): Docs {
  return useDocsContext().docs;
}

function useDocsContext(): DocsContext {
  const found = useContext(context);
  if (found !== undefined) return found;
  throw new ReactError("REACT_NO_PROVIDER", "there is no DocsProvider above this component");
}

/** The state of a view. It is never absent. Do not change it. */
export function useView<State>(view: OpenView<State>, access?: Access): Loaded<State> {
  const store = useMemo(
    () =>
      createStore(
        {
          ready: view.ready,
          subscribe: (listener: () => void) => view.subscribe(() => listener()),
          read: () => view.state,
          version: () => view.revision,
          failure: () => view.failure,
        },
        access,
      ),
    [view, access],
  );
  return useStore(store);
}

/**
 * One document. `error` with REACT_DOC_INVALID: it is there, and this version's schema refuses it.
 * Throws REACT_NO_PROVIDER, DOC_COLLECTION_UNKNOWN.
 */
export function useDoc<Input extends object, Doc extends object>(
  definition: CollectionDefinition<Input, Doc>,
  id: string,
): Loaded<Doc> {
  const { docs, access } = useDocsContext();
  const store = useMemo(
    () => createStore(readableDoc(docs, docs.in(definition), id), access),
    [docs, access, definition, id],
  );
  return useStore(store);
}

const everything: Query = {};

/**
 * The rows of a query, kept up to date. The query may be written in place: what counts is what it
 * says, not which object it is. Throws REACT_NO_PROVIDER, and like `Collection.live`.
 */
export function useQuery<Input extends object, Doc extends object>(
  definition: CollectionDefinition<Input, Doc>,
  query: Query = everything,
): Loaded<readonly DocRow<Doc>[]> {
  const { docs, access } = useDocsContext();
  // Queries are data, so their text says all of them.
  const text = JSON.stringify(query);
  const store = useMemo(() => {
    // Safe: the text was made from a query.
    const same = JSON.parse(text) as Query;
    return createStore(readableQuery(docs, docs.in(definition), same), access);
  }, [docs, access, definition, text]);
  return useStore(store);
}

function useStore<Value>(store: Store<Value>): Loaded<Value> {
  return useSyncExternalStore(store.subscribe, store.getSnapshot, loadingSnapshot);
}
