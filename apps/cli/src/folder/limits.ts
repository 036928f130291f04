/** How much a shared folder may hold. */
export interface FolderLimits {
  readonly fileBytesMax: number;
  readonly folderBytesMax: number;
  readonly fileCountMax: number;
}

export const defaultFolderLimits: FolderLimits = {
  fileBytesMax: 64 * 1024 * 1024,
  folderBytesMax: 2 * 1024 * 1024 * 1024,
  fileCountMax: 100_000,
};

/** File content up to this size lies in the manifest; larger content in chunks. */
export const inlineBytesMax: number = 4 * 1024;
/**
 * A chunk and its event header are padded up to a multiple of 2,048 bytes (PADMÉ), and must then
 * fit one entry; 63 leaves room for the header.
 */
export const chunkBytes: number = 28 * 2_048 - 64;
/**
 * Chunks appended in one signed batch. A peer keeps what ends with a signature, so this bounds what
 * a broken line costs (224 KiB), and memory while a large file is read.
 */
export const batchChunksMax: number = 4;
/** Files, and bytes of files, after which what was read so far is put into the space. */
export const batchFilesMax: number = 256;
export const batchBytesMax: number = 4 * 1024 * 1024;
