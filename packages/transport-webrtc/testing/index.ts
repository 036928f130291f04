export { createMemorySignalling } from "./memory-signalling.ts";
