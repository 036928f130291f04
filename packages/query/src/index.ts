export type {
  AbeContext,
  AbeFailure,
  AbeFailureCode,
  AbeList,
  AbeNames,
  AbePart,
  AbeVerdict,
} from "./abe/types.ts";
export type { QueryErrorCode } from "./errors.ts";
export type { AddOutcome, PacketStore, StoredPacket, TreeRow } from "./store/types.ts";
export type { BytesBounds, CompiledQuery, IntegerBounds, QueryLimits, QueryMode } from "./types.ts";
export { QueryError } from "./errors.ts";
