export type {
  ByteCall,
  ByteFaults,
  ByteMedium,
  ByteMediumOptions,
  ByteOperation,
} from "./byte-medium.ts";
export { createByteMedium } from "./byte-medium.ts";
export type { ByteStoreCase, ByteStoreHarness } from "./byte-store-cases.ts";
export { byteStoreCases } from "./byte-store-cases.ts";
export type {
  S3Emulation,
  S3EmulationOptions,
  S3Fault,
  S3FetchInit,
  S3Object,
} from "./s3-emulation.ts";
export { createS3Emulation } from "./s3-emulation.ts";
