/** Linkspace conventions over packets (docs/spec/conventions.md). Layer 4. */
export type { BoundaryVerdict, PrivateMode } from "./boundary.ts";
export type {
  Claim,
  ClaimDraft,
  ClaimReason,
  ClaimVerdict,
  ReverseLink,
  ReverseTag,
  Vote,
} from "./claim.ts";
export type { ConventionsErrorCode } from "./errors.ts";
export type {
  HandshakeDeps,
  HandshakeOptions,
  HandshakeReason,
  HandshakeRefusal,
  HandshakeState,
  HandshakeStep,
} from "./handshake.ts";
export type { KeyDeps, OpenedKey, OpenKeyOptions } from "./key.ts";
export type { Name, NameReason } from "./name.ts";
export type { Place } from "./place.ts";
export type { Pull, PullReason, PullRefusal } from "./pull.ts";
export type {
  LiveClaim,
  NameResolver,
  NameResolverDeps,
  Resolution,
  ResolutionReason,
} from "./resolver.ts";
export type {
  AnswerStatus,
  StatusAnswerer,
  StatusDeps,
  WatchStatusOptions,
} from "./status-exchange.ts";
export type {
  StatusAnswer,
  StatusReason,
  StatusReply,
  StatusRequest,
  StatusSubject,
  StatusVerdict,
} from "./status.ts";
export type { VoteCount } from "./votes.ts";
export { createNames, withNames } from "./abe-names.ts";
export { acrossBoundary, checkBoundary, readerPrivateMode, writerPrivateMode } from "./boundary.ts";
export {
  authorityCountMax,
  buildClaim,
  buildReverseEntry,
  buildVote,
  claimAuthorities,
  claimEncKey,
  claimGroup,
  claimPublicKey,
  claimUntilMax,
  linkspaceRootHash,
  readClaim,
  readReverseEntry,
  readRootClaim,
  readVote,
  reverseLinkCountMax,
  reversePath,
} from "./claim.ts";
export { ConventionsError } from "./errors.ts";
export {
  awaitHandshake,
  handshakeDifferenceMicros,
  handshakePhase0,
  handshakePhase1,
  handshakePhase2,
  handshakePhase3,
  startHandshake,
  stepHandshake,
  unicastGroup,
} from "./handshake.ts";
export { changePassword, defaultKeyName, importKey, openKey } from "./key.ts";
export {
  checkName,
  isLocalName,
  nameBytesMax,
  nameDepthMax,
  nameGroup,
  nameToPath,
  pathToName,
  printName,
  toName,
} from "./name.ts";
export { buildPull, readPull, readPulls } from "./pull.ts";
export { createNameResolver, newestLocalClaim, setLocalClaim } from "./resolver.ts";
export { answerStatus, statusTimeoutMicros, watchStatus } from "./status-exchange.ts";
export {
  buildStatusReply,
  buildStatusRequest,
  defaultInstance,
  exchangeConnection,
  exchangeProcess,
  exchangePull,
  readStatus,
  statusPlace,
} from "./status.ts";
export { countVotes } from "./votes.ts";
