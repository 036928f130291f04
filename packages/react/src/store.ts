/**
 * What React reads: something that says when it changed, and a snapshot that is the same object
 * until it did. Layer 8, without React.
 */

/** What a hook gives. `unauthorised`: this device lost its access; what it has stays readable. */
export type Loaded<Value> =
  | { readonly status: "loading" }
  | { readonly status: "absent" }
  | { readonly status: "ready"; readonly value: Value }
  | { readonly status: "error"; readonly error: unknown }
  | { readonly status: "unauthorised"; readonly value: Value | undefined };

/** Who tells that a device lost its access: a `HawserSpace` does. */
export interface Access {
  readonly accessLost: Promise<unknown>;
}

/** Something that can be read and says when to read again. */
export interface Readable<Value> {
  /** Resolves when everything stored at opening time can be read. */
  readonly ready: Promise<unknown>;
  subscribe(listener: () => void): () => void;
  /** `undefined`: there is nothing of that name. */
  read(): Value | undefined;
  /** Another number for each change of a value that may be changed in place. */
  version?(): number;
  /** What keeps it from being read. */
  failure?(): unknown;
}

/** What `useSyncExternalStore` takes. */
export interface Store<Value> {
  subscribe(listener: () => void): () => void;
  getSnapshot(): Loaded<Value>;
}

const loading: Loaded<never> = { status: "loading" };

/** Before a page comes to life nothing is loaded. */
export const loadingSnapshot = (): Loaded<never> => loading;

/** A store over something readable and the access to it. */
export function createStore<Value>(
  source: Readable<Value>,
  access: Access | undefined,
): Store<Value> {
  const promises = [source.ready, ...(access === undefined ? [] : [access.accessLost])].map(track);
  let shown: Loaded<Value> = loading;
  let shownVersion = 0;
  return {
    subscribe: (listener) => {
      const ends = [source.subscribe(listener), ...promises.map((one) => one.subscribe(listener))];
      return () => {
        for (const end of ends) end();
      };
    },
    getSnapshot: () => {
      const version = source.version?.() ?? 0;
      const next = snapshotOf(source, promises);
      if (version !== shownVersion || !isSame(shown, next)) shown = next;
      shownVersion = version;
      return shown;
    },
  };
}

function snapshotOf<Value>(
  source: Readable<Value>,
  [ready, lost]: readonly Tracked[],
): Loaded<Value> {
  const failure = source.failure?.() ?? ready?.failure();
  if (failure !== undefined) return { status: "error", error: failure };
  if (lost?.isDone() === true) return { status: "unauthorised", value: source.read() };
  // Reading before that would make all of it be read in one go.
  if (ready?.isDone() !== true) return loading;
  const value = source.read();
  return value === undefined ? { status: "absent" } : { status: "ready", value };
}

function isSame<Value>(a: Loaded<Value>, b: Loaded<Value>): boolean {
  const contentOf = (one: Loaded<Value>): unknown =>
    "value" in one ? one.value : "error" in one ? one.error : undefined;
  return a.status === b.status && contentOf(a) === contentOf(b);
}

/** A promise whose state can be asked. */
interface Tracked {
  isDone(): boolean;
  failure(): unknown;
  subscribe(listener: () => void): () => void;
}

const tracked = new WeakMap<Promise<unknown>, Tracked>();

/** One watcher a promise, however many components look at it. */
function track(promise: Promise<unknown>): Tracked {
  const known = tracked.get(promise);
  if (known !== undefined) return known;
  let isDone = false;
  let failure: unknown;
  const listeners = new Set<() => void>();
  const settle = (): void => {
    for (const listener of listeners) listener();
    listeners.clear();
  };
  promise.then(
    () => {
      isDone = true;
      settle();
    },
    (error: unknown) => {
      failure = error ?? new Error("the promise was rejected");
      settle();
    },
  );
  const one: Tracked = {
    isDone: () => isDone,
    failure: () => failure,
    subscribe: (listener) => {
      // A settled promise never tells again.
      if (!isDone && failure === undefined) listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  tracked.set(promise, one);
  return one;
}
