/**
 * ByteStore: where the bytes of one stream lie (docs/spec/stream.md, "Byte stores"). Layer 4; the core knows no
 * other storage. `testing/` holds the conformance cases and the memory store with fault injection.
 */

export interface ByteStoreAbilities {
  /** Whether bytes after the verified end can be cut off (a torn append is then removed). */
  readonly canTruncate: boolean;
  /** Whether opening for writing keeps a second writer out for as long as it is open. */
  readonly isExclusive: boolean;
  readonly isReadOnly: boolean;
}

/**
 * Bytes that only grow. All methods reject with StreamError: BYTES_CLOSED after close, BYTES_IO with
 * the cause when the medium fails, BYTES_FULL when it has no room left, BYTES_MISUSE for arguments
 * that make no sense; and with a signal's own reason when it is aborted. Changes are carried out one
 * after another, reads beside them.
 */
export interface ByteStore extends AsyncDisposable {
  readonly abilities: ByteStoreAbilities;
  size(signal?: AbortSignal): Promise<number>;
  /**
   * `length` bytes (at most 1 GiB) from `offset`; fewer only at the end of the store. They are the
   * caller's to keep.
   */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array>;
  /**
   * Appends when the store has exactly `expectedSize` bytes, else rejects with BYTES_MOVED (somebody
   * else wrote). Returns the new size. Bounded memory: parts are written as they come; a failure in
   * the middle may leave a torn tail.
   */
  append(
    expectedSize: number,
    parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<number>;
  /** Resolves when everything appended survives a power loss. */
  flush(): Promise<void>;
  /** Cuts to `size`; rejects with BYTES_MISUSE when it cannot or is larger. */
  truncate(size: number): Promise<void>;
  /** Idempotent; gives up the lock. */
  close(): Promise<void>;
}
