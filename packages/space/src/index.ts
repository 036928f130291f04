export type { Compaction } from "./compaction.ts";
export type { SpaceShelf } from "./shelf.ts";
export type { FoundSnapshot, SpaceSnapshots } from "./snap-log.ts";
export type { KeepOptions } from "./bodies.ts";
export type { BodyCalls } from "./body-calls.ts";
export type {
  BodyAdmission,
  BodyDepot,
  BodyDepotOptions,
  BodyFetch,
  BodyKeeper,
  BodyPeer,
  BodyQuota,
  BodyShelves,
} from "./body-depot.ts";
export type { AddressBook, LogAddress } from "./addresses.ts";
export type { SpaceRole } from "./about.ts";
export type { Broadcast, EphemeralChannel, EphemeralHub, EphemeralPipe } from "./ephemeral.ts";
export type { EventOptions } from "./events.ts";
export type { SpaceErrorCode, SpaceIdErrorCode } from "./errors.ts";
export type { ParsedSpaceId, SpaceId, SpaceIdBase, SpaceIdParts, SpaceVariant } from "./ids.ts";
export type { LogKeys } from "./key-book.ts";
export type { DataEnvelope, EventContent, OpenedEvent } from "./layers.ts";
export type { InviteLink, RawLink } from "./link.ts";
export type { Multiaddr, MultiaddrPart } from "./multiaddr.ts";
export type { OuterContent } from "./outer.ts";
export type { Place } from "./place.ts";
export type { Space } from "./space.ts";
export type { CreateRawOptions } from "./raw-spaces.ts";
export type { RawSpace } from "./raw-space.ts";
export type { RawQuotaOptions } from "./raw-usage.ts";
export type { CommittedLog, CreateOptions, DamagedSpace, JoinOptions, Spaces } from "./spaces.ts";
export type {
  AdmissionRequest,
  BodyProgress,
  AnnouncedAddress,
  Audience,
  BodyState,
  BodyStore,
  DetachedEventBody,
  DeviceIdentity,
  EntryRange,
  EntryRef,
  InviteOptions,
  QuarantineCause,
  OpenBodyOptions,
  QuarantinedRange,
  RawUsage,
  ReadEntry,
  SpaceBody,
  SpaceDraft,
  SpaceEvent,
  SpaceEventBatch,
  SpaceExplanation,
  SpaceGroup,
  SpaceMark,
  SpaceMember,
  SpacesDeps,
  SpacesOptions,
  SpaceState,
  SpaceStatus,
  SpaceWhy,
  SpaceWhyStep,
  SuiteStanding,
  TimelineItem,
  TimelineStatus,
} from "./types.ts";
export type { NameOf } from "./why.ts";
export { createBodyDepot } from "./body-depot.ts";
export { createAddressBook } from "./addresses.ts";
export {
  createBroadcastPipe,
  createEphemeralHub,
  ephemeralBytesMax,
  ephemeralSealedBytesMax,
} from "./ephemeral.ts";
export { SpaceError } from "./errors.ts";
export {
  createSpaceId,
  decodeSpaceId,
  formatSpaceId,
  genesisSpaceId,
  metadataKeyOf,
  parseSpaceId,
  randomSpaceId,
  spaceIdBytes,
  topicOf,
} from "./ids.ts";
export {
  bodyBytesMax,
  contentKeyAt,
  openEvent,
  parseEnvelope,
  recipientCountMax,
  sealOverheadBytesMax,
  sequenceBytesMax,
  typeBytesMax,
} from "./layers.ts";
export { formatInviteLink, formatRawLink, parseInviteLink, parseRawLink } from "./link.ts";
export {
  decapsulate,
  decodeMultiaddr,
  encapsulate,
  encodeMultiaddr,
  formatMultiaddr,
  parseMultiaddr,
  peerIdBytes,
  peerIdCid,
  peerIdPublicKey,
} from "./multiaddr.ts";
export { openOuter, sealOuter } from "./outer.ts";
export { paperNonce } from "./paper.ts";
export { rawQuota } from "./raw-usage.ts";
export { createSpaces } from "./spaces.ts";
export { explainWhy, shortName } from "./why.ts";
export { controlDomain, dataDomain, snapDomain } from "./words.ts";
