/**
 * Sub-documents (docs/spec/yjs.md §7): each is a document of the space of its own, opened when the
 * application loads it. Layer 7, internal.
 */
import type { Doc } from "yjs";
import { isDocName } from "./body.ts";
import { YjsError } from "./errors.ts";
import type { YjsProvider } from "./provider.ts";

/** Sub-documents of one document that are open at a time. */
const openMax = 256;

/** The sub-documents of one document. */
export interface Subdocs {
  get(guid: string): YjsProvider | undefined;
  /** Why one could not be opened. */
  problem(): YjsError | undefined;
  close(): Promise<void>;
}

interface SubdocsEvent {
  readonly loaded: ReadonlySet<Doc>;
  readonly removed: ReadonlySet<Doc>;
}

/** Opens sub-documents as they are loaded, and closes those that are taken out. */
export function createSubdocs(
  doc: Doc,
  name: string,
  open: (child: Doc, name: string) => YjsProvider,
): Subdocs {
  const providers = new Map<string, YjsProvider>();
  let problem: YjsError | undefined;
  const closings = new Set<Promise<void>>();
  const drop = (guid: string, provider: YjsProvider): void => {
    providers.delete(guid);
    const closing = provider[Symbol.asyncDispose]();
    closings.add(closing);
    closing.then(
      () => closings.delete(closing),
      // Kept: `close` tells of it.
      () => undefined,
    );
  };
  const onSubdocs = ({ loaded, removed }: SubdocsEvent): void => {
    for (const child of removed) {
      const provider = providers.get(child.guid);
      if (provider?.doc === child) drop(child.guid, provider);
    }
    for (const child of loaded) {
      const childName = `${name}/${child.guid}`;
      if (providers.size >= openMax || !isDocName(childName)) continue;
      const known = providers.get(child.guid);
      if (known?.doc === child) continue;
      if (known !== undefined) drop(child.guid, known);
      if (child.store.clients.size > 0) {
        const message = "write into a sub-document after it was put into its document";
        problem = new YjsError("YJS_DOC_NOT_EMPTY", message);
        continue;
      }
      providers.set(child.guid, open(child, childName));
    }
  };
  doc.on("subdocs", onSubdocs);
  return {
    get: (guid) => providers.get(guid),
    problem: () => problem,
    close: async () => {
      doc.off("subdocs", onSubdocs);
      for (const [guid, provider] of providers) drop(guid, provider);
      await Promise.all(closings);
    },
  };
}
