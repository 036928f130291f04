export type {
  ByteCall,
  ByteFaults,
  ByteMedium,
  ByteMediumOptions,
  ByteOperation,
} from "./byte-medium.ts";
export { createByteMedium } from "./byte-medium.ts";
